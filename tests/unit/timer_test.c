/* SPDX-License-Identifier: MIT
 * The timer heap from within: order, stale entries, sweeping, moving to another heap; timers that
 * start, stop and fire; those of <runnel/time.h> whose fire is late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <runnel/chan.h>
#include <runnel/time.h>

#include "sched/base/rand.h"
#include "sched/core/sched.h"

enum { MANY = 5000 };

static struct g *sleepers(size_t n)
{
        struct g *gs = calloc(n, sizeof *gs);

        assert_non_null(gs);
        for (size_t i = 0; i < n; i++)
                rni_claim_begin(&gs[i]);
        return gs;
}

static void due_come_out_in_order_of_time(void **state)
{
        struct timers t;
        struct g *gs = sleepers(MANY);
        uint64_t rand = 7;
        int64_t last = -1;

        (void)state;
        rni_timers_init(&t);
        assert_true(rni_timers_min(&t) == TIMER_NEVER);
        for (int i = 0; i < MANY; i++) {
                gs[i].id = rni_rand_below(&rand, 1000);
                rni_timers_add(&t, &gs[i], (int64_t)gs[i].id);
        }
        for (int64_t now = 0; now < 1000; now += 10) {
                struct due due = { .n = 0 };

                rni_timers_due(&t, now, &due);
                for (struct g *g; (g = g_list_pop(&due.gs)) != NULL; last = (int64_t)g->id)
                        assert_true((int64_t)g->id >= last && (int64_t)g->id <= now);
                assert_true(rni_timers_min(&t) > now);
        }
        free(t.heap);
        free(gs);
}

static void a_wait_that_ended_otherwise_does_not_fire(void **state)
{
        struct timers t;
        struct g *gs = sleepers(3);
        struct due due = { .n = 0 };

        (void)state;
        rni_timers_init(&t);
        for (int i = 0; i < 3; i++)
                rni_timers_add(&t, &gs[i], 10 + i);
        assert_true(rni_claim(&gs[1]));    /* a partner was faster */
        rni_claim_begin(&gs[1]);           /* and it waits again, for something else */
        rni_timers_due(&t, 100, &due);
        assert_int_equal(due.gs.n, 2);
        assert_ptr_equal(g_list_pop(&due.gs), &gs[0]);
        assert_ptr_equal(g_list_pop(&due.gs), &gs[2]);
        assert_true(rni_claim(&gs[1]));    /* its new wait was not claimed by the old timer */
        free(t.heap);
        free(gs);
}

static void stale_entries_are_swept_before_they_pile_up(void **state)
{
        struct timers t;
        struct g *gs = sleepers(1);

        (void)state;
        rni_timers_init(&t);
        for (int i = 0; i < MANY; i++) {
                rni_claim_begin(gs);
                rni_timers_add(&t, gs, INT64_C(1) << 60);
                assert_true(rni_claim(gs));
                rni_timers_forget(gs);
        }
        assert_true(t.n < 200);
        assert_int_equal(rni_timers_sweep(&t), 0);
        assert_true(rni_timers_min(&t) == TIMER_NEVER);
        free(t.heap);
        free(gs);
}

static void a_retired_heap_moves_whole(void **state)
{
        struct timers from, to;
        struct g *gs = sleepers(MANY);
        struct due due = { .n = 0 };

        (void)state;
        rni_timers_init(&from);
        rni_timers_init(&to);
        for (int i = 0; i < MANY; i++)
                rni_timers_add(i % 3 ? &from : &to, &gs[i], MANY - i);
        rni_timers_move(&from, &to);
        assert_true(rni_timers_min(&from) == TIMER_NEVER);
        assert_int_equal(rni_timers_min(&to), 1);
        rni_timers_due(&to, MANY, &due);
        assert_int_equal(due.gs.n, MANY);
        for (int i = MANY; i-- > 0;)
                assert_ptr_equal(g_list_pop(&due.gs), &gs[i]);
        free(to.heap);
        free(gs);
}

