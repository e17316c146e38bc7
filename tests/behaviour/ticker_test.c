/* SPDX-License-Identifier: MIT
 * Tickers: regular, never early, at most one tick kept for a slow receiver, silent after stop. How
 * late a tick is, is a matter of the machine and not tested. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#define FAR (3600 * RN_SEC)

static int take(rn_ticker *t)
{
        rn_time v;

        return rn_try_recv(rn_ticker_chan(t), &v);
}

static void n_ticks_take_n_periods(void)
{
        enum { N = 20 };
        rn_time begun = rn_now();
        rn_ticker *t = rn_ticker_new(RN_MSEC);

        for (int i = 1; i <= N; i++)
                CHECK(rn_get(rn_ticker_chan(t)) >= begun + i * RN_MSEC);
        begun = rn_now();
        rn_ticker_reset(t, 2 * RN_MSEC);
        for (int i = 1; i <= N; i++)
                CHECK(rn_get(rn_ticker_chan(t)) >= begun + i * 2 * RN_MSEC);
        rn_unref(t);
}

static void no_tick_comes_after_stop_and_the_channel_stays_open(void)
{
        rn_ticker *t = rn_ticker_new(100 * RN_USEC);

        rn_wait(rn_ticker_chan(t));
        rn_ticker_stop(t);
        CHECK_EQ(take(t), -EAGAIN);   /* 0 if it were closed */
        rn_sleep(RN_MSEC);
        CHECK_EQ(take(t), -EAGAIN);
        rn_ticker_stop(t);
        rn_ticker_reset(t, 100 * RN_USEC);
        CHECK(rn_wait(rn_ticker_chan(t)));
        rn_unref(t);
}

static void reset_starts_from_now_and_drops_an_unread_tick(void)
{
        rn_ticker *t = rn_ticker_new(100 * RN_USEC);
        rn_time begun;

        for (int i = 0; i < 20; i++) {
                while (rn_len(rn_ticker_chan(t)) == 0)
                        rn_sleep(100 * RN_USEC);
                rn_ticker_reset(t, FAR);
                CHECK_EQ(take(t), -EAGAIN);
                begun = rn_now();
                rn_ticker_reset(t, 200 * RN_USEC);
                CHECK(rn_get(rn_ticker_chan(t)) >= begun + 200 * RN_USEC);
        }
        rn_unref(t);
}

static void a_slow_receiver_loses_ticks_and_keeps_one(void)
{
        rn_time begun = rn_now(), took;
        rn_ticker *t = rn_ticker_new(RN_MSEC);
        int got = 0;

        for (int i = 0; i < 5; i++) {
                rn_sleep(5 * RN_MSEC);
                CHECK(rn_len(rn_ticker_chan(t)) <= 1);
                while (take(t) == 1)
                        got++;
        }
        rn_ticker_stop(t);
        took = rn_now() - begun;
        CHECK(got >= 1);
        CHECK(got <= 6 + (took - 25 * RN_MSEC) / RN_MSEC);   /* after each sleep the kept one, and
                                                              * what came while taking */
        CHECK_EQ(take(t), -EAGAIN);
        rn_unref(t);
}

static void the_value_is_the_time_of_the_tick_not_of_receiving(void)
{
        rn_ticker *t = rn_ticker_new(RN_MSEC);
        rn_time seen, tick, next;

        while (rn_len(rn_ticker_chan(t)) == 0)
                rn_sleep(100 * RN_USEC);
        seen = rn_now();
        rn_sleep(10 * RN_MSEC);
        tick = rn_get(rn_ticker_chan(t));
        next = rn_get(rn_ticker_chan(t));
        CHECK(tick <= seen);
        CHECK(next > tick);
        rn_unref(t);
}

static void a_period_that_is_not_positive_panics(void)
{
        rn_ticker *t = rn_ticker_new(FAR);

        CHECK_PANICS("non-positive interval for NewTicker", rn_ticker_new, (rn_dur)0);
        CHECK_PANICS("non-positive interval for NewTicker", rn_ticker_new, -RN_SEC);
        CHECK_PANICS("non-positive interval for Ticker.Reset", rn_ticker_reset, t, (rn_dur)0);
        CHECK_PANICS("non-positive interval for Ticker.Reset", rn_ticker_reset, t, -RN_SEC);
        CHECK_PANICS("time: Reset called on uninitialized Ticker", rn_ticker_reset,
                     (rn_ticker *)NULL, RN_SEC);
        rn_ticker_reset(t, 1);   /* nothing is left locked */
        rn_wait(rn_ticker_chan(t));
        rn_unref(t);
}

