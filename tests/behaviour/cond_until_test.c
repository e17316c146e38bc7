/* SPDX-License-Identifier: MIT
 * Cond, waits until a time that comes: none returns early, the lock is held again, and who has left
 * takes no signal with it. From goroutines and from plain threads. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include <errno.h>

struct room {
        rn_mutex mu;
        rn_cond c;
        const char *name;
        int waiting, awake, left;   /* guarded; waiting: have been in the queue */
};

static void wait_once(void *arg)
{
        struct room *r = arg;

        rn_set_name(r->name);
        rn_mutex_lock(&r->mu);
        r->waiting++;
        rn_cond_wait(&r->c, &r->mu);
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

static void a_time_that_is_past_returns_at_once_with_the_lock(void)
{
        const rn_time past[] = { rn_now(), rn_deadline(0), rn_deadline(-RN_SEC), 0, -1, INT64_MIN };
        struct room r = { .name = "waits for the lock" };
        rn_wg wg = { { 0 } };

        rn_mutex_lock(&r.mu);
        rn_wg_go(&wg, wait_once, &r);
        behave_until_parked(r.name, 1);
        for (size_t i = 0; i < sizeof past / sizeof *past; i++) {
                CHECK_EQ(rn_cond_wait_until(&r.c, &r.mu, past[i]), -ETIMEDOUT);
                CHECK(!rn_mutex_trylock(&r.mu));
                behave_turns();
                CHECK_EQ(r.waiting, 0);
        }
        rn_mutex_unlock(&r.mu);
        until_queued(&r, 1);
        rn_cond_signal(&r.c);
        rn_wg_wait(&wg);
}

static void its_time_comes_and_not_before(void)
{
        static const rn_dur after[] = { 1, RN_USEC, 100 * RN_USEC, 3 * RN_MSEC };
        struct room r = { .waiting = 0 };

        for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
                rn_time t = rn_deadline(after[i]);

                rn_mutex_lock(&r.mu);
                CHECK_EQ(rn_cond_wait_until(&r.c, &r.mu, t), -ETIMEDOUT);
                CHECK(rn_now() >= t);
                CHECK(!rn_mutex_trylock(&r.mu));
                rn_mutex_unlock(&r.mu);
        }
}

static void get_in(struct room *r)
{
        rn_mutex_lock(&r->mu);
        r->awake = 1;
        rn_mutex_unlock(&r->mu);
}

static void a_wait_with_a_deadline_unlocks(void)
{
        struct room r = { .awake = 0 };
        rn_wg wg = { { 0 } };

        rn_mutex_lock(&r.mu);
        rn_wg_go(&wg, get_in, &r);
        while (!r.awake)
                CHECK_EQ(rn_cond_wait_until(&r.c, &r.mu, rn_deadline(RN_MSEC)), -ETIMEDOUT);
        rn_mutex_unlock(&r.mu);
        rn_wg_wait(&wg);
}

static void wait_shortly(struct room *r)
{
        rn_mutex_lock(&r->mu);
        r->waiting++;
        CHECK_EQ(rn_cond_wait_until(&r->c, &r->mu, rn_deadline(RN_MSEC)), -ETIMEDOUT);
        r->left++;
        rn_mutex_unlock(&r->mu);
}

/* Some before it in the queue and some behind. */
static void who_has_left_takes_no_signal_with_it(void)
{
        struct room r = { .name = "stays" };
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 3; i++) {
                rn_wg_go(&wg, wait_shortly, &r);
                until_queued(&r, 2 * i + 1);
                rn_wg_go(&wg, wait_once, &r);
                until_queued(&r, 2 * i + 2);
        }
        BEHAVE_UNTIL(read_under(&r.mu, &r.left) == 3);
        for (int i = 0; i < 3; i++)
                rn_cond_signal(&r.c);
        rn_wg_wait(&wg);
        CHECK_EQ(r.awake, 3);
}

struct storm {
        rn_mutex mu;
        rn_cond c;
        int signals, sent;     /* guarded */
        int woken, timed_out;  /* guarded */
        int staying;           /* guarded: wait without a deadline, as far as they know */
        bool over;             /* guarded */
        atomic_int stream;
};

static void stay_in_the_storm(void *arg)
{
        struct storm *s = arg;

        rn_mutex_lock(&s->mu);
        while (!s->over) {
                s->staying++;
                rn_cond_wait(&s->c, &s->mu);
                s->staying--;
                s->woken += !s->over;
        }
        rn_mutex_unlock(&s->mu);
}

