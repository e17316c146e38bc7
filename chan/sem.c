/* SPDX-License-Identifier: MIT
 * The weighted semaphore (Go's x/sync/semaphore): size, permits held, and a queue in which the
 * first is served first, however much it wants. Everything under the object's word lock
 * (chan/parking.h).
 *
 *                                                         a release or a leave lets it go:
 *               take                                      held += n, out, readied
 *   free of it -----> has n        free of it --> QUEUED ----------------------------------> has n
 *                                                   | its time is up: out by itself, lets those
 *                                                   | behind it go
 *                                                   '--> free of it
 *
 * The invariant, whenever the lock is free: the first of the queue wants more than is left, or its
 * time is up and it is about to leave. So a number that is left is never withheld for nothing, and
 * nobody takes any past the queue. The bug would be a large waiter that leaves while smaller ones
 * behind it could go: who leaves lets go like a release. A waiter with a deadline is claimed, so a
 * grant and its timer never both win. */
#include "chan/sem.h"

#include <errno.h>
#include <runnel/time.h>

#include "sched/core/panic.h"

/* -- the queue: a ring -- */

static void ring_add(struct sem *s, struct waiter *w)
{
        struct waiter *first = s->queue;

        w->queued = true;
        if (!first) {
                s->queue = w->next = w->prev = w;
                return;
        }
        w->next = first;
        w->prev = first->prev;
        first->prev->next = w;
        first->prev = w;
}

static void ring_remove(struct sem *s, struct waiter *w)
{
        w->queued = false;
        if (w->next == w) {
                s->queue = NULL;
                return;
        }
        w->next->prev = w->prev;
        w->prev->next = w->next;
        if (s->queue == w)
                s->queue = w->next;
}

/* Serves the queue from the front. */
static void let_go(struct sem *s, struct g_list *woken)
{
        struct waiter *w;

        while ((w = s->queue) != NULL) {
                int64_t n = *(const int64_t *)w->elem;

                if (n > s->size - s->held)
                        return;
                ring_remove(s, w);
                if (w->claim && !rni_claim(w->g))
                        continue;   /* its time is up */
                s->held += n;
                w->ok = true;
                w->g->u.run.fired = w;
                g_list_push(woken, w->g);
        }
}

/* -- the steps of an acquire: sem.h -- */

void rni_sem_check(int64_t n)
{
        if (unlikely(n < 0))
                rni_runtime_panic("semaphore: negative number of permits");
}

static inline bool fits(const struct sem *s, int64_t n)
{
        return !s->queue && n <= s->size - s->held;
}

bool rni_sem_take_or_lock(rn_sem *sem, int64_t n)
{
        struct sem *s = rni_sem_inside(sem);

        for (;;) {
                rni_word_lock(&s->lock);
                if (likely(fits(s, n))) {
                        s->held += n;
                        rni_word_unlock(&s->lock, 0);
                        san_acquire(sem);
                        return true;
                }
                if (likely(rni_self() != NULL))
                        return false;
                rni_word_unlock(&s->lock, 0);
                rni_m();   /* not with a lock held */
        }
}

void rni_sem_queue_locked(rn_sem *s, struct waiter *w, const int64_t *n)
{
        w->elem = (void *)(uintptr_t)n;
        w->ok = false;
        ring_add(rni_sem_inside(s), w);
}

void rni_sem_unlock(rn_sem *s)
{
        rni_word_unlock(&rni_sem_inside(s)->lock, 0);
}

void rni_sem_leave(rn_sem *sem, struct waiter *w)
{
        struct sem *s = rni_sem_inside(sem);
        struct g_list woken = { NULL, NULL, 0 };

        rni_word_lock(&s->lock);
        if (w->queued)
                ring_remove(s, w);
        let_go(s, &woken);
        rni_word_unlock(&s->lock, 0);
        rni_ready_woken_entered(&woken);
}

/* -- public -- */

static void commit_unlock(struct g *g, void *sem)
{
        (void)g;
        rni_sem_unlock(sem);
}

/* s is locked. False: the time is up. */
static bool wait_locked(rn_sem *s, int64_t n, rn_time until)
{
        struct g *g = rt_enter_locked()->g;
        struct waiter *w = &g->u.run.w;
        bool granted;

        *w = (struct waiter){ .g = g, .obj = s, .claim = until != RN_NEVER };
        if (w->claim)
                rni_claim_begin(g);
        rni_sem_queue_locked(s, w, &n);
        granted = rni_park_until(commit_unlock, s, WAIT_SEM, until);
        if (granted)
                san_acquire(s);
        else
                rni_sem_leave(s, w);
        rt_leave();
        return granted;
}

static _Noreturn rni_cold void wait_for_ever(void)
{
        rni_m();
        rt_enter();
        rni_park(rni_commit_nothing, NULL, WAIT_SEM);
        rni_throw("a goroutine that waits for ever was resumed");
}

void rn_sem_init(rn_sem *s, int64_t n)
{
        rni_sem_check(n);
        *rni_sem_inside(s) = (struct sem){ .size = n };
}

void rn_sem_acquire(rn_sem *s, int64_t n)
{
        rni_sem_check(n);
        if (unlikely(rni_sem_never(s, n)))
                wait_for_ever();
        if (unlikely(!rni_sem_take_or_lock(s, n)))
                wait_locked(s, n, RN_NEVER);
        rni_compiler_barrier();   /* no tail call: a frame for the dump */
}

int rn_sem_acquire_until(rn_sem *s, int64_t n, rn_time until)
{
        rni_sem_check(n);
        if (unlikely(rni_sem_never(s, n)))
                return -EDOM;
        if (likely(rni_sem_take_or_lock(s, n)))
                return 0;
        if (until != RN_NEVER && until <= rni_now(rni_self())) {
                rni_sem_unlock(s);
                rni_budget(rni_self());   /* a loop of tries lets others run */
                return -ETIMEDOUT;
        }
        return wait_locked(s, n, until) ? 0 : -ETIMEDOUT;
}

bool rn_sem_tryacquire(rn_sem *s, int64_t n)
{
        rni_sem_check(n);
        if (likely(rni_sem_take_or_lock(s, n)))
                return true;
        rni_sem_unlock(s);
        (void)rni_sem_never(s, n);   /* a semaphore of less than none panics */
        rni_budget(rni_self());   /* as above */
        return false;
}

void rn_sem_release(rn_sem *sem, int64_t n)
{
        struct sem *s = rni_sem_inside(sem);
        struct g_list woken = { NULL, NULL, 0 };
        bool held;

        rni_sem_check(n);
        san_release(sem);
        rni_word_lock(&s->lock);
        held = n <= s->held;
        if (likely(held)) {
                s->held -= n;
                if (unlikely(s->queue != NULL))
                        let_go(s, &woken);
        }
        rni_word_unlock(&s->lock, 0);
        if (unlikely(!held))
                rni_runtime_panic("semaphore: released more than held");
        rni_ready_woken(&woken);
}
