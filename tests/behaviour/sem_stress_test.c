/* SPDX-License-Identifier: MIT
 * The weighted semaphore under load: never more than there are, nothing lost, what is seen after an
 * acquire, and that the object may be gone once others have what was released. From goroutines and
 * from plain threads. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include <errno.h>

enum { LONG = 3600 };   /* seconds: a deadline that is not meant to come */

static bool all_are_left(rn_sem *s, int64_t n)
{
        if (!rn_sem_tryacquire(s, n))
                return false;
        rn_sem_release(s, n);
        return true;
}

/* -- load -- */

enum { SIZE = 10 };

struct load {
        rn_sem s;
        int rounds;
        bool deadlines;
        atomic_int held, stream;
        atomic_long got, not_got;
};

static void have(struct load *l, int n, uint64_t *random)
{
        int part = (int)behave_below(random, (unsigned)n + 1);

        CHECK(atomic_fetch_add(&l->held, n) + n <= SIZE);
        if (behave_below(random, 4) == 0)
                rn_yield();
        atomic_fetch_sub(&l->held, n);
        rn_sem_release(&l->s, part);
        rn_sem_release(&l->s, n - part);
        atomic_fetch_add(&l->got, 1);
}

static bool get(struct load *l, int n, uint64_t *random)
{
        unsigned how = behave_below(random, l->deadlines ? 8 : 3);
        int err;

        if (how < 2)
                return rn_sem_acquire(&l->s, n), true;
        if (how == 2)
                return rn_sem_tryacquire(&l->s, n);
        err = rn_sem_acquire_until(
                &l->s, n, how == 3 ? rn_now() : rn_deadline(behave_below(random, 100) * RN_USEC));
        CHECK(err == 0 || err == -ETIMEDOUT);
        return err == 0;
}

static void bear_down(void *arg)
{
        struct load *l = arg;
        uint64_t random = behave_stream((uint64_t)atomic_fetch_add(&l->stream, 1));

        for (int i = 0; i < l->rounds; i++) {
                int n = (int)behave_below(&random, behave_below(&random, 4) ? 4 : SIZE + 1);

                if (get(l, n, &random))
                        have(l, n, &random);
                else
                        atomic_fetch_add(&l->not_got, 1);
                if (behave_below(&random, 16) == 0)
                        CHECK_EQ(rn_sem_acquire_until(&l->s, SIZE + 1, RN_NEVER), -EDOM);
        }
}

static void put_load_on(int goroutines, int threads, bool deadlines)
{
        struct load l = { .s = RN_SEM(SIZE), .rounds = BEHAVE_SCALE(1000), .deadlines = deadlines };
        rn_wg wg = { { 0 } };

        behave_crowd(&wg, goroutines, threads, bear_down, &l);
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&l.held), 0);
        CHECK_EQ(atomic_load(&l.got) + atomic_load(&l.not_got),
                 (long)(goroutines + threads) * l.rounds);
        CHECK(all_are_left(&l.s, SIZE));
}

static void different_weights_neither_deadlock_nor_exceed(void)
{
        put_load_on(10, 0, false);
        put_load_on(6, 2, false);
        put_load_on(0, 4, false);
}

static void nor_do_they_when_deadlines_pass(void)
{
        put_load_on(10, 0, true);
        put_load_on(6, 2, true);
        put_load_on(0, 4, true);
}

/* Large ones come and run out of time without end, with small ones behind them: nothing but their
 * leaving lets these go, since one permit is never given back. */
struct impatient {
        rn_sem s;
        atomic_bool over;
        atomic_int stream;
        int rounds;
};

static void want_all(void *arg)
{
        struct impatient *m = arg;
        uint64_t random = behave_stream((uint64_t)atomic_fetch_add(&m->stream, 1));

        while (!atomic_load(&m->over)) {
                rn_time t = rn_deadline(behave_below(&random, 60) * RN_USEC);

                CHECK_EQ(rn_sem_acquire_until(&m->s, SIZE, t), -ETIMEDOUT);
                rn_yield();
        }
}

