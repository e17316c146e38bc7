/* SPDX-License-Identifier: MIT
 * panic, pcall, defer and exit. A goroutine keeps two lists, both through frames of its own stack,
 * innermost first: what it deferred, and the marks that unwinding goes by: CATCH for each rn_pcall
 * in progress, PANIC for each panic under way (for the report), EXIT for an rn_exit. Nobody else
 * reads them.
 *
 * A panic runs what was deferred since the innermost CATCH, then throws to it; without one it runs
 * everything, prints the chain of panics and ends the process. If an EXIT lies between, the panic
 * came from a call that rn_exit runs: the catch point takes the panic but never returns, and the
 * exit goes on, as in Go a recover does not undo Goexit. rn_exit runs everything deferred and
 * passes through every CATCH. Only deferred calls run: cleanup attributes and C++ destructors do
 * not. */
#include "sched/core/panic.h"

#include <runnel/go.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sched/core/hook.h"
#include "sched/core/sim.h"

enum mark_kind { MARK_CATCH, MARK_PANIC, MARK_EXIT };

struct pcall {                     /* a mark */
        struct pcall *prev;
        enum mark_kind kind;
        struct catch_frame frame;          /* CATCH */
        struct rn_deferred *deferred;      /* CATCH: what was deferred outside */
        struct rn_recovered *out;          /* CATCH: may be NULL */
        const struct rn_recovered *what;   /* PANIC */
        bool again;                        /* PANIC: by rn_repanic */
};

struct deferred {                  /* the inside of struct rn_deferred */
        struct rn_deferred *prev;
        struct rn_call call;
};
_Static_assert(sizeof(struct deferred) <= sizeof(struct rn_deferred), "fits");

static struct deferred *inside(struct rn_deferred *d)
{
        return (struct deferred *)(void *)d;
}

/* -- defer -- */

void rn_defer_push(struct rn_deferred *d, const struct rn_call *call)
{
        struct g *g = rni_m()->g;

        inside(d)->call = *call;
        inside(d)->prev = g->u.run.defers;
        g->u.run.defers = d;
}

static void run_innermost(struct g *g)
{
        struct rn_deferred *d = g->u.run.defers;

        g->u.run.defers = inside(d)->prev;
        rni_call_run(&inside(d)->call);
}

static void run_until(struct g *g, const struct rn_deferred *end)
{
        while (g->u.run.defers != end)
                run_innermost(g);
}

void rn_defer_run(struct rn_deferred *d)
{
        struct g *g = rni_m()->g;

        if (unlikely(g->u.run.defers != d))
                rni_fatal("rn_defer: a scope ended on another goroutine, or out of order");
        run_innermost(g);
}

/* -- exit -- */

static _Noreturn void exit_now(struct g *g)
{
        struct pcall mark = { .prev = g->u.run.pcalls, .kind = MARK_EXIT };

        g->flags |= GF_EXITING;
        g->u.run.pcalls = &mark;
        run_until(g, NULL);
        rt_enter_locked();   /* to end it needs no P */
        rni_g_exit(0);
}

_Noreturn void rn_exit(void)
{
        struct m *m = rni_m();

        if (m->foreign)
                rni_runtime_panic("rn_exit on a plain thread");
        exit_now(m->g);
}

/* -- panic -- */

static void print_chain(struct rni_out *o, const struct pcall *mark)
{
        if (!mark)
                return;
        print_chain(o, mark->prev);
        if (mark->kind != MARK_PANIC)
                return;
        for (const struct pcall *outer = mark->prev; outer; outer = outer->prev)
                if (outer->kind == MARK_PANIC) {
                        rni_out_fmt(o, "\t");
                        break;
                }
        rni_out_fmt(o, "panic: %s%s\n", mark->what->text,
                    mark->again ? " [recovered, repanicked]" : "");
}

static _Noreturn rni_noinline void die_of_panic(struct g *g)
{
        struct rni_out o;

        rni_die_begin();
        rni_out_init(&o, 2);
        print_chain(&o, g->u.run.pcalls);
        rni_out_fmt(&o, "\n");
        rni_fatal_who(&o);
        rni_hook_trace(&o);
        rni_out_flush(&o);
        rni_die_end();
}

static _Noreturn rni_noinline void panic_with(const struct rn_recovered *what, bool again)
{
        struct g *g = rni_m()->g;
        struct pcall mark = {
                .prev = g->u.run.pcalls, .kind = MARK_PANIC, .what = what, .again = again
        };
        struct pcall *catch = g->u.run.pcalls;
        bool exiting = false;

        for (; catch && catch->kind != MARK_CATCH; catch = catch->prev)
                exiting |= catch->kind == MARK_EXIT;
        g->u.run.pcalls = &mark;
        run_until(g, catch ? catch->deferred : NULL);
        if (!catch && rni_self()->sim)
                rni_sim_panicked(rni_self(), what);
        if (!catch)
                die_of_panic(g);
        if (catch->out)
                *catch->out = *what;
        g->u.run.pcalls = catch->prev;
        if (exiting)
                exit_now(g);
#if RNI_ASAN
        __asan_handle_no_return();
#endif
        rni_catch_throw(&catch->frame);
}

void rn_panic(const char *fmt, ...)
{
        struct rn_recovered what = { 0, "" };
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(what.text, sizeof what.text, fmt, ap);
        va_end(ap);
        panic_with(&what, false);
}

void rni_runtime_panic(const char *fmt, ...)
{
        struct rn_recovered what = { 1, "" };
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(what.text, sizeof what.text, fmt, ap);
        va_end(ap);
        panic_with(&what, false);
}

void rn_repanic(const struct rn_recovered *p)
{
        struct rn_recovered what = *p;

        panic_with(&what, true);
}

/* -- pcall -- */

static void run_call(void *call)
{
        rni_call_run(call);
}

bool rn_pcall_into(struct rn_recovered *p, const struct rn_call *call)
{
        struct g *g = rni_m()->g;
        struct rn_call own = *call;
        struct pcall mark = {
                .prev = g->u.run.pcalls, .kind = MARK_CATCH, .deferred = g->u.run.defers, .out = p
        };
        bool thrown;

        if (!own.fn)
                rni_runtime_panic("invalid memory address or nil pointer dereference");
        g->u.run.pcalls = &mark;
        thrown = rni_catch(&mark.frame, run_call, &own) != 0;
        if (!thrown)
                g->u.run.pcalls = mark.prev;
        return !thrown;
}
