/* SPDX-License-Identifier: MIT
 * hchan: a channel, and the two operations on a locked one that everything else is made of. After
 * Go's runtime/chan.go in shape and names.
 *
 * Invariants, under c->lock:
 *   At least one of sendq and recvq is empty of live waiters (a select may stand in both; a waiter
 *   whose G is claimed already is not live). count > 0 implies recvq has no live waiter; count <
 *   cap implies sendq has none.
 *   A waiter in a queue belongs to a parked G, or to one that is about to take it out again under
 *   this lock; a queued waiter is never stale memory.
 *
 * What happens when several partners, timers and close come at once is modelled in
 * docs/design/select.pml.
 *
 * Lifetime: a caller owns a reference during the call, so nothing here counts. Waiters do not count
 * either: if the last reference goes while some wait, the hchan becomes an orphan, and the last of
 * them to leave frees it. Not all of them are in a queue: a partner that loses the claim has taken
 * the waiter out, yet its G will lock the hchan once more. nreturning counts those Gs: selects, and
 * operations with a deadline. A G in a plain operation that was woken by its partner does not touch
 * the hchan again. */
#ifndef RNI_CHAN_HCHAN_H
#define RNI_CHAN_HCHAN_H

#include <runnel/chan.h>
#include <string.h>

#include "chan/object.h"
#include "chan/waitq.h"
#include "sched/core/lone.h"
#include "sched/core/sched.h"

struct hchan {
        struct obj obj;
        struct lock lock;          /* RANK_HCHAN: everything below */
        aword state;               /* elements in buf, and HCHAN_EVENTs; read without the lock as a
                                    * hint */
        a32 closed;                /* likewise; never goes back */
        unsigned cap;
        unsigned sendx, recvx;     /* next slot to fill, to empty */
        size_t size;               /* of an element */
        char *buf;                 /* cap slots */
        struct waitq recvq, sendq;
        const char *type;          /* #T, for dumps */
        unsigned nreturning;       /* parked Gs that will lock this again */
        bool orphan;               /* no references left, waiters are */
};

/* What is counted in state above the elements: whenever c may have become ready for somebody, by an
 * element more or less or by a waiter. Who sees c not ready, and later the same state, knows that
 * it was not ready in between (select.c). 2^32 of them do not pass between two loads. Narrower
 * words have no room for it: 0. */
#if UINTPTR_MAX > UINT32_MAX
#define HCHAN_EVENT ((AO_t)1 << 32)
#else
#define HCHAN_EVENT ((AO_t)0)
#endif

static inline unsigned hchan_elements(AO_t state)
{
        return (uint32_t)state;
}

/* Under the lock. */
static inline unsigned hchan_count(const struct hchan *c)
{
        return hchan_elements(load_rlx(&c->state));   /* rlx: under the lock */
}

/* n elements more, or 0 and a waiter. Under the lock. */
static inline void hchan_event(struct hchan *c, int n)
{
        AO_t old = load_rlx(&c->state);   /* rlx: under the lock */

        store_rlx(&c->state, old + HCHAN_EVENT + (AO_t)(intptr_t)n);   /* rlx: published by the
                                                                        * lock's release */
}

static inline struct hchan *hchan_of(rn_anychan c)
{
        return (struct hchan *)(uintptr_t)c;
}

static inline void hchan_lock(struct hchan *c)
{
        if (lone_enter())
                rni_lock_note(&c->lock, RANK_HCHAN, true);
        else
                lock_acquire(&c->lock, RANK_HCHAN);
}

static inline void hchan_unlock(struct hchan *c)
{
        if (lone_leave())
                rni_lock_note(&c->lock, RANK_HCHAN, false);
        else
                lock_release(&c->lock, RANK_HCHAN);
}

/* For who holds no reference, or for another: c may be gone when this has unlocked it
 * (core/lock.h). */
static inline void hchan_unlock_last(struct hchan *c)
{
        if (lone_leave())
                rni_lock_note(&c->lock, RANK_HCHAN, false);
        else
                lock_release_last(&c->lock, RANK_HCHAN);
}

void rni_hchan_free(struct hchan *c);
/* The last reference has gone: frees c, or leaves that to those who still wait. */
void rni_hchan_last(struct hchan *c);
/* Closes c and adds who waited to woken, for rni_ready_list. False: it was closed already. */
bool rni_hchan_close(struct hchan *c, struct g_list *woken);
void rni_hchan_leave_orphan(struct hchan *c);   /* hchan_leave, where nobody has a reference any
                                                 * more */

/* Unlocks c and frees it if it is an orphan that the caller's waiter was the last to leave. */
static inline void hchan_leave(struct hchan *c)
{
        if (unlikely(c->orphan))
                rni_hchan_leave_orphan(c);
        else
                hchan_unlock_last(c);
}

