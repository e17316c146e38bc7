/* SPDX-License-Identifier: MIT
 * Mutex: one owner at a time, nobody is kept out for ever, and the object may be gone once it is
 * unlocked. From goroutines and from plain threads. The misuse that ends the process is in
 * tests/crash. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include <errno.h>

static void zero_value_is_unlocked(void)
{
        static rn_mutex at_rest;
        rn_mutex mu = { { 0 } };

        rn_mutex_lock(&mu);
        rn_mutex_unlock(&mu);
        rn_mutex_lock(&at_rest);
        rn_mutex_unlock(&at_rest);
        CHECK(rn_mutex_trylock(&mu));
        rn_mutex_unlock(&mu);
}

static void lock_and_unlock(rn_mutex *mu)
{
        rn_mutex_lock(mu);
        rn_mutex_unlock(mu);
}

static void trylock_fails_on_a_held_mutex_and_takes_a_free_one(void)
{
        rn_mutex mu = { { 0 } };
        rn_wg wg = { { 0 } };

        rn_mutex_lock(&mu);
        CHECK(!rn_mutex_trylock(&mu));
        rn_mutex_unlock(&mu);
        CHECK(rn_mutex_trylock(&mu));
        CHECK(!rn_mutex_trylock(&mu));
        rn_wg_go(&wg, lock_and_unlock, &mu);
        behave_turns();
        CHECK(!rn_mutex_trylock(&mu));
        rn_mutex_unlock(&mu);
        rn_wg_wait(&wg);
        CHECK(rn_mutex_trylock(&mu));
        rn_mutex_unlock(&mu);
}

/* -- exclusion -- */

struct hammer {
        rn_mutex mu;
        int rounds;
        long counted;   /* guarded: plain, so that a race detector has something to see */
        int inside;
        atomic_long taken;
};

static void inside(struct hammer *h)
{
        CHECK_EQ(++h->inside, 1);
        h->counted++;
        if (h->counted % 97 == 0)
                rn_yield();
        CHECK_EQ(h->inside--, 1);
        rn_mutex_unlock(&h->mu);
        atomic_fetch_add(&h->taken, 1);
}

/* Go's own: every third time a try. */
static void hammer(void *arg)
{
        struct hammer *h = arg;

        for (int i = 0; i < h->rounds; i++) {
                if (i % 3 == 0) {
                        if (rn_mutex_trylock(&h->mu))
                                inside(h);
                        continue;
                }
                rn_mutex_lock(&h->mu);
                inside(h);
        }
}

static void hammer_it(int goroutines, int threads, int rounds)
{
        struct hammer h = { .rounds = rounds };
        rn_wg wg = { { 0 } };

        behave_crowd(&wg, goroutines, threads, hammer, &h);
        rn_wg_wait(&wg);
        CHECK_EQ(h.counted, atomic_load(&h.taken));
        CHECK(h.counted >= (long)(goroutines + threads) * (rounds - (rounds + 2) / 3));
        CHECK(rn_mutex_trylock(&h.mu));
}

struct by_call {
        rn_mutex mu;
        int n;
};

/* The functions, of which most callers have the fast half inline. */
static void lock_by_call(void *arg)
{
        struct by_call *b = arg;

        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                if (i & 1)
                        rn_mutex_lock(&b->mu);
                else
                        (rn_mutex_lock)(&b->mu);
                b->n++;
                if (i % 50 == 0)
                        rn_yield();
                if (i & 2)
                        rn_mutex_unlock(&b->mu);
                else
                        (rn_mutex_unlock)(&b->mu);
        }
}

static void calls_and_their_inline_halves_go_together(void)
{
        struct by_call b = { .n = 0 };
        rn_wg wg = { { 0 } };

        behave_crowd(&wg, 7, 1, lock_by_call, &b);
        rn_wg_wait(&wg);
        CHECK_EQ(b.n, 8 * BEHAVE_SCALE(1000));
}

static void excludes_10_goroutines_of_1000_rounds(void)
{
        for (int i = 0; i < 5; i++)
                hammer_it(10, 0, BEHAVE_SCALE(1000));
}

static void excludes_threads(void)
{
        hammer_it(0, 4, BEHAVE_SCALE(1000));
}

static void excludes_goroutines_and_threads(void)
{
        hammer_it(6, 3, BEHAVE_SCALE(1000));
}

struct short_section {
        rn_mutex mu;
        int rounds;
        long counted;
};

static void count_shortly(void *arg)
{
        struct short_section *s = arg;

        for (int i = 0; i < s->rounds; i++) {
                rn_mutex_lock(&s->mu);
                s->counted++;
                rn_mutex_unlock(&s->mu);
        }
}

