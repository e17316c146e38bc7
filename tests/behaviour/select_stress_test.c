/* SPDX-License-Identifier: MIT
 * select under load: nothing lost, nothing doubled, nobody starved, no default while something
 * is ready, no memory used up. What is random comes from streams of BEHAVE_SEED; the schedule is
 * the machine's. */
#define _GNU_SOURCE
#define BEHAVE_COUNTING
#include "tests/support/behave.h"

/* -- plain and selecting partners on the same channels -- */

struct stress {
        rn_chan(int) c[4];
        int n;
        atomic_int senders, receivers;
        atomic_long sent[4], received[4];
};

static void send_to_own(void *arg)
{
        struct stress *s = arg;
        int k = atomic_fetch_add(&s->senders, 1);

        for (int i = 0; i < s->n; i++) {
                rn_send(s->c[k], k);
                atomic_fetch_add(&s->sent[k], 1);
        }
}

static void recv_from_own(void *arg)
{
        struct stress *s = arg;
        int k = atomic_fetch_add(&s->receivers, 1);

        for (int i = 0; i < s->n; i++) {
                int v = -1;

                CHECK(rn_recv(s->c[k], &v) && v == k);
                atomic_fetch_add(&s->received[k], 1);
        }
}

static void send_to_all(void *arg)
{
        struct stress *s = arg;
        rn_chan(int) c[4];
        int left[4];

        for (int k = 0; k < 4; k++) {
                c[k] = s->c[k];
                left[k] = s->n;
        }
        for (int i = 0; i < 4 * s->n; i++) {
                int k = rn_select(rn_on_send(c[3], 3), rn_on_send(c[2], 2), rn_on_send(c[0], 0),
                                  rn_on_send(c[1], 1));

                k = k < 2 ? 3 - k : k - 2;
                atomic_fetch_add(&s->sent[k], 1);
                if (--left[k] == 0)
                        c[k] = NULL;
        }
}

static void recv_from_all(void *arg)
{
        struct stress *s = arg;
        rn_chan(int) c[4];
        int left[4];

        for (int k = 0; k < 4; k++) {
                c[k] = s->c[k];
                left[k] = s->n;
        }
        for (int i = 0; i < 4 * s->n; i++) {
                int v = -1;
                int k = rn_select(rn_on_recv(c[0], &v), rn_on_recv(c[1], &v), rn_on_recv(c[2], &v),
                                  rn_on_recv(c[3], &v));

                CHECK_EQ(v, k);
                atomic_fetch_add(&s->received[k], 1);
                if (--left[k] == 0)
                        c[k] = NULL;
        }
}

static void stress(enum behave_kind plain, enum behave_kind selecting, int n)
{
        struct stress s = { { rn_make(int, 0), rn_make(int, 0), rn_make(int, 2), rn_make(int, 3) },
                            .n = BEHAVE_SCALE(n) };
        rn_wg wg = { { 0 } };

        for (int k = 0; k < 4; k++)
                behave_go(plain, &wg, send_to_own, &s);
        behave_go(selecting, &wg, send_to_all, &s);
        behave_go(selecting, &wg, recv_from_all, &s);
        for (int k = 0; k < 4; k++)
                behave_go(plain, &wg, recv_from_own, &s);
        rn_wg_wait(&wg);
        for (int k = 0; k < 4; k++) {
                CHECK_EQ(atomic_load(&s.sent[k]), 2L * s.n);
                CHECK_EQ(atomic_load(&s.received[k]), 2L * s.n);
                CHECK_EQ(rn_len(s.c[k]), 0);
                rn_unref(s.c[k]);
        }
}

static void ten_senders_and_receivers_on_four_channels_lose_nothing(void)
{
        stress(GOROUTINE, GOROUTINE, 20000);
}

static void threads_among_ten_senders_and_receivers_lose_nothing(void)
{
        stress(GOROUTINE, THREAD, 1000);
        stress(THREAD, GOROUTINE, 1000);
        stress(THREAD, THREAD, 1000);
}

