/* SPDX-License-Identifier: MIT
 * Contexts and error groups where they go wrong: deadlocks in each of their waits, what a deadline
 * holds off, and panics that nobody catches. */
#define _GNU_SOURCE
#include "tests/crash/cases.h"

#include <errno.h>

static const char key;

/* -- deadlocks -- */

VISIBLE(void, waits_for_the_end, (const rn_ctx *ctx))
{
        rn_wait(rn_ctx_done(ctx));
        AFTERWARDS();
}

CASE(done)
{
        waits_for_the_end(rn_ctx_with_cancel(rn_ctx_background()));
}

CASE(done_of_background)
{
        waits_for_the_end(rn_ctx_background());
}

CASE(done_without_cancel)
{
        waits_for_the_end(rn_ctx_without_cancel(rn_ctx_with_timeout(rn_ctx_background(), RN_MSEC)));
}

VISIBLE(void, sleeps_in_a_context, (const rn_ctx *ctx))
{
        rn_ctx_sleep(ctx, RN_NEVER);
        AFTERWARDS();
}

CASE(sleep_without_end)
{
        sleeps_in_a_context(rn_ctx_with_cancel(rn_ctx_background()));
}

static void says_ended(rn_chan(int) c)
{
        say("ended\n");
        if (c)
                rn_send(c, 1);
}

CASE(deadline_holds_it_off)
{
        rn_ctx *ctx = rn_ctx_with_timeout(rn_ctx_background(), 200 * RN_MSEC);

        rn_unref(rn_ctx_after_func(ctx, says_ended, (rn_chan(int))NULL));
        blocked_in_receive(rn_make(int, 0));
}

CASE(deadline_saves_it)
{
        rn_ctx *ctx = rn_ctx_with_timeout(rn_ctx_background(), 200 * RN_MSEC);
        rn_chan(int) c = rn_make(int, 0);

        rn_unref(rn_ctx_after_func(rn_ctx_with_value(ctx, &key, c), says_ended, c));
        blocked_in_receive(c);
}

/* Nobody asks for it, and it may not hold off what comes after it. */
CASE(deadline_nobody_waits_for)
{
        if (rn_ctx_with_timeout(rn_ctx_background(), 200 * RN_MSEC))
                blocked_in_receive(rn_make(int, 0));
}

CASE(deadline_that_is_over_does_not_hold_it_off)
{
        rn_ctx *parent = rn_ctx_with_cancel(rn_ctx_background());
        rn_ctx *ctx = rn_ctx_with_timeout(rn_ctx_background(), 3600 * RN_SEC);

        if (!rn_ctx_with_timeout(parent, 3600 * RN_SEC))
                abort();
        rn_unref(rn_ctx_with_timeout(rn_ctx_background(), 3600 * RN_SEC));
        rn_ctx_cancel(ctx);
        rn_ctx_cancel(parent);
        blocked_in_receive(rn_make(int, 0));
}

VISIBLE(void, acquires_in_a_context, (rn_sem *s, int64_t n, rn_ctx *ctx))
{
        rn_sem_acquire_ctx(s, n, ctx);
        AFTERWARDS();
}

CASE(acquire)
{
        static rn_sem sem = RN_SEM(1);
        rn_ctx *ctx = rn_ctx_with_cancel(rn_ctx_background());

        acquires_in_a_context(&sem, 1, ctx);
        acquires_in_a_context(&sem, 1, ctx);
}

CASE(acquire_in_background)
{
        static rn_sem sem;

        acquires_in_a_context(&sem, 1, rn_ctx_background());
}

static int waits_for_ever(void)
{
        blocked_in_receive(rn_make(int, 0));
        return 0;
}

VISIBLE(void, goes_at_the_limit, (rn_group *g))
{
        rn_group_go(g, waits_for_ever);
        AFTERWARDS();
}

CASE(group_go)
{
        static rn_group g;

        rn_group_limit(&g, 1);
        goes_at_the_limit(&g);
        goes_at_the_limit(&g);
}

CASE(group_go_at_the_limit_of_none)
{
        static rn_group g;

        rn_group_limit(&g, 0);
        goes_at_the_limit(&g);
}

CASE(group_wait)
{
        static rn_group g;

        rn_group_go(&g, waits_for_ever);
        rn_group_wait(&g);
        AFTERWARDS();
}

/* -- panics -- */

VISIBLE(int, panics_in_a_group, (int number))
{
        rn_panic("boom, number %d", number);
}

CASE(group_goroutine_panics)
{
        rn_group g = { { 0 } };

        rn_maxprocs(2);
        rn_group_go(&g, panics_in_a_group, 7);
        rn_group_wait(&g);
        say("wait has returned\n");
}

VISIBLE(void, panics_when_it_ends, (int number))
{
        rn_panic("boom, number %d", number);
}

CASE(after_func_panics)
{
        rn_ctx *ctx = rn_ctx_with_cancel(rn_ctx_background());

        rn_unref(rn_ctx_after_func(ctx, panics_when_it_ends, 7));
        rn_ctx_cancel(ctx);
        rn_forever();
}

CASE(nil_parent)
{
        rn_ctx_with_cancel(NULL);
}

CASE(cancel_of_a_value)
{
        rn_ctx_cancel(rn_ctx_with_value(rn_ctx_background(), &key, NULL));
}

CASE(limit_while_active)
{
        static rn_group g;

        rn_group_go(&g, waits_for_ever);
        rn_group_limit(&g, 1);
}

/* -- fatal -- */

static void after_nothing(void)
{
        void (*none)(void) = NULL;

        rn_ctx_after_func(rn_ctx_background(), none);
}

CASE(after_func_nil)
{
        rn_pcall(NULL, after_nothing);
        say("caught\n");
}

static void goes_nowhere(bool try)
{
        static rn_group g;
        int (*none)(void) = NULL;

        if (try)
                rn_group_try_go(&g, none);
        else
                rn_group_go(&g, none);
}

CASE(group_go_nil)
{
        rn_pcall(NULL, goes_nowhere, false);
        say("caught\n");
}

CASE(group_try_go_nil)
{
        rn_pcall(NULL, goes_nowhere, true);
        say("caught\n");
}

CASE(group_go_at_the_limit_of_goroutines)
{
        static rn_group g;

        for (;;)
                goes_at_the_limit(&g);
}

/* -- what the tests of freeing rely on -- */

static __attribute__((noinline)) void leaks_some(void)
{
        for (int i = 0; i < 100; i++) {
                rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background()), *c = rn_ctx_with_cancel(p);

                rn_unref(rn_ctx_with_cancel(c));
                rn_unref(p);
                if (i % 2)
                        rn_ctx_cancel(c);   /* c is not given back */
        }
}

CASE(leaks_subtrees)
{
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, leaks_some);
        rn_wg_wait(&wg);
}