/* -- struct timer -- */

struct thing {
        struct timer timer;
        int64_t when;
        bool going, fired;
};

static bool thing_hold(struct timer *t)
{
        return !container_of(t, struct thing, timer)->going;
}

static bool thing_awaited(struct timer *t)
{
        return container_of(t, struct thing, timer)->when % 2 != 0;
}

static const struct timer_class thing_class = { thing_hold, NULL, thing_awaited, NULL };

static struct thing *things(size_t n)
{
        struct thing *t = calloc(n, sizeof *t);

        assert_non_null(t);
        for (size_t i = 0; i < n; i++)
                t[i].timer.class = &thing_class;
        return t;
}

static void start(struct timers *h, struct thing *t, int64_t when)
{
        t->when = when;
        t->fired = false;
        rni_timers_start(h, &t->timer, when);
}

/* Everything due up to now, in batches; checks the order. Returns how many. */
static size_t fire_until(struct timers *h, int64_t now)
{
        int64_t last = INT64_MIN;
        size_t n = 0;

        while (rni_timers_min(h) <= now) {
                struct due due = { .n = 0 };

                rni_timers_due(h, now, &due);
                assert_true(due.n > 0 && due.n <= FIRE_BATCH);
                for (unsigned i = 0; i < due.n; i++, n++) {
                        struct thing *t = container_of(due.timers[i], struct thing, timer);

                        assert_true(t->when >= last && t->when <= now && !t->fired &&
                                    t->timer.home == 0);
                        last = t->when;
                        t->fired = true;
                }
        }
        return n;
}

/* Goroutines' waits lie between them, so that both kinds are moved about. */
static void timers_start_stop_and_fire_in_any_order(void **state)
{
        struct timers h;
        struct thing *t = things(MANY);
        struct g *gs = sleepers(MANY);
        uint64_t rand = 11;
        size_t pending = 0;

        (void)state;
        rni_timers_init(&h);
        for (int i = 0; i < MANY; i++)
                rni_timers_add(&h, &gs[i], 20000 + rni_rand_below(&rand, 1000));
        for (int i = 0; i < 20 * MANY; i++) {
                struct thing *one = &t[rni_rand_below(&rand, MANY)];
                bool was = one->timer.home != 0;

                assert_int_equal(rni_timer_stop(&one->timer), was);
                assert_false(rni_timer_stop(&one->timer));
                pending -= was;
                if (rni_rand_below(&rand, 3) > 0) {
                        start(&h, one, rni_rand_below(&rand, 10000));
                        pending++;
                }
                assert_int_equal(h.n - h.nvoid, MANY + pending);
        }
        assert_int_equal(fire_until(&h, 4999) + fire_until(&h, 10000), pending);
        assert_int_equal(h.n, MANY);
        assert_int_equal(h.nvoid, 0);
        free(h.heap);
        free(gs);
        free(t);
}

/* Here a hole in the midst is filled at once. */
static void a_small_heap_keeps_its_order(void **state)
{
        enum { SMALL = 30, TIMES = 100 };

        (void)state;
        for (uint64_t seed = 1; seed <= 50; seed++) {
                struct timers h;
                struct thing *t = things(SMALL);
                uint64_t rand = seed;
                size_t due[TIMES] = { 0 };

                rni_timers_init(&h);
                for (int i = 0; i < SMALL; i++)
                        start(&h, &t[i], rni_rand_below(&rand, TIMES));
                for (int i = 0; i < SMALL; i += 2) {
                        assert_true(rni_timer_stop(&t[i].timer));
                        due[t[i + 1].when]++;
                }
                assert_int_equal(h.n, SMALL / 2);
                for (int now = 0; now < TIMES; now++)
                        assert_int_equal(fire_until(&h, now), due[now]);
                free(h.heap);
                free(t);
        }
}

