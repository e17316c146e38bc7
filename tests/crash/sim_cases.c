/* SPDX-License-Identifier: MIT
 * Deterministic runs that report, and those that end the process. */
#define _GNU_SOURCE
#define RN_SIM
#include "tests/crash/cases.h"

static rn_mutex mutex;

VISIBLE(void, locks_and_unlocks_twice, (void))
{
        rn_mutex_lock(&mutex);
        rn_mutex_unlock(&mutex);
        rn_mutex_unlock(&mutex);
        AFTERWARDS();
}

/* No outcome: the process ends, and says how to come there again. */
CASE(fatal_in_a_run)
{
        struct rn_sim_opts o = { .seed = 42 };

        rn_sim_run(&o, NULL, locks_and_unlocks_twice);
        say("came back\n");
}

VISIBLE(void, takes_both, (rn_mutex *a, rn_mutex *b))
{
        rn_mutex_lock(a);
        rn_mutex_lock(b);
        rn_mutex_unlock(b);
        rn_mutex_unlock(a);
}

static void crosses(void)
{
        static rn_mutex m[2];

        memset(m, 0, sizeof m);
        rn_go(takes_both, &m[0], &m[1]);
        rn_go(takes_both, &m[1], &m[0]);
}

CASE(deadlock_report)
{
        struct rn_sim_result r;

        rn_sim_explore(NULL, &r, crosses);
        result = r.outcome == -35 ? 7 : 1;
}

/* RUNNEL_SEED names one that does not fail. */
CASE(schedule_report)
{
        result = rn_sim_explore(NULL, NULL, crosses);
}

static rn_chan(int) channel;

static void waits_inside(void)
{
        rn_wait(channel);
}

static void sends_from_outside(void)
{
        while (!rn_try_send(channel, 1))
                rn_yield();
}

/* The run goes on until the other wakes one of its goroutines. */
static void waits_and_ticks(void)
{
        rn_go(waits_inside);
        for (;;)
                rn_yield();
}

CASE(woken_from_outside)
{
        struct rn_sim_opts o = { .max_steps = UINT64_MAX };

        channel = rn_make(int, 0);
        rn_go(sends_from_outside);
        rn_sim_run(&o, NULL, waits_and_ticks);
}

static void dumps(void)
{
        rn_go(waits_inside);
        rn_sim_wait();
        rn_dump(2);
        rn_close(channel);
}

CASE(dump_in_a_run)
{
        channel = rn_make(int, 0);
        result = rn_sim_run(NULL, NULL, dumps);
}

