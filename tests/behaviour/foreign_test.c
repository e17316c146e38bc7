/* SPDX-License-Identifier: MIT
 * Plain threads beside goroutines: the same calls on both sides, in all pairings, and threads that
 * come and go. That each channel operation works from a thread is in the channels' own tests. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include <errno.h>

/* -- what a thread is -- */

static void no_goroutine(void *arg)
{
        int *before = arg;

        CHECK(rn_goid() == 0);
        CHECK_EQ(rn_numgoroutine(), *before);
        rn_yield();
        rn_set_name("no effect");
        CHECK(rn_goid() == 0);
}

static void thread_is_no_goroutine(void)
{
        int before = rn_numgoroutine();
        rn_wg wg = { { 0 } };

        behave_go(THREAD, &wg, no_goroutine, &before);
        rn_wg_wait(&wg);
}

static void may_not_exit(void *arg)
{
        (void)arg;
        CHECK_PANICS("rn_exit on a plain thread", rn_exit);
        rn_yield();
}

static void exit_on_a_thread_panics(void)
{
        rn_wg wg = { { 0 } };

        behave_go(THREAD, &wg, may_not_exit, NULL);
        rn_wg_wait(&wg);
}

static void add_one(atomic_int *n)
{
        atomic_fetch_add(n, 1);
}

static void panics_deferring(atomic_int *n)
{
        rn_defer(add_one, n);
        rn_sleep(RN_USEC);
        rn_panic("on a thread");
}

static void defers_and_catches(void *arg)
{
        atomic_int *n = arg;
        struct rn_recovered p;

        rn_defer(add_one, n);
        CHECK(!rn_pcall(&p, panics_deferring, n));
        CHECK(strcmp(p.text, "on a thread") == 0 && p.runtime == 0);
}

static void threads_defer_panic_and_catch(void)
{
        atomic_int n = 0;
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 4; i++)
                behave_go(THREAD, &wg, defers_and_catches, &n);
        rn_wg_wait(&wg);
        CHECK_EQ(n, 8);
}

/* -- threads among goroutines -- */

struct traffic {
        rn_chan(long) c;
        rn_wg senders, all;
        int each;
        atomic_long sum, count;
};

static void send_all(void *arg)
{
        struct traffic *t = arg;

        for (int i = 1; i <= t->each; i++)
                rn_send(t->c, i);
        rn_wg_done(&t->senders);
}

static void receive_all(void *arg)
{
        struct traffic *t = arg;

        rn_range(v, t->c) {
                atomic_fetch_add(&t->sum, v);
                atomic_fetch_add(&t->count, 1);
        }
}

static void run_traffic(int cap, const int senders[BEHAVE_KINDS], const int receivers[BEHAVE_KINDS])
{
        struct traffic t = { .c = rn_make(long, cap), .each = BEHAVE_SCALE(300) };
        long n = 0;

        for (int kind = 0; kind < BEHAVE_KINDS; kind++) {
                rn_wg_add(&t.senders, senders[kind]);
                n += senders[kind] * (long)t.each;
                for (int i = 0; i < senders[kind]; i++)
                        behave_go((enum behave_kind)kind, &t.all, send_all, &t);
                for (int i = 0; i < receivers[kind]; i++)
                        behave_go((enum behave_kind)kind, &t.all, receive_all, &t);
        }
        rn_wg_wait(&t.senders);
        rn_close(t.c);
        rn_wg_wait(&t.all);
        CHECK_EQ(t.count, n);
        CHECK_EQ(t.sum, n / t.each * ((long)t.each * (t.each + 1) / 2));
        rn_unref(t.c);
}

static void threads_and_goroutines_send_to_threads_and_goroutines(void)
{
        static const int some[][BEHAVE_KINDS] = { { 4, 0 }, { 0, 4 }, { 3, 3 } };

        for (int cap = 0; cap <= 10; cap += 5)
                for (int s = 0; s < 3; s++)
                        for (int r = 0; r < 3; r++)
                                run_traffic(cap, some[s], some[r]);
}

struct ring {
        rn_chan(int) in, out;
};

