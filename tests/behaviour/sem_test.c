/* SPDX-License-Identifier: MIT
 * The weighted semaphore: how many permits are left, first come first served however many are
 * wanted, and deadlines. From goroutines and from plain threads. Load, the order of memory and the
 * object's end are in sem_stress_test.c, the misuse that ends the process in tests/crash. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include <errno.h>

enum { LONG = 3600 };   /* seconds: a deadline that is not meant to come */

/* Nobody has any of the n. */
static bool all_are_left(rn_sem *s, int64_t n)
{
        if (!rn_sem_tryacquire(s, n))
                return false;
        rn_sem_release(s, n);
        return true;
}

/* -- numbers -- */

static void zero_value_has_no_permits(void)
{
        static rn_sem at_rest;
        rn_sem s = { { 0 } };

        CHECK(!rn_sem_tryacquire(&at_rest, 1));
        CHECK(!rn_sem_tryacquire(&s, 1));
        CHECK(rn_sem_tryacquire(&s, 0));
        CHECK_EQ(rn_sem_acquire_until(&s, 1, RN_NEVER), -EDOM);
        rn_sem_acquire(&s, 0);
        rn_sem_release(&s, 0);
}

static void initialised_at_rest_or_by_init(void)
{
        static rn_sem at_rest = RN_SEM(4);
        rn_sem s = RN_SEM(7);

        CHECK(all_are_left(&at_rest, 4));
        CHECK(!rn_sem_tryacquire(&at_rest, 5));
        CHECK(all_are_left(&s, 7));
        rn_sem_init(&s, 2);
        CHECK(all_are_left(&s, 2));
        CHECK(!rn_sem_tryacquire(&s, 3));
        rn_sem_init(&s, 0);
        CHECK(!rn_sem_tryacquire(&s, 1));
}

static void tryacquire_takes_what_is_left_and_no_more(void)
{
        rn_sem s = RN_SEM(2);

        CHECK(rn_sem_tryacquire(&s, 1));
        CHECK(!rn_sem_tryacquire(&s, 2));
        CHECK(rn_sem_tryacquire(&s, 1));
        CHECK(!rn_sem_tryacquire(&s, 1));
        CHECK(rn_sem_tryacquire(&s, 0));
        rn_sem_release(&s, 2);
        CHECK(!rn_sem_tryacquire(&s, 3));
        CHECK(rn_sem_tryacquire(&s, 2));
        rn_sem_release(&s, 1);
        rn_sem_release(&s, 1);
        CHECK(all_are_left(&s, 2));
}

static void large_numbers_do_not_overflow(void)
{
        rn_sem s = RN_SEM(INT64_MAX);

        rn_sem_acquire(&s, INT64_MAX - 1);
        CHECK(!rn_sem_tryacquire(&s, INT64_MAX));
        CHECK(!rn_sem_tryacquire(&s, 2));
        CHECK(rn_sem_tryacquire(&s, 1));
        CHECK_EQ(rn_sem_acquire_until(&s, INT64_MAX, rn_now()), -ETIMEDOUT);
        rn_sem_release(&s, INT64_MAX);
        CHECK_EQ(rn_sem_acquire_until(&s, INT64_MAX, RN_NEVER), 0);
}

static void negative_numbers_panic_and_change_nothing(void)
{
        static const char text[] = "semaphore: negative number of permits";
        rn_sem s = RN_SEM(3);

        CHECK_PANICS(text, rn_sem_acquire, &s, -1);
        CHECK_PANICS(text, rn_sem_acquire_until, &s, -1, RN_NEVER);
        CHECK_PANICS(text, rn_sem_tryacquire, &s, INT64_MIN);
        CHECK_PANICS(text, rn_sem_release, &s, -1);
        CHECK(all_are_left(&s, 3));
        CHECK_PANICS(text, rn_sem_init, &s, -1);
        CHECK(all_are_left(&s, 3));
}

