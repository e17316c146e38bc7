/* SPDX-License-Identifier: MIT
 * RWMutex: one writer or many readers, and who is before whom. From goroutines and from plain
 * threads. The order of memory and the object's end are in rwmutex_memory_test.c, the misuse that
 * ends the process in tests/crash. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

/* Does anybody write, or wait to write? */
static bool readers_are_kept_out(rn_rwmutex *rw)
{
        if (!rn_rwmutex_tryrlock(rw))
                return true;
        rn_rwmutex_runlock(rw);
        return false;
}

static void zero_value_is_unlocked(void)
{
        static rn_rwmutex at_rest;
        rn_rwmutex rw = { { 0 } };

        rn_rwmutex_rlock(&at_rest);
        rn_rwmutex_runlock(&at_rest);
        rn_rwmutex_lock(&at_rest);
        rn_rwmutex_unlock(&at_rest);
        CHECK(rn_rwmutex_tryrlock(&rw));
        rn_rwmutex_runlock(&rw);
        CHECK(rn_rwmutex_trylock(&rw));
        rn_rwmutex_unlock(&rw);
}

static void trylock_fails_if_anybody_has_it_and_tryrlock_if_somebody_writes(void)
{
        rn_rwmutex rw = { { 0 } };

        rn_rwmutex_lock(&rw);
        CHECK(!rn_rwmutex_trylock(&rw));
        CHECK(!rn_rwmutex_tryrlock(&rw));
        rn_rwmutex_unlock(&rw);
        CHECK(rn_rwmutex_tryrlock(&rw));
        CHECK(rn_rwmutex_tryrlock(&rw));
        CHECK(!rn_rwmutex_trylock(&rw));
        rn_rwmutex_runlock(&rw);
        CHECK(!rn_rwmutex_trylock(&rw));
        rn_rwmutex_runlock(&rw);
        CHECK(rn_rwmutex_trylock(&rw));
        CHECK(!rn_rwmutex_tryrlock(&rw));
        rn_rwmutex_unlock(&rw);
}

static void a_reader_may_read_again_if_no_writer_waits(void)
{
        rn_rwmutex rw = { { 0 } };

        for (int i = 0; i < 3; i++)
                rn_rwmutex_rlock(&rw);
        for (int i = 0; i < 3; i++) {
                CHECK(!rn_rwmutex_trylock(&rw));
                rn_rwmutex_runlock(&rw);
        }
        CHECK(rn_rwmutex_trylock(&rw));
}

/* -- readers beside each other -- */

struct meeting {
        rn_rwmutex rw;
        atomic_int inside;
        int n;
};

static void meet(void *arg)
{
        struct meeting *m = arg;

        rn_rwmutex_rlock(&m->rw);
        atomic_fetch_add(&m->inside, 1);
        BEHAVE_UNTIL(atomic_load(&m->inside) == m->n);
        CHECK(!rn_rwmutex_trylock(&m->rw));
        rn_rwmutex_runlock(&m->rw);
}

static void readers_meet_inside(void)
{
        static const int readers[] = { 1, 3, 4, 10 };

        for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
                for (int threads = 0; threads < 2; threads++) {
                        struct meeting m = { .n = readers[i] };
                        rn_wg wg = { { 0 } };

                        behave_crowd(&wg, m.n - threads, threads, meet, &m);
                        rn_wg_wait(&wg);
                        CHECK(rn_rwmutex_trylock(&m.rw));
                }
}

/* -- exclusion -- */

struct hammer {
        rn_rwmutex rw;
        int rounds;
        atomic_int activity;   /* readers + 10000 * writers */
        long written;          /* guarded */
        atomic_long taken;
        atomic_int stream;
};

static void inside_to_read(struct hammer *h)
{
        int n = atomic_fetch_add(&h->activity, 1);
        long seen = h->written;

        CHECK(n >= 0 && n < 10000);
        if (n % 7 == 3)
                rn_yield();
        CHECK_EQ(h->written, seen);
        atomic_fetch_sub(&h->activity, 1);
        rn_rwmutex_runlock(&h->rw);
}

static void inside_to_write(struct hammer *h)
{
        CHECK_EQ(atomic_fetch_add(&h->activity, 10000), 0);
        if (++h->written % 7 == 3)
                rn_yield();
        CHECK_EQ(atomic_fetch_sub(&h->activity, 10000), 10000);
        rn_rwmutex_unlock(&h->rw);
        atomic_fetch_add(&h->taken, 1);
}

static void reads(void *arg)
{
        struct hammer *h = arg;
        uint64_t s = behave_stream((uint64_t)atomic_fetch_add(&h->stream, 1));

        for (int i = 0; i < h->rounds; i++) {
                if (behave_below(&s, 3))
                        rn_rwmutex_rlock(&h->rw);
                else if (!rn_rwmutex_tryrlock(&h->rw))
                        continue;
                inside_to_read(h);
        }
}

