/* SPDX-License-Identifier: MIT
 * Sleeping and deadlines: never early, at once where there is nothing to wait for, and nobody else
 * is disturbed. How late a sleep may be is a matter of the machine: limits here are generous. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include <time.h>

#define LATE (5 * RN_SEC)   /* of a machine that does other things too */

static void sleep_never_returns_early(void)
{
        static const rn_dur lengths[] = { 1, 100, RN_USEC, 50 * RN_USEC, 100 * RN_USEC,
                                          RN_MSEC, 3 * RN_MSEC, 20 * RN_MSEC };

        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                rn_time begun = rn_now(), took;

                rn_sleep(lengths[i]);
                took = rn_now() - begun;
                if (took < lengths[i] || took > lengths[i] + LATE)
                        behave_fail(__FILE__, __LINE__, "a sleep of %lld ns took %lld",
                                    (long long)lengths[i], (long long)took);
        }
}

static void sleep_of_0_and_less_returns_at_once(void)
{
        rn_time begun = rn_now();

        for (int i = 0; i < 1000; i++) {
                rn_sleep(0);
                rn_sleep(-1);
                rn_sleep(-RN_SEC);
                rn_sleep(INT64_MIN);
        }
        CHECK(rn_now() - begun < RN_SEC);
}

static void sleep_until_a_point_that_has_passed_returns_at_once(void)
{
        rn_time begun = rn_now();

        rn_sleep_until(0);
        rn_sleep_until(INT64_MIN);
        rn_sleep_until(begun);
        rn_sleep_until(begun - RN_SEC);
        CHECK(rn_now() - begun < RN_SEC);
}

static void sleep_until_returns_after_its_point(void)
{
        for (int i = 0; i < 10; i++) {
                rn_time t = rn_now() + i * RN_MSEC;

                rn_sleep_until(t);
                CHECK(rn_now() >= t);
        }
}

static void now_does_not_go_back(void)
{
        rn_time last = rn_now();

        for (int i = 0; i < 1000; i++) {
                rn_time now = rn_now();

                CHECK(now >= last);
                last = now;
                if (i % 10 == 0)
                        rn_yield();
        }
}

static void deadline_is_now_plus_d_and_saturates(void)
{
        rn_time before = rn_now(), at = rn_deadline(RN_SEC);

        CHECK(at >= before + RN_SEC && at <= rn_now() + RN_SEC);
        CHECK(rn_deadline(RN_NEVER) == RN_NEVER);
        CHECK(rn_deadline(RN_NEVER - 1) == RN_NEVER);
        CHECK(rn_deadline(RN_NEVER - rn_now()) == RN_NEVER || rn_deadline(0) < before);
        before = rn_now();
        at = rn_deadline(-RN_SEC);
        CHECK(at >= before && at <= rn_now());
        at = rn_deadline(INT64_MIN);
        CHECK(at >= before && at <= rn_now());
        at = rn_deadline(0);
        CHECK(at >= before && at <= rn_now());
}

/* -- others run meanwhile -- */

static void count_until(atomic_bool *stop, atomic_long *n)
{
        while (!atomic_load(stop)) {
                atomic_fetch_add(n, 1);
                rn_yield();
        }
}

static void others_run_while_one_sleeps(void)
{
        atomic_bool stop = false;
        atomic_long n = 0;
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, count_until, &stop, &n);
        rn_sleep(5 * RN_MSEC);
        while (atomic_load(&n) == 0)
                rn_sleep(RN_MSEC);
        atomic_store(&stop, true);
        rn_wg_wait(&wg);
        CHECK(n > 0);
}

static void sleep_and_check(rn_dur d)
{
        rn_time begun = rn_now();

        rn_sleep(d);
        CHECK(rn_now() - begun >= d);
        CHECK(rn_now() - begun < d + LATE);
}

static void many_sleep_at_the_same_time(void)
{
        int n = BEHAVE_LIVE(5000);
        uint64_t s = behave_stream(1);
        rn_time begun = rn_now();
        rn_wg wg = { { 0 } };

        for (int i = 0; i < n; i++)
                rn_wg_go(&wg, sleep_and_check, (rn_dur)behave_below(&s, 20000) * RN_USEC);
        rn_wg_wait(&wg);
        CHECK(rn_now() - begun < LATE);
}