static void a_semaphore_of_a_negative_number_panics_at_its_first_use(void)
{
        static const char text[] = "semaphore: negative number of permits";
        static rn_sem at_rest = RN_SEM(-1);
        rn_sem s = RN_SEM(INT64_MIN);

        for (int i = 0; i < 2; i++) {
                rn_sem *one = i ? &s : &at_rest;

                CHECK_PANICS(text, rn_sem_acquire, one, 0);
                CHECK_PANICS(text, rn_sem_acquire, one, 1);
                CHECK_PANICS(text, rn_sem_acquire_until, one, 1, RN_NEVER);
                CHECK_PANICS(text, rn_sem_acquire_until, one, 0, 0);
                CHECK_PANICS(text, rn_sem_acquire_ctx, one, 1, (const rn_ctx *)rn_ctx_background());
                CHECK_PANICS(text, rn_sem_tryacquire, one, 0);
                CHECK_PANICS("semaphore: released more than held", rn_sem_release, one, 1);
        }
        rn_sem_init(&s, 1);
        CHECK(all_are_left(&s, 1));
}

static void release_of_more_than_is_held_panics_and_changes_nothing(void)
{
        rn_sem s = RN_SEM(3);

        CHECK_PANICS("semaphore: released more than held", rn_sem_release, &s, 1);
        rn_sem_acquire(&s, 2);
        CHECK_PANICS("semaphore: released more than held", rn_sem_release, &s, 3);
        CHECK(!rn_sem_tryacquire(&s, 2));
        rn_sem_release(&s, 2);
        CHECK(all_are_left(&s, 3));
}

/* -- who waits -- */

struct queue {
        rn_sem s;
        const char *name;
        rn_mutex mu;
        int order[64], passed;   /* guarded */
        int64_t n;               /* that each wants */
        rn_time until;           /* 0: acquire without one */
};

static void acquire_as(struct queue *q, int who, int64_t n)
{
        rn_set_name(q->name);
        if (q->until)
                CHECK_EQ(rn_sem_acquire_until(&q->s, n, q->until), 0);
        else
                rn_sem_acquire(&q->s, n);
        rn_mutex_lock(&q->mu);
        if (q->passed < 64)
                q->order[q->passed] = who;
        q->passed++;
        rn_mutex_unlock(&q->mu);
}

static void acquire_some(void *arg)
{
        struct queue *q = arg;

        acquire_as(q, 0, q->n);
}

static int passed(struct queue *q)
{
        int n;

        rn_mutex_lock(&q->mu);
        n = q->passed;
        rn_mutex_unlock(&q->mu);
        return n;
}

static rn_time far(int way)
{
        return way == 0 ? 0 : way == 1 ? RN_NEVER : rn_deadline(LONG * RN_SEC);
}

static void a_waiter_is_shown_in_acquire(void)
{
        for (int way = 0; way < 3; way++) {
                struct queue q = {
                        .s = RN_SEM(1), .name = "shown in acquire", .n = 1, .until = far(way)
                };
                rn_wg wg = { { 0 } };

                rn_sem_acquire(&q.s, 1);
                behave_crowd(&wg, 1, 0, acquire_some, &q);
                behave_until_parked(q.name, 1);
                CHECK_EQ(behave_parked(q.name, "semaphore.Acquire"), 1);
                rn_sem_release(&q.s, 1);
                rn_wg_wait(&wg);
                CHECK(!rn_sem_tryacquire(&q.s, 1));
        }
}

static void nobody_passes_before_the_release_and_all_do_after_it(void)
{
        for (int way = 0; way < 3; way++) {
                int n = 300;
                struct queue q = { .name = "crowd at a semaphore", .n = 2, .until = far(way) };
                rn_wg wg = { { 0 } };

                rn_sem_init(&q.s, 2 * (n + 3));
                rn_sem_acquire(&q.s, 2 * (n + 3));
                behave_crowd(&wg, n, 3, acquire_some, &q);
                behave_until_parked(q.name, n);
                CHECK_EQ(passed(&q), 0);
                rn_sem_release(&q.s, 2 * (n + 3));
                rn_wg_wait(&wg);
                CHECK_EQ(q.passed, n + 3);
                CHECK(!rn_sem_tryacquire(&q.s, 1));
                rn_sem_release(&q.s, 2 * (n + 3));
        }
}

