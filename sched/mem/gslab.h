/* SPDX-License-Identifier: MIT
 * Goroutine descriptors: fixed-size slots in slabs that are never unmapped, so that a dump or a
 * late waker may read any descriptor that ever was. Slots have an index; the slab knows nothing of
 * what is in them but that pages of slots that were all given back read as zero. Callers:
 * core/gfree (batches for a P's free list) and debug/dump (iteration). Invariant: a slot below the
 * high-water mark stays mapped and aligned for ever. */
#ifndef RNI_MEM_GSLAB_H
#define RNI_MEM_GSLAB_H

#include "sched/base/atomic.h"

enum {
        RNI_GSLOT = 192,        /* bytes a descriptor slot takes; struct g asserts that it fits */
        RNI_GSLOT_ALIGN = RNI_GSLOT & -RNI_GSLOT,
        RNI_GSLAB_GIVE = 1024   /* how many can be given back at a time */
};

/* Takes up to n slots, those that were given back first, and stores their addresses in out[].
 * Returns how many; 0 when the memory limit is reached (see below). Whoever spawns a goroutine has
 * been promised its stack: as many stacks are mapped as there are descriptors, and the limit
 * follows the memory that can still be made resident, for their first pages. in_use_unbound:
 * descriptors handed out before whose stacks are not yet bound. Thread-safe. */
size_t rni_gslab_take(void **out, size_t n, size_t in_use_unbound);

/* Nobody uses these n <= RNI_GSLAB_GIVE slots; zero them or not, late readers have to find them
 * dead. Pages of which this leaves nothing in use go back to the system. One caller at a time. */
void rni_gslab_give(void *const *slots, size_t n);

size_t rni_gslab_count(void);           /* slots ever handed out: indices 0 .. count-1 are valid */
void  *rni_gslab_at(size_t index);      /* lock-free, any thread, any time */

#endif