struct sleeper {
        rn_time until;
        int i;
        atomic_int *woken, *late;
        int *order;
        rn_wg *wg;
};

static void sleep_then_log(struct sleeper *s)
{
        if (rn_now() >= s->until)
                atomic_fetch_add(s->late, 1);
        rn_sleep_until(s->until);
        s->order[atomic_fetch_add(s->woken, 1)] = s->i;
        rn_wg_done(s->wg);
}

/* On one processor what is due is run in the order of the deadlines, however late. A round in which
 * one only began to sleep when its time had come says nothing. */
static void sleepers_wake_in_the_order_of_their_deadlines(void)
{
        enum { N = 20 };
        int order[N];
        atomic_int late;
        rn_wg wg = { { 0 } };

        if (rn_maxprocs(0) > 1)
                return;
        do {
                atomic_int woken = 0;
                rn_time first = rn_deadline(50 * RN_MSEC);

                atomic_store(&late, 0);
                for (int i = N - 1; i >= 0; i--) {
                        struct sleeper s = { first + i * RN_MSEC, i, &woken, &late, order, &wg };

                        rn_wg_add(&wg, 1);
                        rn_go_copy(sleep_then_log, struct sleeper, s);
                }
                rn_wg_wait(&wg);
        } while (atomic_load(&late) > 0);
        for (int i = 0; i < N; i++)
                CHECK_EQ(order[i], i);
}

/* -- sleeps without an end -- */

static atomic_int beginning;

static void sleep_for_ever(rn_dur d)
{
        rn_set_name("for ever");
        atomic_fetch_add(&beginning, 1);
        rn_sleep(d);
        behave_fail(__FILE__, __LINE__, "a sleep without an end ended");
}

static void sleep_without_end_does_not_disturb_others(void)
{
        static const rn_dur lengths[] = { RN_NEVER, RN_NEVER - 1, RN_NEVER / 2,
                                          400 * 24 * 3600 * RN_SEC };
        size_t n = sizeof lengths / sizeof *lengths;
        int before = behave_parked("for ever", "sleep");

        for (size_t i = 0; i < n; i++)
                rn_go(sleep_for_ever, lengths[i]);
        behave_until_parked("for ever", before + (int)n);
        for (int i = 0; i < 20; i++)
                sleep_and_check(RN_MSEC);
        CHECK_EQ(behave_parked("for ever", "sleep"), before + (int)n);
}

/* -- a timer while nobody rests -- */

static void bounce(rn_chan(int) in, rn_chan(int) out)
{
        rn_range(v, in)
                if (!rn_try_send(out, v))
                        rn_send(out, v);
        rn_close(out);
}

static void play(rn_chan(int) a, rn_chan(int) b, atomic_bool *stop)
{
        while (!atomic_load(stop)) {
                rn_send(a, 1);
                rn_wait(b);
        }
        rn_close(a);
        rn_wait(b);
}

static void ping_pong_during(behave_fn *fn)
{
        rn_chan(int) a = rn_make(int, 0), b = rn_make(int, 0);
        atomic_bool stop = false;
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, bounce, a, b);
        rn_wg_go(&wg, play, a, b, &stop);
        fn();
        atomic_store(&stop, true);
        rn_wg_wait(&wg);
        rn_unref(a);
        rn_unref(b);
}

static void sleeps_in_time(void)
{
        for (int i = 0; i < 10; i++)
                sleep_and_check(5 * RN_MSEC);
}

static void timers_fire_although_channels_ping_pong_without_pause(void)
{
        ping_pong_during(sleeps_in_time);
}

static void selects_in_time(void)
{
        rn_chan(int) never = rn_make(int, 0);

        for (int i = 0; i < 10; i++) {
                rn_time begun = rn_now();

                CHECK_EQ(rn_select_for(5 * RN_MSEC, rn_on_signal(never)), RN_TIMEOUT);
                CHECK(rn_now() - begun >= 5 * RN_MSEC);
                CHECK(rn_now() - begun < LATE);
        }
        rn_unref(never);
}

static void timeouts_of_selects_come_although_channels_ping_pong_without_pause(void)
{
        ping_pong_during(selects_in_time);
}

