/* SPDX-License-Identifier: MIT
 * Waits that the end of a context ends: rn_ctx_sleep and rn_sem_acquire_ctx. What the semaphore
 * does by itself is in its own test. */
#define _GNU_SOURCE
#define BEHAVE_COUNTING
#include "tests/support/behave.h"
#include "tests/support/contexts.h"

/* -- sleeping -- */

static void a_sleep_lasts_as_long_as_it_should(void)
{
        static const rn_dur lengths[] = { 1, 100, RN_USEC, 100 * RN_USEC, RN_MSEC, 5 * RN_MSEC };
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background()),
               *all[] = { c, rn_ctx_background(), rn_ctx_todo() };

        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
                for (int k = 0; k < 3; k++) {
                        rn_time begun = rn_now();

                        CHECK_EQ(rn_ctx_sleep(all[k], lengths[i]), 0);
                        CHECK(rn_now() - begun >= lengths[i]);
                }
        CHECK_OPEN(c);
        rn_ctx_release(c);
}

static void a_sleep_of_nothing_returns_at_once(void)
{
        static const rn_dur lengths[] = { 0, -1, -RN_SEC, INT64_MIN };
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background());

        for (int i = 0; i < 4; i++) {
                CHECK_EQ(rn_ctx_sleep(rn_ctx_background(), lengths[i]), 0);
                CHECK_EQ(rn_ctx_sleep(c, lengths[i]), 0);
        }
        rn_ctx_cancel_cause(c, -EIO);
        for (int i = 0; i < 4; i++)
                CHECK_EQ(rn_ctx_sleep(c, lengths[i]), -ECANCELED);
        rn_unref(c);
}

static void no_sleep_begins_in_a_context_that_has_ended(void)
{
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background()),
               *d = rn_ctx_with_timeout(rn_ctx_background(), 0);

        rn_ctx_cancel(c);
        CHECK_EQ(rn_ctx_sleep(c, FAR), -ECANCELED);
        CHECK_EQ(rn_ctx_sleep(c, RN_NEVER), -ECANCELED);
        CHECK_EQ(rn_ctx_sleep(d, FAR), -ETIMEDOUT);
        rn_unref(c);
        rn_unref(d);
}

static void a_deadline_ends_a_sleep(void)
{
        rn_ctx *p = rn_ctx_with_timeout_cause(rn_ctx_background(), 2 * RN_MSEC, -EIO),
               *c = rn_ctx_with_cancel(p);
        static const char key;
        rn_ctx *v = rn_ctx_with_value(c, &key, NULL);

        CHECK_EQ(rn_ctx_sleep(v, RN_NEVER), -ETIMEDOUT);
        CHECK(rn_now() >= rn_ctx_deadline(p));
        CHECK_EQ(rn_ctx_sleep(c, FAR), -ETIMEDOUT);
        rn_unref(v);
        rn_unref(c);
        rn_unref(p);
}

struct waits {
        rn_ctx *ctx;
        rn_sem sem;
        int64_t n;
        atomic_int go, got, failed;
        long inside;         /* plain: guarded by the semaphore */
};

static void sleep_long(void *arg)
{
        struct waits *w = arg;

        rn_set_name("sleeps long");
        CHECK_EQ(rn_ctx_sleep(w->ctx, FAR), -ECANCELED);
        atomic_fetch_add(&w->failed, 1);
}

static void a_cancel_ends_all_sleeps(void)
{
        struct waits w = { .ctx = rn_ctx_with_cancel(rn_ctx_background()) };
        int n = 500;
        rn_wg wg = { { 0 } };

        for (int i = 0; i < n; i++)
                behave_go(GOROUTINE, &wg, sleep_long, &w);
        for (int i = 0; i < 4; i++)
                behave_go(THREAD, &wg, sleep_long, &w);
        behave_until_parked("sleeps long", n);
        CHECK_EQ(atomic_load(&w.failed), 0);
        rn_ctx_cancel(w.ctx);
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&w.failed), n + 4);
        rn_unref(w.ctx);
}

static void cancel_at_once(void *arg)
{
        struct waits *w = arg;

        BEHAVE_UNTIL(flag_get(&w->go));
        rn_ctx_cancel(w->ctx);
}

static void of_end_and_time_the_first_ends_a_sleep(void)
{
        for (int i = 0; i < BEHAVE_SCALE(rn_goid() ? 1000 : 100); i++) {
                struct waits w = { .ctx = rn_ctx_with_cancel(rn_ctx_background()) };
                rn_time begun = rn_now();
                rn_dur d = i % 20 * RN_USEC;
                rn_wg wg = { { 0 } };
                int err;

                behave_go(i % 16 ? GOROUTINE : THREAD, &wg, cancel_at_once, &w);
                flag_set(&w.go, 1);
                err = rn_ctx_sleep(w.ctx, d);
                CHECK(err == 0 ? rn_now() - begun >= d : err == -ECANCELED && is_done(w.ctx));
                rn_wg_wait(&wg);
                rn_unref(w.ctx);
        }
}

