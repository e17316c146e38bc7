/* SPDX-License-Identifier: MIT
 * In which order values and waiters come through a channel, that each value comes exactly once,
 * and what a sender did before is seen by the receiver. The plain variables that the last part
 * shares through channels are what a race detector looks at. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

/* -- first in, first out -- */

static void buffered_channel_is_fifo_in_one_goroutine(void)
{
        rn_chan(int) c = rn_make(int, 10);

        for (int round = 0; round < 5; round++) {
                for (int i = 0; i < 10; i++)
                        rn_send(c, i * round);
                for (int i = 0; i < 7; i++)
                        CHECK_EQ(rn_get(c), i * round);
                for (int i = 7; i < 10; i++)
                        CHECK_EQ(rn_get(c), i * round);
        }
        rn_unref(c);
}

static void buffer_wraps_around_in_order(void)
{
        rn_chan(int) c = rn_make(int, 7);
        int next = 0, want = 0;

        for (int round = 0; round < 50; round++) {
                while (rn_try_send(c, next))
                        next++;
                for (int i = 0; i < 1 + round % 7; i++)
                        CHECK_EQ(rn_get(c), want++);
        }
        while (want < next)
                CHECK_EQ(rn_get(c), want++);
        rn_unref(c);
}

static void send_up(rn_send_chan(int) c, int n)
{
        for (int i = 0; i < n; i++)
                rn_send(c, i);
}

static void one_sender_one_receiver_keep_order_at_every_capacity(void)
{
        for (int cap = 0; cap < 200; cap++) {
                rn_chan(int) c = rn_make(int, cap);
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, send_up, c, BEHAVE_SCALE(400));
                for (int i = 0; i < BEHAVE_SCALE(400); i++)
                        CHECK_EQ(rn_get(c), i);
                rn_wg_wait(&wg);
                rn_unref(c);
        }
}

/* Waits for a go from its left neighbour, then takes its own number, then says go to the right. */
static void chain_link(rn_recv_chan(int) c, int n, rn_recv_chan(int) in, rn_send_chan(int) out)
{
        CHECK_EQ(rn_get(in), 1);
        CHECK_EQ(rn_get(c), n);
        rn_send(out, 1);
}

static void chain_of_receivers_takes_values_in_order(void)
{
        enum { N = 50 };
        rn_chan(int) c = rn_make(int, 0), links[N + 1];
        rn_wg wg = { { 0 } };

        for (int i = 0; i <= N; i++)
                links[i] = rn_make(int, 0);
        for (int i = 0; i < N; i++)
                rn_wg_go(&wg, chain_link, c, i, links[i], links[i + 1]);
        rn_send(links[0], 1);
        for (int i = 0; i < N; i++)
                rn_send(c, i);
        CHECK_EQ(rn_get(links[N]), 1);
        rn_wg_wait(&wg);
        for (int i = 0; i <= N; i++)
                rn_unref(links[i]);
        rn_unref(c);
}

/* -- waiters are served in the order they came -- */

enum { QUEUE = 12 };

struct queued {
        rn_chan(int) c, other;
        int results[QUEUE];
        bool select;
        rn_time until;
};

static void recv_in_queue(struct queued *q, int i)
{
        rn_set_name("in_queue");
        if (q->select)
                rn_select(rn_on_signal(q->other), rn_on_recv(q->c, &q->results[i]));
        else
                rn_recv(q->c, &q->results[i]);
}

static void send_in_queue(struct queued *q, int i)
{
        rn_set_name("in_queue");
        if (q->select)
                rn_select(rn_on_send(q->c, i), rn_on_signal(q->other));
        else
                rn_send(q->c, i);
}

static void in_queue_order(void (*f)(struct queued *, int), bool select, bool send)
{
        struct queued q = { .c = rn_make(int, 0), .other = rn_make(int, 0), .select = select };
        rn_wg wg = { { 0 } };

        for (int i = 0; i < QUEUE; i++) {
                rn_wg_go(&wg, f, &q, i);
                behave_until_parked("in_queue", i + 1);
        }
        for (int i = 0; i < QUEUE; i++) {
                if (send)
                        rn_send(q.c, i);
                else
                        CHECK_EQ(rn_get(q.c), i);
        }
        rn_wg_wait(&wg);
        for (int i = 0; i < QUEUE && send; i++)
                CHECK_EQ(q.results[i], i);
        rn_unref(q.c);
        rn_unref(q.other);
}

