/* SPDX-License-Identifier: MIT
 * Locks that cost nothing as long as one thread takes them all. A program on one P, without plain
 * threads and calls that block, has one; the C library spares such a process its locks as well. The
 * first thread that takes a channel's lock is the lone one: it does not touch the lock, it counts
 * how many it holds. The first other thread that comes ends that, for good.
 *
 *        lone thread                                other one
 *        depth = 1                                  lone = ENDING
 *        light fence                                heavy fence
 *        if (lone is me) in, else depth = 0         waits until depth == 0
 *        and on to wait for lone == 0               lone = 0; from here on locks are locks
 *
 * The bug would be: the lone thread reads that it is the one, the other one reads depth == 0, and
 * both are in. The heavy fence puts a full barrier into the lone thread's instruction stream at
 * some point X. If its store of depth comes before X, the other one sees it and waits; if it comes
 * after X, so does the load of lone, which sees ENDING. A thread that holds one already and takes
 * another goes on: the other one waits until it holds none.
 *
 * Invariant: while lone is not 0 no lock of a channel is held but by the lone thread, and none of
 * their words is set; so who unlocks looks at lone alone. ENDING is followed by 0 only, and 0 by
 * nothing. depth is written by the lone thread only. Who reads channels without their locks relies
 * on x86's order of stores, so it is for that machine. Model: docs/design/lone.pml. Callers:
 * chan/hchan.h, chan/chan.c. */
#ifndef RNI_CORE_LONE_H
#define RNI_CORE_LONE_H

#include "sched/arch/arch.h"
#include "sched/base/atomic.h"
#include "sched/os/os.h"

/* TSan has to see who locks after whom. */
#if defined(__x86_64__) && !RNI_TSAN
#define RNI_LONE 1
#else
#define RNI_LONE 0
#endif

enum { LONE_OVER, LONE_NOBODY, LONE_ENDING };   /* or the lone thread's M */

extern aword rni_lone;
extern a32 rni_lone_depth;

/* as lone_enter, when somebody else is the one, or nobody yet */
bool rni_lone_slow(const struct m *m);

static inline bool lone_is_over(void)
{
        return !RNI_LONE || load_rlx(&rni_lone) == LONE_OVER;   /* rlx: the lock orders; and what
                                                                 * was over stays it */
}

/* True: m's thread, which this is, is the lone one, and in. */
static inline bool lone_try(const struct m *m)
{
        AO_t lone = load_rlx(&rni_lone);   /* rlx: our own name only we have written */
        unsigned depth;

        if (unlikely(lone != aptr(m)))
                return false;
        depth = load_rlx(&rni_lone_depth);   /* rlx: only we write it */
        store_rlx(&rni_lone_depth, depth + 1);   /* rlx: ordered by the fences */
        rni_fence_light();   /* heavy side: end in lone.c */
        if (likely(load_rlx(&rni_lone) == lone) || depth > 0)   /* rlx: ordered by the fences */
                return true;
        store_rel(&rni_lone_depth, 0);   /* rel: pairs with acq in lone.c */
        return false;
}

/* True: this thread is in, and leaves by lone_leave; false: lock the lock. */
static inline bool lone_enter(void)
{
        struct m *m;

        if (likely(lone_is_over()))
                return false;
        m = rni_self();
        return lone_try(m) || rni_lone_slow(m);
}

/* True: that was it; false: unlock the lock. */
static inline bool lone_leave(void)
{
        unsigned depth;

        if (likely(lone_is_over()))   /* not while we hold one as the lone thread */
                return false;
        depth = load_rlx(&rni_lone_depth);   /* rlx: only we write it */
        store_rel(&rni_lone_depth, depth - 1);   /* rel: pairs with acq in lone.c */
        return true;
}

#endif
