/* SPDX-License-Identifier: MIT
 * When a send or a receive waits and when it does not, and that the two sides meet: in every
 * form of either, on goroutines and on plain threads. Nothing is proved here by waiting a while:
 * what must have happened is seen in the dump or in a channel; what must not happen gets many
 * turns to do so. */
#define _GNU_SOURCE
#define BEHAVE_COUNTING
#include "tests/support/behave.h"
#include "tests/support/forms.h"

struct one_op {
        rn_chan(int) c;
        int value;
        bool ok;
        atomic_int done;
};

static void recv_one(struct one_op *op)
{
        rn_set_name("recv_one");
        op->ok = rn_recv(op->c, &op->value);
        atomic_store(&op->done, 1);
}

static void get_one(struct one_op *op)
{
        rn_set_name("recv_one");
        op->value = rn_get(op->c);
        op->ok = true;
        atomic_store(&op->done, 1);
}

static void send_one(struct one_op *op)
{
        rn_set_name("send_one");
        rn_send(op->c, op->value);
        atomic_store(&op->done, 1);
}

static void recv_on_open_empty_channel_waits(void)
{
        for (int cap = 0; cap < 4; cap++) {
                for (int two = 0; two < 2; two++) {
                        struct one_op op = { .c = rn_make(int, cap), .value = 9 };
                        rn_wg wg = { { 0 } };

                        rn_wg_go(&wg, two ? recv_one : get_one, &op);
                        BEHAVE_UNTIL(behave_parked("recv_one", "chan receive") == 1);
                        behave_turns();
                        CHECK_EQ(atomic_load(&op.done), 0);
                        rn_send(op.c, 7);
                        rn_wg_wait(&wg);
                        CHECK(op.ok);
                        CHECK_EQ(op.value, 7);
                        CHECK_EQ(rn_len(op.c), 0);
                        rn_unref(op.c);
                }
        }
}

static void send_to_full_channel_waits(void)
{
        for (int cap = 0; cap < 4; cap++) {
                struct one_op op = { .c = rn_make(int, cap), .value = 100 };
                rn_wg wg = { { 0 } };

                for (int i = 0; i < cap; i++)
                        rn_send(op.c, i);
                rn_wg_go(&wg, send_one, &op);
                BEHAVE_UNTIL(behave_parked("send_one", "chan send") == 1);
                behave_turns();
                CHECK_EQ(atomic_load(&op.done), 0);
                CHECK_EQ(rn_len(op.c), cap);
                for (int i = 0; i < cap; i++)
                        CHECK_EQ(rn_get(op.c), i);
                CHECK_EQ(rn_get(op.c), 100);
                rn_wg_wait(&wg);
                rn_unref(op.c);
        }
}

static void send_into_free_room_does_not_wait(void)
{
        rn_chan(int) c = rn_make(int, 3);

        for (int round = 0; round < 10; round++) {
                for (int i = 0; i < 3; i++)
                        rn_send(c, i);
                for (int i = 0; i < 3; i++)
                        CHECK_EQ(rn_get(c), i);
        }
        rn_unref(c);
}

static void recv_of_a_buffered_value_does_not_wait(void)
{
        rn_chan(int) c = rn_make(int, 1);

        for (int i = 0; i < 10; i++) {
                int v = -1;

                rn_send(c, i);
                CHECK(rn_recv(c, &v));
                CHECK_EQ(v, i);
        }
        rn_unref(c);
}

static void unbuffered_send_ends_only_with_a_receiver(void)
{
        struct one_op op = { .c = rn_make(int, 0), .value = 5 };
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, send_one, &op);
        behave_until_parked("send_one", 1);
        behave_turns();
        CHECK_EQ(atomic_load(&op.done), 0);
        CHECK_EQ(rn_len(op.c), 0);
        CHECK_EQ(rn_get(op.c), 5);
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&op.done), 1);
        rn_unref(op.c);
}

