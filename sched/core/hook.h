/* SPDX-License-Identifier: MIT
 * What core calls and others define: core never includes debug, nor what lies above it. Those of
 * sched/debug are safe in a signal handler, take no lock and allocate nothing, since they run while
 * the process dies. */
#ifndef RNI_CORE_HOOK_H
#define RNI_CORE_HOOK_H

#include <stdint.h>

struct rni_out;
struct sim;
struct m;

/* The caller's own stack, innermost first, from the frame that called into the runtime; from an
 * alternate signal stack through the interrupted frames. */
void rni_hook_trace(struct rni_out *o);
/* Every goroutine with state, wait reason and backtrace. The world is frozen, or nothing runs.
 * self: print the caller's goroutine too. */
void rni_hook_dump(struct rni_out *o, int self);
/* Up to n return addresses of the caller's stack, innermost first. Returns how many. Takes locks of
 * the unwinder's. */
unsigned rni_hook_frames(uintptr_t *pc, unsigned n);
/* The seed of a deterministic run and who ran when. */
void rni_hook_schedule(struct rni_out *o, const struct sim *s);
/* The same, headed by what the run came to, and every goroutine of it that is left. */
void rni_hook_sim_report(struct rni_out *o, const struct sim *s);

/* chan/parking: the goroutines of m's deterministic run wait for no mutex any more, since they are
 * about to go. */
void rni_hook_forget(const struct m *m);

#endif