static void release_some(void *arg)
{
        struct queue *q = arg;

        rn_sem_release(&q->s, q->n);
}

static void another_goroutine_or_thread_may_release(void)
{
        for (int i = 0; i < BEHAVE_SCALE(100); i++) {
                struct queue q = { .s = RN_SEM(3), .n = 3 };
                rn_wg wg = { { 0 } };

                rn_sem_acquire(&q.s, 3);
                behave_go(i % 8 ? GOROUTINE : THREAD, &wg, release_some, &q);
                rn_sem_acquire(&q.s, 3);
                rn_wg_wait(&wg);
                CHECK(!rn_sem_tryacquire(&q.s, 1));
        }
}

struct meeting {
        rn_sem s;
        atomic_int inside;
        int n;
};

static void meet(void *arg)
{
        struct meeting *m = arg;

        rn_sem_acquire(&m->s, 2);
        atomic_fetch_add(&m->inside, 1);
        BEHAVE_UNTIL(atomic_load(&m->inside) >= m->n);
        rn_sem_release(&m->s, 2);
}

static void as_many_meet_inside_as_there_is_room_for(void)
{
        for (int n = 1; n <= 5; n++) {
                struct meeting m = { .n = n };
                rn_wg wg = { { 0 } };

                rn_sem_init(&m.s, 2 * n + 1);
                behave_crowd(&wg, n, 1, meet, &m);
                rn_wg_wait(&wg);
                CHECK(all_are_left(&m.s, 2 * n + 1));
        }
}

/* -- first come, first served -- */

/* Permit by permit: as many have passed as fit from the front of the queue. */
static void in_order(int way, uint64_t *random)
{
        enum { N = 16 };
        struct queue q = { .name = "in order", .until = far(way) };
        int64_t want[N], all = 0, fits = 0;
        int next = 0;
        rn_wg wg = { { 0 } };

        for (int i = 0; i < N; i++)
                all += want[i] = 1 + behave_below(random, 5);
        rn_sem_init(&q.s, all);
        rn_sem_acquire(&q.s, all);
        for (int i = 0; i < N; i++) {
                rn_wg_go(&wg, acquire_as, &q, i, want[i]);
                behave_until_parked(q.name, i + 1);
        }
        for (int64_t left = 1; left <= all; left++) {
                rn_sem_release(&q.s, 1);
                if (left == fits + want[next])
                        fits += want[next++];
                else
                        CHECK(!rn_sem_tryacquire(&q.s, 1));
                BEHAVE_UNTIL(passed(&q) >= next);
                CHECK_EQ(passed(&q), next);
        }
        rn_wg_wait(&wg);
        for (int i = 0; i < N; i++)
                CHECK_EQ(q.order[i], i);
        CHECK(!rn_sem_tryacquire(&q.s, 1));
}

static void first_come_first_served_whatever_is_wanted(void)
{
        uint64_t random = behave_stream(1);

        for (int i = 0; i < 3; i++)
                in_order(i, &random);
}

static void nobody_takes_a_permit_past_the_queue(void)
{
        struct queue q = { .s = RN_SEM(3), .name = "wants all", .n = 3 };
        rn_wg wg = { { 0 } };

        rn_sem_acquire(&q.s, 1);
        behave_crowd(&wg, 1, 0, acquire_some, &q);
        behave_until_parked(q.name, 1);
        CHECK(!rn_sem_tryacquire(&q.s, 1));
        CHECK(!rn_sem_tryacquire(&q.s, 0));
        CHECK_EQ(rn_sem_acquire_until(&q.s, 1, rn_now()), -ETIMEDOUT);
        CHECK_EQ(rn_sem_acquire_until(&q.s, 1, rn_deadline(RN_MSEC)), -ETIMEDOUT);
        CHECK_EQ(passed(&q), 0);
        rn_sem_release(&q.s, 1);
        rn_wg_wait(&wg);
        CHECK(rn_sem_tryacquire(&q.s, 0));
        rn_sem_release(&q.s, 3);
        CHECK(all_are_left(&q.s, 3));
}

