/* SPDX-License-Identifier: MIT
 * What the synchronisation objects share and must not keep inside themselves, because an object may
 * be gone the moment it is released: another goroutine sees that it is free, is its last user, and
 * frees it, while the releaser still asks whether somebody waits. The answers lie in static tables
 * here, found by the object's address. Two things:
 *
 * The word lock is bit 0 of a word of the object: struct lock (sched/core/lock.h) whose sleepers
 * are counted in a table, so that unlocking ends with the store.
 *
 * The parking lot is for the mutex, which is released by a plain store: who waits stands in a
 * bucket chosen by the mutex's address. A bucket holds a chain of addresses, each with its waiters
 * first come first; one address with many waiters costs no more than one with one. rn_parked_[]
 * says apart from the buckets, densely, how many chains of each want to be woken: chains whose
 * first waiter is parked. While the first is on its way, woken but not there yet, nobody else of
 * its chain is woken.
 *
 *                  add            wake (by who released)         had it: leave
 *   not in a chain ----> PARKED ------------------------> WOKEN ---------------> not in a chain
 *         ^                | ^     again, still the first   |
 *         '-- handed over -' '------------------------------'
 *
 * The two who must not miss each other:
 *
 *   releaser                  waiter
 *   word = 0                  rn_parked_ += 1
 *   F1                        F2
 *   reads rn_parked_          reads word, parks if it is taken
 *
 * The bug would be that the releaser reads 0 and the waiter reads "taken", both old. Of the six
 * interleavings of the four steps five are harmless in any order of fences: if the releaser's store
 * comes first of all, the waiter finds the word free; if its load comes last of all, it finds the
 * waiter. Only a store that is still on its way (in the processor's store buffer) while the load is
 * done makes both old: that the fences forbid. The bucket is cold (rn_parked_ == 0) or hot
 * (PARKED_HOT set; always, where there is no membarrier):
 *
 *   cold   F1 is light (the compiler only), F2 is heavy (membarrier): it puts a full barrier into
 *          the releaser's stream at some point X. A load before X has its store before X too, and
 *          the waiter, who looks after X, sees it. A load after X sees rn_parked_ != 0. From then
 *          on the bucket is hot.
 *   hot    whoever reads PARKED_HOT runs a full fence and reads again, and F2 is a full fence: one
 *          of the two fences comes first, and the other side's read sees what was stored before it.
 *          A releaser that read 0 did so before the X of the waiter who made the bucket hot, so its
 *          store is older than that: see cold.
 *
 * So membarrier is paid once for a contended time, not once for a wait. A bucket cools down, under
 * its lock and only when it is empty, after some thousand releases that found nobody; the next
 * waiter then pays F2 heavy again. It begins NEW, so that the first who looks boots the runtime,
 * which knows whether there is membarrier. Three more cases:
 *
 *   - A waiter whose chain exists and has a PARKED first adds nothing: the first one's += is older
 *     than any look at the word after it.
 *   - A waiter whose chain has a WOKEN first adds nothing either: the WOKEN one either takes the
 *     object, and its own release finds the chain (leave counts it again, and a thread sees its own
 *     stores), or comes back by `again`, which is += 1, F2, look.
 *   - A releaser that found a count takes the bucket's lock. The waiter looks at the word under
 *     that lock for the last time and is in the chain when it lets go: before or after, not
 *     between. */
#ifndef RNI_CHAN_PARKING_H
#define RNI_CHAN_PARKING_H

#include <runnel/sync.h>

#include "sched/core/sched.h"

/* Whom an object has let go, if anybody, after its last access to it. A single one runs next. */
static inline void rni_ready_woken_entered(struct g_list *woken)
{
        if (woken->n == 1)
                rni_ready(woken->head);
        else if (woken->n)
                rni_ready_list(woken);
}

static inline void rni_ready_woken(struct g_list *woken)
{
        if (!woken->n)
                return;
        rt_enter();
        rni_ready_woken_entered(woken);
        rt_leave();
}

/* -- the word lock -- */

enum { WORD_LOCK = 1 };

