/* SPDX-License-Identifier: MIT
 * select: which case is chosen, what is evaluated, written and left alone, and that a finished
 * select leaves no trace in the queues it stood in. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

/* -- what is ready -- */

static void select_of_nothing_but_default_takes_it(void)
{
        struct rn_case dead = { 0 };

        CHECK_EQ(rn_selectv_try(NULL, 0), RN_DEFAULT);
        CHECK_EQ(rn_selectv_try(&dead, 1), RN_DEFAULT);
        CHECK_EQ(rn_selectv(NULL, 0, 0), RN_TIMEOUT);
}

static void default_is_taken_only_when_nothing_is_ready(void)
{
        rn_chan(int) c = rn_make(int, 1), idle = rn_make(int, 0);
        int v = 0;

        for (int i = 0; i < 200; i++) {
                CHECK_EQ(rn_try_select(rn_on_recv(c, &v), rn_on_recv(idle, &v)), RN_DEFAULT);
                CHECK_EQ(rn_try_select(rn_on_signal(idle), rn_on_send(c, i)), 1);
                CHECK_EQ(rn_try_select(rn_on_signal(idle), rn_on_send(c, i)), RN_DEFAULT);
                CHECK_EQ(rn_try_select(rn_on_recv(c, &v), rn_on_recv(idle, &v)), 0);
                CHECK_EQ(v, i);
        }
        rn_unref(c);
        rn_unref(idle);
}

struct pair {
        rn_chan(int) a, b;
        int chosen, v;
        bool ok;
        atomic_int done;
};

static void pair_free(struct pair *p)
{
        rn_unref(p->a);
        rn_unref(p->b);
}

static void wait_on_pair(struct pair *p)
{
        rn_set_name("wait_on_pair");
        p->chosen = rn_select(rn_on_recv_ok(p->a, &p->v, &p->ok), rn_on_send(p->b, 33));
        atomic_store(&p->done, 1);
}

static void select_waits_while_no_case_is_ready(void)
{
        for (int which = 0; which < 3; which++) {
                struct pair p = { rn_make(int, 0), rn_make(int, 1), -1, 9, false, 0 };
                rn_wg wg = { { 0 } };

                rn_send(p.b, 1);
                rn_wg_go(&wg, wait_on_pair, &p);
                BEHAVE_UNTIL(behave_parked("wait_on_pair", "select") == 1);
                behave_turns();
                CHECK_EQ(atomic_load(&p.done), 0);
                if (which == 0)
                        rn_send(p.a, 5);
                else if (which == 1)
                        rn_close(p.a);
                else
                        CHECK_EQ(rn_get(p.b), 1);
                rn_wg_wait(&wg);
                CHECK_EQ(p.chosen, which == 2);
                CHECK_EQ(p.v, which == 0 ? 5 : which == 1 ? 0 : 9);
                CHECK(p.ok == (which == 0));
                CHECK_EQ(rn_get(p.b), which == 2 ? 33 : 1);
                CHECK_EQ(rn_len(p.b), 0);
                pair_free(&p);
        }
}

static void gaps_between_designators_are_never_ready(void)
{
        enum { DATA = 2, QUIT = 5 };
        rn_chan(int) data = rn_make(int, 1), quit = rn_make(int, 0);
        int v = 0;

        for (int i = 0; i < 100; i++) {
                rn_send(data, i);
                CHECK_EQ(rn_select([QUIT] = rn_on_signal(quit), [DATA] = rn_on_recv(data, &v)),
                         DATA);
                CHECK_EQ(v, i);
                CHECK_EQ(rn_try_select([QUIT] = rn_on_signal(quit), [DATA] = rn_on_recv(data, &v)),
                         RN_DEFAULT);
        }
        rn_close(quit);
        CHECK_EQ(rn_select([QUIT] = rn_on_signal(quit), [DATA] = rn_on_recv(data, &v)), QUIT);
        rn_unref(data);
        rn_unref(quit);
}

static int leave_by(rn_recv_chan(int) c, int how)
{
        int turns = 0;

        for (;;) {
                switch (rn_select(rn_on_signal(c))) {
                case 0:
                        turns++;
                        if (how == 0)
                                break;
                        if (how == 1 && turns < 3)
                                continue;
                        if (how == 2)
                                return 100;
                        goto out;
                }
                if (turns == 5)
                        break;
        }
out:
        return turns;
}