/* -- the semaphore -- */

static void check_all_free(struct waits *w, int64_t n)
{
        CHECK(rn_sem_tryacquire(&w->sem, n));
        CHECK(!rn_sem_tryacquire(&w->sem, 1));
        rn_sem_release(&w->sem, n);
}

static void free_permits_are_taken_at_once(void)
{
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background()), *all[] = { c, rn_ctx_background() };
        struct waits w = { .sem = RN_SEM(4) };

        for (int i = 0; i < 2; i++) {
                CHECK_EQ(rn_sem_acquire_ctx(&w.sem, 3, all[i]), 0);
                CHECK_EQ(rn_sem_acquire_ctx(&w.sem, 0, all[i]), 0);
                CHECK_EQ(rn_sem_acquire_ctx(&w.sem, 1, all[i]), 0);
                CHECK(!rn_sem_tryacquire(&w.sem, 1));
                rn_sem_release(&w.sem, 4);
        }
        check_all_free(&w, 4);
        rn_ctx_release(c);
}

static void in_a_context_that_has_ended_nothing_is_taken(void)
{
        static const int64_t wanted[] = { 0, 1, 4, 5, INT64_MAX };
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background()),
               *d = rn_ctx_with_timeout(rn_ctx_background(), 0);
        struct waits w = { .sem = RN_SEM(4) };

        rn_ctx_cancel_cause(c, -EIO);
        for (int i = 0; i < 5; i++) {
                CHECK_EQ(rn_sem_acquire_ctx(&w.sem, wanted[i], c), -ECANCELED);
                CHECK_EQ(rn_sem_acquire_ctx(&w.sem, wanted[i], d), -ETIMEDOUT);
        }
        check_all_free(&w, 4);
        rn_unref(c);
        rn_unref(d);
}

static void acquire_n(void *arg)
{
        struct waits *w = arg;
        int err;

        rn_set_name("acquires in a context");
        err = rn_sem_acquire_ctx(&w->sem, w->n, w->ctx);
        CHECK_EQ(err, err ? rn_ctx_err(w->ctx) : 0);
        atomic_fetch_add(err ? &w->failed : &w->got, 1);
}

static void acquires(rn_sem *s, int64_t n, rn_ctx *c, rn_chan(int) result)
{
        rn_set_name("acquires");
        rn_send(result, rn_sem_acquire_ctx(s, n, c));
}

static void a_waiter_is_served_by_a_release(void)
{
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background()), *all[] = { c, rn_ctx_background() };
        struct waits w = { .sem = RN_SEM(2) };
        rn_chan(int) result = rn_make(int, 0);

        for (int i = 0; i < 2; i++) {
                rn_sem_acquire(&w.sem, 2);
                rn_go(acquires, &w.sem, 2, all[i], result);
                behave_until_parked("acquires", 1);
                CHECK_EQ(behave_parked("acquires", "semaphore.Acquire"), 1);
                rn_sem_release(&w.sem, 1);
                behave_turns();
                CHECK_EQ(behave_parked("acquires", "semaphore.Acquire"), 1);
                CHECK(!rn_sem_tryacquire(&w.sem, 1));   /* not past who waits */
                rn_sem_release(&w.sem, 1);
                CHECK_EQ(rn_get(result), 0);
                rn_sem_release(&w.sem, 2);
        }
        rn_ctx_release(c);
        check_all_free(&w, 2);
        rn_unref(result);
}

static void the_end_leaves_the_semaphore_unchanged(void)
{
        struct waits w = { .sem = RN_SEM(2),
                           .n = 1,
                           .ctx = rn_ctx_with_cancel(rn_ctx_background()) };
        int n = 500;
        rn_wg wg = { { 0 } };

        rn_sem_acquire(&w.sem, 2);
        for (int i = 0; i < n; i++)
                behave_go(GOROUTINE, &wg, acquire_n, &w);
        for (int i = 0; i < 4; i++)
                behave_go(THREAD, &wg, acquire_n, &w);
        behave_until_parked("acquires in a context", n);
        rn_ctx_cancel(w.ctx);
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&w.failed), n + 4);
        CHECK(!rn_sem_tryacquire(&w.sem, 1));
        rn_sem_release(&w.sem, 2);
        check_all_free(&w, 2);
        rn_unref(w.ctx);
}

