/* SPDX-License-Identifier: MIT
 * The runtime's own lock: 8 bytes, spins briefly, then sleeps on a futex, because its holder can
 * lose its processor. Locking costs one locked instruction, unlocking none: who goes to sleep pays
 * a heavy fence instead (sched/os fence).
 *
 *   unlock:  word = 0;        light fence;  if (sleepers) wake
 *   sleeper: sleepers++;      heavy fence;  if (word == 1) futex_wait(word == 1)
 *
 * The bug would be: unlock reads sleepers == 0, the sleeper reads word == 1. The heavy fence puts a
 * full barrier into the unlocker's instruction stream at some point X. If the load of sleepers
 * comes before X, so does the store of word = 0, and the sleeper, who looks after X, sees 0. If it
 * comes after X, it sees sleepers >= 1. The futex compares word again in the kernel, so a wake
 * between look and sleep is not lost either.
 *
 * Unlocking looks into the lock once more after it is free, so it is for who keeps the object
 * alive. An M that unlocks an object on behalf of a goroutine that has just parked does not: the
 * goroutine may be resumed, and free the object, in between. That is what lock_release_last is for:
 * it looks for sleepers in a static table, by the lock's address. Who sleeps counts in both.
 *
 * Never held across a park; ranks in sched/base/lockrank.h. Zero is an unlocked lock. */
#ifndef RNI_CORE_LOCK_H
#define RNI_CORE_LOCK_H

#include <runnel/sync.h>

#include "sched/base/atomic.h"
#include "sched/base/lockrank.h"
#include "sched/os/os.h"

struct lock {
        a32 word;       /* 0 free, 1 held */
        a32 sleepers;   /* threads that sleep or are about to */
};

/* -- where an address has its place in static tables: this one, and those of chan/parking.h -- */

/* the range of rn_spot_, which unlocking in the caller has to know as well */
enum { SPOTS = 1024 };

static inline unsigned rni_spot(const volatile void *addr)
{
        return rn_spot_((uintptr_t)addr);
}

extern a32 rni_lock_sleepers[SPOTS];

void rni_lock_slow(struct lock *l);
void rni_lock_wake(const struct lock *l);

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
        if (unlikely(load_rlx(&l->sleepers) != 0))   /* StoreLoad: light fence here, heavy fence in
                                                      * rni_lock_slow */
                rni_lock_wake(l);
}

/* The store is the last access to *l, and to what it lies in. */
static inline void lock_release_last(struct lock *l, enum lock_rank rank)
{
        rni_lock_note(l, rank, false);
        store_rel(&l->word, 0);   /* rel: as above */
        rni_fence_light();   /* as above */
        if (unlikely(load_rlx(&rni_lock_sleepers[rni_spot(l)]) != 0))   /* rlx: as above */
                rni_lock_wake(l);
}

#endif