struct self {
        rn_chan(int) c;
        int n;
        atomic_int next;
};

static void send_or_recv(void *arg)
{
        struct self *s = arg;
        int me = atomic_fetch_add(&s->next, 1);

        for (int i = 0; i < s->n; i++) {
                int v = -1;
                bool got;

                if (me == 0 || i % 2 == 0)
                        got = rn_select(rn_on_send(s->c, me), rn_on_recv(s->c, &v)) == 1;
                else
                        got = rn_select(rn_on_recv(s->c, &v), rn_on_send(s->c, me)) == 0;
                CHECK_EQ(got, v >= 0);
                if (rn_cap(s->c) == 0)
                        CHECK(v != me);
        }
}

static void two_that_send_or_receive_never_get_their_own_value(void)
{
        for (int cap = 0; cap <= 10; cap += 10) {
                for (int kinds = 0; kinds < 3; kinds++) {
                        struct self s = { .c = rn_make(int, cap),
                                          .n = BEHAVE_SCALE(kinds ? 500 : 5000) };
                        rn_wg wg = { { 0 } };

                        behave_go(kinds & 1 ? THREAD : GOROUTINE, &wg, send_or_recv, &s);
                        behave_go(kinds & 2 ? THREAD : GOROUTINE, &wg, send_or_recv, &s);
                        rn_wg_wait(&wg);
                        rn_unref(s.c);
                }
        }
}

/* -- judged at one moment -- */

static void take_one_of_two(rn_recv_chan(int) a, rn_recv_chan(int) b)
{
        CHECK(rn_try_select(rn_on_signal(a), rn_on_signal(b)) != RN_DEFAULT);
}

static void default_is_never_taken_while_at_each_moment_one_is_ready(void)
{
        for (int i = 0; i < BEHAVE_SCALE(5000); i++) {
                rn_chan(int) a = rn_make(int, 1), b = rn_make(int, 1);
                rn_wg wg = { { 0 } };

                rn_send(a, 1);
                rn_wg_go(&wg, take_one_of_two, a, b);
                if (i % 2)
                        rn_send(b, 1);
                else
                        rn_close(b);
                rn_try_select(rn_on_signal(a));
                rn_wg_wait(&wg);
                rn_unref(a);
                rn_unref(b);
        }
}

struct token {
        rn_chan(int) a, b;
        atomic_bool stop;
};

/* A token that lies in one of two buffers: it is put into the other before it is taken from the
 * first. */
static void move_token(void *arg)
{
        struct token *t = arg;

        while (!atomic_load(&t->stop)) {
                rn_send(t->b, 1);
                CHECK(rn_wait(t->a));
                rn_send(t->a, 1);
                CHECK(rn_wait(t->b));
                rn_yield();
        }
}

static void look_for_token(void *arg)
{
        struct token *t = arg;

        for (int i = 0; i < BEHAVE_SCALE(20000); i++) {
                int k = rn_try_select(rn_on_signal(t->a), rn_on_signal(t->b));

                if (!CHECK(k != RN_DEFAULT))
                        break;
                rn_send(k == 0 ? t->a : t->b, 1);
        }
        atomic_store(&t->stop, true);
}

static void moving_token_is_always_found_in_one_of_two_buffers(void)
{
        for (int kinds = 0; kinds < 4; kinds++) {
                struct token t = { .a = rn_make(int, 1), .b = rn_make(int, 1) };
                rn_wg wg = { { 0 } };

                rn_send(t.a, 1);
                behave_go(kinds & 1 ? THREAD : GOROUTINE, &wg, move_token, &t);
                behave_go(kinds & 2 ? THREAD : GOROUTINE, &wg, look_for_token, &t);
                rn_wg_wait(&wg);
                CHECK_EQ(rn_len(t.a) + rn_len(t.b), 1);
                rn_unref(t.a);
                rn_unref(t.b);
        }
}

/* -- by chance -- */

