/* SPDX-License-Identifier: MIT
 * The run queue from within: order, overflow, stealing half, and its promise under real stealers:
 * each G comes out exactly once, and a queue that holds work is never seen empty. And who knows of
 * the stealers. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <runnel/go.h>

#include "sched/core/runq.h"
#include "sched/core/sched.h"

enum { ITEMS = 200000, STEALERS = 2 };

static bool alone;   /* whether the holders know of no stealers */

static struct runq *queue_new(void)
{
        struct runq *q = aligned_alloc(RNI_APART, sizeof *q);

        assert_non_null(q);
        *q = (struct runq){ .shared = !alone };
        return q;
}

static int with_stealers(void **state)
{
        (void)state;
        alone = false;
        return 0;
}

static int without_stealers(void **state)
{
        (void)state;
        alone = true;
        return 0;
}

static void runs_in_order_and_refuses_when_full(void **state)
{
        static struct g gs[RUNQ_SIZE + 1];
        struct runq *q = queue_new();

        (void)state;
        for (int i = 0; i < RUNQ_SIZE; i++)
                assert_true(runq_put(q, &gs[i]));
        assert_false(runq_put(q, &gs[RUNQ_SIZE]));
        for (int i = 0; i < RUNQ_SIZE; i++)
                assert_ptr_equal(runq_get(q), &gs[i]);
        assert_null(runq_get(q));
        assert_true(rni_runq_empty(q));
        free(q);
}

static void runnext_pushes_out_what_was_there(void **state)
{
        static struct g a, b;
        struct runq *q = queue_new();

        (void)state;
        assert_null(runq_put_next(q, &a));
        assert_false(rni_runq_empty(q));
        assert_ptr_equal(runq_put_next(q, &b), &a);
        assert_ptr_equal(runq_take_next(q), &b);
        assert_null(runq_take_next(q));
        free(q);
}

static void overflow_takes_the_older_half(void **state)
{
        static struct g gs[RUNQ_SIZE];
        struct runq *q = queue_new();
        struct g *half[RUNQ_SIZE / 2];

        (void)state;
        for (int i = 0; i < RUNQ_SIZE - 1; i++)
                assert_true(runq_put(q, &gs[i]));
        assert_false(rni_runq_take_half(q, half));   /* not full: a stealer was faster */
        assert_true(runq_put(q, &gs[RUNQ_SIZE - 1]));
        assert_true(rni_runq_take_half(q, half));
        for (int i = 0; i < RUNQ_SIZE / 2; i++)
                assert_ptr_equal(half[i], &gs[i]);
        assert_ptr_equal(runq_get(q), &gs[RUNQ_SIZE / 2]);
        free(q);
}

static void a_thief_takes_half_rounded_up_and_runnext_last(void **state)
{
        static struct g gs[5], next;
        struct runq *mine = queue_new(), *victim = queue_new();

        (void)state;
        for (int i = 0; i < 5; i++)
                assert_true(runq_put(victim, &gs[i]));
        assert_null(runq_put_next(victim, &next));
        assert_ptr_equal(rni_runq_steal(mine, victim, true), &gs[2]);   /* the last of three */
        assert_int_equal(runq_len(mine), 2);
        assert_int_equal(runq_len(victim), 2);
        assert_ptr_equal(runq_get(mine), &gs[0]);
        assert_ptr_equal(runq_get(mine), &gs[1]);
        while (runq_get(victim))
                continue;
        assert_null(rni_runq_steal(mine, victim, false));
        assert_ptr_equal(rni_runq_steal(mine, victim, true), &next);
        free(mine);
        free(victim);
}

/* -- with thieves -- */

static struct runq *shared;
static struct g *items;
static unsigned *seen;
static a32 finished, misses;

static void take(struct g *g)
{
        if (g)
                __atomic_fetch_add(&seen[g - items], 1, __ATOMIC_RELAXED);
}

static void *thief(void *arg)
{
        struct runq *own = queue_new();

        (void)arg;
        while (!load_acq(&finished)) {   /* acq: with the owner's rel */
                take(rni_runq_steal(own, shared, true));
                for (struct g *g; (g = runq_get(own)) != NULL;)
                        take(g);
        }
        free(own);
        return NULL;
}

