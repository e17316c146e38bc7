/* SPDX-License-Identifier: MIT
 * Operations that do not wait, and those that wait no longer than a deadline: what is ready is
 * taken, nothing else is touched, and when a value and a deadline come together exactly one of
 * them happened. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

struct text {
        char s[24];
};

/* -- try -- */

static void try_on_a_channel_that_is_not_ready_changes_nothing(void)
{
        for (int cap = 0; cap < 4; cap++) {
                rn_chan(int) c = rn_make(int, cap);
                int v = 9;

                CHECK_EQ(rn_try_recv(c, &v), -EAGAIN);
                CHECK_EQ(v, 9);
                for (int i = 0; i < cap; i++)
                        CHECK(rn_try_send(c, i));
                CHECK(!rn_try_send(c, 100));
                CHECK_EQ(rn_len(c), cap);
                for (int i = 0; i < cap; i++) {
                        CHECK_EQ(rn_try_recv(c, &v), 1);
                        CHECK_EQ(v, i);
                }
                v = 9;
                CHECK_EQ(rn_try_recv(c, &v), -EAGAIN);
                CHECK_EQ(v, 9);
                rn_unref(c);
        }
}

/* For one type: try against a partner that waits, and against a buffer of 1. */
#define TRY_TEST(name, T, one, two, same) \
        static void recv_##name(rn_recv_chan(T) c) \
        { \
                T v = rn_get(c); \
                CHECK(same(v, one)); \
        } \
        static void send_##name(rn_send_chan(T) c) \
        { \
                T v = two; \
                rn_send(c, v); \
        } \
        static void try_meets_a_waiting_partner_with_##name(void) \
        { \
                for (int cap = 0; cap < 2; cap++) { \
                        rn_chan(T) c = rn_make(T, cap); \
                        rn_wg wg = { { 0 } }; \
                        T v = one, w = two; \
                        rn_wg_go(&wg, recv_##name, c); \
                        BEHAVE_UNTIL(rn_try_send(c, v)); \
                        rn_wg_wait(&wg); \
                        CHECK_EQ(rn_try_recv(c, &v), -EAGAIN); \
                        rn_wg_go(&wg, send_##name, c); \
                        BEHAVE_UNTIL(rn_try_recv(c, &v) == 1); \
                        CHECK(same(v, w)); \
                        rn_wg_wait(&wg); \
                        CHECK_EQ(rn_try_recv(c, &v), -EAGAIN); \
                        CHECK(rn_try_send(c, v) == (cap == 1)); \
                        rn_unref(c); \
                } \
        }

static struct text first(void)
{
        return (struct text){ "first" };
}

static struct text second(void)
{
        return (struct text){ "second" };
}

#define SAME(a, b)      ((a) == (b))
#define SAME_TEXT(a, b) (strcmp((a).s, (b).s) == 0)

TRY_TEST(int32, int32_t, 123, 234, SAME)
TRY_TEST(int64, int64_t, INT64_C(1) << 40, -5, SAME)
TRY_TEST(bool, bool, true, false, SAME)
TRY_TEST(strings, struct text, first(), second(), SAME_TEXT)

static void try_recv_tells_value_closed_and_empty_apart(void)
{
        rn_chan(int) c = rn_make(int, 1);
        bool ok = true;
        int v = 9;

        CHECK_EQ(rn_try_recv(c, &v), -EAGAIN);
        CHECK_EQ(rn_try_select(rn_on_recv_ok(c, &v, &ok)), RN_DEFAULT);
        CHECK(ok);
        CHECK(rn_try_send(c, 0));
        CHECK_EQ(rn_try_recv(c, &v), 1);
        CHECK_EQ(v, 0);
        CHECK(rn_try_send(c, 3));
        ok = false;
        CHECK_EQ(rn_try_select(rn_on_recv_ok(c, &v, &ok)), 0);
        CHECK(ok && v == 3);
        rn_close(c);
        CHECK_EQ(rn_try_recv(c, &v), 0);
        CHECK_EQ(v, 0);
        CHECK_EQ(rn_try_select(rn_on_recv_ok(c, &v, &ok)), 0);
        CHECK(!ok);
        rn_unref(c);
}

static void poll_a_lot(void *arg)
{
        rn_chan(int) *c = arg;
        int v = 9;

        for (int i = 0; i < BEHAVE_SCALE(20000); i++) {
                if (!CHECK_EQ(rn_try_recv(c[0], &v), -EAGAIN) || !CHECK(!rn_try_send(c[1], 1)) ||
                    !CHECK_EQ(rn_try_select(rn_on_recv(c[0], &v), rn_on_send(c[1], 1),
                                            rn_on_recv(c[2], &v)), RN_DEFAULT))
                        return;
        }
        CHECK_EQ(v, 9);
}

static void polling_from_everywhere_finds_nothing_where_nothing_is(void)
{
        rn_chan(int) c[3] = { rn_make(int, 1), rn_make(int, 1), rn_make(int, 0) };
        rn_wg wg = { { 0 } };

        rn_send(c[1], 4);
        for (int i = 0; i < 8; i++)
                behave_go(i < 6 ? GOROUTINE : THREAD, &wg, poll_a_lot, c);
        rn_wg_wait(&wg);
        CHECK_EQ(rn_get(c[1]), 4);
        for (int i = 0; i < 3; i++)
                rn_unref(c[i]);
}

/* -- deadlines -- */

static void past_deadline_takes_what_is_ready(void)
{
        rn_time past[] = { 0, -1, INT64_MIN, rn_now(), rn_now() - RN_SEC };
        rn_chan(int) c = rn_make(int, 1);
        int v = 9;

        for (size_t i = 0; i < sizeof past / sizeof *past; i++) {
                v = 9;
                CHECK_EQ(rn_recv_until(past[i], c, &v), -ETIMEDOUT);
                CHECK_EQ(v, 9);
                CHECK_EQ(rn_send_until(past[i], c, 7), 0);
                CHECK_EQ(rn_send_until(past[i], c, 8), -ETIMEDOUT);
                CHECK_EQ(rn_recv_until(past[i], c, &v), 1);
                CHECK_EQ(v, 7);
        }
        CHECK_EQ(rn_send_for(-RN_SEC, c, 5), 0);
        CHECK_EQ(rn_send_for(0, c, 6), -ETIMEDOUT);
        CHECK_EQ(rn_recv_for(INT64_MIN, c, &v), 1);
        CHECK_EQ(v, 5);
        rn_close(c);
        CHECK_EQ(rn_recv_until(0, c, &v), 0);
        CHECK_EQ(v, 0);
        rn_unref(c);
}

static void wait_to_send(rn_chan(int) c)
{
        rn_set_name("wait_to_send");
        rn_send(c, 11);
}

static void wait_to_recv(rn_chan(int) c, int *v)
{
        rn_set_name("wait_to_recv");
        rn_recv(c, v);
}

static void past_deadline_meets_a_partner_that_waits(void)
{
        rn_chan(int) c = rn_make(int, 0);
        rn_wg wg = { { 0 } };
        int v = 9;

        rn_wg_go(&wg, wait_to_send, c);
        behave_until_parked("wait_to_send", 1);
        CHECK_EQ(rn_recv_until(0, c, &v), 1);
        CHECK_EQ(v, 11);
        rn_wg_go(&wg, wait_to_recv, c, &v);
        behave_until_parked("wait_to_recv", 1);
        CHECK_EQ(rn_send_until(0, c, 12), 0);
        rn_wg_wait(&wg);
        CHECK_EQ(v, 12);
        rn_unref(c);
}

static void timeout_comes_not_before_its_time_and_changes_nothing(void)
{
        rn_chan(int) c = rn_make(int, 1), full = rn_make(int, 1);
        int v = 9;

        rn_send(full, 1);
        for (rn_dur d = 10 * RN_USEC; d <= 10 * RN_MSEC; d *= 10) {
                rn_time start = rn_now();

                CHECK_EQ(rn_recv_for(d, c, &v), -ETIMEDOUT);
                CHECK(rn_now() - start >= d);
                start = rn_now();
                CHECK_EQ(rn_send_for(d, full, 2), -ETIMEDOUT);
                CHECK(rn_now() - start >= d);
        }
        CHECK_EQ(v, 9);
        CHECK_EQ(rn_len(full), 1);
        CHECK_EQ(rn_get(full), 1);
        CHECK(!rn_len(full) && !rn_len(c));
        rn_unref(c);
        rn_unref(full);
}

static void who_timed_out_no_longer_waits(void)
{
        rn_chan(int) c = rn_make(int, 0);
        int v = 9;

        for (int i = 0; i < 20; i++) {
                CHECK_EQ(rn_recv_for(50 * RN_USEC, c, &v), -ETIMEDOUT);
                CHECK(!rn_try_send(c, 1));
                CHECK_EQ(rn_send_for(50 * RN_USEC, c, 1), -ETIMEDOUT);
                CHECK_EQ(rn_try_recv(c, &v), -EAGAIN);
        }
        CHECK_EQ(v, 9);
        rn_unref(c);
}

static void long_deadline(rn_chan(int) c, rn_dur d, int want)
{
        int v = 9;

        rn_set_name("long_deadline");
        CHECK_EQ(rn_recv_for(d, c, &v), want);
        CHECK_EQ(v, want == 1 ? 3 : 0);
}

static void deadline_far_away_does_not_disturb(void)
{
        rn_dur far[] = { 3600 * RN_SEC, INT64_MAX, INT64_MAX - 1 };

        for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
                rn_chan(int) c = rn_make(int, 0);
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, long_deadline, c, far[i], 1);
                rn_wg_go(&wg, long_deadline, c, far[i], 1);
                behave_until_parked("long_deadline", 2);
                rn_send(c, 3);
                CHECK_EQ(rn_send_for(far[i], c, 3), 0);
                rn_wg_go(&wg, long_deadline, c, far[i], 0);
                behave_until_parked("long_deadline", 1);
                rn_close(c);
                rn_wg_wait(&wg);
                rn_unref(c);
        }
}