static void none_are_had_at_once_but_behind_the_queue(void)
{
        struct queue q = { .s = RN_SEM(2), .name = "wants none" };
        rn_wg wg = { { 0 } };

        rn_sem_acquire(&q.s, 2);
        rn_sem_acquire(&q.s, 0);
        rn_wg_go(&wg, acquire_as, &q, 0, 1);
        behave_until_parked(q.name, 1);
        rn_wg_go(&wg, acquire_as, &q, 1, 0);
        behave_until_parked(q.name, 2);
        rn_sem_release(&q.s, 0);
        behave_turns();
        CHECK_EQ(passed(&q), 0);
        rn_sem_release(&q.s, 1);
        rn_wg_wait(&wg);
        CHECK_EQ(q.passed, 2);
        rn_sem_release(&q.s, 2);
        CHECK(all_are_left(&q.s, 2));
}

struct small_ones {
        rn_sem s;
        rn_wg begun;
        atomic_bool over;
};

static void take_small_ones(void *arg)
{
        struct small_ones *o = arg;

        rn_sem_acquire(&o->s, 1);
        rn_wg_done(&o->begun);
        while (!atomic_load(&o->over)) {
                rn_yield();
                rn_sem_release(&o->s, 1);
                rn_sem_acquire(&o->s, 1);
        }
        rn_sem_release(&o->s, 1);
}

static void a_large_acquire_is_not_kept_out_by_small_ones(void)
{
        for (int threads = 0; threads < 3; threads++) {
                struct small_ones o = { .s = RN_SEM(6) };
                rn_wg wg = { { 0 } };

                rn_wg_add(&o.begun, 6);
                behave_crowd(&wg, 6 - threads, threads, take_small_ones, &o);
                rn_wg_wait(&o.begun);
                rn_sem_acquire(&o.s, 6);
                CHECK(!rn_sem_tryacquire(&o.s, 1));
                atomic_store(&o.over, true);
                rn_sem_release(&o.s, 6);
                rn_wg_wait(&wg);
                CHECK(all_are_left(&o.s, 6));
        }
}

/* -- more than there are -- */

static rn_sem of_two = RN_SEM(2);   /* outlives those who wait for ever */
static atomic_int came_back;

static void acquire_too_many(void *n)
{
        rn_set_name("wants too many");
        rn_sem_acquire(&of_two, *(int *)n);
        atomic_fetch_add(&came_back, 1);
}

static void who_wants_more_than_there_are_waits_for_ever_in_nobodys_way(void)
{
        static int too_many = 3;
        static rn_wg never;
        int before = behave_parked("wants too many", "semaphore.Acquire");

        behave_go(GOROUTINE, &never, acquire_too_many, &too_many);
        behave_go(THREAD, &never, acquire_too_many, &too_many);
        BEHAVE_UNTIL(behave_parked("wants too many", "semaphore.Acquire") > before);
        for (int i = 0; i < 3; i++) {
                rn_sem_acquire(&of_two, 2);
                CHECK_EQ(rn_sem_acquire_until(&of_two, 1, rn_now()), -ETIMEDOUT);
                rn_sem_release(&of_two, 2);
                CHECK(all_are_left(&of_two, 2));
        }
        behave_turns();
        CHECK_EQ(atomic_load(&came_back), 0);
}