static void want_few(void *arg)
{
        struct impatient *m = arg;
        uint64_t random = behave_stream((uint64_t)atomic_fetch_add(&m->stream, 1));

        for (int i = 0; i < m->rounds; i++) {
                int n = (int)behave_below(&random, SIZE);

                if (behave_below(&random, 2))
                        rn_sem_acquire(&m->s, n);
                else
                        CHECK_EQ(rn_sem_acquire_until(&m->s, n, rn_deadline(LONG * RN_SEC)), 0);
                rn_sem_release(&m->s, n);
        }
}

static void who_leaves_holds_nobody_up(void)
{
        for (int threads = 0; threads < 2; threads++) {
                struct impatient m = { .s = RN_SEM(SIZE), .rounds = BEHAVE_SCALE(1000) };
                rn_wg large = { { 0 } }, small = { { 0 } };

                rn_sem_acquire(&m.s, 1);
                behave_crowd(&large, 2 - threads, threads, want_all, &m);
                behave_crowd(&small, 4 - threads, threads, want_few, &m);
                rn_wg_wait(&small);
                atomic_store(&m.over, true);
                rn_wg_wait(&large);
                rn_sem_release(&m.s, 1);
                CHECK(all_are_left(&m.s, SIZE));
        }
}

/* -- order of memory: plain variables, and nothing else that orders them -- */

struct guarded {
        rn_sem s;
        int64_t all;
        int rounds;
        int way;
        long a, b;
};

static void take(struct guarded *g, int64_t n)
{
        switch (g->way) {
        case 0:
                rn_sem_acquire(&g->s, n);
                break;
        case 1:
                BEHAVE_UNTIL(rn_sem_tryacquire(&g->s, n));
                break;
        default:
                CHECK_EQ(rn_sem_acquire_until(&g->s, n, rn_deadline(LONG * RN_SEC)), 0);
        }
}

static void write_with_all(void *arg)
{
        struct guarded *g = arg;

        for (int i = 0; i < g->rounds; i++) {
                take(g, g->all);
                g->a++;
                g->b++;
                rn_sem_release(&g->s, g->all);
        }
}

static void read_with_one(void *arg)
{
        struct guarded *g = arg;

        for (int i = 0; i < g->rounds; i++) {
                take(g, 1);
                CHECK_EQ(g->a, g->b);
                rn_sem_release(&g->s, 1);
        }
}

static void one_permit_is_a_mutex_for_10_of_1000_rounds(void)
{
        for (int way = 0; way < 3; way++) {
                struct guarded g = {
                        .s = RN_SEM(1), .all = 1, .rounds = BEHAVE_SCALE(1000), .way = way
                };
                rn_wg wg = { { 0 } };

                behave_crowd(&wg, 9, 1, write_with_all, &g);
                rn_wg_wait(&wg);
                CHECK_EQ(g.a, 10L * g.rounds);
        }
}

static void all_before_a_release_is_seen_by_whom_it_made_room_for(void)
{
        for (int way = 0; way < 3; way++) {
                struct guarded g = {
                        .s = RN_SEM(4), .all = 4, .rounds = BEHAVE_SCALE(1000), .way = way
                };
                rn_wg wg = { { 0 } };

                behave_crowd(&wg, 2, 1, write_with_all, &g);
                behave_crowd(&wg, 4, 1, read_with_one, &g);
                rn_wg_wait(&wg);
                CHECK_EQ(g.a, 3L * g.rounds);
                CHECK_EQ(g.b, 3L * g.rounds);
        }
}

/* -- the memory belongs to the last user once others have what was released -- */

enum { POISON = 0x5a };

struct shared {
        union {
                rn_sem s;
                unsigned char b[sizeof(rn_sem)];
        } u;
        int64_t all;
        int way;
        int users;   /* guarded by all permits */
        bool keep;
};