static void busy_select_sees_its_deadline(void)
{
        rn_chan(int) busy = rn_make(int, 1);
        rn_time until = rn_now() + 20 * RN_MSEC;

        for (;;) {
                int got = rn_select_until(until, rn_on_signal(busy), rn_on_send(busy, 1));

                if (rn_now() > until + LATE) {
                        behave_fail(__FILE__, __LINE__, "the deadline is not seen");
                        break;
                }
                if (got == RN_TIMEOUT || rn_now() >= until)
                        break;
        }
        CHECK_EQ(rn_select_until(until, rn_on_signal((rn_chan(int))NULL)), RN_TIMEOUT);
        rn_unref(busy);
}

/* -- wakes that come from nowhere -- */

static atomic_int signals;

static void on_signal(int sig)
{
        (void)sig;
}

static void *pester(void *stop)
{
        while (!atomic_load((atomic_bool *)stop)) {
                kill(getpid(), SIGUSR1);
                atomic_fetch_add(&signals, 1);
                usleep(200);
        }
        return NULL;
}

static void interrupted_waits_neither_end_early_nor_hang(void)
{
        atomic_bool stop = false;
        rn_wg wg = { { 0 } };
        pthread_t t;

        atomic_store(&signals, 0);
        /* It stays: the last signal may come late. */
        sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal, .sa_flags = SA_ONSTACK },
                  NULL);
        if (pthread_create(&t, NULL, pester, &stop))
                abort();
        for (int i = 0; i < 50; i++)
                rn_wg_go(&wg, sleep_and_check, i * RN_MSEC);
        sleep_and_check(30 * RN_MSEC);
        rn_wg_wait(&wg);
        while (atomic_load(&signals) < 100)
                rn_sleep(RN_MSEC);
        atomic_store(&stop, true);
        pthread_join(t, NULL);
}

struct punctual {
        atomic_int who;
        atomic_llong latest;
        int rounds;
};

static void time_many(void *arg)
{
        struct punctual *p = arg;
        uint64_t s = behave_stream((uint64_t)atomic_fetch_add(&p->who, 1));

        for (int i = 0; i < p->rounds; i++) {
                rn_time due = rn_deadline(behave_below(&s, 200) * RN_USEC);
                rn_timer *t = rn_timer_new(due - rn_now());

                rn_wait(rn_timer_chan(t));
                if (rn_now() - due > atomic_load(&p->latest))
                        atomic_store(&p->latest, rn_now() - due);
                rn_unref(t);
        }
}

/* The runtime looks every second whether all are asleep for ever, and would find a timer then that
 * nobody keeps. */
static void no_timer_waits_until_something_else_happens(void)
{
        struct punctual p = { .rounds = BEHAVE_SCALE(1000) };
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 10; i++)
                behave_go(i % 5 ? GOROUTINE : THREAD, &wg, time_many, &p);
        rn_wg_wait(&wg);
        CHECK(atomic_load(&p.latest) < 900 * RN_MSEC);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(no_timer_waits_until_something_else_happens),
        BEHAVE_BOTH(sleep_never_returns_early),
        BEHAVE_BOTH(sleep_of_0_and_less_returns_at_once),
        BEHAVE_BOTH(sleep_until_a_point_that_has_passed_returns_at_once),
        BEHAVE_BOTH(sleep_until_returns_after_its_point),
        BEHAVE_BOTH(now_does_not_go_back),
        BEHAVE_BOTH(deadline_is_now_plus_d_and_saturates),
        BEHAVE_BOTH(others_run_while_one_sleeps),
        BEHAVE(many_sleep_at_the_same_time),
        BEHAVE(sleepers_wake_in_the_order_of_their_deadlines),
        BEHAVE_BOTH(sleep_without_end_does_not_disturb_others),
        BEHAVE_BOTH(timers_fire_although_channels_ping_pong_without_pause),
        BEHAVE_BOTH(timeouts_of_selects_come_although_channels_ping_pong_without_pause),
        BEHAVE_BOTH(busy_select_sees_its_deadline),
        BEHAVE_BOTH(interrupted_waits_neither_end_early_nor_hang),
};

BEHAVE_MAIN(tests)