static void a_deadline_ends_the_wait(void)
{
        rn_ctx *c = rn_ctx_with_timeout(rn_ctx_background(), 2 * RN_MSEC);
        struct waits w = { .sem = RN_SEM(2) };

        rn_sem_acquire(&w.sem, 1);
        CHECK_EQ(rn_sem_acquire_ctx(&w.sem, 2, c), -ETIMEDOUT);
        CHECK(rn_now() >= rn_ctx_deadline(c));
        rn_sem_release(&w.sem, 1);
        check_all_free(&w, 2);
        rn_ctx_release(c);
}

static void more_than_there_are_waits_for_the_context_in_nobodys_way(void)
{
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background()),
               *d = rn_ctx_with_timeout(rn_ctx_background(), RN_MSEC);
        struct waits w = { .sem = RN_SEM(2) };
        rn_chan(int) result = rn_make(int, 0);

        CHECK_EQ(rn_sem_acquire_ctx(&w.sem, 3, d), -ETIMEDOUT);
        rn_go(acquires, &w.sem, 3, c, result);
        behave_until_parked("acquires", 1);
        check_all_free(&w, 2);
        CHECK_EQ(rn_sem_acquire_ctx(&w.sem, 2, c), 0);
        rn_sem_release(&w.sem, 2);
        behave_turns();
        CHECK_EQ(behave_parked("acquires", NULL), 1);
        rn_ctx_cancel(c);
        CHECK_EQ(rn_get(result), -ECANCELED);
        check_all_free(&w, 2);
        rn_unref(c);
        rn_unref(d);
        rn_unref(result);
}

/* A large one in front, small ones behind it that could have what is left. */
static void when_a_large_one_in_front_gives_up_those_behind_it_go(void)
{
        for (int i = 0; i < 20; i++) {
                rn_ctx *c = i % 2 ? rn_ctx_with_timeout(rn_ctx_background(), 20 * RN_MSEC)
                                  : rn_ctx_with_cancel(rn_ctx_background());
                struct waits w = { .sem = RN_SEM(4), .n = 1, .ctx = rn_ctx_background() };
                rn_chan(int) result = rn_make(int, 1);
                rn_wg wg = { { 0 } };

                rn_sem_acquire(&w.sem, 2);
                rn_go(acquires, &w.sem, 4, c, result);
                BEHAVE_UNTIL(behave_parked("acquires", NULL) == 1 || rn_len(result));
                behave_go(i % 4 < 2 ? GOROUTINE : THREAD, &wg, acquire_n, &w);
                behave_go(GOROUTINE, &wg, acquire_n, &w);
                behave_turns();
                CHECK(atomic_load(&w.got) == 0 || rn_ctx_err(c) != 0);   /* it is not overtaken */
                if (i % 2 == 0)
                        rn_ctx_cancel(c);
                rn_wg_wait(&wg);
                CHECK_EQ(rn_get(result), i % 2 ? -ETIMEDOUT : -ECANCELED);
                CHECK_EQ(atomic_load(&w.got), 2);
                rn_sem_release(&w.sem, 4);
                check_all_free(&w, 4);
                rn_unref(c);
                rn_unref(result);
        }
}

static void a_negative_number_panics(void)
{
        struct waits w = { .sem = RN_SEM(1) };
        rn_ctx *c = rn_ctx_with_timeout(rn_ctx_background(), 0);

        CHECK_PANICS("semaphore: negative number of permits", rn_sem_acquire_ctx, &w.sem,
                     (int64_t)-1, c);
        CHECK_PANICS("semaphore: negative number of permits", rn_sem_acquire_ctx, &w.sem, INT64_MIN,
                     rn_ctx_background());
        check_all_free(&w, 1);
        rn_unref(c);
}

/* -- races -- */

static void acquire_and_give_back(void *arg)
{
        struct waits *w = arg;

        BEHAVE_UNTIL(flag_get(&w->go));
        if (rn_sem_acquire_ctx(&w->sem, 1, w->ctx) == 0) {
                w->inside++;
                rn_sem_release(&w->sem, 1);
                atomic_fetch_add(&w->got, 1);
        } else {
                CHECK_EQ(rn_ctx_err(w->ctx), -ECANCELED);
        }
}

static void a_grant_that_races_with_the_end_is_had_or_not(void)
{
        for (int i = 0; i < BEHAVE_SCALE(rn_goid() ? 1000 : 100); i++) {
                struct waits w = { .sem = RN_SEM(1),
                                   .ctx = rn_ctx_with_cancel(rn_ctx_background()) };
                rn_wg wg = { { 0 } };

                rn_sem_acquire(&w.sem, 1);
                for (int k = 0; k < 4; k++)
                        behave_go(i % 16 == 0 && k == 0 ? THREAD : GOROUTINE, &wg,
                                  acquire_and_give_back, &w);
                behave_go(GOROUTINE, &wg, cancel_at_once, &w);
                flag_set(&w.go, 1);
                if (i % 2)
                        rn_yield();
                rn_sem_release(&w.sem, 1);
                rn_wg_wait(&wg);
                CHECK_EQ(w.inside, atomic_load(&w.got));
                check_all_free(&w, 1);
                rn_unref(w.ctx);
        }
}

