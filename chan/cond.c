/* SPDX-License-Identifier: MIT
 * Cond: a queue of waiters, first come first served, under a word lock (chan/parking.h).
 *
 *            wait: queue, unlock the mutex           still queued: park
 *   running ------------------------------> QUEUED -----------------------> PARKED
 *      ^                                       | signal: takes it out          | signal: takes
 *      |                                       |                               | it out, readies
 *      '--- lock the mutex <-------------------'-------------------------------'
 *                ^               its timer (or it was first): leaves by itself |
 *                '-------------------------------------------------------------'
 *
 * The order in wait is: into the queue, then unlock, then look whether a signal came already, then
 * park. The bug would be a signal missed between unlock and park: whoever signals after the unlock
 * finds us in the queue, and if we are not parked yet takes us out without readying us; under the
 * same lock we then find ourselves out and do not park. Unlocking in the commit of the park, behind
 * the save of the context, would spare the second look, but a plain thread is counted as parked
 * before its commit runs: with everybody else waiting for that mutex it would be called a deadlock.
 * And who gets the mutex from us runs next on this P if it is readied before we pick a successor.
 *
 * A timed wait is claimed: by its timer or by a signal, so a signal passes over a waiter whose time
 * is up and reaches the next one. There are no other wake-ups. */
#include <errno.h>
#include <runnel/time.h>

#include "chan/parking.h"
#include "chan/waitq.h"

enum { QUEUED, PARKED_IN_COND };   /* waiter.index */

struct cond {
        struct waitq q;
        a32 lock;   /* a word lock */
};
_Static_assert(sizeof(struct cond) <= sizeof(rn_cond), "fits");

static struct cond *inside(rn_cond *c)
{
        return (struct cond *)(void *)c;
}

/* -- wait -- */

static void commit_unlock(struct g *g, void *lock)
{
        (void)g;
        rni_word_unlock(lock, 0);
}

/* c is locked and w in its queue. False: its time is up, and it has left the queue. */
static bool park(struct cond *c, struct waiter *w, rn_time until)
{
        w->index = PARKED_IN_COND;
        if (!w->claim) {
                rni_park(commit_unlock, (void *)(uintptr_t)&c->lock, WAIT_COND);
                return true;
        }
        if (rni_park_until(commit_unlock, (void *)(uintptr_t)&c->lock, WAIT_COND, until))
                return true;
        rni_word_lock(&c->lock);
        if (w->queued)
                waitq_remove(&c->q, w);
        rni_word_unlock(&c->lock, 0);
        return false;
}

static bool wait_for_signal(struct cond *c, rn_mutex *mu, rn_time until)
{
        struct g *g = rt_enter()->g;
        struct waiter *w = &g->u.run.w;
        bool signalled = true;

        *w = (struct waiter){ .g = g, .obj = c, .index = QUEUED, .claim = until != RN_NEVER };
        if (w->claim)
                rni_claim_begin(g);
        rni_word_lock(&c->lock);
        waitq_add(&c->q, w);
        rni_word_unlock(&c->lock, 0);
        rni_mutex_unlock_entered(mu);
        rni_word_lock(&c->lock);
        if (w->queued)
                signalled = park(c, w, until);
        else
                rni_word_unlock(&c->lock, 0);
        if (signalled)
                san_acquire(w);
        rni_mutex_lock_entered(mu);
        rt_leave();
        return signalled;
}

void rn_cond_wait(rn_cond *c, rn_mutex *mu)
{
        wait_for_signal(inside(c), mu, RN_NEVER);
        rni_compiler_barrier();   /* no tail call: a frame for the dump */
}

int rn_cond_wait_until(rn_cond *c, rn_mutex *mu, rn_time until)
{
        if (until != RN_NEVER && until <= rni_now(rni_m())) {
                rni_mutex_need_locked(mu);
                return -ETIMEDOUT;
        }
        return wait_for_signal(inside(c), mu, until) ? 0 : -ETIMEDOUT;
}

/* -- signal, broadcast -- */

/* c is locked. Takes the first whose time is not up out of the queue; it is to be readied if it is
 * parked. False: nobody is left. */
static bool take(struct cond *c, struct g_list *woken)
{
        struct waiter *w = waitq_take(&c->q);

        if (!w)
                return false;
        w->g->u.run.fired = w;
        san_release(w);
        if (w->index == PARKED_IN_COND)
                g_list_push(woken, w->g);
        return true;
}

static void wake(struct cond *c, bool all)
{
        struct g_list woken = { NULL, NULL, 0 };

        if (waitq_hint_empty(&c->q))   /* who unlocked the mutex before the caller locked it is
                                        * seen */
                return;
        rni_word_lock(&c->lock);
        while (take(c, &woken) && all)
                continue;
        rni_word_unlock(&c->lock, 0);
        rni_ready_woken(&woken);
}

void rn_cond_signal(rn_cond *c)
{
        wake(inside(c), false);
}

void rn_cond_broadcast(rn_cond *c)
{
        wake(inside(c), true);
}