static void writes(void *arg)
{
        struct hammer *h = arg;
        uint64_t s = behave_stream((uint64_t)atomic_fetch_add(&h->stream, 1));

        for (int i = 0; i < h->rounds; i++) {
                if (behave_below(&s, 3))
                        rn_rwmutex_lock(&h->rw);
                else if (!rn_rwmutex_trylock(&h->rw))
                        continue;
                inside_to_write(h);
        }
}

static void hammer_it(int readers, int reading_threads, int writing_threads)
{
        struct hammer h = { .rounds = BEHAVE_SCALE(1000) };
        rn_wg wg = { { 0 } };

        behave_crowd(&wg, 2 - writing_threads, writing_threads, writes, &h);
        behave_crowd(&wg, readers, reading_threads, reads, &h);
        rn_wg_wait(&wg);
        CHECK_EQ(h.written, atomic_load(&h.taken));
        CHECK_EQ(atomic_load(&h.activity), 0);
        CHECK(rn_rwmutex_trylock(&h.rw));
}

static void excludes_2_writers_and_up_to_10_readers(void)
{
        hammer_it(1, 0, 0);
        hammer_it(3, 0, 0);
        hammer_it(10, 0, 0);
}

static void excludes_threads(void)
{
        hammer_it(0, 3, 2);
}

static void excludes_goroutines_and_threads(void)
{
        hammer_it(3, 2, 1);
        hammer_it(5, 0, 2);
}

struct pair {
        rn_rwmutex rw;
        int rounds;
        long a, b;   /* guarded: plain, so that a race detector has something to see */
};

static void reads_shortly(void *arg)
{
        struct pair *p = arg;

        for (int i = 0; i < p->rounds; i++) {
                rn_rwmutex_rlock(&p->rw);
                CHECK_EQ(p->a, p->b);
                rn_rwmutex_runlock(&p->rw);
        }
}

static void writes_shortly(void *arg)
{
        struct pair *p = arg;

        for (int i = 0; i < p->rounds; i++) {
                rn_rwmutex_lock(&p->rw);
                p->a++;
                p->b++;
                rn_rwmutex_unlock(&p->rw);
        }
}

/* Nothing but lock and unlock: the two meet at every instruction. */
static void short_sections_are_whole(void)
{
        struct pair p = { .rounds = BEHAVE_SCALE(30000) };
        rn_wg wg = { { 0 } };

        behave_crowd(&wg, 3, 1, writes_shortly, &p);
        behave_crowd(&wg, 5, 1, reads_shortly, &p);
        rn_wg_wait(&wg);
        CHECK_EQ(p.a, 4L * p.rounds);
        CHECK_EQ(p.b, 4L * p.rounds);
}

/* -- who is before whom -- */

struct crowd {
        rn_rwmutex rw;
        const char *name;
        int written;          /* guarded */
        int order[8];
        int readers;
        atomic_int inside;
        atomic_int passed;
};

static void write_one(void *arg)
{
        struct crowd *c = arg;

        rn_set_name(c->name);
        rn_rwmutex_lock(&c->rw);
        CHECK_EQ(atomic_load(&c->inside), 0);
        c->written++;
        rn_rwmutex_unlock(&c->rw);
}

static void read_after_the_write(void *arg)
{
        struct crowd *c = arg;

        rn_set_name(c->name);
        rn_rwmutex_rlock(&c->rw);
        CHECK_EQ(c->written, 1);
        rn_rwmutex_runlock(&c->rw);
        atomic_fetch_add(&c->passed, 1);
}

static void new_readers_behind(enum behave_kind writer)
{
        struct crowd c = { .name = "behind a reader" };
        rn_wg wg = { { 0 } };

        rn_rwmutex_rlock(&c.rw);
        behave_go(writer, &wg, write_one, &c);
        BEHAVE_UNTIL(readers_are_kept_out(&c.rw));
        CHECK(!rn_rwmutex_trylock(&c.rw));
        behave_crowd(&wg, 3, 1, read_after_the_write, &c);
        behave_until_parked(c.name, 3 + (writer == GOROUTINE));
        CHECK_EQ(atomic_load(&c.passed), 0);
        CHECK_EQ(c.written, 0);
        rn_rwmutex_runlock(&c.rw);
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&c.passed), 4);
}

static void a_waiting_writer_keeps_new_readers_out(void)
{
        new_readers_behind(GOROUTINE);
        new_readers_behind(THREAD);
}

/* Stays until all readers are inside. */
static void read_together_before_the_write(void *arg)
{
        struct crowd *c = arg;

        rn_set_name(c->name);
        rn_rwmutex_rlock(&c->rw);
        CHECK_EQ(c->written, 0);
        atomic_fetch_add(&c->passed, 1);
        BEHAVE_UNTIL(atomic_load(&c->passed) == c->readers);
        CHECK_EQ(c->written, 0);
        rn_rwmutex_runlock(&c->rw);
}