static void pass_on(void *arg)
{
        struct ring *r = arg;

        rn_range(v, r->in)
                rn_send(r->out, v + 1);
        rn_close(r->out);
}

static void ring_of_threads_and_goroutines(void)
{
        enum { N = 10 };
        struct ring r[N];
        rn_chan(int) c[N + 1];
        rn_wg wg = { { 0 } };

        c[0] = rn_make(int, 0);
        for (int i = 0; i < N; i++) {
                c[i + 1] = rn_make(int, 0);
                r[i] = (struct ring){ c[i], c[i + 1] };
                behave_go(i % 2 ? THREAD : GOROUTINE, &wg, pass_on, &r[i]);
        }
        for (int i = 0; i < BEHAVE_SCALE(100); i++) {
                rn_send(c[0], i);
                CHECK_EQ(rn_get(c[N]), i + N);
        }
        rn_close(c[0]);
        CHECK(!rn_wait(c[N]));
        rn_wg_wait(&wg);
        for (int i = 0; i <= N; i++)
                rn_unref(c[i]);
}

struct choice {
        rn_chan(int) a, b;
        rn_chan(rn_nothing) stop;
        atomic_int got;
};

static void choose(void *arg)
{
        enum { A, B, STOP };
        struct choice *s = arg;
        int v;

        for (;;)
                switch (rn_select([A] = rn_on_recv(s->a, &v), [B] = rn_on_recv(s->b, &v),
                                  [STOP] = rn_on_signal(s->stop))) {
                case A:
                case B:
                        atomic_fetch_add(&s->got, v);
                        break;
                default:
                        return;
                }
}

static void threads_and_goroutines_select_on_the_same_channels(void)
{
        struct choice s = { rn_make(int, 0), rn_make(int, 2), rn_make(rn_nothing, 0), 0 };
        int n = BEHAVE_SCALE(300);
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 6; i++)
                behave_go(i % 2 ? THREAD : GOROUTINE, &wg, choose, &s);
        for (int i = 0; i < n; i++) {
                rn_send(s.a, 1);
                rn_send(s.b, 1);
        }
        BEHAVE_UNTIL(atomic_load(&s.got) == 2 * n);
        rn_close(s.stop);
        rn_wg_wait(&wg);
        CHECK_EQ(s.got, 2 * n);
        rn_unref(s.a);
        rn_unref(s.b);
        rn_unref(s.stop);
}

static void times_out(void *arg)
{
        rn_chan(int) never = rn_make(int, 0);
        int v;

        (void)arg;
        for (int i = 0; i < 5; i++) {
                rn_time begun = rn_now();

                CHECK_EQ(rn_recv_for(2 * RN_MSEC, never, &v), -ETIMEDOUT);
                CHECK(rn_now() - begun >= 2 * RN_MSEC);
                CHECK_EQ(rn_select_for(RN_MSEC, rn_on_signal(never), rn_on_send(never, 1)),
                         RN_TIMEOUT);
                CHECK_EQ(rn_send_for(0, never, 1), -ETIMEDOUT);
                rn_sleep(RN_MSEC);
        }
        rn_unref(never);
}

static void waits_of_threads_time_out(void)
{
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 4; i++)
                behave_go(THREAD, &wg, times_out, NULL);
        rn_wg_wait(&wg);
}

struct race {
        rn_chan(int) c;
        atomic_int sent, got;
};

static void receive_with_short_deadlines(void *arg)
{
        struct race *r = arg;
        int v;

        for (;;) {
                int how = rn_recv_for(20 * RN_USEC, r->c, &v);

                if (how == 0)
                        return;
                if (how == 1)
                        atomic_fetch_add(&r->got, 1);
        }
}

static void deadline_that_races_with_a_partner_loses_nothing(void)
{
        struct race r = { rn_make(int, 0), 0, 0 };
        int n = BEHAVE_SCALE(2000), sent = 0;
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 4; i++)
                behave_go(i % 2 ? THREAD : GOROUTINE, &wg, receive_with_short_deadlines, &r);
        for (int i = 0; i < n; i++) {
                if (rn_send_for((i % 40) * RN_USEC, r.c, i) == 0)
                        sent++;
        }
        rn_send(r.c, 0);
        rn_close(r.c);
        rn_wg_wait(&wg);
        CHECK_EQ(r.got, sent + 1);
        rn_unref(r.c);
}

