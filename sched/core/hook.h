/* SPDX-License-Identifier: MIT
 * What core calls and sched/debug defines: core never includes debug. All of them are safe in a signal handler, take no lock and allocate
 * nothing, since they run while the process dies. */
#ifndef RNI_CORE_HOOK_H
#define RNI_CORE_HOOK_H

#include <stdint.h>

struct rni_out;

/* The caller's own stack, innermost first, from the frame that called into the runtime; from an alternate signal stack through the interrupted frames. */
void rni_hook_trace(struct rni_out *o);
/* Every goroutine with state, wait reason and backtrace. The world is frozen, or nothing runs. self: print the caller's goroutine too. */
void rni_hook_dump(struct rni_out *o, int self);

#endif