enum { PERMITS = 7 };
struct hammer {
        rn_sem sem;
        atomic_int who, held;
        int rounds;
};

static void hammer(void *arg)
{
        struct hammer *h = arg;
        uint64_t s = behave_stream((uint64_t)atomic_fetch_add(&h->who, 1));

        for (int i = 0; i < h->rounds; i++) {
                int n = 1 + (int)behave_below(&s, PERMITS + 1);   /* one of them never to be had */
                rn_ctx *c = rn_ctx_with_timeout(rn_ctx_background(),
                                                behave_below(&s, 200) * RN_USEC);
                int err = rn_sem_acquire_ctx(&h->sem, n, c);

                CHECK(err == 0 || err == -ETIMEDOUT);
                if (err == 0) {
                        CHECK(atomic_fetch_add(&h->held, n) + n <= PERMITS);
                        if (i % 3 == 0)
                                rn_yield();
                        atomic_fetch_add(&h->held, -n);
                        rn_sem_release(&h->sem, n);
                }
                rn_ctx_release(c);
        }
}

static void different_weights_and_deadlines_are_counted_right(void)
{
        struct hammer h = { .sem = RN_SEM(PERMITS), .rounds = BEHAVE_SCALE(1000) };
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 10; i++)
                behave_go(i % 5 ? GOROUTINE : THREAD, &wg, hammer, &h);
        rn_wg_wait(&wg);
        CHECK(rn_sem_tryacquire(&h.sem, PERMITS));
}

/* -- what it costs -- */

#if BEHAVE_COUNTS
static rn_ctx *ctx;
static rn_sem all_taken = RN_SEM(1);

static rn_chan(int) turn;

static void give_when_told(void)
{
        while (rn_wait(turn)) {
                rn_yield();
                rn_sem_release(&all_taken, 1);
        }
}

static void waits(void)
{
        for (int i = 0; i < 20; i++) {
                CHECK_EQ(rn_ctx_sleep(ctx, 10 * RN_USEC), 0);
                rn_send(turn, 1);
                CHECK_EQ(rn_sem_acquire_ctx(&all_taken, 1, ctx), 0);
        }
}

static long allocations(behave_fn *f)
{
        long before = atomic_load(&behave_allocations);

        atomic_store(&behave_counting, 1);
        f();
        atomic_store(&behave_counting, 0);
        return atomic_load(&behave_allocations) - before;
}

/* The heaps of all Ps have grown, and the done channel is there, before it is counted. */
static void a_wait_allocates_nothing(void)
{
        long n = 1;
        rn_wg wg = { { 0 } };

        CHECK(rn_sem_tryacquire(&all_taken, 1));
        turn = rn_make(int, 0);
        ctx = rn_ctx_with_cancel(rn_ctx_background());
        rn_ctx_done(ctx);
        rn_wg_go(&wg, give_when_told);
        for (int i = 0; n && i < 100; i++)
                n = allocations(waits);
        CHECK_EQ(n, 0);
        rn_close(turn);
        rn_wg_wait(&wg);
        rn_sem_release(&all_taken, 1);
        rn_ctx_release(ctx);
        rn_unref(turn);
}
#endif

static const struct behave_test tests[] = {
        BEHAVE_BOTH(a_sleep_lasts_as_long_as_it_should),
        BEHAVE_BOTH(a_sleep_of_nothing_returns_at_once),
        BEHAVE_BOTH(no_sleep_begins_in_a_context_that_has_ended),
        BEHAVE_BOTH(a_deadline_ends_a_sleep),
        BEHAVE_BOTH(a_cancel_ends_all_sleeps),
        BEHAVE_BOTH(of_end_and_time_the_first_ends_a_sleep),
        BEHAVE_BOTH(free_permits_are_taken_at_once),
        BEHAVE_BOTH(in_a_context_that_has_ended_nothing_is_taken),
        BEHAVE_BOTH(a_waiter_is_served_by_a_release),
        BEHAVE_BOTH(the_end_leaves_the_semaphore_unchanged),
        BEHAVE_BOTH(a_deadline_ends_the_wait),
        BEHAVE_BOTH(more_than_there_are_waits_for_the_context_in_nobodys_way),
        BEHAVE_BOTH(when_a_large_one_in_front_gives_up_those_behind_it_go),
        BEHAVE_BOTH(a_negative_number_panics),
        BEHAVE_BOTH(a_grant_that_races_with_the_end_is_had_or_not),
        BEHAVE_BOTH(different_weights_and_deadlines_are_counted_right),
#if BEHAVE_COUNTS
        BEHAVE_BOTH(a_wait_allocates_nothing),
#endif
};

BEHAVE_MAIN(tests)