static void readers_before_the_next_writer(bool writer_comes_first)
{
        struct crowd c = { .name = "behind a writer", .readers = 10 };
        rn_wg wg = { { 0 } };

        rn_rwmutex_lock(&c.rw);
        if (writer_comes_first) {
                rn_wg_go(&wg, write_one, &c);
                behave_until_parked(c.name, 1);
        }
        behave_crowd(&wg, c.readers, 0, read_together_before_the_write, &c);
        behave_until_parked(c.name, c.readers + writer_comes_first);
        if (!writer_comes_first) {
                rn_wg_go(&wg, write_one, &c);
                behave_until_parked(c.name, c.readers + 1);
        }
        CHECK_EQ(behave_parked(c.name, "sync.RWMutex.RLock"), c.readers);
        CHECK_EQ(behave_parked(c.name, "sync.RWMutex.Lock"), 1);
        rn_rwmutex_unlock(&c.rw);
        rn_wg_wait(&wg);
        CHECK_EQ(c.written, 1);
        CHECK_EQ(atomic_load(&c.passed), c.readers);
}

static void an_unlock_lets_all_waiting_readers_go_before_the_next_writer(void)
{
        for (int i = 0; i < BEHAVE_SCALE(20); i++)
                readers_before_the_next_writer(i % 2);
}

static void write_as(struct crowd *c, int who)
{
        rn_set_name(c->name);
        rn_rwmutex_lock(&c->rw);
        c->order[c->written++] = who;
        rn_rwmutex_unlock(&c->rw);
}

static void writers_pass_in_the_order_they_came(void)
{
        for (int reads = 0; reads < 2; reads++) {
                struct crowd c = { .name = "one after another" };
                rn_wg wg = { { 0 } };

                (reads ? rn_rwmutex_rlock : rn_rwmutex_lock)(&c.rw);
                for (int i = 0; i < 8; i++) {
                        rn_wg_go(&wg, write_as, &c, i);
                        behave_until_parked(c.name, i + 1);
                }
                (reads ? rn_rwmutex_runlock : rn_rwmutex_unlock)(&c.rw);
                rn_wg_wait(&wg);
                for (int i = 0; i < 8; i++)
                        CHECK_EQ(c.order[i], i);
        }
}

static void count_a_reader(void *arg)
{
        struct crowd *c = arg;

        rn_set_name(c->name);
        rn_rwmutex_rlock(&c->rw);
        atomic_fetch_add(&c->inside, 1);
        atomic_fetch_add(&c->passed, 1);
        atomic_fetch_sub(&c->inside, 1);
        rn_rwmutex_runlock(&c->rw);
}

static void nobody_passes_before_the_unlock_and_all_do_after_it(void)
{
        struct crowd c = { .name = "crowd at a rwmutex" };
        int n = 300;
        rn_wg wg = { { 0 } };

        rn_rwmutex_lock(&c.rw);
        for (int i = 0; i < n; i += 50) {
                behave_crowd(&wg, 50, 0, write_one, &c);
                behave_crowd(&wg, 50, 0, count_a_reader, &c);
        }
        behave_crowd(&wg, 0, 2, write_one, &c);
        behave_crowd(&wg, 0, 2, count_a_reader, &c);
        behave_until_parked(c.name, 2 * n);
        CHECK_EQ(c.written, 0);
        CHECK_EQ(atomic_load(&c.passed), 0);
        rn_rwmutex_unlock(&c.rw);
        rn_wg_wait(&wg);
        CHECK_EQ(c.written, n + 2);
        CHECK_EQ(atomic_load(&c.passed), n + 2);
}

/* -- who may release -- */

static void unlock_it(void *rw)
{
        rn_rwmutex_unlock(rw);
}

static void runlock_it(void *rw)
{
        rn_rwmutex_runlock(rw);
}

static void another_goroutine_or_thread_may_release(void)
{
        for (int i = 0; i < BEHAVE_SCALE(100); i++) {
                enum behave_kind kind = i % 8 ? GOROUTINE : THREAD;
                rn_rwmutex rw = { { 0 } };
                rn_wg wg = { { 0 } };

                rn_rwmutex_lock(&rw);
                behave_go(kind, &wg, unlock_it, &rw);
                rn_rwmutex_rlock(&rw);
                behave_go(kind, &wg, runlock_it, &rw);
                rn_rwmutex_lock(&rw);
                rn_wg_wait(&wg);
                CHECK(!rn_rwmutex_tryrlock(&rw));
                rn_rwmutex_unlock(&rw);
        }
}

/* -- nobody is kept out -- */