static void with_a_deadline_it_is_told_at_once(void)
{
        struct queue q = { .s = RN_SEM(2), .name = "stands in the queue", .n = 1 };
        rn_wg wg = { { 0 } };

        CHECK_EQ(rn_sem_acquire_until(&q.s, 3, rn_now()), -EDOM);
        CHECK_EQ(rn_sem_acquire_until(&q.s, 3, rn_deadline(LONG * RN_SEC)), -EDOM);
        CHECK_EQ(rn_sem_acquire_until(&q.s, INT64_MAX, RN_NEVER), -EDOM);
        CHECK(all_are_left(&q.s, 2));
        rn_sem_acquire(&q.s, 2);
        behave_crowd(&wg, 1, 0, acquire_some, &q);
        behave_until_parked(q.name, 1);
        CHECK_EQ(rn_sem_acquire_until(&q.s, 3, RN_NEVER), -EDOM);
        rn_sem_release(&q.s, 2);
        rn_wg_wait(&wg);
        CHECK(rn_sem_tryacquire(&q.s, 1));
}

/* -- deadlines -- */

static void a_time_that_is_past_takes_what_can_be_had_at_once(void)
{
        const rn_time past[] = { rn_now(), rn_deadline(0), rn_deadline(-RN_SEC), 0, -1, INT64_MIN };
        rn_sem s = RN_SEM(2);

        for (size_t i = 0; i < sizeof past / sizeof *past; i++) {
                CHECK_EQ(rn_sem_acquire_until(&s, 1, past[i]), 0);
                CHECK_EQ(rn_sem_acquire_until(&s, 2, past[i]), -ETIMEDOUT);
                CHECK_EQ(rn_sem_acquire_until(&s, 1, past[i]), 0);
                CHECK_EQ(rn_sem_acquire_until(&s, 1, past[i]), -ETIMEDOUT);
                rn_sem_release(&s, 2);
        }
        CHECK(all_are_left(&s, 2));
}

static void its_time_comes_and_not_before_and_nothing_is_taken(void)
{
        static const rn_dur after[] = { 1, RN_USEC, 100 * RN_USEC, 3 * RN_MSEC };
        rn_sem s = RN_SEM(3);

        rn_sem_acquire(&s, 2);
        for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
                rn_time t = rn_deadline(after[i]);

                CHECK_EQ(rn_sem_acquire_until(&s, 2, t), -ETIMEDOUT);
                CHECK(rn_now() >= t);
                CHECK(all_are_left(&s, 1));
        }
        rn_sem_release(&s, 2);
        CHECK(all_are_left(&s, 3));
}

struct large_one {
        struct queue q;
        rn_dur patience;
        atomic_bool gone;
};

static void want_all_for_a_while(void *arg)
{
        struct large_one *l = arg;

        rn_set_name("large one");
        CHECK_EQ(rn_sem_acquire_until(&l->q.s, 3, rn_deadline(l->patience)), -ETIMEDOUT);
        atomic_store(&l->gone, true);
}

/* Returns whether the small ones have been seen to wait behind the large one. Nothing is ever
 * released. */
static bool small_ones_behind(rn_dur patience, enum behave_kind large)
{
        struct large_one l = { .q = { .s = RN_SEM(3), .name = "small one", .n = 1 },
                               .patience = patience };
        bool seen;
        rn_wg wg = { { 0 } };

        rn_sem_acquire(&l.q.s, 1);
        behave_go(large, &wg, want_all_for_a_while, &l);
        BEHAVE_UNTIL(!rn_sem_tryacquire(&l.q.s, 0) || atomic_load(&l.gone));
        behave_crowd(&wg, 2, 0, acquire_some, &l.q);
        BEHAVE_UNTIL(behave_parked(l.q.name, "semaphore.Acquire") == 2 || atomic_load(&l.gone));
        seen = !atomic_load(&l.gone);
        rn_wg_wait(&wg);
        CHECK_EQ(l.q.passed, 2);
        CHECK(!rn_sem_tryacquire(&l.q.s, 1));
        rn_sem_release(&l.q.s, 3);
        return seen;
}