/* Within 10 sigma of p among n. */
static bool likely_count(int count, int n, double p)
{
        double off = count - n * p;

        return off * off <= 100 * n * p * (1 - p);
}

static void choice_among_ready_cases_is_fair(void)
{
        rn_chan(int) ready[7], idle = rn_make(int, 0), full = rn_make(int, 0);
        int n = BEHAVE_SCALE(10000), v;

        for (int i = 0; i < 7; i++) {
                ready[i] = rn_make(int, 0);
                rn_close(ready[i]);
        }
        for (int live = 2; live <= 7; live++) {
                int counts[9] = { 0 };

                for (int i = 0; i < n; i++) {
                        struct rn_case k[9];

                        k[0] = rn_on_recv(idle, &v);
                        for (int j = 0; j < live; j++)
                                k[j + 1] = rn_on_recv(ready[j], &v);
                        k[live + 1] = rn_on_send_from(full, &n);
                        counts[rn_selectv(k, (size_t)live + 2, RN_NEVER)]++;
                }
                CHECK(counts[0] == 0 && counts[live + 1] == 0);
                for (int j = 1; j <= live; j++)
                        if (!CHECK(likely_count(counts[j], n, 1.0 / live)))
                                fprintf(stderr, "case %d of %d: %d of %d\n", j, live, counts[j], n);
        }
        for (int i = 0; i < 7; i++)
                rn_unref(ready[i]);
        rn_unref(idle);
        rn_unref(full);
}

static void choice_between_send_and_receive_is_fair(void)
{
        rn_chan(int) a = rn_make(int, 100), b = rn_make(int, 100);
        int n = BEHAVE_SCALE(10000), sends = 0, v;

        for (int i = 0; i < n; i++) {
                while (rn_len(a) > 50)
                        rn_wait(a);
                while (rn_len(b) < 50)
                        rn_send(b, 1);
                sends += rn_select(rn_on_send(a, 1), rn_on_recv(b, &v)) == 0;
        }
        CHECK(likely_count(sends, n, 0.5));
        rn_unref(a);
        rn_unref(b);
}

static void send_zeroes_and_ones(rn_send_chan(int) c, int n)
{
        for (int i = 0; i < n; i++)
                rn_select(rn_on_send(c, 0), rn_on_send(c, 1));
}

static void choice_between_two_sends_to_one_channel_is_by_chance(void)
{
        for (int cap = 0; cap <= 100; cap += 100) {
                enum { N = 1000 };
                rn_chan(int) c = rn_make(int, cap);
                int ones = 0;
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, send_zeroes_and_ones, c, (int)N);
                for (int i = 0; i < N; i++)
                        ones += rn_get(c);
                rn_wg_wait(&wg);
                CHECK(ones > N / 10 && ones < N - N / 10);
                rn_unref(c);
        }
}

static void ready_all_the_time(rn_recv_chan(int) a, rn_recv_chan(int) b, atomic_bool *stop)
{
        while (!atomic_load(stop)) {
                rn_try_select(rn_on_signal(a), rn_on_signal(b));
                rn_yield();
        }
}

static void pass_on(rn_recv_chan(int) in, rn_send_chan(int) out, int n)
{
        for (int i = 0; i < n; i++)
                rn_send(out, rn_get(in) + 1);
}

static void selects_and_yields_let_the_others_go_on(void)
{
        rn_chan(int) a = rn_make(int, 0), b = rn_make(int, 0), in = rn_make(int, 0),
                     out = rn_make(int, 0);
        atomic_bool stop = false;
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 10; i++)
                rn_wg_go(&wg, ready_all_the_time, a, b, &stop);
        rn_wg_go(&wg, pass_on, in, out, 200);
        for (int i = 0; i < 200; i++) {
                rn_send(in, i);
                CHECK_EQ(rn_get(out), i + 1);
        }
        atomic_store(&stop, true);
        rn_wg_wait(&wg);
        rn_unref(a);
        rn_unref(b);
        rn_unref(in);
        rn_unref(out);
}

/* -- many waiters on one channel -- */

