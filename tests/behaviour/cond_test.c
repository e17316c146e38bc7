/* SPDX-License-Identifier: MIT
 * Cond: a signal wakes the one who has waited longest, a broadcast all, nothing else anybody; the
 * object may be gone once the last has been woken. From goroutines and from plain threads.
 * Deadlines that pass are in cond_until_test.c, a wait without the lock in tests/crash. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

enum { LONG = 3600 };   /* seconds: a deadline that is not meant to come */

struct room {
        rn_mutex mu;
        rn_cond c;
        const char *name;
        rn_time until;         /* RN_NEVER, or all wait with a deadline */
        int waiting, awake;    /* guarded; waiting: have been in the queue */
        int order[128];        /* guarded */
        int plain;             /* only the signal orders it */
};

static int wait_in(struct room *r)
{
        if (r->until)
                return rn_cond_wait_until(&r->c, &r->mu, r->until);
        rn_cond_wait(&r->c, &r->mu);
        return 0;
}

static void wait_once(void *arg)
{
        struct room *r = arg;

        rn_set_name(r->name);
        rn_mutex_lock(&r->mu);
        r->waiting++;
        CHECK_EQ(wait_in(r), 0);
        CHECK(!rn_mutex_trylock(&r->mu));
        r->awake++;
        rn_mutex_unlock(&r->mu);
}

static int read_under(rn_mutex *mu, const int *n)
{
        int v;

        rn_mutex_lock(mu);
        v = *n;
        rn_mutex_unlock(mu);
        return v;
}

/* Who counts itself and then waits is in the queue when the mutex is free. */
static void until_queued(struct room *r, int n)
{
        BEHAVE_UNTIL(read_under(&r->mu, &r->waiting) >= n);
}

static void until_awake(struct room *r, int n)
{
        BEHAVE_UNTIL(read_under(&r->mu, &r->awake) >= n);
}

/* The ways in which tests wait: without a deadline, with RN_NEVER, with one far away. */
static rn_time far(int way)
{
        return way == 0 ? 0 : way == 1 ? RN_NEVER : rn_deadline(LONG * RN_SEC);
}

/* -- signal -- */

static void nobody_waits_and_nothing_is_kept(void)
{
        struct room r = { .name = "too late for a signal" };
        rn_wg wg = { { 0 } };

        rn_cond_signal(&r.c);
        rn_cond_broadcast(&r.c);
        rn_mutex_lock(&r.mu);
        rn_cond_signal(&r.c);
        rn_cond_broadcast(&r.c);
        rn_mutex_unlock(&r.mu);
        rn_wg_go(&wg, wait_once, &r);
        behave_until_parked(r.name, 1);
        CHECK_EQ(behave_parked(r.name, "sync.Cond.Wait"), 1);
        behave_turns();
        CHECK_EQ(read_under(&r.mu, &r.awake), 0);
        rn_cond_signal(&r.c);
        rn_wg_wait(&wg);
        CHECK_EQ(r.awake, 1);
}

static void signal_one_by_one(int goroutines, int threads, int way)
{
        struct room r = { .name = "one of several", .until = far(way) };
        int n = goroutines + threads;
        rn_wg wg = { { 0 } };

        behave_crowd(&wg, goroutines, threads, wait_once, &r);
        until_queued(&r, n);
        behave_turns();
        CHECK_EQ(read_under(&r.mu, &r.awake), 0);
        for (int i = 1; i <= n; i++) {
                bool locked = i % 2;

                if (locked)
                        rn_mutex_lock(&r.mu);
                rn_cond_signal(&r.c);
                if (locked)
                        rn_mutex_unlock(&r.mu);
                until_awake(&r, i);
                behave_turns();
                CHECK_EQ(read_under(&r.mu, &r.awake), i);
        }
        rn_wg_wait(&wg);
        rn_cond_signal(&r.c);
}

static void a_signal_wakes_exactly_one_with_the_lock_or_without(void)
{
        for (int way = 0; way < 3; way++) {
                signal_one_by_one(2, 0, way);
                signal_one_by_one(5, 2, way);
                signal_one_by_one(0, 3, way);
        }
}

static void wait_as(struct room *r, int who)
{
        rn_mutex_lock(&r->mu);
        r->waiting++;
        CHECK_EQ(wait_in(r), 0);
        r->order[r->awake++] = who;
        rn_mutex_unlock(&r->mu);
}