/* Nothing but lock and unlock: the two meet at every instruction. */
static void short_sections_are_counted_exactly(void)
{
        struct short_section s = { .rounds = BEHAVE_SCALE(100000) };
        rn_wg wg = { { 0 } };

        behave_crowd(&wg, 8, 2, count_shortly, &s);
        rn_wg_wait(&wg);
        CHECK_EQ(s.counted, 10L * s.rounds);
}

/* -- who may unlock -- */

static void unlock_it(void *mu)
{
        rn_mutex_unlock(mu);
}

static void another_goroutine_or_thread_may_unlock(void)
{
        for (int i = 0; i < BEHAVE_SCALE(100); i++) {
                rn_mutex mu = { { 0 } };
                rn_wg wg = { { 0 } };

                rn_mutex_lock(&mu);
                behave_go(i % 8 ? GOROUTINE : THREAD, &wg, unlock_it, &mu);
                rn_mutex_lock(&mu);
                rn_wg_wait(&wg);
                CHECK(!rn_mutex_trylock(&mu));
                rn_mutex_unlock(&mu);
        }
}

/* -- waiters -- */

struct crowd {
        rn_mutex mu;
        int passed;
        int order[8];
        const char *name;
};

static void pass(void *arg)
{
        struct crowd *c = arg;

        rn_set_name(c->name);
        rn_mutex_lock(&c->mu);
        c->passed++;
        rn_mutex_unlock(&c->mu);
}

static void a_waiter_is_shown_in_lock(void)
{
        struct crowd c = { .name = "shown in lock" };
        rn_wg wg = { { 0 } };

        rn_mutex_lock(&c.mu);
        rn_wg_go(&wg, pass, &c);
        behave_until_parked(c.name, 1);
        CHECK_EQ(behave_parked(c.name, "sync.Mutex.Lock"), 1);
        rn_mutex_unlock(&c.mu);
        rn_wg_wait(&wg);
}

static void nobody_passes_before_the_unlock_and_all_do_after_it(void)
{
        struct crowd c = { .name = "crowd at a mutex" };
        int n = BEHAVE_LIVE(3000);
        rn_wg wg = { { 0 } };

        rn_mutex_lock(&c.mu);
        behave_crowd(&wg, n, 3, pass, &c);
        behave_until_parked(c.name, n);
        CHECK_EQ(c.passed, 0);
        rn_mutex_unlock(&c.mu);
        rn_wg_wait(&wg);
        CHECK_EQ(c.passed, n + 3);
}

static void pass_as(struct crowd *c, int who)
{
        rn_set_name(c->name);
        rn_mutex_lock(&c->mu);
        c->order[c->passed++] = who;
        rn_mutex_unlock(&c->mu);
}

static void waiters_pass_in_the_order_they_came_if_nobody_competes(void)
{
        struct crowd c = { .name = "one after another" };
        rn_wg wg = { { 0 } };

        rn_mutex_lock(&c.mu);
        for (int i = 0; i < 8; i++) {
                rn_wg_go(&wg, pass_as, &c, i);
                behave_until_parked(c.name, i + 1);
        }
        rn_mutex_unlock(&c.mu);
        rn_wg_wait(&wg);
        for (int i = 0; i < 8; i++)
                CHECK_EQ(c.order[i], i);
}

enum { MANY = 1500 };

static void each_of_many_mutexes_has_its_own_waiters(void)
{
        int n = BEHAVE_SCALE(MANY), passed = 0; /* more than there are buckets, but under a
                                                 * sanitizer */
        struct crowd *c = calloc(MANY, sizeof *c);
        rn_wg wg = { { 0 } };

        if (!c)
                abort();
        for (int i = 0; i < n; i++) {
                c[i].name = "one of many";
                rn_mutex_lock(&c[i].mu);
                rn_wg_go(&wg, pass, &c[i]);
                rn_wg_go(&wg, pass, &c[i]);
        }
        behave_until_parked("one of many", 2 * n);
        for (int i = n - 1; i >= 0; i -= 2)
                rn_mutex_unlock(&c[i].mu);
        BEHAVE_UNTIL(behave_parked("one of many", NULL) == 2 * (n - (n + 1) / 2));
        for (int i = n - 2; i >= 0; i -= 2) {
                CHECK_EQ(c[i].passed, 0);
                rn_mutex_unlock(&c[i].mu);
        }
        rn_wg_wait(&wg);
        for (int i = 0; i < n; i++)
                passed += c[i].passed;
        CHECK_EQ(passed, 2 * n);
        free(c);
}

