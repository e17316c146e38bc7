/* SPDX-License-Identifier: MIT
 * Every goroutine with its state, where it waits and how it came there: for rn_dump, SIGQUIT,
 * deadlock and whatever else ends the process. Invariant: the dump is written as it goes, one
 * goroutine after the other, and allocates and locks nothing. The descriptors are read without
 * locks from slabs that are never unmapped; the world stands still (core/freeze.c), so a G that is
 * WAITING or RUNNABLE stays so and its context is saved. */
#include <runnel/debug.h>

#include "sched/core/hook.h"
#include "sched/core/sched.h"
#include "sched/debug/trace.h"

#define WAIT_TEXT_(name, text) [WAIT_##name] = text,

const char *rni_wait_text(unsigned reason)
{
        static const char *const texts[] = { RNI_WAIT_REASONS(WAIT_TEXT_) };

        return reason < WAIT_COUNT_ ? texts[reason] : "waiting";
}

/* A fresh one that no stack could be had for is in no run queue, whatever its state says. */
static bool waits_for_stack(const struct g *g)
{
        return !g->stack && g->reason == WAIT_STACK &&
               load_rlx(&rni_sched.stack_waiters) != 0;   /* rlx: nobody runs */
}

static const char *state_text(const struct g *g, unsigned state)
{
        if (state == G_RUNNING)   /* the host of a deterministic run stands still where its engine
                                   * is */
                return g->reason == WAIT_SIM_HOST ? rni_wait_text(g->reason) : "running";
        if (state == G_RUNNABLE && !waits_for_stack(g))
                return "runnable";
        return rni_wait_text(g->reason);
}

/* Goroutine 1 has left its stack for good when main called rn_exit. */
static bool has_frames(const struct g *g)
{
        return g->stack &&
               !(g == rni_sched.g1 && load_rlx(&rni_sched.main_exited));   /* rlx: nobody runs */
}

static void print_head(struct rni_out *o, const struct g *g, unsigned state)
{
        rni_out_fmt(o, "\ngoroutine %lu ", (unsigned long)g->id);
        if (g->name)
                rni_out_fmt(o, "\"%s\" ", g->name);
        rni_out_fmt(o, "[%s]:\n", state_text(g, state));
}

void rni_dump_g(struct tracer *t, struct rni_out *o, const struct g *g, const struct g *self)
{
        unsigned state = load_acq(&g->state);   /* acq: pairs with rel in rni_post: its context is
                                                 * saved */

        if (state == G_DEAD)
                return;
        print_head(o, g, state);
        if (g == self)
                rni_trace_own(t, o, (void (*)(void))rni_hook_dump, g);
        else if (state == G_RUNNING)
                rni_out_fmt(o, g->reason == WAIT_SIM_HOST
                                       ? "(its stack is in use)\n"
                                       : "(running on another thread; stack unavailable)\n");
        else if (has_frames(g))
                rni_trace_parked(t, o, g);
        rni_trace_start(t, o, g);
}

/* The goroutine on whose stack, or in whose interruption, we are. */
static const struct g *running_here(void)
{
        struct m *m = rni_self();
        const struct g *g = m && !m->foreign ? m->g : NULL;

        return g && load_rlx(&g->state) == G_RUNNING ? g : NULL;   /* rlx: written on this thread */
}

void rni_hook_dump(struct rni_out *o, int self)
{
        const struct g *me = running_here(), *g1 = rni_sched.g1;
        struct tracer *t = rni_trace_begin();
        size_t n = rni_gslab_count();

        if (!t)
                return;
        if (g1 && (self || g1 != me))
                rni_dump_g(t, o, g1, me);
        for (size_t i = 0; i < n; i++) {
                const struct g *g = rni_gslab_at(i);

                if (g != g1 && (self || g != me))
                        rni_dump_g(t, o, g, me);
        }
        rni_trace_end(t);
}

void rn_dump(int fd)
{
        struct rni_out o;
        struct m *m;

        m = rt_enter();
        if (unlikely(m->g && !m->foreign && rni_stack_small(m->g->stack))) {
                rt_leave();
                rni_fatal("rn_dump on a stack of less than a page");
        }
        rni_freeze(false);
        rni_out_init(&o, fd);
        rni_hook_dump(&o, 1);
        rni_out_flush(&o);
        rni_thaw();
        rt_leave();
}