/* All queue up first, then each is woken by itself. */
static void a_signal_wakes_who_has_waited_longest(void)
{
        for (int way = 0; way < 3; way++) {
                struct room r = { .until = far(way) };
                rn_wg wg = { { 0 } };

                for (int i = 0; i < 100; i++) {
                        rn_wg_go(&wg, wait_as, &r, i);
                        until_queued(&r, i + 1);
                }
                for (int i = 0; i < 100; i++) {
                        rn_cond_signal(&r.c);
                        until_awake(&r, i + 1);
                        CHECK_EQ(r.order[i], i);
                }
                rn_wg_wait(&wg);
        }
}

/* Go's own: each is signalled when the next is about to come. */
static void generations_do_not_overtake_each_other(void)
{
        struct room r = { .name = "generations" };
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 100; i++) {
                rn_wg_go(&wg, wait_as, &r, i);
                if (i > 0)
                        until_awake(&r, i);
                until_queued(&r, i + 1);
                rn_mutex_lock(&r.mu);
                rn_cond_signal(&r.c);
                rn_mutex_unlock(&r.mu);
        }
        rn_wg_wait(&wg);
        for (int i = 0; i < 100; i++)
                CHECK_EQ(r.order[i], i);
}

/* -- the lock -- */

static void wait_unlocks_and_locks_again(void)
{
        struct room r = { .name = "lets go of the lock" };
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, wait_once, &r);
        until_queued(&r, 1);
        CHECK(rn_mutex_trylock(&r.mu));
        rn_cond_signal(&r.c);
        behave_turns();
        CHECK_EQ(r.awake, 0);
        rn_mutex_unlock(&r.mu);
        rn_wg_wait(&wg);
        CHECK_EQ(r.awake, 1);
}

/* Go's own: three take turns by the value of x alone, and a wait that returned for nothing would
 * see another. */
struct turns {
        rn_mutex mu;
        rn_cond c;
        int x;
};

static void first_of_three(void *arg)
{
        struct turns *t = arg;

        rn_mutex_lock(&t->mu);
        t->x = 1;
        rn_cond_wait(&t->c, &t->mu);
        CHECK_EQ(t->x, 2);
        t->x = 3;
        rn_cond_signal(&t->c);
        rn_mutex_unlock(&t->mu);
}

static void second_of_three(void *arg)
{
        struct turns *t = arg;

        rn_mutex_lock(&t->mu);
        while (t->x != 1) {
                rn_mutex_unlock(&t->mu);
                rn_yield();
                rn_mutex_lock(&t->mu);
        }
        t->x = 2;
        rn_cond_signal(&t->c);
        rn_mutex_unlock(&t->mu);
}

static void third_of_three(void *arg)
{
        struct turns *t = arg;

        rn_mutex_lock(&t->mu);
        while (t->x < 2) {
                rn_mutex_unlock(&t->mu);
                rn_yield();
                rn_mutex_lock(&t->mu);
        }
        if (t->x == 2) {
                rn_cond_wait(&t->c, &t->mu);
                CHECK_EQ(t->x, 3);
        }
        rn_mutex_unlock(&t->mu);
}

static void no_wait_returns_without_a_signal(void)
{
        for (int i = 0; i < BEHAVE_SCALE(200); i++) {
                struct turns t = { .x = 0 };
                rn_wg wg = { { 0 } };

                behave_go(GOROUTINE, &wg, first_of_three, &t);
                behave_go(i % 8 ? GOROUTINE : THREAD, &wg, second_of_three, &t);
                behave_go(i % 8 == 1 ? THREAD : GOROUTINE, &wg, third_of_three, &t);
                rn_wg_wait(&wg);
                CHECK_EQ(t.x, 3);
        }
}

/* -- broadcast -- */

struct rounds {
        rn_mutex mu;
        rn_cond c;
        rn_time until;
        int running, woken;    /* guarded */
        bool exit;             /* guarded */
};

/* One wait in each round. */
static void wait_round_after_round(void *arg)
{
        struct rounds *r = arg;

        rn_mutex_lock(&r->mu);
        while (!r->exit) {
                r->running++;
                if (r->until)
                        CHECK_EQ(rn_cond_wait_until(&r->c, &r->mu, r->until), 0);
                else
                        rn_cond_wait(&r->c, &r->mu);
                r->woken++;
        }
        rn_mutex_unlock(&r->mu);
}