extern a32 rni_word_sleepers[SPOTS];   /* threads that sleep on a word lock, or are about to */

unsigned rni_word_lock_slow(a32 *word);
void rni_word_wake(const a32 *word);

static inline void rni_word_lock_note(const a32 *word, bool taken)
{
        /* the address only */
        rni_lock_note((const struct lock *)(uintptr_t)word, RANK_SYNC, taken);
}

/* Returns the word's other bits, which only the holder changes. */
static inline unsigned rni_word_lock(a32 *word)
{
        unsigned old = load_rlx(word);   /* rlx: the CAS decides */

        if (unlikely(old & WORD_LOCK) ||
            unlikely(!cas_acq(word, old, old | WORD_LOCK)))   /* acq: pairs with rel in
                                                               * rni_word_unlock */
                old = rni_word_lock_slow(word);
        rni_word_lock_note(word, true);
        return old;
}

/* value: the other bits from now on. The last access to the object. */
static inline void rni_word_unlock(a32 *word, unsigned value)
{
        rni_word_lock_note(word, false);
        store_rel(word, value);   /* rel: pairs with acq in rni_word_lock */
        rni_compiler_barrier();   /* a light fence, if there are any: rni_word_wake sees to that */
        if (unlikely(!rni_membarrier_on) ||
            unlikely(load_rlx(&rni_word_sleepers[rni_spot(word)]) != 0))   /* rlx: ordered by the
                                                                            * fences */
                rni_word_wake(word);
}

/* -- the parking lot -- */

#define PARKED_HOT 0x80000000u
#define PARKED_NEW 0x40000000u   /* nobody has parked or looked yet: it is not known which fences
                                  * there are */

/* rn_parked_[]: chains that want to be woken, and PARKED_HOT; or PARKED_NEW. Written under the
 * bucket's lock. An unlock in the caller reads it: <runnel/sync.h>. */
_Static_assert(sizeof(rn_parked_) / sizeof(*rn_parked_) == SPOTS, "");

/* A waiter in the lot: obj is the address, next the one behind it. The first of its chain has in
 * prev the first of the bucket's next chain, and in elem the chain's last. */
enum parked { PARKED, WOKEN };   /* index */

struct bucket {
        struct lock lock;          /* RANK_SYNC */
        struct waiter *chains;     /* first waiters */
        a32 vain;                  /* looks in vain while hot, in units of BUDGET; without the lock:
                                    * an estimate */
} rni_aligned(RNI_LINE);

struct bucket *rni_bucket_lock(const volatile void *addr);
void rni_bucket_unlock(struct bucket *b);

/* What follows is under the bucket's lock, but for rni_parking_wake and rni_parking_cool. */
/* From here on who releases addr comes to the bucket. Then the caller looks at the object, and
 * either adds a waiter or calls rni_parking_cancel. */
void rni_parking_begin(struct bucket *b, const volatile void *addr);
void rni_parking_cancel(struct bucket *b, const volatile void *addr);
void rni_parking_add(struct bucket *b, struct waiter *w);
/* w, WOKEN, finds the object taken and stays the first. Then the caller looks at the object. */
void rni_parking_again(struct bucket *b, struct waiter *w);
/* w, the first, goes. Returns whether others wait behind it. */
bool rni_parking_leave(struct bucket *b, struct waiter *w);
/* The first, if it is parked. */
struct waiter *rni_parking_first(struct bucket *b, const volatile void *addr);

/* After addr was released and rn_parked_ was found not 0: whom the caller is to ready, or NULL. */
struct g *rni_parking_wake(const volatile void *addr);
/* BUDGET releases have found nobody. */
void rni_parking_cool(const volatile void *addr);

/* -- mutex.c, for who is inside the runtime already: the Cond -- */

/* Fatal if it is not locked. */
void rni_mutex_need_locked(rn_mutex *mu);
void rni_mutex_lock_entered(rn_mutex *mu);
/* Wakes, but does not yield: the caller parks next. */
void rni_mutex_unlock_entered(rn_mutex *mu);

#endif
