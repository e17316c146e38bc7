/* SPDX-License-Identifier: MIT
 * WaitGroup: wait returns when, and not before, the counter is 0; the object may be gone the moment
 * it does. From goroutines and from plain threads. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include <limits.h>

static void done_after(rn_wg *wg, int yields)
{
        for (int i = 0; i < yields; i++)
                rn_yield();
        rn_wg_done(wg);
}

static void zero_value_is_ready_and_wait_returns_at_once(void)
{
        static rn_wg at_rest;
        rn_wg wg = { { 0 } };

        rn_wg_wait(&wg);
        rn_wg_wait(&at_rest);
        rn_wg_add(&wg, 0);
        rn_wg_wait(&wg);
}

static void wait_returns_when_the_counter_comes_to_0(void)
{
        rn_wg wg = { { 0 } };

        rn_wg_add(&wg, 3);
        rn_wg_add(&wg, -1);
        rn_wg_done(&wg);
        rn_wg_done(&wg);
        rn_wg_wait(&wg);
        rn_wg_add(&wg, 2);
        rn_go(done_after, &wg, 0);
        rn_go(done_after, &wg, 10);
        rn_wg_wait(&wg);
}

/* Go's own test: 16 wait for all 16, and the one who waits for them sees that none has passed
 * before the last done. */
static void meet(rn_wg *first, rn_wg *second, rn_chan(bool) out)
{
        rn_wg_done(first);
        rn_wg_wait(second);
        rn_send(out, true);
}

static void couple(rn_wg *first, rn_wg *second)
{
        enum { N = 16 };
        rn_chan(bool) out = rn_make(bool, N);
        bool passed;

        rn_wg_add(first, N);
        rn_wg_add(second, N);
        for (int i = 0; i < N; i++)
                rn_go(meet, first, second, out);
        rn_wg_wait(first);
        for (int i = 0; i < N; i++) {
                CHECK_EQ(rn_try_recv(out, &passed), -EAGAIN);
                rn_wg_done(second);
        }
        for (int i = 0; i < N; i++)
                CHECK(rn_get(out));
        rn_unref(out);
}

static void two_coupled_groups_of_16_are_used_8_times(void)
{
        rn_wg first = { { 0 } }, second = { { 0 } };

        for (int i = 0; i < 8; i++)
                couple(&first, &second);
}

static void add_to(int *n)
{
        (*n)++;
}

static void all_before_done_is_seen_after_wait(void)
{
        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                rn_wg wg = { { 0 } };
                int n[4] = { 0 };

                for (int k = 0; k < 4; k++)
                        rn_wg_go(&wg, add_to, &n[k]);
                rn_wg_wait(&wg);
                CHECK(n[0] == 1 && n[1] == 1 && n[2] == 1 && n[3] == 1);
        }
}

static void count_then_done(rn_wg *wg, atomic_int *n)
{
        atomic_fetch_add(n, 1);
        rn_wg_done(wg);
}

static void wait_does_not_return_before_the_last_done(void)
{
        rn_wg wg = { { 0 } };

        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                atomic_int n = 0;

                for (int k = 0; k < 3; k++) {
                        rn_wg_add(&wg, 1);
                        rn_go(count_then_done, &wg, &n);
                }
                rn_wg_wait(&wg);
                CHECK_EQ(n, 3);
        }
}

/* -- the memory of a WaitGroup belongs to the waiter again when wait returns -- */

enum { POISON = 0x5a };

static __attribute__((noinline)) void poison(volatile unsigned char *b, size_t n)
{
        for (size_t i = 0; i < n; i++)
                b[i] = POISON;
}

static __attribute__((noinline)) bool poisoned(const volatile unsigned char *b, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (b[i] != POISON)
                        return false;
        return true;
}

static void done_of(void *wg)
{
        rn_wg_done(wg);
}

static void round_on_the_stack(enum behave_kind kind, int n)
{
        union {
                rn_wg wg;
                unsigned char b[sizeof(rn_wg)];
        } u = { .wg = { { 0 } } };
        rn_wg all = { { 0 } };

        rn_wg_add(&u.wg, n);
        for (int i = 0; i < n; i++)
                behave_go(kind, &all, done_of, &u.wg);
        rn_wg_wait(&u.wg);
        poison(u.b, sizeof u);
        rn_yield();
        CHECK(poisoned(u.b, sizeof u));
        rn_wg_wait(&all);
        CHECK(poisoned(u.b, sizeof u));
}

static void nobody_touches_it_once_wait_has_returned(void)
{
        for (int i = 0; i < BEHAVE_SCALE(1000); i++)
                round_on_the_stack(GOROUTINE, 1 + i % 3);
}

