/* SPDX-License-Identifier: MIT
 * The slow half of the run queue: overflow, stealing, and the honest emptiness check. Invariants
 * and source: runq.h. */
#include "sched/core/runq.h"

bool rni_runq_take_half(struct runq *q, struct g **out)
{
        unsigned h = load_acq(&q->head);   /* acq: pairs with the stealers' CAS */
        unsigned t = load_rlx(&q->tail);   /* rlx: only we write it */

        if (t - h != RUNQ_SIZE)
                return false;
        for (unsigned i = 0; i < RUNQ_SIZE / 2; i++)
                out[i] = runq_at(q, h + i);
        return cas_rel(&q->head, h, h + RUNQ_SIZE / 2);   /* rel: reads are over; pairs with acq in
                                                           * runq_put */
}

/* Copies half of victim's Gs to q's ring behind its tail, without publishing them there. Returns
 * how many. */
static unsigned grab(struct runq *q, struct runq *victim)
{
        unsigned to = load_rlx(&q->tail);   /* rlx: only we write it */

        for (;;) {
                unsigned h = load_acq(&victim->head);   /* acq: pairs with other consumers' CAS */
                unsigned t = load_acq(&victim->tail);   /* acq: slots below it are written; pairs
                                                         * with rel in runq_put */
                unsigned n = (t - h) - (t - h) / 2;

                if (n == 0)
                        return 0;
                if (n > RUNQ_SIZE / 2)   /* head and tail were read at different times */
                        continue;
                for (unsigned i = 0; i < n; i++) {
                        const aword *from = &victim->ring[(h + i) % RUNQ_SIZE];
                        AO_t g = load_rlx(from);   /* rlx: the CAS says whether it counts */

                        store_rlx(&q->ring[(to + i) % RUNQ_SIZE], g);   /* rlx: published by tail */
                }
                if (cas_rel(&victim->head, h, h + n))   /* rel: reads are over; pairs with acq in
                                                         * runq_put */
                        return n;
        }
}

struct g *rni_runq_steal(struct runq *q, struct runq *victim, bool take_next)
{
        unsigned t = load_rlx(&q->tail);   /* rlx: only we write it */
        unsigned n = grab(q, victim);

        if (n == 0)
                return take_next ? runq_take_next(victim) : NULL;
        n--;
        if (n > 0)
                store_rel(&q->tail, t + n);   /* rel: publishes what was copied; pairs with acq in
                                               * grab */
        return (struct g *)load_rlx(&q->ring[(t + n) % RUNQ_SIZE]);   /* rlx: we wrote it */
}

bool rni_runq_empty(const struct runq *q)
{
        for (;;) {
                unsigned h = load_acq(&q->head);   /* acq: ordered before the loads below */
                unsigned t = load_acq(&q->tail);   /* acq: pairs with rel in runq_put */
                AO_t next = load_acq(&q->runnext);   /* acq: ordered before the re-read of tail;
                                                      * pairs with the CAS in runq_put_next */

                if (t == load_rlx(&q->tail))   /* rlx: compared only */
                        return h == t && next == 0;
        }
}