static void broadcast_rounds(int goroutines, int threads, int rounds, int way)
{
        struct rounds r = { .until = far(way) };
        int n = goroutines + threads;
        rn_wg wg = { { 0 } };

        behave_crowd(&wg, goroutines, threads, wait_round_after_round, &r);
        for (int i = 1; i <= rounds; i++) {
                BEHAVE_UNTIL(read_under(&r.mu, &r.running) == n * i);
                rn_mutex_lock(&r.mu);
                CHECK_EQ(r.woken, n * (i - 1));
                r.exit = i == rounds;
                if (i % 2)
                        rn_cond_broadcast(&r.c);
                rn_mutex_unlock(&r.mu);
                if (i % 2 == 0)
                        rn_cond_broadcast(&r.c);
        }
        rn_wg_wait(&wg);
        CHECK_EQ(r.woken, n * rounds);
        rn_cond_broadcast(&r.c);
}

static void a_broadcast_wakes_each_of_200_once_in_200_rounds(void)
{
        broadcast_rounds(200, 0, BEHAVE_SCALE(200), 0);
        broadcast_rounds(200, 0, BEHAVE_SCALE(20), 2);
}

static void a_broadcast_wakes_threads(void)
{
        broadcast_rounds(0, 3, BEHAVE_SCALE(100), 0);
        broadcast_rounds(5, 2, BEHAVE_SCALE(100), 1);
        broadcast_rounds(3, 3, BEHAVE_SCALE(100), 2);
}

static void broadcast(void *c)
{
        rn_cond_broadcast(c);
}

static void wait_one_round(void *arg)
{
        struct rounds *r = arg;

        rn_mutex_lock(&r->mu);
        r->running++;
        rn_cond_wait(&r->c, &r->mu);
        rn_mutex_unlock(&r->mu);
}

static void wait_until_exit(void *arg)
{
        struct rounds *r = arg;

        rn_mutex_lock(&r->mu);
        while (!r->exit) {
                rn_cond_wait(&r->c, &r->mu);
                r->woken++;
        }
        rn_mutex_unlock(&r->mu);
}

/* Go's own: a newcomer races with the broadcast and may get it too, but never instead. */
static void a_newcomer_does_not_steal_a_broadcast(void)
{
        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                struct rounds r = { .exit = false };
                rn_wg first = { { 0 } }, wg = { { 0 } };

                rn_wg_go(&first, wait_one_round, &r);
                BEHAVE_UNTIL(read_under(&r.mu, &r.running) == 1);
                behave_go(i % 16 ? GOROUTINE : THREAD, &wg, broadcast, &r.c);
                rn_wg_go(&wg, wait_until_exit, &r);
                rn_wg_wait(&first);
                rn_mutex_lock(&r.mu);
                r.exit = true;
                rn_mutex_unlock(&r.mu);
                rn_cond_broadcast(&r.c);
                rn_wg_wait(&wg);
                CHECK(r.woken <= 2);
        }
}

/* -- order of memory -- */

static void wait_and_look(void *arg)
{
        struct room *r = arg;

        rn_mutex_lock(&r->mu);
        r->waiting++;
        CHECK_EQ(wait_in(r), 0);
        CHECK_EQ(r->plain, 1);
        rn_mutex_unlock(&r->mu);
}

/* Written with the lock free, so the signal alone orders it. */
static void all_before_a_signal_is_seen_by_whom_it_woke(void)
{
        for (int i = 0; i < BEHAVE_SCALE(500); i++) {
                struct room r = { .until = far(i % 3) };
                int n = 1 + i % 2;
                rn_wg wg = { { 0 } };

                behave_crowd(&wg, n - (i % 16 == 0), i % 16 == 0, wait_and_look, &r);
                until_queued(&r, n);
                r.plain = 1;
                if (n == 1)
                        rn_cond_signal(&r.c);
                else
                        rn_cond_broadcast(&r.c);
                rn_wg_wait(&wg);
        }
}

/* -- the memory belongs to the last one who is woken -- */

enum { POISON = 0x5a };

struct shared {
        union {
                rn_cond c;
                unsigned char b[sizeof(rn_cond)];
        } u;
        rn_mutex *mu;          /* lives longer: no unlock orders the signal before the end */
        rn_time until;
        int *waiting;
        int left;              /* guarded */
        bool keep;
};