/* In every order: the void entries are at most as many as the others, and a few; the last ones
 * leave nothing behind. */
static void stopped_timers_are_swept_before_they_pile_up(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct timers h;
                struct thing *t = things(MANY);
                uint64_t rand = seed;

                rni_timers_init(&h);
                for (int i = 0; i < MANY; i++)
                        start(&h, &t[i], i);
                for (int left = MANY, first = 0; left > 0; left--) {
                        struct thing *one = &t[first];

                        if (seed > 1 && left > 1)   /* 1: always the first */
                                while (!(one = &t[rni_rand_below(&rand, MANY)])->timer.home)
                                        continue;
                        assert_true(rni_timer_stop(&one->timer));
                        while (first < MANY && !t[first].timer.home)
                                first++;
                        assert_true(rni_timers_min(&h) <= (first < MANY ? first : TIMER_NEVER));
                        if (h.n <= 32)
                                assert_int_equal(rni_timers_min(&h),
                                                 first < MANY ? first : TIMER_NEVER);
                        assert_int_equal(h.n - h.nvoid, left - 1);
                        assert_true(h.nvoid <= h.n / 2 + 32);
                }
                assert_int_equal(h.n, 0);
                free(h.heap);
                free(t);
        }
}

static void a_moved_heap_leaves_void_entries_behind(void **state)
{
        struct timers from, to;
        struct thing *t = things(60);

        (void)state;
        rni_timers_init(&from);
        rni_timers_init(&to);
        for (int i = 0; i < 60; i++)
                start(&from, &t[i], i);
        for (int i = 1; i < 20; i++)
                assert_true(rni_timer_stop(&t[i].timer));
        assert_true(from.nvoid > 0);
        rni_timers_move(&from, &to);
        assert_int_equal(to.n, 41);
        assert_int_equal(to.nvoid, 0);
        assert_int_equal(from.nvoid, 0);
        assert_int_equal(fire_until(&to, 60), 41);
        free(to.heap);
        free(t);
}

static void a_timer_whose_object_is_going_does_not_fire(void **state)
{
        struct timers h;
        struct thing *t = things(3);
        struct due due = { .n = 0 };

        (void)state;
        rni_timers_init(&h);
        for (int i = 0; i < 3; i++)
                start(&h, &t[i], 10 + i);
        t[1].going = true;
        rni_timers_due(&h, 100, &due);
        assert_int_equal(due.n, 2);
        assert_ptr_equal(due.timers[0], &t[0].timer);
        assert_ptr_equal(due.timers[1], &t[2].timer);
        assert_false(rni_timer_stop(&t[1].timer));
        free(h.heap);
        free(t);
}

static void only_what_can_make_somebody_run_counts_against_a_deadlock(void **state)
{
        struct timers h;
        struct thing *t = things(2);
        struct g *gs = sleepers(1);

        (void)state;
        rni_timers_init(&h);
        assert_false(rni_timers_awaited(&h));
        start(&h, &t[0], 2);
        assert_false(rni_timers_awaited(&h));
        start(&h, &t[1], 3);
        assert_true(rni_timers_awaited(&h));
        assert_true(rni_timer_stop(&t[1].timer));
        rni_timers_add(&h, gs, 9);
        assert_true(rni_timers_awaited(&h));
        assert_true(rni_claim(gs));
        assert_false(rni_timers_awaited(&h));
        free(h.heap);
        free(gs);
        free(t);
}

static void a_moved_timer_is_stopped_where_it_is(void **state)
{
        struct timers from, to;
        struct thing *t = things(MANY);

        (void)state;
        rni_timers_init(&from);
        rni_timers_init(&to);
        for (int i = 0; i < MANY; i++)
                start(i % 3 ? &from : &to, &t[i], MANY - i);
        rni_timers_move(&from, &to);
        for (int i = 0; i < MANY; i += 2)
                assert_true(rni_timer_stop(&t[i].timer));
        assert_int_equal(fire_until(&to, MANY), MANY / 2);
        for (int i = 0; i < MANY; i++)
                assert_int_equal(t[i].fired, i % 2);
        free(to.heap);
        free(t);
}

