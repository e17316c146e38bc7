/* SPDX-License-Identifier: MIT
 * Timers: how late sleeps and ticks are, and what it costs to make a timer that never fires. Go's
 * twin leaves its timers to the collector; here each is unreferenced, and that counts. Go's select
 * with a timeout makes a timer and its channel (time.After); rn_select_for needs none. Go's timers
 * with a channel, which nobody waits on here, do not enter its heap at all: ms_live_..., a million
 * at the same time, is of those with a function, which do. */
#include "tests/bench/bench.h"

enum { N = 2000000, SAMPLES = 1000 };
static const rn_dur HOUR = 3600 * RN_SEC;

static int compare(const void *a, const void *b)
{
        rn_dur x = *(const rn_dur *)a, y = *(const rn_dur *)b;

        return (x > y) - (x < y);
}

/* The median and the 99th percentile, in microseconds. Sorts. */
static void print_quantiles(const char *name, rn_dur *sample)
{
        char key[64];

        qsort(sample, SAMPLES, sizeof(sample[0]), compare);
        snprintf(key, sizeof(key), "us_%s_p50", name);
        print_value(key, (double)sample[(SAMPLES - 1) / 2] / (double)RN_USEC);
        snprintf(key, sizeof(key), "us_%s_p99", name);
        print_value(key, (double)sample[(SAMPLES - 1) * 99 / 100] / (double)RN_USEC);
}

static void sleep_late(const char *name, rn_dur length)
{
        rn_dur late[SAMPLES];

        for (int i = 0; i < SAMPLES; i++) {
                rn_time start = rn_now();

                rn_sleep(length);
                late[i] = rn_now() - start - length;
                must(late[i] >= 0, "a sleep is not too short");
        }
        print_quantiles(name, late);
}

/* How much later than its length a sleep ends. */
static void sleeps(void)
{
        sleep_late("sleep_100us", 100 * RN_USEC);
        sleep_late("sleep_1ms", RN_MSEC);
}

/* By how much the time between two ticks of 1 ms is wrong. */
static void ticker(void)
{
        rn_ticker *t = rn_ticker_new(RN_MSEC);
        rn_time last = rn_now();
        rn_dur off[SAMPLES];

        for (int i = 0; i < SAMPLES; i++) {
                rn_time now;

                rn_wait(rn_ticker_chan(t));
                now = rn_now();
                off[i] = now - last > RN_MSEC ? now - last - RN_MSEC : RN_MSEC - (now - last);
                last = now;
        }
        print_quantiles("ticker_1ms", off);
        rn_unref(t);
}

static void nothing(void)
{
}

static void timer_stop(void)
{
        rn_time start = rn_now();
        long stopped = 0;

        for (long i = 0; i < N; i++) {
                rn_timer *t = rn_timer_new(HOUR);

                stopped += rn_timer_stop(t);
                rn_unref(t);
        }
        print_ns("ns_timer_stop", start, N);
        must(stopped == N, "timers stopped");
}

static void after_func_stop(void)
{
        rn_time start = rn_now();
        long stopped = 0;

        for (long i = 0; i < N; i++) {
                rn_timer *t = rn_after_func(HOUR, nothing);

                stopped += rn_timer_stop(t);
                rn_unref(t);
        }
        print_ns("ns_after_func_stop", start, N);
        must(stopped == N, "timers with a function stopped");
}

/* A value is there each time. */
static void select_timeout(void)
{
        rn_chan(long) c = rn_make(long, 1);
        rn_time start = rn_now();
        long got = 0;

        for (long i = 0; i < N; i++) {
                rn_send(c, i);
                got += rn_select_for(HOUR, rn_on_signal(c)) == 0;
        }
        print_ns("ns_select_timeout", start, N);
        must(got == N, "select with a timeout");
        rn_unref(c);
}

static void timer(void)
{
        timer_stop();
        after_func_stop();
        select_timeout();
}

/* n timers are pending at the same time. */
static void livetimers(void)
{
        const long n = option("-n", 1000000);
        rn_timer **live = calloc((size_t)n, sizeof(live[0]));
        long stopped = 0;
        rn_time start;

        must(live != NULL, "memory");
        start = rn_now();
        for (long i = 0; i < n; i++)
                live[i] = rn_after_func(HOUR, nothing);
        print_ms("ms_live_create", start);
        start = rn_now();
        for (long i = 0; i < n; i++) {
                stopped += rn_timer_stop(live[i]);
                rn_unref(live[i]);
        }
        print_ms("ms_live_stop", start);
        must(stopped == n, "live timers stopped");
        free(live);
}

int main(int argc, char **argv)
{
        static const struct work works[] = {
                { "sleep", sleeps },
                { "ticker", ticker },
                { "timer", timer },
                { "livetimers", livetimers },
        };

        (void)argc;
        return bench_main(argv, works, sizeof(works) / sizeof(works[0]));
}