/* -- value and deadline at the same time -- */

struct race {
        rn_chan(int) c, d;
        int n, select;
        atomic_long sent, received, sum_sent, sum_received;
        atomic_int senders, receivers;
};

/* Deadlines from the past to a little later, so that many fall into the handover. */
static rn_time about_now(uint64_t *random)
{
        return rn_now() + (rn_time)behave_below(random, 30) * RN_USEC - 3 * RN_USEC;
}

static void racing_sender(void *arg)
{
        struct race *r = arg;
        int id = atomic_fetch_add(&r->senders, 1);
        uint64_t random = behave_stream((uint64_t)id);

        for (int i = 0; i < r->n; i++) {
                int v = id * r->n + i, got;

                if (r->select) {
                        got = rn_select_until(about_now(&random), rn_on_send(r->c, v),
                                              rn_on_send(r->d, v));
                        CHECK(got == 0 || got == 1 || got == RN_TIMEOUT);
                        got = got == RN_TIMEOUT ? -ETIMEDOUT : 0;
                } else {
                        got = rn_send_until(about_now(&random), r->c, v);
                        CHECK(got == 0 || got == -ETIMEDOUT);
                }
                if (got == 0) {
                        atomic_fetch_add(&r->sent, 1);
                        atomic_fetch_add(&r->sum_sent, v);
                }
        }
}