static void nobody_touches_it_once_wait_has_returned_from_dones_on_threads(void)
{
        for (int i = 0; i < BEHAVE_SCALE(300); i++)
                round_on_the_stack(THREAD, 1 + i % 3);
}

static void may_be_freed_once_wait_has_returned(void)
{
        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                rn_wg *wg = calloc(1, sizeof *wg);

                if (!wg)
                        abort();
                rn_wg_add(wg, 2);
                rn_go(done_after, wg, i % 4);
                rn_go(rn_wg_done, wg);
                rn_wg_wait(wg);
                free(wg);
        }
}

static void wait_on(rn_wg *wg)
{
        rn_set_name("first waiter");
        rn_wg_wait(wg);
}

enum { CHASES = 32 };

union chased {
        rn_wg wg;
        unsigned char b[sizeof(rn_wg)];
};

static void done_one_by_one(union chased *u, atomic_int *at, int seed)
{
        for (int k = 0; k < CHASES; k++) {
                atomic_store(at, k + 1);
                for (volatile int i = (seed + k) % 40; i > 0; i--)
                        continue;
                rn_wg_done(&u[k].wg);
        }
}

/* Each has a waiter already, so its last done has somebody to release; another wait comes at the
 * same moment, finds the counter at 0 and takes the memory back. */
static void nobody_touches_it_once_a_wait_that_came_with_the_last_done_has_returned(void)
{
        for (int round = 0; round < BEHAVE_SCALE(100); round++) {
                union chased u[CHASES];
                atomic_int at = 0;
                rn_wg all = { { 0 } };

                memset(u, 0, sizeof u);
                for (int k = 0; k < CHASES; k++) {
                        rn_wg_add(&u[k].wg, 1);
                        rn_wg_go(&all, wait_on, &u[k].wg);
                }
                behave_until_parked("first waiter", CHASES);
                rn_wg_go(&all, done_one_by_one, u, &at, round);
                for (int k = 0; k < CHASES; k++) {
                        for (int i = 0; i < 100000 && atomic_load(&at) <= k; i++)
                                continue;
                        rn_wg_wait(&u[k].wg);
                        poison(u[k].b, sizeof u[k]);
                }
                rn_wg_wait(&all);
                for (int k = 0; k < CHASES; k++)
                        if (!CHECK(poisoned(u[k].b, sizeof u[k])))
                                return;
        }
}

/* -- many waiters -- */

struct crowd {
        rn_wg *wg;
        atomic_int waiting, passed;
        atomic_bool open;
};

static void wait_in_crowd(void *p)
{
        struct crowd *c = p;

        rn_set_name("crowd");
        atomic_fetch_add(&c->waiting, 1);
        rn_wg_wait(c->wg);
        CHECK(atomic_load(&c->open));
        atomic_fetch_add(&c->passed, 1);
}

static void release_crowd(int goroutines, int threads)
{
        rn_wg wg = { { 0 } }, all = { { 0 } };
        struct crowd c = { .wg = &wg };

        rn_wg_add(&wg, 2);
        for (int i = 0; i < goroutines; i++)
                behave_go(GOROUTINE, &all, wait_in_crowd, &c);
        for (int i = 0; i < threads; i++)
                behave_go(THREAD, &all, wait_in_crowd, &c);
        BEHAVE_UNTIL(atomic_load(&c.waiting) == goroutines + threads);
        behave_until_parked("crowd", goroutines);
        rn_wg_done(&wg);
        behave_turns();
        CHECK_EQ(atomic_load(&c.passed), 0);
        atomic_store(&c.open, true);
        rn_wg_done(&wg);
        rn_wg_wait(&all);
        CHECK_EQ(atomic_load(&c.passed), goroutines + threads);
}

static void many_goroutines_wait_together_and_all_are_released(void)
{
        release_crowd(300, 0);
}

static void goroutines_and_threads_wait_together_and_all_are_released(void)
{
        for (int i = 0; i < 5; i++)
                release_crowd(20, 4);
}

/* -- rn_wg_go -- */

static void set_sum(int a, double b, int *out)
{
        *out = a + (int)b;
}

static void wg_go_adds_starts_and_is_done_at_the_end(void)
{
        rn_wg wg = { { 0 } };
        int out[10];

        for (int i = 0; i < 10; i++)
                rn_wg_go(&wg, set_sum, i, 10.0 * i, &out[i]);
        rn_wg_wait(&wg);
        for (int i = 0; i < 10; i++)
                CHECK_EQ(out[i], 11 * i);
}

static void exits(atomic_int *n)
{
        atomic_fetch_add(n, 1);
        rn_exit();
}

