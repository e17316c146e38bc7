/* SPDX-License-Identifier: MIT
 * The timer heap from within: order, stale entries, sweeping, moving to another heap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sched/base/rand.h"
#include "sched/core/timer.h"

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
                struct g_list due = { NULL, NULL, 0 };

                rni_timers_due(&t, now, &due);
                for (struct g *g; (g = g_list_pop(&due)) != NULL; last = (int64_t)g->id)
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
        struct g_list due = { NULL, NULL, 0 };

        (void)state;
        rni_timers_init(&t);
        for (int i = 0; i < 3; i++)
                rni_timers_add(&t, &gs[i], 10 + i);
        assert_true(rni_claim(&gs[1]));    /* a partner was faster */
        rni_claim_begin(&gs[1]);           /* and it waits again, for something else */
        rni_timers_due(&t, 100, &due);
        assert_int_equal(due.n, 2);
        assert_ptr_equal(g_list_pop(&due), &gs[0]);
        assert_ptr_equal(g_list_pop(&due), &gs[2]);
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
        struct g_list due = { NULL, NULL, 0 };

        (void)state;
        rni_timers_init(&from);
        rni_timers_init(&to);
        for (int i = 0; i < MANY; i++)
                rni_timers_add(i % 3 ? &from : &to, &gs[i], MANY - i);
        rni_timers_move(&from, &to);
        assert_true(rni_timers_min(&from) == TIMER_NEVER);
        assert_int_equal(rni_timers_min(&to), 1);
        rni_timers_due(&to, MANY, &due);
        assert_int_equal(due.n, MANY);
        for (int i = MANY; i-- > 0;)
                assert_ptr_equal(g_list_pop(&due), &gs[i]);
        free(to.heap);
        free(gs);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(due_come_out_in_order_of_time),
                cmocka_unit_test(a_wait_that_ended_otherwise_does_not_fire),
                cmocka_unit_test(stale_entries_are_swept_before_they_pile_up),
                cmocka_unit_test(a_retired_heap_moves_whole),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