static void ok_is_true_for_every_value_sent_also_before_close(void)
{
        rn_chan(int) c = rn_make(int, 10);
        int v = -1;

        for (int i = 0; i < 10; i++)
                rn_send(c, 0);
        for (int i = 0; i < 5; i++)
                CHECK(rn_recv(c, &v) && v == 0);
        rn_close(c);
        for (int i = 0; i < 5; i++)
                CHECK(rn_recv(c, &v) && v == 0);
        CHECK(!rn_recv(c, &v));
        rn_unref(c);
}

static void discarding_recv_consumes_the_value(void)
{
        struct one_op op = { .c = rn_make(int, 2), .value = 6 };
        rn_chan(int) u = rn_make(int, 0);
        rn_wg wg = { { 0 } };

        rn_send(op.c, 1);
        rn_send(op.c, 2);
        CHECK(rn_wait(op.c));
        CHECK_EQ(rn_get(op.c), 2);
        rn_unref(op.c);
        op.c = u;
        rn_wg_go(&wg, send_one, &op);
        CHECK(rn_wait(u));
        rn_wg_wait(&wg);
        rn_close(u);
        CHECK(!rn_wait(u));
        rn_unref(u);
}

/* -- every form of sending meets every form of receiving -- */

struct stream {
        rn_chan(int) c;
        enum form form;
        int n;
};

static void send_stream(void *arg)
{
        struct stream *s = arg;

        for (int i = 0; i < s->n; i++)
                form_send(s->form, s->c, i);
}

static void recv_stream(void *arg)
{
        struct stream *s = arg;
        int v;

        for (int i = 0; i < s->n; i++) {
                v = -1;
                CHECK(form_recv(s->form, s->c, &v));
                CHECK_EQ(v, i);
        }
}

static void meet(enum behave_kind sender, enum behave_kind receiver, int cap)
{
        for (enum form a = 0; a < FORMS; a++) {
                for (enum form b = 0; b < FORMS; b++) {
                        rn_chan(int) c = rn_make(int, cap);
                        int n = sender == THREAD || receiver == THREAD ? 20 : 100;
                        struct stream s = { c, a, BEHAVE_SCALE(n) }, r = { c, b, BEHAVE_SCALE(n) };
                        rn_wg wg = { { 0 } };

                        if (cap == 0 && a >= POLLING && b >= POLLING) {
                                rn_unref(c);
                                continue;       /* two that never wait never meet */
                        }
                        behave_go(receiver, &wg, recv_stream, &r);
                        behave_go(sender, &wg, send_stream, &s);
                        rn_wg_wait(&wg);
                        CHECK_EQ(rn_len(c), 0);
                        rn_unref(c);
                }
        }
}

static void goroutine_meets_goroutine_in_every_form(void)
{
        meet(GOROUTINE, GOROUTINE, 0);
        meet(GOROUTINE, GOROUTINE, 2);
}

static void goroutine_sends_to_thread_in_every_form(void)
{
        meet(GOROUTINE, THREAD, 0);
        meet(GOROUTINE, THREAD, 2);
}

static void thread_sends_to_goroutine_in_every_form(void)
{
        meet(THREAD, GOROUTINE, 0);
        meet(THREAD, GOROUTINE, 2);
}

static void thread_meets_thread_in_every_form(void)
{
        meet(THREAD, THREAD, 0);
        meet(THREAD, THREAD, 2);
}

/* -- depth -- */

static void pass_left(rn_send_chan(int) left, rn_recv_chan(int) right)
{
        rn_send(left, rn_get(right));
}