static void racing_receiver(void *arg)
{
        struct race *r = arg;
        uint64_t random = behave_stream(100 + (uint64_t)atomic_fetch_add(&r->receivers, 1));

        for (;;) {
                bool ok = true;
                int v = -1, got;

                if (r->select) {
                        got = rn_select_until(about_now(&random), rn_on_recv_ok(r->c, &v, &ok),
                                              rn_on_recv(r->d, &v));
                        got = got == RN_TIMEOUT ? -ETIMEDOUT : ok;
                } else {
                        got = rn_recv_until(about_now(&random), r->c, &v);
                }
                if (got == 0)
                        return;
                if (got == -ETIMEDOUT) {
                        CHECK_EQ(v, -1);
                        continue;
                }
                atomic_fetch_add(&r->received, 1);
                atomic_fetch_add(&r->sum_received, v);
        }
}

static void race_with_deadline(int cap, int select, enum behave_kind senders,
                               enum behave_kind receivers)
{
        struct race r = { .c = rn_make(int, cap), .d = rn_make(int, 0), .select = select };
        rn_wg out = { { 0 } }, in = { { 0 } };

        r.n = BEHAVE_SCALE(senders == GOROUTINE && receivers == GOROUTINE ? 2000 : 500);
        for (int i = 0; i < 3; i++) {
                behave_go(receivers, &in, racing_receiver, &r);
                behave_go(senders, &out, racing_sender, &r);
        }
        rn_wg_wait(&out);
        rn_close(r.c);
        rn_wg_wait(&in);
        CHECK_EQ(rn_len(r.c), 0);
        CHECK_EQ(atomic_load(&r.sent), atomic_load(&r.received));
        CHECK_EQ(atomic_load(&r.sum_sent), atomic_load(&r.sum_received));
        rn_unref(r.c);
        rn_unref(r.d);
}