static void break_continue_return_and_goto_in_a_case_mean_what_they_say(void)
{
        rn_chan(int) c = rn_make(int, 0);

        rn_close(c);
        CHECK_EQ(leave_by(c, 0), 5);
        CHECK_EQ(leave_by(c, 1), 3);
        CHECK_EQ(leave_by(c, 2), 100);
        CHECK_EQ(leave_by(c, 3), 1);
        rn_unref(c);
}

/* -- evaluation -- */

static int evaluations[12];

static rn_chan(int) chan_at(rn_chan(int) c, int i)
{
        evaluations[i]++;
        return c;
}

static int value_at(int v, int i)
{
        evaluations[i]++;
        return v;
}

static int *into_at(int *p, int i)
{
        evaluations[i]++;
        return p;
}

static void every_expression_is_evaluated_once_chosen_or_not(void)
{
        rn_chan(int) c = rn_make(int, 1), full = rn_make(int, 0), nil = NULL;
        int v = 9, w = 9;

        memset(evaluations, 0, sizeof evaluations);
        CHECK_EQ(rn_select(rn_on_send(chan_at(full, 0), value_at(1, 1)),
                           rn_on_recv(chan_at(full, 2), into_at(&w, 3)),
                           rn_on_send(chan_at(c, 4), value_at(7, 5)),
                           rn_on_send(chan_at(nil, 6), value_at(1, 7)),
                           rn_on_recv(chan_at(nil, 8), into_at(&v, 9))), 2);
        for (int i = 0; i < 10; i++)
                CHECK_EQ(evaluations[i], 1);
        CHECK_EQ(rn_try_select(rn_on_send(chan_at(c, 0), value_at(1, 1)),
                               rn_on_recv(chan_at(full, 2), into_at(&w, 3))), RN_DEFAULT);
        for (int i = 0; i < 4; i++)
                CHECK_EQ(evaluations[i], 2);
        CHECK_EQ(rn_get(c), 7);
        CHECK(v == 9 && w == 9);
        rn_unref(c);
        rn_unref(full);
}

static void value_to_send_is_fixed_before_the_wait(rn_chan(int) c, int *x)
{
        rn_chan(int) idle = rn_make(int, 0);

        rn_set_name("value_is_fixed");
        CHECK_EQ(rn_select(rn_on_send(c, *x), rn_on_signal(idle)), 0);
        rn_unref(idle);
}

static void value_is_read_when_chosen(rn_chan(int) c, const int *x)
{
        rn_chan(int) idle = rn_make(int, 0);

        rn_set_name("value_is_read");
        CHECK_EQ(rn_select(rn_on_send_from(c, x), rn_on_signal(idle)), 0);
        rn_unref(idle);
}

static void on_send_copies_now_and_on_send_from_reads_when_chosen(void)
{
        rn_chan(int) c = rn_make(int, 0);
        int x = 1, y = 1;
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, value_to_send_is_fixed_before_the_wait, c, &x);
        behave_until_parked("value_is_fixed", 1);
        if (!BEHAVE_TSAN)
                x = 2;  /* the dump that showed it parked is no order a race detector knows */
        CHECK_EQ(rn_get(c), 1);
        rn_wg_wait(&wg);
        rn_wg_go(&wg, value_is_read_when_chosen, c, &y);
        behave_until_parked("value_is_read", 1);
        y = 2;
        CHECK_EQ(rn_get(c), 2);
        rn_wg_wait(&wg);
        rn_unref(c);
}

static void cases_may_be_prepared_and_filled_in_a_loop(void)
{
        enum { N = 20 };
        rn_chan(int) c[N];
        struct rn_case cases[N];
        int values[N];
        bool sent[N] = { false };

        for (int i = 0; i < N; i++) {
                c[i] = rn_make(int, 1);
                values[i] = 100 + i;
                cases[i] = rn_on_send_from(c[i], &values[i]);
        }
        for (int i = 0; i < N; i++) {
                int chosen = rn_selectv(cases, N, RN_NEVER);

                CHECK(!sent[chosen]);
                sent[chosen] = true;
        }
        CHECK_EQ(rn_selectv_try(cases, N), RN_DEFAULT);
        for (int i = 0; i < N; i++) {
                CHECK_EQ(rn_get(c[i]), 100 + i);
                rn_unref(c[i]);
        }
}