static void come_and_go_in_the_storm(void *arg)
{
        struct storm *s = arg;
        uint64_t random = behave_stream((uint64_t)atomic_fetch_add(&s->stream, 1));

        rn_mutex_lock(&s->mu);
        while (!s->over) {
                if (rn_cond_wait_until(&s->c, &s->mu,
                                       rn_deadline(behave_below(&random, 60) * RN_USEC)) == 0)
                        s->woken++;
                else
                        s->timed_out++;
                rn_mutex_unlock(&s->mu);
                if (behave_below(&random, 4) == 0)
                        rn_yield();
                rn_mutex_lock(&s->mu);
        }
        rn_mutex_unlock(&s->mu);
}

/* Each signal is given while one who stays is in the queue for certain: of those not more than the
 * signals that nobody has answered yet can be on their way out. So each must wake exactly one. */
static void signal_in_the_storm(void *arg)
{
        struct storm *s = arg;
        uint64_t random = behave_stream((uint64_t)atomic_fetch_add(&s->stream, 1));

        rn_mutex_lock(&s->mu);
        while (s->sent < s->signals) {
                bool certain = s->staying > s->sent - s->woken, locked = behave_below(&random, 2);

                s->sent += certain;
                if (certain && locked)
                        rn_cond_signal(&s->c);
                rn_mutex_unlock(&s->mu);
                if (certain && !locked)
                        rn_cond_signal(&s->c);
                if (!certain || behave_below(&random, 4) == 0)
                        rn_yield();
                rn_mutex_lock(&s->mu);
        }
        rn_mutex_unlock(&s->mu);
}

static void storm(int threads)
{
        struct storm s = { .signals = BEHAVE_SCALE(2000) };
        rn_wg wg = { { 0 } }, signaller = { { 0 } };

        behave_crowd(&wg, 3 - threads, threads, stay_in_the_storm, &s);
        behave_crowd(&wg, 6 - threads, threads, come_and_go_in_the_storm, &s);
        behave_crowd(&signaller, 1, 0, signal_in_the_storm, &s);
        rn_wg_wait(&signaller);
        BEHAVE_UNTIL(read_under(&s.mu, &s.woken) >= s.signals);
        behave_turns();
        rn_mutex_lock(&s.mu);
        CHECK_EQ(s.woken, s.signals);
        s.over = true;
        rn_mutex_unlock(&s.mu);
        rn_cond_broadcast(&s.c);
        rn_wg_wait(&wg);
}

static void each_signal_wakes_exactly_one_while_others_run_out_of_time(void)
{
        storm(0);
        storm(1);
}

/* -- beside other waits -- */

struct mixed {
        rn_mutex mu;
        rn_cond c;
        rn_chan(int) ch;
        int rounds;
        long counted;
};

/* A goroutine has one place to wait at: what it waited for before, and its timer, must leave no
 * trace there. */
static void wait_for_one_thing_after_another(void *arg)
{
        struct mixed *x = arg;
        int v;

        for (int i = 0; i < x->rounds; i++) {
                rn_mutex_lock(&x->mu);
                CHECK_EQ(rn_cond_wait_until(&x->c, &x->mu, rn_deadline(i % 7 * RN_USEC)),
                         -ETIMEDOUT);
                x->counted++;
                rn_mutex_unlock(&x->mu);
                CHECK_EQ(rn_recv_for(i % 5 * RN_USEC, x->ch, &v), -ETIMEDOUT);
                CHECK_EQ(rn_select_for(i % 3 * RN_USEC, rn_on_signal(x->ch), rn_on_signal(x->ch)),
                         RN_TIMEOUT);
        }
}

static void waits_of_different_kinds_alternate(void)
{
        struct mixed x = { .ch = rn_make(int, 0), .rounds = BEHAVE_SCALE(200) };
        rn_wg wg = { { 0 } };

        behave_crowd(&wg, 8, 2, wait_for_one_thing_after_another, &x);
        rn_wg_wait(&wg);
        CHECK_EQ(x.counted, 10L * x.rounds);
        rn_unref(x.ch);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(a_time_that_is_past_returns_at_once_with_the_lock),
        BEHAVE_BOTH(its_time_comes_and_not_before),
        BEHAVE_BOTH(a_wait_with_a_deadline_unlocks),
        BEHAVE_BOTH(who_has_left_takes_no_signal_with_it),
        BEHAVE(each_signal_wakes_exactly_one_while_others_run_out_of_time),
        BEHAVE_BOTH(waits_of_different_kinds_alternate),
};

BEHAVE_MAIN(tests)