static void waiting_receivers_are_served_in_the_order_they_came(void)
{
        in_queue_order(recv_in_queue, false, true);
}

static void waiting_selects_are_served_in_the_order_they_came(void)
{
        in_queue_order(recv_in_queue, true, true);
        in_queue_order(send_in_queue, true, false);
}

static void waiting_senders_are_served_in_the_order_they_came(void)
{
        in_queue_order(send_in_queue, false, false);
}

static void waiting_senders_fill_the_buffer_in_the_order_they_came(void)
{
        struct queued q = { .c = rn_make(int, 2) };
        rn_wg wg = { { 0 } };

        rn_send(q.c, -2);
        rn_send(q.c, -1);
        for (int i = 0; i < QUEUE; i++) {
                rn_wg_go(&wg, send_in_queue, &q, i);
                behave_until_parked("in_queue", i + 1);
        }
        for (int i = -2; i < QUEUE; i++)
                CHECK_EQ(rn_get(q.c), i);
        rn_wg_wait(&wg);
        rn_unref(q.c);
}

static void recv_until_in_queue(struct queued *q, int i)
{
        rn_set_name("in_queue");
        q->results[i] = rn_recv_until(q->until, q->c, &q->results[i]) == 1 ? q->results[i] : -1;
}

/* False: the deadline came before all stood in the queue. */
static bool odd_ones_give_up(rn_dur patience)
{
        struct queued q = { .c = rn_make(int, 0), .until = rn_deadline(patience) };
        rn_wg odd = { { 0 } }, even = { { 0 } };
        bool in_time;

        for (int i = 0; i < QUEUE; i++) {
                if (i % 2)
                        rn_wg_go(&odd, recv_until_in_queue, &q, i);
                else
                        rn_wg_go(&even, recv_in_queue, &q, i);
                BEHAVE_UNTIL(rn_now() >= q.until || behave_parked("in_queue", NULL) > i);
        }
        in_time = rn_now() < q.until;
        rn_wg_wait(&odd);
        for (int i = 0; i < QUEUE; i += 2)
                rn_send(q.c, i);
        rn_wg_wait(&even);
        for (int i = 0; i < QUEUE && in_time; i++)
                CHECK_EQ(q.results[i], i % 2 ? -1 : i);
        rn_unref(q.c);
        return in_time;
}

static void waiters_that_give_up_leave_the_others_in_order(void)
{
        for (rn_dur patience = 50 * RN_MSEC; !odd_ones_give_up(patience); patience *= 2)
                ;
}

/* -- every value exactly once -- */

enum { MANY = 4, EACH = 1000 };

struct tally {
        rn_chan(int) c;
        int each;
        atomic_int seen[MANY * EACH];
        atomic_int senders;
};

static void send_numbers(void *arg)
{
        struct tally *t = arg;
        int from = atomic_fetch_add(&t->senders, 1) * t->each;

        for (int i = 0; i < t->each; i++)
                rn_send(t->c, from + i);
}

static void recv_numbers(void *arg)
{
        struct tally *t = arg;

        for (int i = 0; i < t->each; i++) {
                int v = -1;

                if (CHECK(rn_recv(t->c, &v)) && CHECK(v >= 0 && v < MANY * t->each))
                        atomic_fetch_add(&t->seen[v], 1);
        }
}

static void exchange(int cap, enum behave_kind senders, enum behave_kind receivers)
{
        struct tally *t = calloc(1, sizeof *t);
        rn_wg wg = { { 0 } };

        t->c = rn_make(int, cap);
        t->each = BEHAVE_SCALE(senders == GOROUTINE && receivers == GOROUTINE ? EACH : EACH / 5);
        for (int i = 0; i < MANY; i++) {
                behave_go(senders, &wg, send_numbers, t);
                behave_go(receivers, &wg, recv_numbers, t);
        }
        rn_wg_wait(&wg);
        for (int i = 0; i < MANY * t->each; i++)
                CHECK_EQ(atomic_load(&t->seen[i]), 1);
        CHECK_EQ(rn_len(t->c), 0);
        rn_unref(t->c);
        free(t);
}

static void four_senders_and_four_receivers_lose_and_double_nothing(void)
{
        for (int cap = 0; cap <= 128; cap = cap ? cap * 4 : 1) {
                exchange(cap, GOROUTINE, GOROUTINE);
                exchange(cap, GOROUTINE, THREAD);
                exchange(cap, THREAD, GOROUTINE);
                exchange(cap, THREAD, THREAD);
        }
}

