/* SPDX-License-Identifier: MIT
 * What a deterministic run (core/sim.h) came to, for people: the seed that makes it again, who ran
 * when and what each turn ended with, and where those are who did not end. Callers: core, when a
 * run has not finished or is the process's end; nothing of the run goes on meanwhile. */
#include <errno.h>

#include "sched/core/hook.h"
#include "sched/core/sim.h"
#include "sched/debug/trace.h"

static const char *strategy_text(int strategy)
{
        switch (strategy) {
        case RN_SIM_RANDOM: return "random walk";
        case RN_SIM_PCT: return "PCT";
        default: return "FIFO";
        }
}

static void print_who(struct tracer *t, struct rni_out *o, const struct sim *s, uint64_t id)
{
        const struct sim_g *e = &s->gs[id - 1];

        rni_out_fmt(o, "goroutine %lu (", (unsigned long)id);
        if (e->name)
                rni_out_fmt(o, "%s", e->name);
        else
                rni_trace_name(t, o, (uintptr_t)e->fn);
        rni_out_fmt(o, ")");
}

static void print_event(struct tracer *t, struct rni_out *o, const struct sim *s,
                        const struct sim_event *e)
{
        rni_out_fmt(o, "step %lu: ", (unsigned long)e->step);
        if (e->what == SIM_TIME) {
                rni_out_fmt(o, "the clock goes to %lu ns\n", (unsigned long)e->id);
                return;
        }
        print_who(t, o, s, e->id);
        switch (e->what) {
        case SIM_GAVE_WAY:
                rni_out_fmt(o, " gives way in ");
                rni_trace_place(t, o, e->at, e->frame, e->nframes);
                rni_out_fmt(o, "\n");
                break;
        case SIM_YIELDED: rni_out_fmt(o, " yields\n"); break;
        case SIM_WAITS: rni_out_fmt(o, " waits: %s\n", rni_wait_text(e->reason)); break;
        case SIM_PANICKED: rni_out_fmt(o, " panics\n"); break;
        default: rni_out_fmt(o, " ends\n"); break;
        }
}

static void print_schedule(struct tracer *t, struct rni_out *o, const struct sim *s)
{
        uint64_t first = s->nlog > SIM_LOG ? s->nlog - SIM_LOG : 0;

        rni_out_fmt(o, "simulation: seed %lu (RUNNEL_SEED=%lu), %s", (unsigned long)s->o.seed,
                    (unsigned long)s->o.seed, strategy_text(s->o.strategy));
        if (s->o.strategy == RN_SIM_PCT)
                rni_out_fmt(o, " of depth %d", s->o.depth);
        rni_out_fmt(o, ", %lu steps\n", (unsigned long)s->steps);
        if (first)
                rni_out_fmt(o, "(%lu turns before these)\n", (unsigned long)first);
        for (uint64_t i = first; i < s->nlog; i++)
                print_event(t, o, s, &s->log[i % SIM_LOG]);
}

void rni_hook_schedule(struct rni_out *o, const struct sim *s)
{
        struct tracer *t = rni_trace_begin();

        if (!t)
                return;
        rni_out_fmt(o, "\n");
        print_schedule(t, o, s);
        rni_trace_end(t);
}

static void print_outcome(struct rni_out *o, const struct sim *s)
{
        switch (s->outcome) {
        case -EDEADLK:
                rni_out_fmt(o, "simulation: all goroutines are asleep - deadlock!\n");
                break;
        case -ECANCELED:
                rni_out_fmt(o, "simulation: panic in goroutine %lu: %s\n",
                            (unsigned long)s->panicked, s->panic.text);
                break;
        case -ETIME:
                rni_out_fmt(o, "simulation: no end after %lu steps\n", (unsigned long)s->steps);
                break;
        default:
                rni_out_fmt(o, "simulation: all goroutines have ended\n");
                break;
        }
}

void rni_hook_sim_report(struct rni_out *o, const struct sim *s)
{
        struct tracer *t = rni_trace_begin();

        print_outcome(o, s);
        if (!t)
                return;
        print_schedule(t, o, s);
        for (size_t i = 0; i < s->ngs; i++)
                if (s->gs[i].g)
                        rni_dump_g(t, o, s->gs[i].g, NULL);
        rni_trace_end(t);
}
