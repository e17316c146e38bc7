/* SPDX-License-Identifier: MIT
 * Ends of the process: what nobody can catch. The first to come here prints and exits with status
 * 2; everybody else who comes stands still. */
#ifndef RNI_CORE_FATAL_H
#define RNI_CORE_FATAL_H

#include "sched/base/cc.h"

struct rni_out;

/* "fatal error: TEXT", the caller's trace, exit status 2. For misuse that Go cannot recover from
 * either. */
_Noreturn void rni_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The runtime's own invariant is broken: "fatal error: runnel: TEXT", every goroutine, exit status
 * 2. */
_Noreturn void rni_throw(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Makes the caller the one who prints, stops the other Ms from resuming goroutines, and returns;
 * never returns to a second caller. */
void rni_die_begin(void);
_Noreturn void rni_die_end(void);

/* "goroutine 7 [running]:" or the thread's line, for the caller. */
void rni_fatal_who(struct rni_out *o);

#ifdef RNI_DEBUG
#define rni_assert(x) ((x) ? (void)0 : rni_throw("%s:%d: %s", __FILE__, __LINE__, #x))
#else
#define rni_assert(x) ((void)0)
#endif

#endif