/* -- every shape of select over one real operation -- */

/* One shape, from the bits of a number. */
struct shape {
        bool send, nil_recv, nil_send, idle_recv, idle_send, def, buffered, last, timed;
};

enum { SHAPES = 1 << 9 };

static struct shape shape_of(unsigned n)
{
        return (struct shape){
                n & 1, n & 2, n & 4, n & 8, n & 16, n & 32, n & 64, n & 128, n & 256
        };
}

static int shape_select(const struct shape *s, rn_chan(int) c, rn_chan(int) idle, int value,
                        int *into, int *real)
{
        struct rn_case k[5];
        rn_chan(int) nil = NULL;
        int unwanted = -7, n = 0, r;
        struct rn_case op = s->send ? rn_on_send_from(c, &value) : rn_on_recv(c, into);

        if (!s->last)
                k[*real = n++] = op;
        if (s->nil_recv)
                k[n++] = rn_on_recv(nil, &unwanted);
        if (s->nil_send)
                k[n++] = rn_on_send_from(nil, &value);
        if (s->idle_recv)
                k[n++] = rn_on_recv(idle, &unwanted);
        if (s->idle_send)
                k[n++] = rn_on_send_from(idle, &value);
        if (s->last)
                k[*real = n++] = op;
        r = s->def ? rn_selectv_try(k, (size_t)n)
                   : rn_selectv(k, (size_t)n, s->timed ? rn_deadline(3600 * RN_SEC) : RN_NEVER);
        CHECK_EQ(unwanted, -7);
        return r;
}

static void shape_partner(const struct shape *s, rn_chan(int) c, int value)
{
        if (s->send)
                CHECK_EQ(rn_get(c), value);
        else
                rn_send(c, value);
}

static void ready_shape(const struct shape *s, int value)
{
        rn_chan(int) c = rn_make(int, s->buffered), idle = rn_make(int, 0);
        rn_wg wg = { { 0 } };
        int got = -7, real = -1, r;

        if (!s->buffered)
                rn_wg_go(&wg, shape_partner, s, c, value);
        else if (!s->send)
                rn_send(c, value);
        while ((r = shape_select(s, c, idle, value, &got, &real)) == RN_DEFAULT && !s->buffered)
                rn_yield();
        CHECK_EQ(r, real);
        if (s->buffered && s->send)
                CHECK_EQ(rn_get(c), value);
        CHECK_EQ(got, s->send ? -7 : value);
        rn_wg_wait(&wg);
        CHECK_EQ(rn_len(c), 0);
        rn_unref(c);
        rn_unref(idle);
}

static void unready_shape(const struct shape *s)
{
        rn_chan(int) c = rn_make(int, s->buffered), idle = rn_make(int, 0);
        int got = -7, real;

        if (s->buffered && s->send)
                rn_send(c, 1);
        CHECK_EQ(shape_select(s, c, idle, 2, &got, &real), RN_DEFAULT);
        CHECK_EQ(got, -7);
        CHECK_EQ(rn_len(c), s->buffered && s->send);
        rn_unref(c);
        rn_unref(idle);
}

static void closed_shape(const struct shape *s)
{
        rn_chan(int) c = rn_make(int, s->buffered), idle = rn_make(int, 0);
        int got = -7, real = -1;

        rn_close(c);
        if (s->send) {
                CHECK_PANICS("send on closed channel", shape_select, s, c, idle, 2, &got, &real);
                CHECK_EQ(got, -7);
        } else {
                int r = shape_select(s, c, idle, 2, &got, &real);

                CHECK_EQ(r, real);
                CHECK_EQ(got, 0);
        }
        CHECK(!rn_try_send(idle, 1));   /* nothing waits there any more */
        CHECK_EQ(rn_try_recv(idle, &got), -EAGAIN);
        rn_unref(c);
        rn_unref(idle);
}

static void all_shapes_of_select_agree(void)
{
        for (unsigned n = 0; n < SHAPES; n++) {
                struct shape s = shape_of(n);

                ready_shape(&s, (int)n);
                closed_shape(&s);
                if (s.def)
                        unready_shape(&s);
        }
}

/* -- one channel several times -- */