static void a_large_one_that_leaves_lets_the_small_ones_behind_it_go(void)
{
        for (int kind = 0; kind < BEHAVE_KINDS; kind++) {
                rn_dur patience = RN_MSEC;

                while (!small_ones_behind(patience, (enum behave_kind)kind))
                        patience *= 2;
        }
}

static void who_leaves_from_the_middle_is_no_obstacle(void)
{
        struct queue q = { .s = RN_SEM(2), .name = "at both ends", .n = 1 };
        rn_wg wg = { { 0 } };

        rn_sem_acquire(&q.s, 2);
        behave_crowd(&wg, 1, 0, acquire_some, &q);
        behave_until_parked(q.name, 1);
        CHECK_EQ(rn_sem_acquire_until(&q.s, 2, rn_deadline(RN_MSEC)), -ETIMEDOUT);
        behave_crowd(&wg, 1, 0, acquire_some, &q);
        behave_until_parked(q.name, 2);
        rn_sem_release(&q.s, 1);
        BEHAVE_UNTIL(passed(&q) >= 1);
        behave_turns();
        CHECK_EQ(passed(&q), 1);
        rn_sem_release(&q.s, 1);
        rn_wg_wait(&wg);
        CHECK_EQ(q.passed, 2);
}

static void tries(rn_sem *s, int how, atomic_bool *begun)
{
        atomic_store(begun, true);
        if (how)
                while (rn_sem_acquire_until(s, 1, 0) != 0)
                        continue;
        else
                while (!rn_sem_tryacquire(s, 1))
                        continue;
}

static void a_loop_of_tries_lets_the_owner_run(void)
{
        for (int how = 0; how < 2; how++) {
                rn_sem s = RN_SEM(1);
                atomic_bool begun = false;
                rn_wg wg = { { 0 } };

                rn_sem_acquire(&s, 1);
                rn_wg_go(&wg, tries, &s, how, &begun);
                BEHAVE_UNTIL(atomic_load(&begun));
                rn_sem_release(&s, 1);
                rn_wg_wait(&wg);
                CHECK(!rn_sem_tryacquire(&s, 1));
        }
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(zero_value_has_no_permits),
        BEHAVE_BOTH(initialised_at_rest_or_by_init),
        BEHAVE_BOTH(tryacquire_takes_what_is_left_and_no_more),
        BEHAVE_BOTH(large_numbers_do_not_overflow),
        BEHAVE_BOTH(negative_numbers_panic_and_change_nothing),
        BEHAVE_BOTH(a_semaphore_of_a_negative_number_panics_at_its_first_use),
        BEHAVE_BOTH(release_of_more_than_is_held_panics_and_changes_nothing),
        BEHAVE_BOTH(a_waiter_is_shown_in_acquire),
        BEHAVE_BOTH(nobody_passes_before_the_release_and_all_do_after_it),
        BEHAVE_BOTH(another_goroutine_or_thread_may_release),
        BEHAVE_BOTH(as_many_meet_inside_as_there_is_room_for),
        BEHAVE_BOTH(first_come_first_served_whatever_is_wanted),
        BEHAVE_BOTH(nobody_takes_a_permit_past_the_queue),
        BEHAVE_BOTH(none_are_had_at_once_but_behind_the_queue),
        BEHAVE_BOTH(a_large_acquire_is_not_kept_out_by_small_ones),
        BEHAVE_BOTH(who_wants_more_than_there_are_waits_for_ever_in_nobodys_way),
        BEHAVE_BOTH(with_a_deadline_it_is_told_at_once),
        BEHAVE_BOTH(a_time_that_is_past_takes_what_can_be_had_at_once),
        BEHAVE_BOTH(its_time_comes_and_not_before_and_nothing_is_taken),
        BEHAVE_BOTH(a_large_one_that_leaves_lets_the_small_ones_behind_it_go),
        BEHAVE_BOTH(who_leaves_from_the_middle_is_no_obstacle),
        BEHAVE(a_loop_of_tries_lets_the_owner_run),
};

BEHAVE_MAIN(tests)