static void work(rn_recv_chan(int) jobs, rn_send_chan(int) results)
{
        int n = 0;

        rn_range(job, jobs) {
                if (++n % 7 == 0 || job % 7 == 0)
                        rn_yield();
                rn_send(results, job * 2);
        }
}

static void hand_out(rn_chan(int) jobs, int n)
{
        for (int i = 0; i < n; i++)
                rn_send(jobs, i);
        rn_close(jobs);
}

static void close_after(rn_wg *wg, rn_chan(int) c)
{
        rn_wg_wait(wg);
        rn_close(c);
}

static void results_of_23_workers_are_complete(void)
{
        rn_chan(int) jobs = rn_make(int, 23), results = rn_make(int, 23);
        int n = BEHAVE_SCALE(20000), count = 0;
        rn_wg workers = { { 0 } }, wg = { { 0 } };
        long long sum = 0;

        for (int i = 0; i < 23; i++)
                rn_wg_go(&workers, work, jobs, results);
        rn_wg_go(&wg, hand_out, jobs, n);
        rn_wg_go(&wg, close_after, &workers, results);
        rn_range(r, results) {
                sum += r;
                count++;
        }
        rn_wg_wait(&wg);
        CHECK_EQ(count, n);
        CHECK_EQ(sum, (long long)n * (n - 1));
        rn_unref(jobs);
        rn_unref(results);
}

/* -- what happens before what -- */

struct shared {
        rn_chan(int) c, d;
        int plain;
        int n;
};

static void write_then_send(void *arg)
{
        struct shared *s = arg;

        for (int i = 0; i < s->n; i++) {
                s->plain = i;
                rn_send(s->c, i);
                rn_wait(s->d);
        }
}

static void all_before_a_send_is_seen_by_its_receiver(void)
{
        for (int cap = 0; cap < 3; cap++) {
                for (enum behave_kind kind = 0; kind < BEHAVE_KINDS; kind++) {
                        struct shared s = { rn_make(int, cap), rn_make(int, cap), 0,
                                            BEHAVE_SCALE(500) };
                        rn_wg wg = { { 0 } };

                        behave_go(kind, &wg, write_then_send, &s);
                        for (int i = 0; i < s.n; i++) {
                                CHECK_EQ(rn_get(s.c), i);
                                CHECK_EQ(s.plain, i);
                                s.plain = -1;
                                rn_send(s.d, 0);
                        }
                        rn_wg_wait(&wg);
                        rn_unref(s.c);
                        rn_unref(s.d);
                }
        }
}

static void write_then_recv(void *arg)
{
        struct shared *s = arg;

        s->plain = 42;
        rn_wait(s->c);
}

static void all_before_an_unbuffered_receive_is_seen_by_its_sender(void)
{
        for (int i = 0; i < BEHAVE_SCALE(500); i++) {
                for (enum behave_kind kind = 0; kind < (i % 50 ? THREAD : BEHAVE_KINDS); kind++) {
                        struct shared s = { .c = rn_make(int, 0) };
                        rn_wg wg = { { 0 } };

                        behave_go(kind, &wg, write_then_recv, &s);
                        rn_send(s.c, 0);
                        CHECK_EQ(s.plain, 42);
                        rn_wg_wait(&wg);
                        rn_unref(s.c);
                }
        }
}

static void write_then_close(void *arg)
{
        struct shared *s = arg;

        s->plain = 42;
        rn_close(s->c);
}

static void all_before_a_close_is_seen_by_who_saw_it(void)
{
        for (int i = 0; i < BEHAVE_SCALE(500); i++) {
                for (enum behave_kind kind = 0; kind < (i % 50 ? THREAD : BEHAVE_KINDS); kind++) {
                        struct shared s = { .c = rn_make(int, i % 2) };
                        rn_wg wg = { { 0 } };
                        int v;

                        behave_go(kind, &wg, write_then_close, &s);
                        if (i % 3 == 0)
                                CHECK(!rn_recv(s.c, &v));
                        else if (i % 3 == 1)
                                CHECK_EQ(rn_select(rn_on_signal(s.c), rn_on_signal(s.d)), 0);
                        else
                                BEHAVE_UNTIL(rn_try_recv(s.c, &v) == 0);
                        CHECK_EQ(s.plain, 42);
                        rn_wg_wait(&wg);
                        rn_unref(s.c);
                }
        }
}