static void last_one_out(void *arg)
{
        struct shared *s = arg;
        rn_mutex *mu = s->mu;
        bool last;

        rn_mutex_lock(mu);
        ++*s->waiting;
        if (s->until)
                CHECK_EQ(rn_cond_wait_until(&s->u.c, mu, s->until), 0);
        else
                rn_cond_wait(&s->u.c, mu);
        last = --s->left == 0;
        rn_mutex_unlock(mu);
        if (last && s->keep)
                memset(s->u.b, POISON, sizeof s->u.b);
        else if (last)
                free(s);
}

static void use_up(struct shared *s, int i)
{
        rn_mutex mu = { { 0 } };
        int n = 1 + i % 3, waiting = 0;
        rn_wg wg = { { 0 } };

        s->mu = &mu;
        s->until = far(i % 4);
        s->waiting = &waiting;
        s->left = n;
        behave_crowd(&wg, n - (i % 16 == 0), i % 16 == 0, last_one_out, s);
        BEHAVE_UNTIL(read_under(&mu, &waiting) == n);
        if (n == 1)
                rn_cond_signal(&s->u.c);
        else
                rn_cond_broadcast(&s->u.c);
        rn_wg_wait(&wg);
}

static void nobody_touches_it_once_the_last_is_awake(void)
{
        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                struct shared s = { .keep = true };

                use_up(&s, i);
                for (size_t k = 0; k < sizeof s.u.b; k++)
                        CHECK_EQ(s.u.b[k], POISON);
        }
}

static void may_be_freed_by_the_last_who_is_woken(void)
{
        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                struct shared *s = calloc(1, sizeof *s);

                if (!s)
                        abort();
                use_up(s, i);
        }
}

/* -- a program: a buffer with two conditions -- */

enum { ROOM = 3 };

struct buffer {
        rn_mutex mu;
        rn_cond not_empty, not_full;
        int value[ROOM], n, produced, consumed, total;   /* guarded */
        long sum;                                        /* guarded */
        bool timed;
};

static void await(struct buffer *b, rn_cond *c)
{
        if (b->timed)
                (void)rn_cond_wait_until(c, &b->mu, rn_deadline(50 * RN_USEC));
        else
                rn_cond_wait(c, &b->mu);
}

static void produce(void *arg)
{
        struct buffer *b = arg;

        rn_mutex_lock(&b->mu);
        while (b->produced < b->total) {
                int v = b->produced++;

                while (b->n == ROOM)
                        await(b, &b->not_full);
                b->value[b->n++] = v;
                rn_cond_signal(&b->not_empty);
        }
        rn_mutex_unlock(&b->mu);
}

static void consume(void *arg)
{
        struct buffer *b = arg;

        rn_mutex_lock(&b->mu);
        while (b->consumed < b->total) {
                b->consumed++;
                while (b->n == 0)
                        await(b, &b->not_empty);
                b->sum += b->value[--b->n];
                rn_cond_signal(&b->not_full);
        }
        rn_mutex_unlock(&b->mu);
}

static void a_buffer_with_two_conditions_loses_nothing(void)
{
        for (int timed = 0; timed < 2; timed++) {
                struct buffer b = { .total = BEHAVE_SCALE(3000), .timed = timed };
                rn_wg wg = { { 0 } };

                behave_crowd(&wg, 3, 1, produce, &b);
                behave_crowd(&wg, 3, 1, consume, &b);
                rn_wg_wait(&wg);
                CHECK_EQ(b.n, 0);
                CHECK_EQ(b.sum, (long)b.total * (b.total - 1) / 2);
        }
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(nobody_waits_and_nothing_is_kept),
        BEHAVE_BOTH(a_signal_wakes_exactly_one_with_the_lock_or_without),
        BEHAVE_BOTH(a_signal_wakes_who_has_waited_longest),
        BEHAVE_BOTH(generations_do_not_overtake_each_other),
        BEHAVE_BOTH(wait_unlocks_and_locks_again),
        BEHAVE(no_wait_returns_without_a_signal),
        BEHAVE_BOTH(a_broadcast_wakes_each_of_200_once_in_200_rounds),
        BEHAVE_BOTH(a_broadcast_wakes_threads),
        BEHAVE_BOTH(a_newcomer_does_not_steal_a_broadcast),
        BEHAVE_BOTH(all_before_a_signal_is_seen_by_whom_it_woke),
        BEHAVE_BOTH(nobody_touches_it_once_the_last_is_awake),
        BEHAVE_BOTH(may_be_freed_by_the_last_who_is_woken),
        BEHAVE(a_buffer_with_two_conditions_loses_nothing),
};

BEHAVE_MAIN(tests)