static void chain_of_10000_goroutines_passes_a_value_along(void)
{
        enum { MOST = 10000 };
        static rn_chan(int) links[MOST + 1];
        int n = BEHAVE_LIVE(MOST);
        rn_wg wg = { { 0 } };

        for (int i = 0; i <= n; i++)
                links[i] = rn_make(int, 0);
        for (int i = 0; i < n; i++)
                rn_wg_go(&wg, pass_left, links[i], links[i + 1]);
        rn_send(links[n], 77);
        CHECK_EQ(rn_get(links[0]), 77);
        rn_wg_wait(&wg);
        for (int i = 0; i <= n; i++)
                rn_unref(links[i]);
}

/* -- values on stacks -- */

struct block {
        uint64_t w[16];
};

static struct block block_of(uint64_t n)
{
        struct block b;

        for (size_t i = 0; i < 16; i++)
                b.w[i] = n * 16 + i;
        return b;
}

static __attribute__((noinline)) void send_from_depth(rn_send_chan(struct block) c, int depth,
                                                      uint64_t n)
{
        volatile char here[1024];

        here[0] = (char)depth;
        if (depth > 0)
                send_from_depth(c, depth - 1, n);
        else
                rn_send(c, block_of(n));
        here[1023] = here[0];
}

static void send_two(rn_send_chan(struct block) c, uint64_t n)
{
        rn_set_name("send_two");
        send_from_depth(c, 1, 2 * n);
        send_from_depth(c, 60, 2 * n + 1);
}

static void value_of_a_waiting_sender_stays_intact(void)
{
        enum { SENDERS = 50 };
        rn_chan(struct block) c = rn_make(struct block, 0);
        bool seen[2 * SENDERS] = { false };
        rn_wg wg = { { 0 } };

        for (uint64_t i = 0; i < SENDERS; i++)
                rn_wg_go(&wg, send_two, c, i);
        behave_until_parked("send_two", SENDERS);
        for (int i = 0; i < 2 * SENDERS; i++) {
                struct block got = rn_get(c), want = block_of(got.w[0] / 16);

                CHECK(memcmp(&got, &want, sizeof got) == 0);
                if (CHECK(got.w[0] / 16 < 2 * SENDERS))
                        seen[got.w[0] / 16] = true;
        }
        rn_wg_wait(&wg);
        for (int i = 0; i < 2 * SENDERS; i++)
                CHECK(seen[i]);
        rn_unref(c);
}

static void select_one_of_two(rn_recv_chan(int) a, rn_recv_chan(int) b, int want)
{
        int guard1 = 11, x = 22, guard2 = 33, y = 44, guard3 = 55, i;

        rn_set_name("select_one_of_two");
        i = rn_select(rn_on_recv(a, &x), rn_on_recv(b, &y));
        CHECK_EQ(i, want);
        CHECK_EQ(x, want == 0 ? 1 : 22);
        CHECK_EQ(y, want == 1 ? 1 : 44);
        CHECK(guard1 == 11 && guard2 == 33 && guard3 == 55);
}

static void only_the_chosen_destination_of_a_waiting_select_is_written(void)
{
        for (int want = 0; want < 2; want++) {
                rn_chan(int) c[2] = { rn_make(int, 0), rn_make(int, 0) };
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, select_one_of_two, c[0], c[1], want);
                behave_until_parked("select_one_of_two", 1);
                rn_send(c[want], 1);
                rn_wg_wait(&wg);
                rn_unref(c[0]);
                rn_unref(c[1]);
        }
}

/* -- pointers to fresh memory -- */

struct request {
        int *question;
        rn_chan(int *) answer;
};

static void answer_all(rn_recv_chan(struct request) in, bool by_select)
{
        rn_range(r, in) {
                int *a = malloc(sizeof *a);

                *a = *r.question + 1;
                free(r.question);
                if (by_select)
                        CHECK_EQ(rn_select(rn_on_send(r.answer, a)), 0);
                else
                        rn_send(r.answer, a);
                rn_unref(r.answer);
        }
}