static void select_shared_or_own(rn_recv_chan(int) shared, rn_recv_chan(int) own,
                                 atomic_int *by_own)
{
        int v = 0;

        if (rn_select(rn_on_recv(shared, &v), rn_on_recv(own, &v)) == 1)
                atomic_fetch_add(by_own, 1);
        CHECK_EQ(v, 5);
}

/* Each leaves the shared queue from where it stands in it: first, last, middle. */
static void two_thousand_waiters_leave_a_shared_queue_one_by_one(void)
{
        enum { MOST = 2000 };
        static rn_chan(int) own[MOST];
        int n = MOST, at = 0;
        rn_chan(int) shared = rn_make(int, 0);
        uint64_t random = behave_stream(1);
        atomic_int by_own = 0;
        rn_wg wg = { { 0 } };

        for (int i = 0; i < n; i++) {
                own[i] = rn_make(int, 0);
                rn_wg_go(&wg, select_shared_or_own, shared, own[i], &by_own);
        }
        for (int left = n; left > 0; left--) {
                unsigned pick = behave_below(&random, 3);

                do {
                        at = pick == 0   ? 0
                             : pick == 1 ? n - 1
                                         : (int)behave_below(&random, (unsigned)n);
                        while (pick < 2 && !own[at])
                                at += pick == 0 ? 1 : -1;
                } while (!own[at]);
                rn_send(own[at], 5);
                rn_unref(own[at]);
                own[at] = NULL;
        }
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&by_own), n);
        CHECK(!rn_try_send(shared, 5));
        rn_unref(shared);
}

static void half_of_the_waiters_are_served_by_the_shared_channel(void)
{
        enum { N = 1000 };
        static rn_chan(int) own[N];
        rn_chan(int) shared = rn_make(int, 0);
        atomic_int by_own = 0;
        rn_wg wg = { { 0 } };
        int direct = 0;

        for (int i = 0; i < N; i++) {
                own[i] = rn_make(int, 0);
                rn_wg_go(&wg, select_shared_or_own, shared, own[i], &by_own);
        }
        for (int i = 0; i < N / 2; i++)
                rn_send(shared, 5);
        for (int i = 0; direct < N / 2; i = (i + 1) % N) {
                if (rn_try_send(own[i], 5))
                        direct++;
                else if (i == 0)
                        rn_yield();
        }
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&by_own), N / 2);
        for (int i = 0; i < N; i++)
                rn_unref(own[i]);
        rn_unref(shared);
}

/* -- everything at once -- */

enum { CHANNELS = 6 };

struct torture {
        rn_chan(int) c[CHANNELS];
        int n;
        atomic_int next, running;
        atomic_long sent, received, sum_sent, sum_received;
};

static void torture(void *arg)
{
        struct torture *t = arg;
        int me = atomic_fetch_add(&t->next, 1);
        uint64_t random = behave_stream((uint64_t)me);

        for (int i = 0; i < t->n; i++) {
                struct rn_case cases[10];
                unsigned n = 1 + behave_below(&random, 10);
                int value = 1 + (int)behave_below(&random, 1000), got = -1, k;
                bool ok = false;

                for (unsigned j = 0; j < n; j++) {
                        rn_chan(int) c = t->c[behave_below(&random, CHANNELS)];
                        unsigned what = behave_below(&random, 8);

                        if (what == 0)
                                cases[j] = (struct rn_case){ 0 };
                        else
                                cases[j] = what < 5 ? rn_on_send_from(c, &value)
                                                    : rn_on_recv_ok(c, &got, &ok);
                }
                if (behave_below(&random, 4) == 0)
                        k = rn_selectv_try(cases, n);
                else
                        k = rn_selectv(cases, n,
                                       rn_now() + (rn_time)behave_below(&random, 50) * RN_USEC);
                if (k >= 0 && cases[k].op == 1) {
                        atomic_fetch_add(&t->sent, 1);
                        atomic_fetch_add(&t->sum_sent, value);
                        CHECK_EQ(got, -1);
                } else if (k >= 0) {
                        CHECK(ok && got > 0);
                        atomic_fetch_add(&t->received, 1);
                        atomic_fetch_add(&t->sum_received, got);
                } else {
                        CHECK(!ok && got == -1);
                }
        }
        atomic_fetch_sub(&t->running, 1);
}

