/* SPDX-License-Identifier: MIT
 * Goroutine descriptors: fixed-size slots in slabs that are never unmapped, so that a dump or a
 * late waker may read any descriptor that ever was. Slots have an index; the slab knows nothing of
 * what is in them but that the memory is zero when first handed out. Callers: core/spawn (batches
 * for a P's free list) and debug/dump (iteration). Invariant: a slot below the high-water mark
 * stays mapped and aligned for ever. */
#ifndef RNI_MEM_GSLAB_H
#define RNI_MEM_GSLAB_H

#include "sched/base/atomic.h"

enum { RNI_GSLOT = 256 };   /* bytes a descriptor slot takes; struct g asserts that it fits */

/* Takes up to n fresh slots and stores their addresses in out[]. Returns how many; 0 when the
 * memory limit is reached (see below). Whoever spawns a goroutine has been promised its stack: as
 * many stacks are mapped as there are descriptors, and the limit follows the memory that can still
 * be made resident, for their first pages. in_use_unbound: descriptors handed out before whose
 * stacks are not yet bound. Thread-safe. */
size_t rni_gslab_take(void **out, size_t n, size_t in_use_unbound);

size_t rni_gslab_count(void);           /* slots ever handed out: indices 0 .. count-1 are valid */
void  *rni_gslab_at(size_t index);      /* lock-free, any thread, any time */

#endif
