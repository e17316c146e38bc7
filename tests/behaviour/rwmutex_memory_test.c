/* SPDX-License-Identifier: MIT
 * RWMutex and memory: what is seen after a lock, that the object may be gone once it is released,
 * and that a wait leaves no trace in who waited. From goroutines and from plain threads. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include <errno.h>

/* -- order of memory -- */

enum { SLOTS = 16 };

struct slots {
        rn_rwmutex rw;
        int value[SLOTS];
        bool tries;
};

/* Plain variables and nothing else that orders them. */
static void fill(struct slots *s, int v)
{
        if (!s->tries)
                rn_rwmutex_lock(&s->rw);
        else
                BEHAVE_UNTIL(rn_rwmutex_trylock(&s->rw));
        for (int i = 0; i < SLOTS; i++)
                s->value[i] = v;
        rn_rwmutex_unlock(&s->rw);
}

static void look(struct slots *s)
{
        if (!s->tries)
                rn_rwmutex_rlock(&s->rw);
        else
                BEHAVE_UNTIL(rn_rwmutex_tryrlock(&s->rw));
        for (int i = 1; i < SLOTS; i++)
                CHECK_EQ(s->value[i], s->value[0]);
        rn_rwmutex_runlock(&s->rw);
}

static void look_at(void *s)
{
        look(s);
}

static void order_between_sections(bool tries)
{
        struct slots s = { .tries = tries };
        rn_wg wg = { { 0 } };

        for (int round = 0; round < BEHAVE_SCALE(300); round++) {
                for (int i = 0; i < 3; i++)
                        rn_wg_go(&wg, fill, &s, 3 * round + i);
                behave_crowd(&wg, 2, round % 16 == 0, look_at, &s);
                look(&s);
                rn_wg_wait(&wg);
        }
}

static void all_before_a_release_is_seen_after_the_next_lock(void)
{
        order_between_sections(false);
        order_between_sections(true);
}

/* -- the memory belongs to the last user once that has released it -- */

enum { POISON = 0x5a };

struct shared {
        union {
                rn_rwmutex rw;
                unsigned char b[sizeof(rn_rwmutex)];
        } u;
        int users;             /* guarded */
        bool gone;             /* guarded */
        bool keep;
        atomic_int readers;
};

static void throw_away(struct shared *s)
{
        if (s->keep)
                memset(s->u.b, POISON, sizeof s->u.b);
        else
                free(s);
}

/* Those before the last may still be in their unlock. */
static void last_one_out(void *arg)
{
        struct shared *s = arg;
        bool last;

        rn_rwmutex_lock(&s->u.rw);
        last = --s->users == 0;
        rn_rwmutex_unlock(&s->u.rw);
        if (last)
                throw_away(s);
}

static void read_and_leave(void *arg)
{
        struct shared *s = arg;

        rn_rwmutex_rlock(&s->u.rw);
        atomic_fetch_sub(&s->readers, 1);
        rn_rwmutex_runlock(&s->u.rw);
}

static void write_behind_the_readers(void *arg)
{
        struct shared *s = arg;
        bool left;

        do {
                rn_rwmutex_lock(&s->u.rw);
                left = atomic_load(&s->readers) == 0;
                rn_rwmutex_unlock(&s->u.rw);
        } while (!left && (rn_yield(), true));
        throw_away(s);
}

static void write_and_leave(void *arg)
{
        struct shared *s = arg;

        rn_rwmutex_lock(&s->u.rw);
        s->gone = true;
        rn_rwmutex_unlock(&s->u.rw);
}

static void read_behind_the_writer(void *arg)
{
        struct shared *s = arg;
        bool left;

        do {
                rn_rwmutex_rlock(&s->u.rw);
                left = s->gone;
                rn_rwmutex_runlock(&s->u.rw);
        } while (!left && (rn_yield(), true));
        throw_away(s);
}

static void use_up(struct shared *s, int i)
{
        int threads = i % 16 < 3;
        rn_wg wg = { { 0 } };

        s->users = 4;
        s->readers = 3;
        switch (i % 3) {
        case 0:
                behave_crowd(&wg, 4 - threads, threads, last_one_out, s);
                break;
        case 1:
                behave_crowd(&wg, 1, 0, i % 2 ? write_behind_the_readers : read_and_leave, s);
                behave_crowd(&wg, 2 - threads, threads, read_and_leave, s);
                behave_crowd(&wg, 1, 0, i % 2 ? read_and_leave : write_behind_the_readers, s);
                break;
        default:
                behave_crowd(&wg, 1, 0, i % 2 ? write_and_leave : read_behind_the_writer, s);
                behave_crowd(&wg, !threads, threads,
                             i % 2 ? read_behind_the_writer : write_and_leave, s);
        }
        rn_wg_wait(&wg);
}

static void nobody_touches_it_once_its_last_user_has_released_it(void)
{
        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                struct shared s = { .keep = true };

                use_up(&s, i);
                for (size_t k = 0; k < sizeof s.u.b; k++)
                        CHECK_EQ(s.u.b[k], POISON);
        }
}

static void may_be_freed_by_its_last_user(void)
{
        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                struct shared *s = calloc(1, sizeof *s);

                if (!s)
                        abort();
                use_up(s, i);
        }
}

/* -- beside other waits -- */

struct mixed {
        rn_rwmutex rw;
        rn_chan(int) c;
        int rounds;
        long counted;
};

/* A goroutine has one place to wait at: what it waited for before must leave no trace there. */
static void wait_for_one_thing_after_another(void *arg)
{
        struct mixed *x = arg;
        long seen;
        int v;

        for (int i = 0; i < x->rounds; i++) {
                rn_rwmutex_lock(&x->rw);
                x->counted++;
                rn_yield();
                rn_rwmutex_unlock(&x->rw);
                CHECK_EQ(rn_recv_for(i % 5 * RN_USEC, x->c, &v), -ETIMEDOUT);
                rn_rwmutex_rlock(&x->rw);
                seen = x->counted;
                rn_yield();
                CHECK_EQ(x->counted, seen);
                rn_rwmutex_runlock(&x->rw);
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
        CHECK_EQ(x.counted, 10L * x.rounds);
        rn_unref(x.c);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(all_before_a_release_is_seen_after_the_next_lock),
        BEHAVE_BOTH(nobody_touches_it_once_its_last_user_has_released_it),
        BEHAVE_BOTH(may_be_freed_by_its_last_user),
        BEHAVE_BOTH(waits_of_different_kinds_alternate),
};

BEHAVE_MAIN(tests)
