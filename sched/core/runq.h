/* SPDX-License-Identifier: MIT
 * A P's run queue: a ring of 256 Gs plus runnext, the G that was readied last and runs next. One
 * producer (the P's holder), many consumers (holder and stealers). Go's design (runtime/proc.go:
 * runqput, runqget, runqgrab).
 *
 * Invariants: tail - head <= 256. Only the holder writes tail and puts into runnext; head moves by
 * CAS only. A slot in [head, tail) is not written; a consumer copies it before its CAS of head and
 * believes the copy only if the CAS succeeds, because a slot is reused only after head has passed
 * it.
 *
 * While there is one P nobody steals, and what the CAS decides is decided: the holder stores
 * instead, which takes a fifth of the time. shared is set before there is a second P, in a frozen
 * world (procs.c): no holder is between its load and its store then, and none sees the old value
 * later. It stays set. In the P of a simulation it is set always: who is next is not the queue's
 * matter there. */
#ifndef RNI_CORE_RUNQ_H
#define RNI_CORE_RUNQ_H

#include "sched/core/g.h"

enum { RUNQ_SIZE = 256 };

struct runq {
        a32 head rni_aligned(RNI_APART);   /* consumers: CAS */
        a32 tail rni_aligned(RNI_APART);   /* holder */
        a32 shared;                        /* others may steal: CAS. Set once */
        aword runnext;                     /* holder puts, anybody takes: CAS */
        aword ring[RUNQ_SIZE];
};

static inline bool runq_shared(const struct runq *q)
{
        return load_rlx(&q->shared) != 0;   /* rlx: written while all stand still */
}

/* Holder only. The G that was there before is pushed out; NULL if none. */
static inline struct g *runq_put_next(struct runq *q, struct g *g)
{
        for (;;) {
                AO_t old = load_rlx(&q->runnext);   /* rlx: the CAS decides, or nobody else
                                                     * writes */

                if (!runq_shared(q)) {
                        store_rel(&q->runnext, aptr(g));   /* rel: pairs with acq in
                                                            * rni_runq_empty */
                        return (struct g *)old;
                }
                if (likely(cas(&q->runnext, old, aptr(g))))
                        return (struct g *)old;
        }
}

static inline struct g *runq_take_next(struct runq *q)
{
        AO_t old = load_rlx(&q->runnext);   /* rlx: the CAS decides, or nobody else writes */

        if (old != 0 && !runq_shared(q))
                store_rel(&q->runnext, 0);   /* rel: as in runq_put_next */
        else if (old == 0 || !cas(&q->runnext, old, 0))
                return NULL;   /* empty, or a stealer was faster: then it is empty */
        return (struct g *)old;
}

/* Holder only. False: full. */
static inline bool runq_put(struct runq *q, struct g *g)
{
        unsigned h = load_acq(&q->head);   /* acq: pairs with the consumers' CAS: their reads of the
                                            * slot are over */
        unsigned t = load_rlx(&q->tail);   /* rlx: only we write it */

        if (unlikely(t - h >= RUNQ_SIZE))
                return false;
        store_rlx(&q->ring[t % RUNQ_SIZE], aptr(g));   /* rlx: published by the store of tail */
        store_rel(&q->tail, t + 1);   /* rel: publishes slot and G; pairs with acq of tail in
                                       * runq_grab */
        return true;
}

/* Holder only. */
static inline struct g *runq_get(struct runq *q)
{
        for (;;) {
                unsigned h = load_acq(&q->head);   /* acq: pairs with the stealers' CAS */
                unsigned t = load_rlx(&q->tail);   /* rlx: only we write it */
                struct g *g;

                if (h == t)
                        return NULL;
                g = (struct g *)load_rlx(&q->ring[h % RUNQ_SIZE]);   /* rlx: we wrote it */
                if (!runq_shared(q)) {
                        store_rel(&q->head, h + 1);   /* rel: pairs with acq in rni_runq_empty */
                        return g;
                }
                if (likely(cas_rel(&q->head, h, h + 1)))   /* rel: our read of the slot is over;
                                                            * pairs with acq in runq_put */
                        return g;
        }
}

/* Holder only: the oldest, which stays; NULL as well if it would not be next, or not ours alone. */
static inline struct g *runq_peek_alone(const struct runq *q)
{
        unsigned h = load_rlx(&q->head);   /* rlx: only we write it while it is not shared */

        if (runq_shared(q) || load_rlx(&q->runnext) != 0 ||   /* rlx: as above */
            h == load_rlx(&q->tail))   /* rlx: as above */
                return NULL;
        return (struct g *)load_rlx(&q->ring[h % RUNQ_SIZE]);   /* rlx: we wrote it */
}

/* Holder only, after runq_peek_alone: the oldest leaves, and g, which need not be at rest yet,
 * comes last. */
static inline void runq_rotate(struct runq *q, struct g *g)
{
        unsigned h = load_rlx(&q->head), t = load_rlx(&q->tail);   /* rlx: as above */

        store_rlx(&q->ring[t % RUNQ_SIZE], aptr(g));   /* rlx: as in runq_put. A full ring's oldest
                                                        * was there, which is taken */
        store_rel(&q->tail, t + 1);   /* rel: as in runq_put */
        store_rel(&q->head, h + 1);   /* rel: as in runq_get */
}

/* Holder only, and only a hint to others. */
static inline unsigned runq_len(const struct runq *q)
{
        return load_rlx(&q->tail) - load_rlx(&q->head);   /* rlx: a hint */
}

/* Holder only. */
static inline struct g *runq_at(const struct runq *q, unsigned i)
{
        return (struct g *)load_rlx(&q->ring[i % RUNQ_SIZE]);   /* rlx: we wrote it */
}

/* Holder only, once in `turns` turns: what the next ones will touch is fetched, a memory's distance
 * ahead. Who was stolen meanwhile is looked at all the same: descriptors stay mapped. */
static inline void runq_prefetch(const struct runq *q, unsigned turns)
{
        enum { NEAR = 2, FAR = 8 };
        unsigned h = load_rlx(&q->head);   /* rlx: a hint */

        if (RNI_TSAN || runq_len(q) < FAR + turns)
                return;
        for (unsigned i = FAR; i < FAR + turns; i++)
                g_prefetch_first(runq_at(q, h + i));
        for (unsigned i = NEAR; i < NEAR + turns; i++)
                g_prefetch_rest(runq_at(q, h + i));
}

/* Holder only: takes the older half of a full queue, RUNQ_SIZE / 2, for the global one. False if
 * stealers made room meanwhile. */
bool rni_runq_take_half(struct runq *q, struct g **out);

/* Any M: moves half of victim's Gs, rounded up, into q, which is the caller's own and empty, and
 * returns the last of them. take_next: runnext too, if nothing else is there. */
struct g *rni_runq_steal(struct runq *q, struct runq *victim, bool take_next);

/* Any thread. True means true at one moment during the call: tail, runnext and head are read until
 * tail stood still, so a G that is pushed from runnext into the ring meanwhile is not missed. */
bool rni_runq_empty(const struct runq *q);

#endif