/* -- a fire that is on its way while the timer is started anew -- */

#define HOUR (3600 * RN_SEC)

/* Off the heap, as by an M that saw the clock say now. */
static struct timer *on_its_way(rn_time now)
{
        struct due due = { .n = 0 };

        for (unsigned i = 0;
             i < load_acq(&rni_sched.np) && due.n == 0; i++)   /* acq: pairs with rel in
                                                                * rni_procs_init */
                rni_timers_due(&rni_sched.allp[i]->timers, now, &due);
        assert_int_equal(due.n, 1);
        return due.timers[0];
}

static void fire(struct timer *t, rn_time now)
{
        rt_enter();
        t->class->fire(t, now);
        rt_leave();
}

static void a_late_fire_sends_nothing_after_a_reset_to_never(void **state)
{
        rn_timer *t = rn_timer_new(HOUR);
        rn_time now = rn_now() + 2 * HOUR, v;
        struct timer *late = on_its_way(now);

        (void)state;
        rn_timer_reset(t, RN_NEVER);
        fire(late, now);
        assert_int_equal(rn_try_recv(rn_timer_chan(t), &v), -EAGAIN);
        rn_unref(t);
}

/* Two are on their way: the older one's time is before what was set last. */
static void a_late_fire_leaves_the_value_to_the_one_that_is_due(void **state)
{
        rn_timer *t = rn_timer_new(HOUR);
        rn_time before = rn_now() + 2 * HOUR, after = before + 2 * HOUR, v;
        struct timer *late = on_its_way(before), *due;

        (void)state;
        rn_timer_reset(t, 3 * HOUR);
        due = on_its_way(after);
        fire(late, before);
        fire(due, after);
        assert_int_equal(rn_try_recv(rn_timer_chan(t), &v), 1);
        assert_true(v == after);
        rn_unref(t);
}

static void a_late_fire_does_not_set_a_ticker_back(void **state)
{
        rn_ticker *t = rn_ticker_new(HOUR);
        rn_time before = rn_now() + 2 * HOUR, after = before + 2 * HOUR, v;
        struct timer *late = on_its_way(before), *due;

        (void)state;
        rn_ticker_reset(t, 3 * HOUR);
        due = on_its_way(after);
        fire(late, before);
        fire(due, after);
        assert_int_equal(rn_try_recv(rn_ticker_chan(t), &v), 1);
        assert_true(v == after);
        assert_true(rni_earliest_deadline() > after);
        rn_unref(t);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(due_come_out_in_order_of_time),
                cmocka_unit_test(a_wait_that_ended_otherwise_does_not_fire),
                cmocka_unit_test(stale_entries_are_swept_before_they_pile_up),
                cmocka_unit_test(a_retired_heap_moves_whole),
                cmocka_unit_test(timers_start_stop_and_fire_in_any_order),
                cmocka_unit_test(a_small_heap_keeps_its_order),
                cmocka_unit_test(stopped_timers_are_swept_before_they_pile_up),
                cmocka_unit_test(a_moved_heap_leaves_void_entries_behind),
                cmocka_unit_test(a_timer_whose_object_is_going_does_not_fire),
                cmocka_unit_test(only_what_can_make_somebody_run_counts_against_a_deadlock),
                cmocka_unit_test(a_moved_timer_is_stopped_where_it_is),
                cmocka_unit_test(a_late_fire_sends_nothing_after_a_reset_to_never),
                cmocka_unit_test(a_late_fire_leaves_the_value_to_the_one_that_is_due),
                cmocka_unit_test(a_late_fire_does_not_set_a_ticker_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