static inline void elem_copy(void *to, const void *from, size_t n)
{
        switch (n) {   /* the sizes that one or two moves copy */
        case 1: __builtin_memcpy(to, from, 1); break;
        case 4: __builtin_memcpy(to, from, 4); break;
        case 8: __builtin_memcpy(to, from, 8); break;
        case 16: __builtin_memcpy(to, from, 16); break;
        default: memcpy(to, from, n); break;
        }
}

static inline char *hchan_slot(struct hchan *c, unsigned i)
{
        return c->buf + (size_t)i * c->size;
}

static inline unsigned hchan_next(const struct hchan *c, unsigned i)
{
        return ++i == c->cap ? 0 : i;
}

/* A live waiter of q, no longer c's affair. */
static inline struct waiter *hchan_take(struct hchan *c, struct waitq *q)
{
        struct waiter *w = waitq_take(q);

        if (w)
                c->nreturning -= w->returns;
        return w;
}

enum op_result { OP_BLOCK, OP_DONE, OP_CLOSED };

/* Hints without the lock, each true of one moment. A channel that was seen open and then not ready
 * was open and not ready at the second look or between, since a closed one never becomes unready
 * again: the order of the two loads matters. */
static inline bool hchan_send_blocks(const struct hchan *c)
{
        if (load_acq(&c->closed))   /* acq: before what follows; pairs with rel in rn_close */
                return false;
        if (c->cap == 0)
                return waitq_hint_empty(&c->recvq);
        return hchan_elements(load_acq(&c->state)) == c->cap;   /* acq: pairs with the lock's
                                                                 * release */
}

static inline bool hchan_recv_blocks(const struct hchan *c)
{
        bool empty = c->cap == 0 ? waitq_hint_empty(&c->sendq)
                                 : hchan_elements(load_acq(&c->state)) == 0;   /* acq: before
                                                                                * closed */

        return empty && !load_acq(&c->closed);   /* acq: pairs with rel in rn_close */
}

/* One send on the locked c. OP_DONE: sent; *wake is the receiver to ready after the unlock, or
 * NULL. */
static rni_always_inline enum op_result hchan_send_locked(struct hchan *c, const void *elem,
                                                          struct g **wake)
{
        struct waiter *w;

        if (unlikely(load_rlx(&c->closed)))   /* rlx: under the lock */
                return OP_CLOSED;
        w = hchan_take(c, &c->recvq);
        if (w) {
                san_read(elem, c->size);
                san_acquire(w);
                if (w->elem) {
                        elem_copy(w->elem, elem, c->size);
                        san_write(w->elem, c->size);
                }
                w->ok = true;
                w->g->u.run.fired = w;
                san_release(w);
                *wake = w->g;
                return OP_DONE;
        }
        if (hchan_count(c) < c->cap) {
                char *slot = hchan_slot(c, c->sendx);

                san_read(elem, c->size);
                san_acquire(slot);
                elem_copy(slot, elem, c->size);
                san_release(slot);
                c->sendx = hchan_next(c, c->sendx);
                hchan_event(c, 1);
                return OP_DONE;
        }
        return OP_BLOCK;
}

/* One receive on the locked c. OP_DONE: *into (unless NULL) is written. OP_CLOSED: closed and
 * drained, *into is not written yet. */
static rni_always_inline enum op_result hchan_recv_locked(struct hchan *c, void *into,
                                                          struct g **wake)
{
        struct waiter *w;

        if (hchan_count(c) > 0) {
                char *slot = hchan_slot(c, c->recvx);

                san_acquire(slot);
                if (into) {
                        elem_copy(into, slot, c->size);
                        san_write(into, c->size);
                }
                c->recvx = hchan_next(c, c->recvx);
                w = hchan_take(c, &c->sendq);
                if (w) {   /* the buffer was full: its value goes to the end, into the slot that
                            * came free */
                        san_acquire(w);
                        elem_copy(slot, w->elem, c->size);
                        c->sendx = c->recvx;
                } else {
                        hchan_event(c, -1);
                }
                san_release(slot);
        } else {
                w = hchan_take(c, &c->sendq);
                if (!w)
                        return load_rlx(&c->closed) ? OP_CLOSED : OP_BLOCK;   /* rlx: c is locked */
                san_acquire(w);
                if (into) {
                        elem_copy(into, w->elem, c->size);
                        san_write(into, c->size);
                }
        }
        if (w) {
                w->ok = true;
                w->g->u.run.fired = w;
                san_release(w);
                *wake = w->g;
        }
        return OP_DONE;
}

static inline void hchan_ready(struct g *g)
{
        rt_enter();
        rni_ready(g);
        rt_leave();
}

static inline void hchan_zero(struct hchan *c, void *into, size_t size)
{
        san_acquire(c);   /* released by rn_close */
        if (!into)
                return;
        switch (size) {   /* as in elem_copy */
        case 4: __builtin_memset(into, 0, 4); break;
        case 8: __builtin_memset(into, 0, 8); break;
        default: memset(into, 0, size); break;
        }
        san_write(into, size);
}

#endif
