/* SPDX-License-Identifier: MIT
 * The runtime's own lock: 8 bytes, spins briefly, then sleeps on a futex, because its holder can lose its processor. Locking costs one locked instruction, unlocking
 * none: who goes to sleep pays a heavy fence instead (sched/os fence).
 *
 *   unlock:  word = 0;        light fence;  if (sleepers) wake
 *   sleeper: sleepers++;      heavy fence;  if (word == 1) futex_wait(word == 1)
 *
 * The bug would be: unlock reads sleepers == 0, the sleeper reads word == 1. The heavy fence puts a full barrier into the unlocker's
 * instruction stream at some point X. If the load of sleepers comes before X, so does the store of word = 0, and the
 * sleeper, who looks after X, sees 0. If it comes after X, it sees sleepers >= 1. The futex compares word again in the kernel, so a wake between look and sleep is not
 * lost either. Never held across a park; ranks in sched/base/lockrank.h. Zero is an unlocked lock. */
#ifndef RNI_CORE_LOCK_H
#define RNI_CORE_LOCK_H

#include "sched/base/atomic.h"
#include "sched/base/lockrank.h"
#include "sched/os/os.h"

struct lock {
        a32 word;       /* 0 free, 1 held */
        a32 sleepers;   /* threads that sleep or are about to */
};

void rni_lock_slow(struct lock *l);
void rni_lock_wake(struct lock *l);

#ifdef RNI_DEBUG
void rni_lock_note(const struct lock *l, enum lock_rank rank, bool taken);
#else
static inline void rni_lock_note(const struct lock *l, enum lock_rank rank, bool taken)
{
        (void)l;
        (void)rank;
        (void)taken;
}
#endif

static inline void lock_acquire(struct lock *l, enum lock_rank rank)
{
        if (unlikely(!cas_acq(&l->word, 0, 1)))   /* acq: pairs with rel in lock_release */
                rni_lock_slow(l);
        rni_lock_note(l, rank, true);
}

static inline void lock_release(struct lock *l, enum lock_rank rank)
{
        rni_lock_note(l, rank, false);
        store_rel(&l->word, 0);   /* rel: pairs with acq in lock_acquire */
        rni_fence_light();   /* heavy side: rni_lock_slow */
        if (unlikely(load_rlx(&l->sleepers) != 0))   /* StoreLoad: light fence here, heavy fence in rni_lock_slow */
                rni_lock_wake(l);
}

#endif
