/* SPDX-License-Identifier: MIT
 * Single operations that need not wait, 5 million of each; make_chan 1 million. */
#include "tests/bench/bench.h"

enum { N = 5000000 };

/* A buffered channel nobody else uses: a send and a receive. */
static void pair(void)
{
        rn_chan(long) c = rn_make(long, 100);
        rn_time start = rn_now();

        for (long i = 0; i < N; i++) {
                rn_send(c, i);
                rn_wait(c);
        }
        print_ns("ns_pair", start, N);
        rn_unref(c);
}

static void pairs(rn_chan(long) c, long n, rn_wg *wg)
{
        for (long i = 0; i < n; i++) {
                rn_send(c, 1);
                rn_wait(c);
        }
        rn_wg_done(wg);
}

/* Into the runtime and out again: asking for the number of processors does little else, and asking
 * for the number of the goroutine is as short a call that stays outside. */
static void enter(void)
{
        rn_time start = rn_now(), between;
        uint64_t sum = 0;

        for (long i = 0; i < N; i++)
                sum += (uint64_t)rn_maxprocs(0);
        between = rn_now();
        for (long i = 0; i < N; i++)
                sum += rn_goid();
        print_value("ns_enter_leave", (double)(between - start - (rn_now() - between)) / N);
        must(sum >= 2 * N, "enter");
}

/* The same on one channel by as many goroutines as may run at the same time. */
static void contended_pair(void)
{
        rn_chan(long) c = rn_make(long, 128);
        int goroutines = rn_maxprocs(0);
        rn_wg wg = { 0 };
        rn_time start = rn_now();

        rn_wg_add(&wg, goroutines);
        for (int i = 0; i < goroutines; i++)
                rn_go(pairs, c, (long)(N / goroutines), &wg);
        rn_wg_wait(&wg);
        print_ns("ns_contended_pair", start, N);
        rn_unref(c);
}

static void try_recv(void)
{
        rn_chan(long) c = rn_make(long, 0);
        rn_time start = rn_now();
        long v, got = 0;

        for (long i = 0; i < N; i++)
                got += rn_try_recv(c, &v) != -EAGAIN;
        print_ns("ns_try_recv_not_ready", start, N);
        must(got == 0, "try_recv");
        rn_unref(c);
}

static void select_default(void)
{
        rn_chan(long) in = rn_make(long, 0), out = rn_make(long, 0);
        rn_time start = rn_now();
        long got = 0;

        for (long i = 0; i < N; i++)
                got += rn_try_select(rn_on_signal(in), rn_on_send(out, 1)) != RN_DEFAULT;
        print_ns("ns_select2_default", start, N);
        must(got == 0, "select with default");
        rn_unref(in);
        rn_unref(out);
}

/* One of the two is always ready: a value goes to and fro. */
static void select_ready(void)
{
        rn_chan(long) a = rn_make(long, 1), b = rn_make(long, 1);
        rn_time start;
        long v;

        rn_send(a, 1);
        start = rn_now();
        for (long i = 0; i < N; i++) {
                switch (rn_select(rn_on_recv(a, &v), rn_on_recv(b, &v))) {
                case 0:
                        rn_send(b, v);
                        break;
                case 1:
                        rn_send(a, v);
                        break;
                }
        }
        print_ns("ns_select2_ready", start, N);
        must(rn_len(a) + rn_len(b) == 1, "select of two");
        rn_unref(a);
        rn_unref(b);
}

static void recv_closed(void)
{
        rn_chan(long) c = rn_make(long, 0);
        long got = 0;
        rn_time start;

        rn_close(c);
        start = rn_now();
        for (long i = 0; i < N; i++)
                got += rn_wait(c);
        print_ns("ns_recv_closed", start, N);
        must(got == 0, "receive from closed");
        rn_unref(c);
}

/* A channel is made, used once and freed. */
static void make_chan(void)
{
        rn_time start = rn_now();

        for (long i = 0; i < N / 5; i++) {
                rn_chan(long) c = rn_make(long, 1);

                rn_send(c, i);
                rn_wait(c);
                rn_unref(c);
        }
        print_ns("ns_make_chan", start, N / 5);
}

static void wg_add_done(void)
{
        rn_wg wg = { 0 };
        rn_time start = rn_now();

        for (long i = 0; i < N; i++) {
                rn_wg_add(&wg, 1);
                rn_wg_done(&wg);
        }
        print_ns("ns_wg_add_done", start, N);
        rn_wg_wait(&wg);
}

static void mutex_alone(void)
{
        rn_mutex m = { 0 };
        rn_time start = rn_now();

        for (long i = 0; i < N; i++) {
                rn_mutex_lock(&m);
                rn_mutex_unlock(&m);
        }
        print_ns("ns_mutex", start, N);
}

static void lock_often(rn_mutex *m, long *shared, long n, rn_wg *wg)
{
        for (long i = 0; i < n; i++) {
                rn_mutex_lock(m);
                ++*shared;
                rn_mutex_unlock(m);
        }
        rn_wg_done(wg);
}

/* The same number of times in all, by eight goroutines that want one mutex. */
static void mutex_contended(void)
{
        enum { GOROUTINES = 8 };
        rn_mutex m = { 0 };
        rn_wg wg = { 0 };
        long shared = 0;
        rn_time start = rn_now();

        rn_wg_add(&wg, GOROUTINES);
        for (int i = 0; i < GOROUTINES; i++)
                rn_go(lock_often, &m, &shared, (long)(N / GOROUTINES), &wg);
        rn_wg_wait(&wg);
        print_ns("ns_mutex_contended", start, N);
        must(shared == N / GOROUTINES * GOROUTINES, "mutual exclusion");
}

static void rwmutex_read(void)
{
        rn_rwmutex m = { 0 };
        rn_time start = rn_now();

        for (long i = 0; i < N; i++) {
                rn_rwmutex_rlock(&m);
                rn_rwmutex_runlock(&m);
        }
        print_ns("ns_rwmutex_read", start, N);
}

static void once_nothing(void)
{
}

/* Go's test is inlined into the loop; here the call is captured each time before it is found not to
 * be needed. */
static void once_again(void)
{
        rn_once o = { 0 };
        rn_time start = rn_now();

        for (long i = 0; i < N; i++)
                rn_once_do(&o, once_nothing);
        print_ns("ns_once_done", start, N);
}

/* Without a twin: Go's semaphore is not in its standard library. */
static void semaphore(void)
{
        rn_sem s = RN_SEM(10);
        rn_time start = rn_now();

        for (long i = 0; i < N; i++) {
                rn_sem_acquire(&s, 1);
                rn_sem_release(&s, 1);
        }
        print_ns("ns_semaphore", start, N);
}

static void micro(void)
{
        enter();
        pair();
        contended_pair();
        try_recv();
        select_default();
        select_ready();
        recv_closed();
        make_chan();
        wg_add_done();
        mutex_alone();
        mutex_contended();
        rwmutex_read();
        once_again();
        semaphore();
}

int main(int argc, char **argv)
{
        static const struct work works[] = { { "micro", micro } };

        (void)argc;
        return bench_main(argv, works, sizeof(works) / sizeof(works[0]));
}