static void wg_go_is_done_when_the_goroutine_exits(void)
{
        rn_wg wg = { { 0 } };
        atomic_int n = 0;

        for (int i = 0; i < 20; i++)
                rn_wg_go(&wg, exits, &n);
        rn_wg_wait(&wg);
        CHECK_EQ(n, 20);
}

static void nested(rn_wg *wg, int depth, atomic_int *n)
{
        atomic_fetch_add(n, 1);
        if (depth > 0)
                for (int i = 0; i < 3; i++)
                        rn_wg_go(wg, nested, wg, depth - 1, n);
}

static void counted_goroutines_may_add_more(void)
{
        rn_wg wg = { { 0 } };
        atomic_int n = 0;

        rn_wg_go(&wg, nested, &wg, 5, &n);
        rn_wg_wait(&wg);
        CHECK_EQ(n, 364);
}

/* -- misuse -- */

static void add_n(rn_wg *wg, int n)
{
        rn_wg_add(wg, n);
}

static void negative_counter_panics_and_leaves_it_usable(void)
{
        rn_wg wg = { { 0 } };

        CHECK_PANICS("sync: negative WaitGroup counter", rn_wg_done, &wg);
        CHECK_PANICS("sync: negative WaitGroup counter", add_n, &wg, -5);
        rn_wg_wait(&wg);
        rn_wg_add(&wg, 2);
        CHECK_PANICS("sync: negative WaitGroup counter", add_n, &wg, -3);
        rn_go(done_after, &wg, 3);
        rn_go(done_after, &wg, 0);
        rn_wg_wait(&wg);
}

/* The functions, of which most callers have the fast half inline. */
static void calls_and_their_inline_halves_go_together(void)
{
        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                rn_wg wg = { { 0 } };

                (rn_wg_add)(&wg, 2);
                rn_wg_add(&wg, 1);
                rn_go((rn_wg_done), &wg);
                rn_go(done_after, &wg, i % 4);
                (rn_wg_done)(&wg);
                rn_wg_wait(&wg);
        }
}

static void large_counts(void)
{
        enum { MOST = sizeof(void *) == 8 ? INT_MAX : (1 << 23) - 1 };
        rn_wg wg = { { 0 } };

        rn_wg_add(&wg, MOST);
        rn_wg_add(&wg, 1 - MOST);
        rn_go(done_after, &wg, 5);
        rn_wg_wait(&wg);
}

/* -- where it lies -- */

static void works_at_any_alignment_inside_a_struct(void)
{
        struct {
                char c;
                rn_wg wg;
        } odd = { .c = 'x' };
        _Alignas(64) uint64_t room[24] = { 0 };

        rn_wg_add(&odd.wg, 1);
        rn_wg_go(&odd.wg, done_after, &odd.wg, 1);
        rn_wg_wait(&odd.wg);
        for (size_t i = 0; i < 16; i++) {
                rn_wg *wg = (rn_wg *)(void *)&room[i];

                memset(room, 0, sizeof room);
                rn_wg_add(wg, 2);
                rn_go(done_after, wg, 2);
                rn_go(done_after, wg, 0);
                rn_wg_wait(wg);
        }
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(zero_value_is_ready_and_wait_returns_at_once),
        BEHAVE_BOTH(wait_returns_when_the_counter_comes_to_0),
        BEHAVE_BOTH(two_coupled_groups_of_16_are_used_8_times),
        BEHAVE_BOTH(all_before_done_is_seen_after_wait),
        BEHAVE_BOTH(wait_does_not_return_before_the_last_done),
        BEHAVE_BOTH(nobody_touches_it_once_wait_has_returned),
        BEHAVE_BOTH(nobody_touches_it_once_wait_has_returned_from_dones_on_threads),
        BEHAVE_BOTH(nobody_touches_it_once_a_wait_that_came_with_the_last_done_has_returned),
        BEHAVE_BOTH(may_be_freed_once_wait_has_returned),
        BEHAVE_BOTH(many_goroutines_wait_together_and_all_are_released),
        BEHAVE_BOTH(goroutines_and_threads_wait_together_and_all_are_released),
        BEHAVE_BOTH(wg_go_adds_starts_and_is_done_at_the_end),
        BEHAVE_BOTH(wg_go_is_done_when_the_goroutine_exits),
        BEHAVE_BOTH(counted_goroutines_may_add_more),
        BEHAVE_BOTH(negative_counter_panics_and_leaves_it_usable),
        BEHAVE_BOTH(calls_and_their_inline_halves_go_together),
        BEHAVE_BOTH(large_counts),
        BEHAVE_BOTH(works_at_any_alignment_inside_a_struct),
};

BEHAVE_MAIN(tests)