struct greedy {
        rn_rwmutex rw;
        atomic_bool stop;
        long written;
};

static void reads_all_the_time(void *arg)
{
        struct greedy *g = arg;

        do {
                rn_rwmutex_rlock(&g->rw);
                rn_yield();
                rn_rwmutex_runlock(&g->rw);
        } while (!atomic_load(&g->stop));
}

static void writes_all_the_time(void *arg)
{
        struct greedy *g = arg;

        do {
                rn_rwmutex_lock(&g->rw);
                g->written++;
                rn_yield();
                rn_rwmutex_unlock(&g->rw);
        } while (!atomic_load(&g->stop));
}

static void writes_now_and_then(void *arg)
{
        struct greedy *g = arg;

        for (int i = 0; i < 10; i++) {
                rn_yield();
                rn_rwmutex_lock(&g->rw);
                CHECK_EQ(g->written++, i);
                rn_rwmutex_unlock(&g->rw);
        }
        atomic_store(&g->stop, true);
}

static void reads_now_and_then(void *arg)
{
        struct greedy *g = arg;

        for (int i = 0; i < 10; i++) {
                long seen;

                rn_yield();
                rn_rwmutex_rlock(&g->rw);
                seen = g->written;
                rn_yield();
                CHECK_EQ(g->written, seen);
                rn_rwmutex_runlock(&g->rw);
        }
        atomic_store(&g->stop, true);
}

static void keep_out(behave_arg_fn *greedy, int threads, enum behave_kind kind,
                     behave_arg_fn *other)
{
        struct greedy g = { .written = 0 };
        rn_wg wg = { { 0 } };

        behave_crowd(&wg, 4 - threads, threads, greedy, &g);
        behave_go(kind, &wg, other, &g);
        rn_wg_wait(&wg);
        CHECK(atomic_load(&g.stop));
}

static void who_reads_all_the_time_keeps_no_writer_out(void)
{
        keep_out(reads_all_the_time, 0, GOROUTINE, writes_now_and_then);
        keep_out(reads_all_the_time, 1, THREAD, writes_now_and_then);
        keep_out(reads_all_the_time, 3, GOROUTINE, writes_now_and_then);
}

static void who_writes_all_the_time_keeps_no_reader_out(void)
{
        keep_out(writes_all_the_time, 0, GOROUTINE, reads_now_and_then);
        keep_out(writes_all_the_time, 1, THREAD, reads_now_and_then);
        keep_out(writes_all_the_time, 3, GOROUTINE, reads_now_and_then);
}

static void tries_to_write(rn_rwmutex *rw, atomic_bool *begun)
{
        atomic_store(begun, true);
        while (!rn_rwmutex_trylock(rw))
                continue;
        rn_rwmutex_unlock(rw);
}

static void tries_to_read(rn_rwmutex *rw, atomic_bool *begun)
{
        atomic_store(begun, true);
        while (!rn_rwmutex_tryrlock(rw))
                continue;
        rn_rwmutex_runlock(rw);
}

static void a_loop_of_tries_lets_the_owner_run(void)
{
        for (int reads = 0; reads < 2; reads++) {
                rn_rwmutex rw = { { 0 } };
                atomic_bool begun = false;
                rn_wg wg = { { 0 } };

                rn_rwmutex_lock(&rw);
                rn_wg_go(&wg, reads ? tries_to_read : tries_to_write, &rw, &begun);
                BEHAVE_UNTIL(atomic_load(&begun));
                rn_rwmutex_unlock(&rw);
                rn_wg_wait(&wg);
                CHECK(rn_rwmutex_trylock(&rw));
        }
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(zero_value_is_unlocked),
        BEHAVE_BOTH(trylock_fails_if_anybody_has_it_and_tryrlock_if_somebody_writes),
        BEHAVE_BOTH(a_reader_may_read_again_if_no_writer_waits),
        BEHAVE_BOTH(readers_meet_inside),
        BEHAVE(excludes_2_writers_and_up_to_10_readers),
        BEHAVE(excludes_threads),
        BEHAVE(excludes_goroutines_and_threads),
        BEHAVE(short_sections_are_whole),
        BEHAVE_BOTH(a_waiting_writer_keeps_new_readers_out),
        BEHAVE_BOTH(an_unlock_lets_all_waiting_readers_go_before_the_next_writer),
        BEHAVE_BOTH(writers_pass_in_the_order_they_came),
        BEHAVE_BOTH(nobody_passes_before_the_unlock_and_all_do_after_it),
        BEHAVE_BOTH(another_goroutine_or_thread_may_release),
        BEHAVE(who_reads_all_the_time_keeps_no_writer_out),
        BEHAVE(who_writes_all_the_time_keeps_no_reader_out),
        BEHAVE(a_loop_of_tries_lets_the_owner_run),
};

BEHAVE_MAIN(tests)