static void random_selects_with_deadlines_conserve_values(void)
{
        struct torture t = { .n = BEHAVE_SCALE(2000), .running = 10 };
        rn_wg wg = { { 0 } };
        int v;

        for (int i = 0; i < CHANNELS; i++)
                t.c[i] = rn_make(int, i / 2);
        for (int i = 0; i < 10; i++)
                behave_go(i < 8 ? GOROUTINE : THREAD, &wg, torture, &t);
        rn_wg_wait(&wg);
        for (int i = 0; i < CHANNELS; i++) {
                while (rn_try_recv(t.c[i], &v) == 1) {
                        atomic_fetch_add(&t.received, 1);
                        atomic_fetch_add(&t.sum_received, v);
                }
                CHECK(i / 2 > 0 || !rn_try_send(t.c[i], 1));
                rn_unref(t.c[i]);
        }
        CHECK_EQ(atomic_load(&t.sent), atomic_load(&t.received));
        CHECK_EQ(atomic_load(&t.sum_sent), atomic_load(&t.sum_received));
}

/* -- memory -- */

#if BEHAVE_COUNTS
static void serve_two(rn_recv_chan(int) a, rn_recv_chan(int) b, rn_send_chan(int) out)
{
        int v;

        for (;;) {
                int k = rn_select(rn_on_recv(a, &v), rn_on_recv(b, &v), rn_on_recv(a, &v));

                if (v < 0)
                        return;
                rn_send(out, k == 1 ? v : v + 1);
        }
}

static void hundred_thousand_waiting_selects_use_no_memory(void)
{
        rn_chan(int) a = rn_make(int, 0), b = rn_make(int, 0), out = rn_make(int, 0);
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, serve_two, a, b, out);
        for (int i = 0; i < 101000; i++) {
                if (i == 1000) {
                        atomic_store(&behave_allocations, 0);
                        atomic_store(&behave_counting, 1);
                }
                rn_select(rn_on_send(i % 2 ? a : b, 1), rn_on_signal(out));
                CHECK_EQ(rn_get(out), 1 + i % 2);
        }
        atomic_store(&behave_counting, 0);
        CHECK(atomic_load(&behave_allocations) < 100);    /* threads that the scheduler starts take
                                                           * a few each */
        rn_send(a, -1);
        rn_wg_wait(&wg);
        rn_unref(a);
        rn_unref(b);
        rn_unref(out);
}
#endif

static const struct behave_test tests[] = {
        BEHAVE(ten_senders_and_receivers_on_four_channels_lose_nothing),
        BEHAVE(threads_among_ten_senders_and_receivers_lose_nothing),
        BEHAVE(two_that_send_or_receive_never_get_their_own_value),
        BEHAVE_BOTH(default_is_never_taken_while_at_each_moment_one_is_ready),
        BEHAVE(moving_token_is_always_found_in_one_of_two_buffers),
        BEHAVE_BOTH(choice_among_ready_cases_is_fair),
        BEHAVE_BOTH(choice_between_send_and_receive_is_fair),
        BEHAVE_BOTH(choice_between_two_sends_to_one_channel_is_by_chance),
        BEHAVE_BOTH(selects_and_yields_let_the_others_go_on),
        BEHAVE_BOTH(two_thousand_waiters_leave_a_shared_queue_one_by_one),
        BEHAVE_BOTH(half_of_the_waiters_are_served_by_the_shared_channel),
        BEHAVE(random_selects_with_deadlines_conserve_values),
#if BEHAVE_COUNTS
        BEHAVE(hundred_thousand_waiting_selects_use_no_memory),
#endif
};

BEHAVE_MAIN(tests)