static void see_start(int *plain)
{
        CHECK_EQ(*plain, 7);
        *plain = 8;
}

static void all_before_a_start_is_seen_by_the_goroutine(void)
{
        for (int i = 0; i < BEHAVE_SCALE(500); i++) {
                rn_wg wg = { { 0 } };
                int plain = 7;

                rn_wg_go(&wg, see_start, &plain);
                rn_wg_wait(&wg);
                CHECK_EQ(plain, 8);
        }
}

struct guarded {
        rn_chan(rn_nothing) sem;
        int n;
        long long plain;
        atomic_int now;
};

static void enter_and_count(void *arg)
{
        struct guarded *g = arg;

        for (int i = 0; i < g->n; i++) {
                int inside;

                rn_send(g->sem, { 0 });
                inside = atomic_fetch_add(&g->now, 1) + 1;
                CHECK(inside <= rn_cap(g->sem));
                if (rn_cap(g->sem) == 1)
                        g->plain++;
                if (i % 16 == 0)
                        rn_yield();
                atomic_fetch_sub(&g->now, 1);
                rn_wait(g->sem);
        }
}

static void channel_of_capacity_k_lets_k_in(void)
{
        for (int cap = 1; cap < 4; cap++) {
                struct guarded g = { .sem = rn_make(rn_nothing, cap), .n = BEHAVE_SCALE(1000) };
                rn_wg wg = { { 0 } };

                for (int i = 0; i < 8; i++)
                        behave_go(i < 6 ? GOROUTINE : THREAD, &wg, enter_and_count, &g);
                rn_wg_wait(&wg);
                if (cap == 1)
                        CHECK_EQ(g.plain, 8LL * g.n);
                rn_unref(g.sem);
        }
}

/* The reader reads a slot, then receives; the send that needed that receive's room may return
 * only after it, so then the slot may be written again. */
static void read_slots(rn_recv_chan(int) room, const int *slots, int n)
{
        for (int i = 0; i < n; i++) {
                CHECK_EQ(slots[i], i);
                CHECK_EQ(rn_get(room), i);
        }
}

static void receive_k_is_seen_by_send_k_plus_capacity(void)
{
        enum { N = 500 };

        for (int cap = 0; cap < 4; cap++) {
                rn_chan(int) room = rn_make(int, cap);
                int slots[N];
                rn_wg wg = { { 0 } };

                for (int i = 0; i < N; i++)
                        slots[i] = i;
                rn_wg_go(&wg, read_slots, room, slots, (int)N);
                for (int i = 0; i < N; i++) {
                        rn_send(room, i);
                        if (i >= cap)
                                slots[i - cap] = -1;
                }
                rn_wg_wait(&wg);
                for (int i = 0; i < N - cap; i++)
                        CHECK_EQ(slots[i], -1);
                rn_unref(room);
        }
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(buffered_channel_is_fifo_in_one_goroutine),
        BEHAVE_BOTH(buffer_wraps_around_in_order),
        BEHAVE_BOTH(one_sender_one_receiver_keep_order_at_every_capacity),
        BEHAVE_BOTH(chain_of_receivers_takes_values_in_order),
        BEHAVE_BOTH(waiting_receivers_are_served_in_the_order_they_came),
        BEHAVE_BOTH(waiting_selects_are_served_in_the_order_they_came),
        BEHAVE_BOTH(waiting_senders_are_served_in_the_order_they_came),
        BEHAVE_BOTH(waiting_senders_fill_the_buffer_in_the_order_they_came),
        BEHAVE_BOTH(waiters_that_give_up_leave_the_others_in_order),
        BEHAVE(four_senders_and_four_receivers_lose_and_double_nothing),
        BEHAVE_BOTH(results_of_23_workers_are_complete),
        BEHAVE_BOTH(all_before_a_send_is_seen_by_its_receiver),
        BEHAVE_BOTH(all_before_an_unbuffered_receive_is_seen_by_its_sender),
        BEHAVE_BOTH(all_before_a_close_is_seen_by_who_saw_it),
        BEHAVE_BOTH(all_before_a_start_is_seen_by_the_goroutine),
        BEHAVE(channel_of_capacity_k_lets_k_in),
        BEHAVE_BOTH(receive_k_is_seen_by_send_k_plus_capacity),
};

BEHAVE_MAIN(tests)