static void take_all(struct shared *s)
{
        if (s->way == 0)
                rn_sem_acquire(&s->u.s, s->all);
        else if (s->way == 1)
                BEHAVE_UNTIL(rn_sem_tryacquire(&s->u.s, s->all));
        else
                CHECK_EQ(rn_sem_acquire_until(&s->u.s, s->all, rn_deadline(LONG * RN_SEC)), 0);
}

static void throw_away(struct shared *s)
{
        if (s->keep)
                memset(s->u.b, POISON, sizeof s->u.b);
        else
                free(s);
}

/* Those before the last may still be in their release. */
static void last_one_out(void *arg)
{
        struct shared *s = arg;
        int64_t all = s->all;
        bool last;

        take_all(s);
        last = --s->users == 0;
        rn_sem_release(&s->u.s, all);
        if (last)
                throw_away(s);
}

static void give_one_back(void *arg)
{
        struct shared *s = arg;

        rn_sem_release(&s->u.s, 1);
}

static void collect_all(void *arg)
{
        struct shared *s = arg;

        take_all(s);
        throw_away(s);
}

static void use_up(struct shared *s, int i)
{
        int threads = i % 16 < 2;
        rn_wg wg = { { 0 } };

        s->all = s->users = 3;
        s->way = i % 3;
        rn_sem_init(&s->u.s, s->all);
        if (i % 2) {
                behave_crowd(&wg, 3 - threads, threads, last_one_out, s);
        } else {
                rn_sem_acquire(&s->u.s, s->all);
                behave_crowd(&wg, !threads, threads, collect_all, s);
                behave_crowd(&wg, 3 - threads, threads, give_one_back, s);
        }
        rn_wg_wait(&wg);
}

static void nobody_touches_it_once_its_last_user_has_it_all(void)
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
        rn_sem s;
        rn_chan(int) c;
        int rounds;
        atomic_long counted;
};

/* A goroutine has one place to wait at: what it waited for before, and its timer, must leave no
 * trace there. */
static void wait_for_one_thing_after_another(void *arg)
{
        struct mixed *x = arg;
        int v;

        for (int i = 0; i < x->rounds; i++) {
                rn_sem_acquire(&x->s, 1);
                atomic_fetch_add(&x->counted, 1);
                rn_yield();
                rn_sem_release(&x->s, 1);
                CHECK_EQ(rn_recv_for(i % 5 * RN_USEC, x->c, &v), -ETIMEDOUT);
                if (rn_sem_acquire_until(&x->s, 2, rn_deadline(i % 7 * RN_USEC)) == 0)
                        rn_sem_release(&x->s, 2);
                CHECK_EQ(rn_select_for(i % 3 * RN_USEC, rn_on_signal(x->c), rn_on_signal(x->c)),
                         RN_TIMEOUT);
        }
}

static void waits_of_different_kinds_alternate(void)
{
        struct mixed x = { .s = RN_SEM(2), .c = rn_make(int, 0), .rounds = BEHAVE_SCALE(200) };
        rn_wg wg = { { 0 } };

        behave_crowd(&wg, 8, 2, wait_for_one_thing_after_another, &x);
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&x.counted), 10L * x.rounds);
        CHECK(all_are_left(&x.s, 2));
        rn_unref(x.c);
}

static const struct behave_test tests[] = {
        BEHAVE(different_weights_neither_deadlock_nor_exceed),
        BEHAVE(nor_do_they_when_deadlines_pass),
        BEHAVE(who_leaves_holds_nobody_up),
        BEHAVE_BOTH(one_permit_is_a_mutex_for_10_of_1000_rounds),
        BEHAVE_BOTH(all_before_a_release_is_seen_by_whom_it_made_room_for),
        BEHAVE_BOTH(nobody_touches_it_once_its_last_user_has_it_all),
        BEHAVE_BOTH(may_be_freed_by_its_last_user),
        BEHAVE_BOTH(waits_of_different_kinds_alternate),
};

BEHAVE_MAIN(tests)