/* -- starting goroutines from threads -- */

static void starts_goroutines(void *arg)
{
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 200; i++)
                rn_wg_go(&wg, add_one, arg);
        rn_wg_wait(&wg);
}

static void threads_start_goroutines_and_wait_for_them(void)
{
        atomic_int n = 0;
        rn_wg wg = { { 0 } };
        int before = rn_numgoroutine();

        for (int i = 0; i < 8; i++)
                behave_go(THREAD, &wg, starts_goroutines, &n);
        rn_wg_wait(&wg);
        CHECK_EQ(n, 1600);
        CHECK_EQ(rn_numgoroutine(), before);
}

static void changes_maxprocs(void *arg)
{
        atomic_int *n = arg;

        for (int i = 0; i < 50; i++) {
                rn_maxprocs(1 + i % 4);
                starts_goroutines(n);
        }
}

static void threads_change_maxprocs(void)
{
        int was = rn_maxprocs(0);
        atomic_int n = 0;
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 3; i++)
                behave_go(THREAD, &wg, changes_maxprocs, &n);
        rn_wg_wait(&wg);
        CHECK_EQ(n, 3 * 50 * 200);
        rn_maxprocs(was);
}

/* -- threads that come and go -- */

static void *short_life(void *arg)
{
        struct ring *r = arg;
        int v;

        CHECK(rn_recv(r->in, &v));
        rn_send(r->out, v + 1);
        return NULL;
}

static void threads_come_and_go(void)
{
        struct ring r = { rn_make(int, 0), rn_make(int, 0) };

        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                pthread_t t;

                if (pthread_create(&t, NULL, short_life, &r))
                        abort();
                rn_send(r.in, i);
                CHECK_EQ(rn_get(r.out), i + 1);
                pthread_join(t, NULL);
        }
        rn_unref(r.in);
        rn_unref(r.out);
}

/* -- errno belongs to who set it -- */

static void keeps_errno(void *arg)
{
        struct ring *r = arg;

        for (int i = 0; i < BEHAVE_SCALE(200); i++) {
                errno = 1000 + i;
                rn_send(r->out, i);
                CHECK_EQ(errno, 1000 + i);
                errno = 2000 + i;
                rn_wait(r->in);
                CHECK_EQ(errno, 2000 + i);
                errno = 3000 + i;
                rn_sleep(RN_USEC);
                CHECK_EQ(errno, 3000 + i);
        }
}

static void waits_of_threads_leave_errno_alone(void)
{
        struct ring r = { rn_make(int, 0), rn_make(int, 0) };
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 4; i++)
                behave_go(THREAD, &wg, keeps_errno, &r);
        for (int i = 0; i < 4 * BEHAVE_SCALE(200); i++) {
                rn_wait(r.out);
                rn_send(r.in, i);
        }
        rn_wg_wait(&wg);
        rn_unref(r.in);
        rn_unref(r.out);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(thread_is_no_goroutine),
        BEHAVE_BOTH(exit_on_a_thread_panics),
        BEHAVE_BOTH(threads_defer_panic_and_catch),
        BEHAVE_BOTH(threads_and_goroutines_send_to_threads_and_goroutines),
        BEHAVE_BOTH(ring_of_threads_and_goroutines),
        BEHAVE_BOTH(threads_and_goroutines_select_on_the_same_channels),
        BEHAVE_BOTH(waits_of_threads_time_out),
        BEHAVE_BOTH(deadline_that_races_with_a_partner_loses_nothing),
        BEHAVE_BOTH(threads_start_goroutines_and_wait_for_them),
        BEHAVE_BOTH(threads_change_maxprocs),
        BEHAVE_BOTH(threads_come_and_go),
        BEHAVE_BOTH(waits_of_threads_leave_errno_alone),
};

BEHAVE_MAIN(tests)
