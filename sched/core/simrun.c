/* SPDX-License-Identifier: MIT
 * <runnel/sim.h>: options, one run, and one after the other until a run does not finish. The engine
 * is sim.c. A plain thread's run is made by a goroutine for it, since a run needs an M's stack
 * switching. */
#include <errno.h>
#include <stdlib.h>

#include "sched/core/hook.h"
#include "sched/core/panic.h"
#include "sched/core/sim.h"

enum { SCHEDULES = 1000, DEPTH = 3 };
#define MAX_STEPS UINT64_C(10000000)

/* What a caller asks for. */
struct order {
        struct rn_sim_opts o;
        const struct rn_call *call;
        bool explore, show;       /* show: the report is wanted of a run that finishes, too */
        struct rn_sim_result r;
        struct lock lock;         /* RANK_SYNC: done, waiter */
        bool done;
        struct g *waiter;         /* the plain thread, if it is parked */
};

static uint64_t env_seed(void)
{
        const char *env = rni_os_env("RUNNEL_SEED");

        return env ? strtoull(env, NULL, 10) : 0;
}

/* The defaults filled in. */
static void fill(struct order *order, const struct rn_sim_opts *o)
{
        struct rn_sim_opts *to = &order->o;

        if (o)
                *to = *o;
        if (to->seed == 0) {
                to->seed = env_seed();
                if (to->seed != 0 && order->explore) {
                        to->schedules = 1;
                        order->show = true;
                }
        }
        if (to->seed == 0)
                to->seed = 1;
        if (!order->explore)
                to->schedules = 1;
        else if (to->schedules == 0)
                to->schedules = SCHEDULES;
        if (to->max_steps == 0)
                to->max_steps = MAX_STEPS;
        if (to->report == 0)
                to->report = 2;
        if (to->depth == 0)
                to->depth = DEPTH;
        if (to->strategy < RN_SIM_RANDOM || to->strategy > RN_SIM_FIFO || to->depth < 1 ||
            to->depth > SIM_CHANGES + 1)
                rni_runtime_panic("simulation: strategy %d, depth %d: not known", to->strategy,
                                  to->depth);
}

static void report(const struct order *order, const struct sim *s)
{
        struct rni_out o;

        if (order->o.report < 0 || (s->outcome == 0 && !order->show))
                return;
        rni_out_init(&o, order->o.report);
        rni_hook_sim_report(&o, s);
        rni_out_flush(&o);
}

/* Entered, on a goroutine. */
static void make_runs(struct order *order, struct sim *s)
{
        s->o = order->o;
        for (uint64_t i = 0; i < order->o.schedules; i++) {
                rni_sim_one(s, order->o.seed + i, order->call);
                order->r = (struct rn_sim_result){ s->outcome, s->o.seed, s->steps, s->panic };
                report(order, s);
                rni_sim_clear(s);
                if (order->r.outcome != 0)
                        break;
        }
}

static void make(struct order *order)
{
        struct rn_call own = *order->call;   /* it lies where the next capture goes */
        struct sim *s = rni_sim_new();

        if (!s)
                rni_runtime_panic("out of memory for a simulation");
        order->call = &own;
        rt_enter();
        make_runs(order, s);
        rni_sim_free(s);
        rt_leave();
        rt_enter();   /* waits for a processor */
        rt_leave();
}

/* -- for a plain thread -- */

/* Entered; the goroutine is counted no more. The order is on the thread's stack, and gone when that
 * sees done. */
static void tell(void *arg, intptr_t result)
{
        struct order *order = arg;
        struct g *waiter;

        (void)result;
        lock_acquire(&order->lock, RANK_SYNC);
        order->done = true;
        waiter = order->waiter;
        san_release(order);
        lock_release_last(&order->lock, RANK_SYNC);
        if (waiter)
                rni_ready(waiter);
}

static void commit_unlock(struct g *g, void *arg)
{
        struct order *order = arg;

        order->waiter = g;
        lock_release_last(&order->lock, RANK_SYNC);
}

/* For who has no stack that fits. The goroutine is started first: a thread that is counted as
 * parked starts nothing any more, or what it is about to do would not stand against a deadlock. */
static void make_elsewhere(struct order *order)
{
        struct rn_call own = *order->call,
                       call = { .fn = (void (*)(void))make, .reg.i = { (uintptr_t)order } };

        order->call = &own;
        san_release(order);
        if (rni_spawn_call(&call, tell, order) != 0)
                rni_spawn_refused();
        rt_enter();
        lock_acquire(&order->lock, RANK_SYNC);
        if (order->done)
                lock_release(&order->lock, RANK_SYNC);
        else
                rni_park(commit_unlock, order, WAIT_SIM);
        rt_leave();
        san_acquire(order);
}

static int start(struct order *order, const struct rn_sim_opts *o, struct rn_sim_result *r)
{
        if (unlikely(!order->call->fn))
                rni_runtime_panic("invalid memory address or nil pointer dereference");
        rni_sim_refuse("a simulation");
        fill(order, o);
        if (rni_m()->foreign || rni_stack_small(rni_m()->g->stack))
                make_elsewhere(order);
        else
                make(order);
        if (r)
                *r = order->r;
        return order->r.outcome;
}

int rn_sim_call(const struct rn_sim_opts *o, struct rn_sim_result *r, const struct rn_call *call)
{
        struct order order = { .call = call };

        return start(&order, o, r);
}

int rn_sim_explore_call(const struct rn_sim_opts *o, struct rn_sim_result *r,
                        const struct rn_call *call)
{
        struct order order = { .call = call, .explore = true };

        return start(&order, o, r);
}