/* -- nobody is kept out -- */

struct greedy {
        rn_mutex mu;
        atomic_bool stop;
        rn_dur hold;
};

static void holds_most_of_the_time(void *arg)
{
        struct greedy *g = arg;

        do {
                rn_mutex_lock(&g->mu);
                rn_sleep(g->hold);
                rn_mutex_unlock(&g->mu);
                rn_yield();
        } while (!atomic_load(&g->stop));
}

static void now_and_then(void *arg)
{
        struct greedy *g = arg;

        for (int i = 0; i < 10; i++) {
                rn_sleep(100 * RN_USEC);
                rn_mutex_lock(&g->mu);
                rn_mutex_unlock(&g->mu);
        }
        atomic_store(&g->stop, true);
}

static void keep_out(enum behave_kind greedy_kind, enum behave_kind kind)
{
        struct greedy g = { .hold = 100 * RN_USEC };
        rn_wg wg = { { 0 } };
        rn_time begun = rn_now();

        behave_go(greedy_kind, &wg, holds_most_of_the_time, &g);
        behave_go(kind, &wg, now_and_then, &g);
        rn_wg_wait(&wg);
        CHECK(rn_now() - begun < 10 * RN_SEC);
}

static void who_relocks_at_once_does_not_keep_another_out(void)
{
        keep_out(GOROUTINE, GOROUTINE);
}

static void who_relocks_at_once_does_not_keep_a_thread_out(void)
{
        keep_out(GOROUTINE, THREAD);
        keep_out(THREAD, GOROUTINE);
}

/* It never leaves its processor of its own will. */
static void relocks(struct crowd *c, int n)
{
        rn_mutex_lock(&c->mu);
        behave_until_parked(c->name, n);
        while (c->passed < n) {
                rn_mutex_unlock(&c->mu);
                rn_mutex_lock(&c->mu);
        }
        rn_mutex_unlock(&c->mu);
}

static void who_does_nothing_but_relock_lets_waiters_pass(void)
{
        struct crowd c = { .name = "behind a greedy one" };
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, relocks, &c, 5);
        BEHAVE_UNTIL(!rn_mutex_trylock(&c.mu) || (rn_mutex_unlock(&c.mu), false));
        behave_crowd(&wg, 5, 0, pass, &c);
        rn_wg_wait(&wg);
        CHECK_EQ(c.passed, 5);
}

static void tries_until_it_has_it(rn_mutex *mu, atomic_bool *begun)
{
        atomic_store(begun, true);
        while (!rn_mutex_trylock(mu))
                continue;
        rn_mutex_unlock(mu);
}

static void a_loop_of_tries_lets_the_owner_run(void)
{
        rn_mutex mu = { { 0 } };
        atomic_bool begun = false;
        rn_wg wg = { { 0 } };

        rn_mutex_lock(&mu);
        rn_wg_go(&wg, tries_until_it_has_it, &mu, &begun);
        BEHAVE_UNTIL(atomic_load(&begun));
        rn_mutex_unlock(&mu);
        rn_wg_wait(&wg);
}

/* -- order of memory -- */

struct slot {
        rn_mutex mu;
        int value[16];
};

static void fill(struct slot *s, int v)
{
        rn_mutex_lock(&s->mu);
        for (int i = 0; i < 16; i++)
                s->value[i] = v;
        rn_mutex_unlock(&s->mu);
}

static void all_before_an_unlock_is_seen_after_the_next_lock(void)
{
        struct slot s = { .value = { 0 } };
        rn_wg wg = { { 0 } };

        for (int round = 0; round < BEHAVE_SCALE(500); round++) {
                for (int i = 0; i < 4; i++)
                        rn_wg_go(&wg, fill, &s, 4 * round + i);
                rn_mutex_lock(&s.mu);
                for (int i = 1; i < 16; i++)
                        CHECK_EQ(s.value[i], s.value[0]);
                rn_mutex_unlock(&s.mu);
        }
        rn_wg_wait(&wg);
}

/* -- the memory of a mutex belongs to its last user once that has unlocked it -- */

enum { POISON = 0x5a };

struct shared {
        union {
                rn_mutex mu;
                unsigned char b[sizeof(rn_mutex)];
        } u;
        int users;
        bool keep;
};

/* The usual end of something that is counted: the last one out throws it away, while those before
 * it may still be in their unlock. */
static void last_one_out(void *arg)
{
        struct shared *s = arg;
        bool last;

        rn_mutex_lock(&s->u.mu);
        last = --s->users == 0;
        rn_mutex_unlock(&s->u.mu);
        if (last && s->keep)
                memset(s->u.b, POISON, sizeof s->u.b);
        else if (last)
                free(s);
}

