/* SPDX-License-Identifier: MIT
 * The weighted semaphore as the layer above sees it: the steps of an acquire, for a wait that
 * something else may end as well. The order is:
 *
 *   rni_sem_take_or_lock   true: done. false: s is locked
 *   rni_sem_queue_locked   a waiter of the caller's G, with claim set if something else may end the
 *                          wait (rni_claim_begin before)
 *   park                   commit: rni_sem_unlock
 *   afterwards             w->ok: granted, the n permits are the caller's (san_acquire(s) then).
 *                          Otherwise rni_sem_leave
 *
 * A grant wins w->g's claim first, takes w out of the queue and sets w->g->u.run.fired = w. So a
 * wait that something else has won gets no permits, and none have to be given back. */
#ifndef RNI_CHAN_SEM_H
#define RNI_CHAN_SEM_H

#include <runnel/sync.h>

#include "chan/parking.h"

struct sem {
        int64_t size;            /* never changes */
        int64_t held;            /* lock */
        a32 lock;                /* a word lock: held, queue */
        struct waiter *queue;    /* a ring by next and prev, this the first; elem points to how many
                                  * it wants */
};
_Static_assert(sizeof(struct sem) <= sizeof(rn_sem), "fits");

static inline struct sem *rni_sem_inside(rn_sem *s)
{
        return (struct sem *)(void *)s;
}

/* Panics if n is negative. Not entered. */
void rni_sem_check(int64_t n);

/* Can n never be had? Such an acquire waits for something else only, out of the queue. Panics if
 * the semaphore was made with a negative number, of which no n can be had. Not entered. */
static inline bool rni_sem_never(rn_sem *s, int64_t n)
{
        if (likely(n <= rni_sem_inside(s)->size))
                return false;
        rni_sem_check(rni_sem_inside(s)->size);
        return true;
}

/* True: n taken, nothing locked. False: not possible now, because of the number or because others
 * queue; s is locked, and the calling thread is known to the runtime. Not entered. */
bool rni_sem_take_or_lock(rn_sem *s, int64_t n);
/* w: its g, obj and claim are set; ok is cleared here. *n stays there, unchanged, as long as w is
 * queued. s is locked. */
void rni_sem_queue_locked(rn_sem *s, struct waiter *w, const int64_t *n);
void rni_sem_unlock(rn_sem *s);
/* The wait was ended by something else: takes w out if it is still queued and lets those behind it
 * go. Entered, s not locked. */
void rni_sem_leave(rn_sem *s, struct waiter *w);

#endif