static void same_channel_may_stand_in_many_cases(void)
{
        rn_chan(int) c = rn_make(int, 1);
        int counts[6] = { 0 }, v = 0;

        for (int i = 0; i < 300; i++) {
                int k = rn_select(rn_on_send(c, 0), rn_on_recv(c, &v), rn_on_send(c, 2),
                                  rn_on_recv(c, &v), rn_on_send(c, 4), rn_on_signal(c));

                counts[k]++;
                CHECK_EQ(k % 2, i % 2);
                if (k == 1 || k == 3)
                        CHECK(v == 0 || v == 2 || v == 4);
        }
        for (int i = 0; i < 6; i++)
                CHECK(counts[i] > 10);
        CHECK_EQ(rn_len(c), 0);
        rn_unref(c);
}

struct both_ways {
        rn_chan(int) c;
        int chosen, v;
};

static void wait_both_ways(struct both_ways *b)
{
        rn_set_name("wait_both_ways");
        b->chosen = rn_select(rn_on_send(b->c, 1), rn_on_recv(b->c, &b->v), rn_on_send(b->c, 2),
                              rn_on_recv(b->c, &b->v));
}

static void select_does_not_meet_itself(void)
{
        for (int send = 0; send < 2; send++) {
                struct both_ways b = { .c = rn_make(int, 0), .chosen = -1, .v = 9 };
                rn_wg wg = { { 0 } };

                CHECK_EQ(rn_try_select(rn_on_send(b.c, 1), rn_on_recv(b.c, &b.v)), RN_DEFAULT);
                rn_wg_go(&wg, wait_both_ways, &b);
                behave_until_parked("wait_both_ways", 1);
                behave_turns();
                CHECK_EQ(behave_parked("wait_both_ways", "select"), 1);
                if (send) {
                        rn_send(b.c, 7);
                        rn_wg_wait(&wg);
                        CHECK(b.chosen % 2 == 1 && b.v == 7);
                } else {
                        int got = rn_get(b.c);

                        rn_wg_wait(&wg);
                        CHECK_EQ(got, b.chosen + (b.chosen == 0));
                        CHECK_EQ(b.v, 9);
                }
                CHECK(!rn_try_send(b.c, 1));
                CHECK_EQ(rn_try_recv(b.c, &b.v), -EAGAIN);
                rn_unref(b.c);
        }
}

/* -- no trace is left -- */

static void select_twice_the_same(rn_recv_chan(int) c, rn_recv_chan(int) d, rn_send_chan(int) out)
{
        rn_set_name("twice_the_same");
        CHECK_EQ(rn_select(rn_on_signal(c), rn_on_signal(c), rn_on_signal(d)), 2);
        rn_send(out, 1);
}

static void recv_behind(rn_recv_chan(int) c, rn_send_chan(int) out)
{
        rn_set_name("recv_behind");
        CHECK_EQ(rn_get(c), 8);
        rn_send(out, 2);
}

static void select_that_another_channel_woke_leaves_a_doubled_channel_clean(void)
{
        rn_chan(int) c = rn_make(int, 0), d = rn_make(int, 0), out = rn_make(int, 0);
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, select_twice_the_same, c, d, out);
        behave_until_parked("twice_the_same", 1);
        rn_wg_go(&wg, recv_behind, c, out);
        behave_until_parked("recv_behind", 1);
        rn_send(d, 7);
        CHECK_EQ(rn_get(out), 1);
        rn_send(c, 8);
        CHECK_EQ(rn_get(out), 2);
        rn_wg_wait(&wg);
        CHECK(!rn_try_send(c, 1));
        rn_unref(c);
        rn_unref(d);
        rn_unref(out);
}

static void recv_named(const char *name, rn_recv_chan(int) c)
{
        rn_set_name(name);
        CHECK(rn_wait(c));
}

static void select_then_recv(rn_recv_chan(int) a, rn_recv_chan(int) b, rn_send_chan(int) told)
{
        rn_set_name("select_then_recv");
        CHECK_EQ(rn_select(rn_on_signal(a), rn_on_signal(b)), 1);
        rn_send(told, 1);
        rn_set_name("second_recv");
        CHECK(rn_wait(a));
}

