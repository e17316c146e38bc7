/* SPDX-License-Identifier: MIT
 * P: the right to run goroutines, with everything that running them needs at hand: the local run
 * queue, timers, free lists, counters. There are MAXPROCS of them; they are made once and never
 * freed, so anybody may read allp[i] for i < np at any time.
 *
 * Invariant: a P is held by exactly one M (m->p), or is on its way from one to the next (nextp,
 * rni_hand_off), or is on the idle list, or is retired (id >= nprocs). Fields without a note belong
 * to the holder; what others may touch says so. */
#ifndef RNI_CORE_P_H
#define RNI_CORE_P_H

#include "sched/core/g.h"
#include "sched/core/runq.h"
#include "sched/core/timer.h"

enum { GFREE_BATCH = 16, GFREE_MAX = 96 };

enum p_status { P_IDLE, P_RUNNING, P_RETIRED };

/* What sysmon saw at its last look: who held the P in user code, and how busy they were. */
struct watch {
        struct m *m;                   /* NULL: nobody, or inside the runtime */
        unsigned tick;
        int64_t cpu;                   /* of m's thread */
        int64_t due;                   /* when its slice ends, if others wait then */
        bool longer;                   /* that is not the first end of it: too many computed */
};

struct p {
        struct runq runq;              /* stealers take from it: runq.c */
        struct timers timers rni_aligned(RNI_APART);   /* other Ms may run them: under its lock */

        unsigned ngfree rni_aligned(RNI_APART);
        struct g *gfree[GFREE_MAX];    /* dead descriptors, newest last */
        struct g *half[RUNQ_SIZE / 2 + 1];   /* on its way to the global queue; not on the stack,
                                              * which may be small */
        struct stack_cache stacks;
        uint64_t goid_next, goid_end;  /* leased ids */
        uint64_t rand;
        a32 tick;                      /* scheduling decisions; stealers look whether it moves */
        unsigned seen_tick;            /* tick when slice_start was read */
        unsigned gq_tick;              /* tick when the global queue had its turn */
        bool crowded;                  /* so many wait in the global queue that the caches cannot
                                        * hold them */
        int64_t slice_start;           /* when the running slice was first seen, by the budget of
                                        * channel fast paths */
        aword m;                       /* struct m *: the holder, for sysmon, who looks from
                                        * outside; the right itself is m->p */
        struct p *idle_next;           /* sched.lock */
        int id;
        a32 status;                    /* sched.lock writes */

        /* Read by statistics and rn_numgoroutine from anywhere; written by the holder only. */
        aword nspawned, nexited, nswitches, nsteals, nparks;

        struct watch watch rni_aligned(RNI_APART);   /* sysmon's */
};

enum { GLOBAL_EVERY = 64 };   /* ticks between looks at the global queue while there is local
                               * work */

/* Holder only: is it the global queue's turn? Counted from its last one: at a given tick something
 * else may come first, and always the same. */
static inline bool gq_turn(struct p *p)
{
        unsigned tick = load_rlx(&p->tick);   /* rlx: own word */

        if (tick - p->gq_tick < GLOBAL_EVERY)
                return false;
        p->gq_tick = tick;
        return true;
}

#endif