static void ask(rn_send_chan(struct request) out, int id, int n, bool by_select)
{
        rn_chan(int *) answer = rn_make(int *, 0);
        rn_chan(int) idle = rn_make(int, 0);

        for (int i = 0; i < n; i++) {
                int *q = malloc(sizeof *q), *a = NULL;

                *q = id * n + i;
                if (by_select)
                        CHECK_EQ(rn_select(rn_on_send(out, { q, rn_ref(answer) }),
                                           rn_on_signal(idle)),
                                 0);
                else
                        rn_send(out, { q, rn_ref(answer) });
                if (CHECK(rn_recv(answer, &a)))
                        CHECK_EQ(*a, id * n + i + 1);
                free(a);
        }
        rn_unref(answer);
        rn_unref(idle);
}

static void fresh_memory_arrives_intact_in_100_request_reply_pairs(void)
{
        for (int by_select = 0; by_select < 2; by_select++) {
                rn_chan(struct request) in = rn_make(struct request, 0);
                rn_wg clients = { { 0 } }, servers = { { 0 } };

                for (int i = 0; i < 100; i++)
                        rn_wg_go(&servers, answer_all, in, by_select);
                for (int i = 0; i < 100; i++)
                        rn_wg_go(&clients, ask, in, i, BEHAVE_SCALE(100), by_select);
                rn_wg_wait(&clients);
                rn_close(in);
                rn_wg_wait(&servers);
                rn_unref(in);
        }
}

/* -- no wake without a partner -- */

static void count_values(rn_recv_chan(int) c, atomic_int *got)
{
        int v = 0;

        rn_set_name("count_values");
        while (rn_recv(c, &v)) {
                CHECK_EQ(v, 1);
                atomic_fetch_add(got, 1);
        }
        CHECK_EQ(v, 0);
}

static void nobody_is_woken_without_a_value(void)
{
        enum { WAITERS = 20 };
        rn_chan(int) c = rn_make(int, 0);
        atomic_int got = 0;
        rn_wg wg = { { 0 } };

        for (int i = 0; i < WAITERS; i++)
                rn_wg_go(&wg, count_values, c, &got);
        for (int sent = 1; sent <= 5; sent++) {
                behave_until_parked("count_values", WAITERS);
                CHECK_EQ(atomic_load(&got), sent - 1);
                rn_send(c, 1);
        }
        behave_until_parked("count_values", WAITERS);
        CHECK_EQ(atomic_load(&got), 5);
        rn_close(c);
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&got), 5);
        rn_unref(c);
}

/* -- range -- */

static void count_up(rn_chan(int) c, int n)
{
        for (int i = 0; i < n; i++)
                rn_send(c, i);
        rn_close(c);
}

static void range_yields_all_in_order_and_ends_with_close(void)
{
        for (int cap = 0; cap < 20; cap += 6) {
                rn_chan(int) c = rn_make(int, cap);
                rn_wg wg = { { 0 } };
                int n = 0;

                rn_wg_go(&wg, count_up, c, 100);
                rn_range(v, c)
                        CHECK_EQ(v, n++);
                CHECK_EQ(n, 100);
                rn_wg_wait(&wg);
                rn_unref(c);
        }
}

static void range_without_use_of_the_value_counts(void)
{
        rn_chan(int) c = rn_make(int, 3);
        rn_wg wg = { { 0 } };
        int n = 0;

        rn_wg_go(&wg, count_up, c, 50);
        while (rn_wait(c))
                n++;
        CHECK_EQ(n, 50);
        rn_wg_wait(&wg);
        rn_unref(c);
}

static int evaluated;

static rn_recv_chan(int) once(rn_recv_chan(int) c)
{
        evaluated++;
        return c;
}

static void range_evaluates_its_channel_once(void)
{
        rn_chan(int) c = rn_make(int, 5);
        int n = 0;

        evaluated = 0;
        for (int i = 0; i < 5; i++)
                rn_send(c, i);
        rn_close(c);
        rn_range(v, once(c))
                n += v;
        CHECK_EQ(n, 10);
        CHECK_EQ(evaluated, 1);
        rn_unref(c);
}