static void later_send_wakes_the_next_in_line_and_not_a_finished_select(void)
{
        rn_chan(int) a = rn_make(int, 0), b = rn_make(int, 0), told = rn_make(int, 0);
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, recv_named, "first_recv", a);
        behave_until_parked("first_recv", 1);
        rn_wg_go(&wg, select_then_recv, a, b, told);
        behave_until_parked("select_then_recv", 1);
        rn_send(b, 1);
        CHECK_EQ(rn_get(told), 1);
        rn_send(a, 1);
        rn_send(a, 1);
        rn_wg_wait(&wg);
        CHECK(!rn_try_send(a, 1));
        rn_unref(a);
        rn_unref(b);
        rn_unref(told);
}

static void timed_out_select_leaves_its_queues(void)
{
        rn_chan(int) a = rn_make(int, 0), b = rn_make(int, 0);
        int v = 9;

        for (int i = 0; i < 20; i++) {
                CHECK_EQ(rn_select_for(100 * RN_USEC, rn_on_recv(a, &v), rn_on_send(b, 1),
                                       rn_on_recv(a, &v)),
                         RN_TIMEOUT);
                CHECK(!rn_try_send(a, 1));
                CHECK_EQ(rn_try_recv(b, &v), -EAGAIN);
        }
        CHECK_EQ(v, 9);
        rn_unref(a);
        rn_unref(b);
}

/* -- deadlines -- */

static void past_deadline_takes_what_is_ready_and_does_not_wait(void)
{
        rn_chan(int) c = rn_make(int, 1), idle = rn_make(int, 0);
        rn_time past[] = { 0, -1, INT64_MIN, rn_now(), rn_now() - RN_SEC };
        int v = 0;

        for (size_t i = 0; i < sizeof past / sizeof *past; i++) {
                CHECK_EQ(rn_select_until(past[i], rn_on_recv(c, &v), rn_on_signal(idle)),
                         RN_TIMEOUT);
                CHECK_EQ(rn_select_until(past[i], rn_on_signal(idle), rn_on_send(c, 4)), 1);
                CHECK_EQ(rn_select_until(past[i], rn_on_send(c, 5)), RN_TIMEOUT);
                CHECK_EQ(rn_select_until(past[i], rn_on_recv(c, &v), rn_on_signal(idle)), 0);
                CHECK_EQ(v, 4);
        }
        CHECK_EQ(rn_select_for(-RN_SEC, rn_on_signal(idle)), RN_TIMEOUT);
        CHECK_EQ(rn_select_for(0, rn_on_signal(idle)), RN_TIMEOUT);
        CHECK_EQ(rn_select_for(INT64_MIN, rn_on_signal(idle)), RN_TIMEOUT);
        rn_unref(c);
        rn_unref(idle);
}

static void timeout_comes_not_before_its_time(void)
{
        rn_chan(int) idle = rn_make(int, 0);

        for (rn_dur d = 10 * RN_USEC; d <= 10 * RN_MSEC; d *= 10) {
                rn_time start = rn_now();

                CHECK_EQ(rn_select_for(d, rn_on_signal(idle), rn_on_send(idle, 1)), RN_TIMEOUT);
                CHECK(rn_now() - start >= d);
        }
        rn_unref(idle);
}

static void send_soon(rn_send_chan(int) c)
{
        behave_turns();
        rn_send(c, 6);
}

static void deadline_far_away_does_not_disturb(void)
{
        rn_chan(int) c = rn_make(int, 0), idle = rn_make(int, 0);
        rn_wg wg = { { 0 } };
        int v = 0;

        for (int i = 0; i < 3; i++) {
                rn_dur far = i == 0 ? 3600 * RN_SEC : i == 1 ? INT64_MAX : INT64_MAX - 1;

                rn_wg_go(&wg, send_soon, c);
                CHECK_EQ(rn_select_for(far, rn_on_signal(idle), rn_on_recv(c, &v)), 1);
                CHECK_EQ(v, 6);
                rn_wg_wait(&wg);
        }
        rn_unref(c);
        rn_unref(idle);
}

/* -- many cases -- */

static void send_to_one(rn_send_chan(int) c, int v)
{
        rn_set_name("send_to_one");
        rn_send(c, v);
}