static void stop_of_no_ticker_does_nothing(void)
{
        rn_ticker_stop(NULL);
        CHECK(rn_ticker_chan(NULL) == NULL);
}

static void making_receiving_and_stopping_again_and_again(void)
{
        for (int i = 0; i < BEHAVE_SCALE(500); i++) {
                rn_ticker *t = rn_ticker_new(10 * RN_USEC);

                rn_wait(rn_ticker_chan(t));
                if (i % 2)
                        rn_ticker_stop(t);
                rn_unref(t);
        }
}

static void receive_100(rn_recv_chan(rn_time) c)
{
        rn_time last = 0, now;

        for (int i = 0; i < 100; i++) {
                now = rn_get(c);
                CHECK(now > last);
                last = now;
        }
}

static void receive_100_of(void *c)
{
        receive_100(c);
}

static void a_ticker_of_1_ns_ticks_for_one_and_for_ten(void)
{
        rn_ticker *t = rn_ticker_new(1);
        rn_wg wg = { { 0 } };

        receive_100(rn_ticker_chan(t));
        for (int i = 0; i < 10; i++)
                behave_go(i ? GOROUTINE : THREAD, &wg, receive_100_of,
                          (void *)(uintptr_t)rn_ticker_chan(t));
        rn_wg_wait(&wg);
        rn_unref(t);
}

static void the_longest_period_does_not_overflow(void)
{
        static const rn_dur periods[] = { RN_NEVER, RN_NEVER - 1, RN_NEVER / 2 };

        for (size_t i = 0; i < sizeof periods / sizeof *periods; i++) {
                rn_ticker *t = rn_ticker_new(periods[i]);

                rn_sleep(RN_MSEC);
                CHECK_EQ(take(t), -EAGAIN);
                rn_ticker_reset(t, RN_MSEC);
                rn_wait(rn_ticker_chan(t));
                rn_ticker_reset(t, periods[i]);
                CHECK_EQ(take(t), -EAGAIN);
                rn_unref(t);
        }
}

static void wake_and_reset(void *arg)
{
        rn_ticker *t = arg;

        for (int i = 0; i < BEHAVE_SCALE(2000); i++) {
                rn_time v;

                rn_ticker_reset(t, 1 + i % 3);
                rn_recv_for(2 * RN_USEC, rn_ticker_chan(t), &v);
                if (i % 16 == 0)
                        rn_ticker_stop(t);
        }
}

static void many_wake_and_reset_one_ticker(void)
{
        rn_ticker *t = rn_ticker_new(1);
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 16; i++)
                behave_go(i % 8 ? GOROUTINE : THREAD, &wg, wake_and_reset, t);
        rn_wg_wait(&wg);
        rn_ticker_reset(t, 1);
        rn_wait(rn_ticker_chan(t));
        rn_unref(t);
}

static void the_last_unref_stops_a_ticker(void)
{
        for (int i = 0; i < BEHAVE_SCALE(20000); i++)   /* whatever it is doing just now */
                rn_unref(rn_ticker_new(1 + i % 13 * 100));
}

/* The goroutines' P retires, and the ticker goes on. */
static void a_ticker_survives_a_change_of_maxprocs(void)
{
        rn_ticker *t = rn_ticker_new(100 * RN_USEC);
        int procs = rn_maxprocs(0);

        for (int i = 0; i < 20; i++) {
                rn_maxprocs(1 + i % 8);
                rn_wait(rn_ticker_chan(t));
        }
        rn_maxprocs(procs);
        rn_unref(t);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(n_ticks_take_n_periods),
        BEHAVE_BOTH(no_tick_comes_after_stop_and_the_channel_stays_open),
        BEHAVE_BOTH(reset_starts_from_now_and_drops_an_unread_tick),
        BEHAVE_BOTH(a_slow_receiver_loses_ticks_and_keeps_one),
        BEHAVE_BOTH(the_value_is_the_time_of_the_tick_not_of_receiving),
        BEHAVE_BOTH(a_period_that_is_not_positive_panics),
        BEHAVE_BOTH(stop_of_no_ticker_does_nothing),
        BEHAVE_BOTH(making_receiving_and_stopping_again_and_again),
        BEHAVE(a_ticker_of_1_ns_ticks_for_one_and_for_ten),
        BEHAVE_BOTH(the_longest_period_does_not_overflow),
        BEHAVE(many_wake_and_reset_one_ticker),
        BEHAVE_BOTH(the_last_unref_stops_a_ticker),
        BEHAVE_BOTH(a_ticker_survives_a_change_of_maxprocs),
};

BEHAVE_MAIN(tests)
