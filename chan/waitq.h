/* SPDX-License-Identifier: MIT
 * A channel's queue of waiters: doubly linked, so that a select leaves from the middle in constant
 * time; first in, first out. Under the channel's lock, but for the hint. The model is
 * docs/design/select.pml. */
#ifndef RNI_CHAN_WAITQ_H
#define RNI_CHAN_WAITQ_H

#include "sched/core/g.h"

struct waitq {
        aword first;               /* struct waiter *; read without the lock as a hint */
        struct waiter *last;
};

static inline struct waiter *waitq_first(const struct waitq *q)
{
        return (struct waiter *)load_rlx(&q->first);   /* rlx: under the lock */
}

static inline bool waitq_hint_empty(const struct waitq *q)
{
        return load_acq(&q->first) == 0;   /* acq: before what the caller reads next */
}

static inline void waitq_add(struct waitq *q, struct waiter *w)
{
        w->next = NULL;
        w->prev = q->last;
        w->queued = true;
        if (q->last)
                q->last->next = w;
        else
                store_rlx(&q->first, aptr(w));   /* rlx: under the lock; published by its release */
        q->last = w;
}

static inline void waitq_remove(struct waitq *q, struct waiter *w)
{
        if (w->prev)
                w->prev->next = w->next;
        else
                store_rlx(&q->first, aptr(w->next));   /* rlx: as in waitq_add */
        if (w->next)
                w->next->prev = w->prev;
        else
                q->last = w->prev;
        w->queued = false;
}

/* The first waiter whose G can be had, out of the queue and claimed. A G that another channel or
 * its timer has won already is passed over: it will find itself out of this queue. */
static inline struct waiter *waitq_take(struct waitq *q)
{
        struct waiter *w;

        while ((w = waitq_first(q)) != NULL) {
                waitq_remove(q, w);
                if (!w->claim || rni_claim(w->g))
                        return w;
        }
        return NULL;
}

#endif