static void wait_on_many(int n)
{
        rn_chan(int) *c = calloc((size_t)n, sizeof *c);
        struct rn_case *cases = calloc((size_t)n, sizeof *cases);
        int v = -1, sent = 12;

        for (int i = 0; i < n; i++) {
                c[i] = rn_make(int, 0);
                cases[i] = i % 3 == 2   ? rn_on_send_from(c[i], &sent)
                           : i % 7 == 3 ? (struct rn_case){ 0 }
                                        : rn_on_recv(c[i], &v);
        }
        CHECK_EQ(rn_selectv_try(cases, (size_t)n), RN_DEFAULT);
        CHECK_EQ(rn_selectv(cases, (size_t)n, rn_deadline(RN_MSEC)), RN_TIMEOUT);
        for (int round = 0; round < 10; round++) {
                int at = round == 1 ? n - 1 : round * n / 10;
                rn_wg wg = { { 0 } };

                while (at % 3 == 2 || at % 7 == 3)
                        at--;
                v = -1;
                rn_wg_go(&wg, send_to_one, c[at], round);
                if (round % 2)
                        behave_until_parked("send_to_one", 1);
                CHECK_EQ(rn_selectv(cases, (size_t)n, RN_NEVER), at);
                CHECK_EQ(v, round);
                rn_wg_wait(&wg);
        }
        for (int i = 0; i < n; i++) {
                CHECK(!rn_try_send(c[i], 1));
                CHECK_EQ(rn_try_recv(c[i], &v), -EAGAIN);
                rn_unref(c[i]);
        }
        free(c);
        free(cases);
}

static void select_takes_600_and_2000_cases(void)
{
        wait_on_many(9);
        wait_on_many(129);
        wait_on_many(600);
        wait_on_many(2000);
}

static void select_of_twelve_serves_each(void)
{
        rn_chan(int) c[12];
        int served[12] = { 0 }, v = 0;

        for (int i = 0; i < 12; i++)
                c[i] = rn_make(int, 1);
        for (int i = 0; i < 6; i++)
                rn_send(c[i], i);
        for (int i = 0; i < 12; i++) {
                int k = rn_select(rn_on_recv(c[0], &v), rn_on_recv(c[1], &v), rn_on_recv(c[2], &v),
                                  rn_on_recv(c[3], &v), rn_on_recv(c[4], &v), rn_on_recv(c[5], &v),
                                  rn_on_send(served[6] ? NULL : c[6], 6),
                                  rn_on_send(served[7] ? NULL : c[7], 7),
                                  rn_on_send(served[8] ? NULL : c[8], 8),
                                  rn_on_send(served[9] ? NULL : c[9], 9),
                                  rn_on_send(served[10] ? NULL : c[10], 10),
                                  rn_on_send(served[11] ? NULL : c[11], 11));

                if (k < 6)
                        CHECK_EQ(v, k);
                served[k]++;
        }
        for (int i = 0; i < 12; i++) {
                CHECK_EQ(served[i], 1);
                if (i >= 6)
                        CHECK_EQ(rn_get(c[i]), i);
                rn_unref(c[i]);
        }
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(select_of_nothing_but_default_takes_it),
        BEHAVE_BOTH(default_is_taken_only_when_nothing_is_ready),
        BEHAVE_BOTH(select_waits_while_no_case_is_ready),
        BEHAVE_BOTH(gaps_between_designators_are_never_ready),
        BEHAVE_BOTH(break_continue_return_and_goto_in_a_case_mean_what_they_say),
        BEHAVE_BOTH(every_expression_is_evaluated_once_chosen_or_not),
        BEHAVE_BOTH(on_send_copies_now_and_on_send_from_reads_when_chosen),
        BEHAVE_BOTH(cases_may_be_prepared_and_filled_in_a_loop),
        BEHAVE_BOTH(all_shapes_of_select_agree),
        BEHAVE_BOTH(same_channel_may_stand_in_many_cases),
        BEHAVE_BOTH(select_does_not_meet_itself),
        BEHAVE_BOTH(select_that_another_channel_woke_leaves_a_doubled_channel_clean),
        BEHAVE_BOTH(later_send_wakes_the_next_in_line_and_not_a_finished_select),
        BEHAVE_BOTH(timed_out_select_leaves_its_queues),
        BEHAVE_BOTH(past_deadline_takes_what_is_ready_and_does_not_wait),
        BEHAVE_BOTH(timeout_comes_not_before_its_time),
        BEHAVE_BOTH(deadline_far_away_does_not_disturb),
        BEHAVE_BOTH(select_takes_600_and_2000_cases),
        BEHAVE_BOTH(select_of_twelve_serves_each),
};

BEHAVE_MAIN(tests)