/* Puts and takes in bursts of all sizes. */
static void *owner(void *arg)
{
        size_t next = 0;
        unsigned burst = 0;

        (void)arg;
        while (next < ITEMS) {
                burst = burst * 5 % 257 + 1;
                for (unsigned i = 0; i < burst && next < ITEMS; i++) {
                        struct g *out = &items[next++];

                        if (next % 3 == 0)
                                out = runq_put_next(shared, out);
                        while (out && !runq_put(shared, out))
                                take(runq_get(shared));
                }
                for (unsigned i = 0; i < burst / 2; i++)
                        take(next % 2 ? runq_take_next(shared) : runq_get(shared));
        }
        for (struct g *g; (g = runq_get(shared)) != NULL || (g = runq_take_next(shared)) != NULL;)
                take(g);
        return NULL;
}

static void each_comes_out_exactly_once_under_thieves(void **state)
{
        pthread_t own, thieves[STEALERS];

        (void)state;
        shared = queue_new();
        items = calloc(ITEMS, sizeof *items);
        seen = calloc(ITEMS, sizeof *seen);
        assert_true(items && seen);
        store_rlx(&finished, 0);   /* rlx: no thread yet */
        for (int i = 0; i < STEALERS; i++)
                assert_int_equal(pthread_create(&thieves[i], NULL, thief, NULL), 0);
        assert_int_equal(pthread_create(&own, NULL, owner, NULL), 0);
        pthread_join(own, NULL);
        store_rel(&finished, 1);   /* rel: thieves may end; what they hold they count first */
        for (int i = 0; i < STEALERS; i++)
                pthread_join(thieves[i], NULL);
        for (int i = 0; i < ITEMS; i++)
                assert_int_equal(seen[i], 1);
        free(shared);
        free(items);
        free(seen);
}

static void *watcher(void *arg)
{
        (void)arg;
        while (!load_acq(&finished))   /* acq: with the owner's rel */
                if (rni_runq_empty(shared))
                        fetch_add(&misses, 1);
        return NULL;
}

/* Two Gs change places between ring and runnext; there is never none. */
static void a_queue_that_holds_work_is_never_seen_empty(void **state)
{
        static struct g a, b;
        pthread_t t;

        (void)state;
        shared = queue_new();
        store_rlx(&finished, 0);   /* rlx: no thread yet */
        runq_put_next(shared, &a);
        assert_int_equal(pthread_create(&t, NULL, watcher, NULL), 0);
        for (int i = 0; i < ITEMS; i++) {
                struct g *out = runq_put_next(shared, i % 2 ? &a : &b);

                assert_non_null(out);
                assert_true(runq_put(shared, out));   /* between the two it is in no queue, but
                                                       * runnext is full */
                assert_ptr_equal(runq_get(shared), out);
        }
        store_rel(&finished, 1);   /* rel: pairs with the watcher's acq */
        pthread_join(t, NULL);
        assert_int_equal(load_rlx(&misses), 0);   /* rlx: joined */
        free(shared);
}

/* Before there is a second P, and for good. */
static void who_holds_the_first_is_told_of_the_others(void **state)
{
        (void)state;
        rn_maxprocs(1);
        assert_int_equal(load_rlx(&rni_sched.np), 1);   /* rlx: nobody else here */
        assert_false(runq_shared(&rni_sched.allp[0]->runq));
        rn_maxprocs(3);
        assert_int_equal(load_rlx(&rni_sched.np), 3);   /* rlx: as above */
        rn_maxprocs(1);
        for (int i = 0; i < 3; i++)
                assert_true(runq_shared(&rni_sched.allp[i]->runq));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(runs_in_order_and_refuses_when_full, with_stealers),
                cmocka_unit_test_setup(runnext_pushes_out_what_was_there, with_stealers),
                cmocka_unit_test_setup(overflow_takes_the_older_half, with_stealers),
                { "runs_in_order, alone", runs_in_order_and_refuses_when_full,
                  without_stealers, NULL, NULL },
                { "runnext_pushes_out, alone", runnext_pushes_out_what_was_there,
                  without_stealers, NULL, NULL },
                { "overflow_takes_the_older_half, alone", overflow_takes_the_older_half,
                  without_stealers, with_stealers, NULL },
                cmocka_unit_test(a_thief_takes_half_rounded_up_and_runnext_last),
                cmocka_unit_test(each_comes_out_exactly_once_under_thieves),
                cmocka_unit_test(a_queue_that_holds_work_is_never_seen_empty),
                cmocka_unit_test(who_holds_the_first_is_told_of_the_others),
        };

        setenv("RUNNEL_MAXPROCS", "1", 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
