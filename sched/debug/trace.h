/* SPDX-License-Identifier: MIT
 * Backtraces: of the caller's own stack and of stacks that nobody runs on. Everything is in two
 * static tracers, because it runs in signal handlers and on a dying process's last breath: no
 * malloc, no locks. Two are enough: rn_dump has at most one (the world is frozen by one thread at a
 * time), and the one thread that the process dies by may come while that is at work. Callers:
 * debug/dump. */
#ifndef RNI_DEBUG_TRACE_H
#define RNI_DEBUG_TRACE_H

#include "sched/core/g.h"
#include "sched/os/os.h"

struct tracer;

struct tracer *rni_trace_begin(void);               /* NULL: both are taken */
void rni_trace_end(struct tracer *t);
/* The calling function's own stack; `caller` is that function, of which nothing is shown. g: the
 * goroutine whose stack it is, NULL: none. */
void rni_trace_own(struct tracer *t, struct rni_out *o, void (*caller)(void), const struct g *g);
/* The stack of g, which is WAITING or RUNNABLE, has a stack and a saved context, and stays so. */
void rni_trace_parked(struct tracer *t, struct rni_out *o, const struct g *g);
/* What is at an address: a function's name; for n return addresses "rn_chan_send, called by
 * f+0x1c", the outermost of our public functions, or what `call` says it is. */
void rni_trace_name(struct tracer *t, struct rni_out *o, uintptr_t pc);
void rni_trace_place(struct tracer *t, struct rni_out *o, const char *call, const uintptr_t *pc,
                     unsigned n);
/* Head and stack of one goroutine; self: the one that runs here. dump.c */
void rni_dump_g(struct tracer *t, struct rni_out *o, const struct g *g, const struct g *self);
/* "started as": what g was started with. */
void rni_trace_start(struct tracer *t, struct rni_out *o, const struct g *g);

#endif