static void nobody_touches_it_once_its_last_user_has_unlocked_it(void)
{
        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                struct shared s = { .users = 4, .keep = true };
                rn_wg wg = { { 0 } };

                behave_crowd(&wg, 3 + (i % 16 != 0), i % 16 == 0, last_one_out, &s);
                rn_wg_wait(&wg);
                for (size_t k = 0; k < sizeof s.u.b; k++)
                        CHECK_EQ(s.u.b[k], POISON);
        }
}

static void may_be_freed_by_its_last_user(void)
{
        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                struct shared *s = calloc(1, sizeof *s);
                rn_wg wg = { { 0 } };

                if (!s)
                        abort();
                s->users = 4;
                behave_crowd(&wg, 3 + (i % 16 != 0), i % 16 == 0, last_one_out, s);
                rn_wg_wait(&wg);
        }
}

/* -- beside other waits -- */

struct mixed {
        rn_mutex mu;
        rn_chan(int) c;
        int rounds;
        long counted;
};

/* A goroutine has one place to wait at: what it waited for before must leave no trace there. */
static void wait_for_one_thing_after_another(void *arg)
{
        struct mixed *x = arg;
        int v;

        for (int i = 0; i < x->rounds; i++) {
                rn_mutex_lock(&x->mu);
                x->counted++;
                rn_yield();
                rn_mutex_unlock(&x->mu);
                CHECK_EQ(rn_recv_for(i % 5 * RN_USEC, x->c, &v), -ETIMEDOUT);
                rn_mutex_lock(&x->mu);
                x->counted++;
                rn_mutex_unlock(&x->mu);
                CHECK_EQ(rn_select_for(i % 3 * RN_USEC, rn_on_signal(x->c), rn_on_signal(x->c)),
                         RN_TIMEOUT);
        }
}

static void waits_of_different_kinds_alternate(void)
{
        struct mixed x = { .c = rn_make(int, 0), .rounds = BEHAVE_SCALE(200) };
        rn_wg wg = { { 0 } };

        behave_crowd(&wg, 8, 2, wait_for_one_thing_after_another, &x);
        rn_wg_wait(&wg);
        CHECK_EQ(x.counted, 20L * x.rounds);
        rn_unref(x.c);
}

static void works_at_any_place_in_a_struct(void)
{
        _Alignas(64) uint64_t room[24] = { 0 };

        for (size_t i = 0; i < 16; i++) {
                rn_mutex *mu = (rn_mutex *)(void *)&room[i];
                rn_wg wg = { { 0 } };

                memset(room, 0, sizeof room);
                rn_mutex_lock(mu);
                rn_wg_go(&wg, lock_and_unlock, mu);
                behave_turns();
                rn_mutex_unlock(mu);
                rn_wg_wait(&wg);
        }
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(zero_value_is_unlocked),
        BEHAVE_BOTH(trylock_fails_on_a_held_mutex_and_takes_a_free_one),
        BEHAVE_BOTH(excludes_10_goroutines_of_1000_rounds),
        BEHAVE_BOTH(calls_and_their_inline_halves_go_together),
        BEHAVE_BOTH(excludes_threads),
        BEHAVE_BOTH(excludes_goroutines_and_threads),
        BEHAVE(short_sections_are_counted_exactly),
        BEHAVE_BOTH(another_goroutine_or_thread_may_unlock),
        BEHAVE_BOTH(a_waiter_is_shown_in_lock),
        BEHAVE_BOTH(nobody_passes_before_the_unlock_and_all_do_after_it),
        BEHAVE_BOTH(waiters_pass_in_the_order_they_came_if_nobody_competes),
        BEHAVE(each_of_many_mutexes_has_its_own_waiters),
        BEHAVE_BOTH(who_relocks_at_once_does_not_keep_another_out),
        BEHAVE(who_relocks_at_once_does_not_keep_a_thread_out),
        BEHAVE(who_does_nothing_but_relock_lets_waiters_pass),
        BEHAVE(a_loop_of_tries_lets_the_owner_run),
        BEHAVE_BOTH(all_before_an_unlock_is_seen_after_the_next_lock),
        BEHAVE_BOTH(nobody_touches_it_once_its_last_user_has_unlocked_it),
        BEHAVE_BOTH(may_be_freed_by_its_last_user),
        BEHAVE_BOTH(waits_of_different_kinds_alternate),
        BEHAVE_BOTH(works_at_any_place_in_a_struct),
};

BEHAVE_MAIN(tests)