static void break_and_continue_in_range_mean_the_range(void)
{
        rn_chan(int) c = rn_make(int, 5);
        int sum = 0;

        for (int i = 1; i <= 5; i++)
                rn_send(c, i);
        rn_range(v, c) {
                if (v == 2)
                        continue;
                if (v == 4)
                        break;
                sum += v;
        }
        CHECK_EQ(sum, 4);
        CHECK_EQ(rn_get(c), 5);
        rn_unref(c);
}

/* -- cost -- */

#if BEHAVE_COUNTS
static void echo(rn_recv_chan(int) in, rn_send_chan(int) out, rn_recv_chan(int) idle)
{
        int v;

        for (;;) {
                if (rn_select(rn_on_recv(in, &v), rn_on_signal(idle)) == 1)
                        return;
                rn_send(out, v);
        }
}

static void round_trips(rn_send_chan(int) out, rn_recv_chan(int) in, rn_recv_chan(int) idle, int n)
{
        int v = 0;

        for (int i = 0; i < n; i++) {
                rn_send(out, i);
                rn_select(rn_on_recv(in, &v), rn_on_signal(idle));
                CHECK_EQ(v, i);
                rn_send_for(RN_SEC, out, i);
                CHECK_EQ(rn_recv_for(RN_SEC, in, &v), 1);
        }
}

static void waiting_allocates_nothing(void)
{
        rn_chan(int) there = rn_make(int, 0), back = rn_make(int, 0), idle = rn_make(int, 0);
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, echo, there, back, idle);
        round_trips(there, back, idle, 100);
        atomic_store(&behave_allocations, 0);
        atomic_store(&behave_counting, 1);
        round_trips(there, back, idle, 10000);
        atomic_store(&behave_counting, 0);
        CHECK(atomic_load(&behave_allocations) < 100);    /* threads that the scheduler starts take
                                                           * a few each */
        rn_close(idle);
        rn_wg_wait(&wg);
        rn_unref(there);
        rn_unref(back);
        rn_unref(idle);
}
#endif

static const struct behave_test tests[] = {
        BEHAVE_BOTH(recv_on_open_empty_channel_waits),
        BEHAVE_BOTH(send_to_full_channel_waits),
        BEHAVE_BOTH(send_into_free_room_does_not_wait),
        BEHAVE_BOTH(recv_of_a_buffered_value_does_not_wait),
        BEHAVE_BOTH(unbuffered_send_ends_only_with_a_receiver),
        BEHAVE_BOTH(ok_is_true_for_every_value_sent_also_before_close),
        BEHAVE_BOTH(discarding_recv_consumes_the_value),
        BEHAVE(goroutine_meets_goroutine_in_every_form),
        BEHAVE(goroutine_sends_to_thread_in_every_form),
        BEHAVE(thread_sends_to_goroutine_in_every_form),
        BEHAVE_THREAD(thread_meets_thread_in_every_form),
        BEHAVE(chain_of_10000_goroutines_passes_a_value_along),
        BEHAVE_BOTH(value_of_a_waiting_sender_stays_intact),
        BEHAVE_BOTH(only_the_chosen_destination_of_a_waiting_select_is_written),
        BEHAVE_BOTH(fresh_memory_arrives_intact_in_100_request_reply_pairs),
        BEHAVE_BOTH(nobody_is_woken_without_a_value),
        BEHAVE_BOTH(range_yields_all_in_order_and_ends_with_close),
        BEHAVE_BOTH(range_without_use_of_the_value_counts),
        BEHAVE_BOTH(range_evaluates_its_channel_once),
        BEHAVE_BOTH(break_and_continue_in_range_mean_the_range),
#if BEHAVE_COUNTS
        BEHAVE_BOTH(waiting_allocates_nothing),
#endif
};

BEHAVE_MAIN(tests)