static void value_or_timeout_never_both_and_never_lost(void)
{
        for (int cap = 0; cap < 3; cap += 2)
                for (int kinds = 0; kinds < 4; kinds++)
                        race_with_deadline(cap, 0, kinds & 1 ? THREAD : GOROUTINE,
                                           kinds & 2 ? THREAD : GOROUTINE);
}

static void select_chooses_a_case_or_times_out_never_both(void)
{
        for (int cap = 0; cap < 3; cap += 2)
                for (int kinds = 0; kinds < 4; kinds++)
                        race_with_deadline(cap, 1, kinds & 1 ? THREAD : GOROUTINE,
                                           kinds & 2 ? THREAD : GOROUTINE);
}

/* -- the stack of a goroutine that is gone -- */

struct grave {
        rn_chan(int) c;
        atomic_bool stop;
};

/* Its waiters and destinations lie on its stack, which the next one gets. */
static void give_up_and_end(rn_chan(int) c, rn_dur patience)
{
        int v[2];

        if (patience % 2)
                rn_recv_for(patience, c, &v[0]);
        else
                rn_select_for(patience, rn_on_recv(c, &v[0]), rn_on_recv(c, &v[1]));
}

static void paint_and_look(void)
{
        volatile unsigned char b[1500];

        for (size_t i = 0; i < sizeof b; i++)
                b[i] = 0x5a;
        for (int i = 0; i < 3; i++)
                rn_yield();
        for (size_t i = 0; i < sizeof b; i++)
                if (!CHECK_EQ(b[i], 0x5a))
                        break;
}

static void send_to_whoever_is_there(void *arg)
{
        struct grave *g = arg;

        for (int i = 0; !atomic_load(&g->stop); i++) {
                if (i % 2)
                        rn_try_send(g->c, -1);
                else
                        rn_send_for(RN_USEC, g->c, -1);
                if (i % 8 == 0)
                        rn_yield();
        }
}

static void stack_of_a_dead_goroutine_is_never_written(void)
{
        struct grave g = { .c = rn_make(int, 0) };
        rn_wg senders = { { 0 } }, wg = { { 0 } };

        behave_crowd(&senders, 2, 1, send_to_whoever_is_there, &g);
        for (int i = 0; i < BEHAVE_SCALE(5000); i++) {
                rn_wg_go(&wg, give_up_and_end, g.c, (rn_dur)(i % 37) * 250 + i % 2);
                rn_wg_go(&wg, paint_and_look);
                if (i % 16 == 0)
                        rn_yield();
                if (i % 256 == 0)
                        rn_wg_wait(&wg);
        }
        rn_wg_wait(&wg);
        atomic_store(&g.stop, true);
        rn_wg_wait(&senders);
        rn_unref(g.c);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(try_on_a_channel_that_is_not_ready_changes_nothing),
        BEHAVE_BOTH(try_meets_a_waiting_partner_with_int32),
        BEHAVE_BOTH(try_meets_a_waiting_partner_with_int64),
        BEHAVE_BOTH(try_meets_a_waiting_partner_with_bool),
        BEHAVE_BOTH(try_meets_a_waiting_partner_with_strings),
        BEHAVE_BOTH(try_recv_tells_value_closed_and_empty_apart),
        BEHAVE(polling_from_everywhere_finds_nothing_where_nothing_is),
        BEHAVE_BOTH(past_deadline_takes_what_is_ready),
        BEHAVE_BOTH(past_deadline_meets_a_partner_that_waits),
        BEHAVE_BOTH(timeout_comes_not_before_its_time_and_changes_nothing),
        BEHAVE_BOTH(who_timed_out_no_longer_waits),
        BEHAVE_BOTH(deadline_far_away_does_not_disturb),
        BEHAVE_BOTH(value_or_timeout_never_both_and_never_lost),
        BEHAVE_BOTH(select_chooses_a_case_or_times_out_never_both),
        BEHAVE_BOTH(stack_of_a_dead_goroutine_is_never_written),
};

BEHAVE_MAIN(tests)
