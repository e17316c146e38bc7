/* SPDX-License-Identifier: MIT
 * Mutex: one word. Locking is a CAS, unlocking a plain store and a look at the parking lot
 * (chan/parking.h), where the waiters are: one locked instruction for both.
 *
 *           CAS                          CAS by a waiter of 1 ms
 *   {0} <---------> {LOCKED} --------------------------------> {LOCKED, STARVING}
 *          store 0      ^                                          |    | unlock: handed over
 *                       '-- its new owner, if it was the last  <---'<---' to the first waiter
 *                           or has waited less than 1 ms
 *
 * A waiter that is woken competes with whoever comes; that is fast, because the one who unlocks may
 * lock again without a switch. If it has waited for 1 ms when it loses, it sets STARVING: from then
 * on nobody can take the mutex but by being handed it, in the order of the queue (Go's design,
 * sync/mutex.go).
 *
 * The store of 0 is the last access to the mutex; what follows uses its address. It may undo a
 * STARVING that was set between the unlocker's look at the word and its store. That costs the
 * waiter one round: it stands in the chain, so the unlocker, who looks after the store, wakes it,
 * and it sets STARVING again if it loses again. Nothing else is ever set by anyone but the owner.
 *
 * The bug would be a mutex that is free while a waiter sleeps and nobody is on the way to it; that
 * the store and the look cannot miss a waiter is argued in parking.h. Handing over is done under
 * the bucket's lock, with the word never free, so no look is needed: waiters of this mutex are in
 * the chain or will find the word taken by an owner who unlocks later. */
#include "chan/parking.h"

enum { LOCKED = 1, STARVING = 2 };
enum { HANDED = 1, HANDED_LAST = 2 };   /* waiter.ok */
enum { SPIN_ROUNDS = 4, SPIN_RELAX = 30 };   /* Go's */

#define PATIENCE (INT64_C(1000) * 1000)

struct mutex {
        a32 word;
};
_Static_assert(sizeof(struct mutex) <= sizeof(rn_mutex), "fits");
_Static_assert(LOCKED == 1 && offsetof(struct mutex, word) == 0,
               "rn_mutex_lock_ and rn_mutex_unlock_ in <runnel/sync.h>");

static inline a32 *word_of(rn_mutex *mu)
{
        return &((struct mutex *)(void *)mu)->word;
}

/* -- lock -- */

/* Is it likely that the owner runs and unlocks soon, and is there nothing better to do? */
static bool may_spin(unsigned word)
{
        struct m *m = rni_self();
        unsigned nprocs = load_rlx(&rni_sched.nprocs);   /* rlx: a heuristic */
        unsigned idle = load_rlx(&rni_sched.nidle_p) +   /* rlx: a heuristic */
                        load_rlx(&rni_sched.nspinning);   /* rlx: a heuristic */

        if ((word & STARVING) || nprocs == 1 || nprocs <= idle + (m->p != NULL) ||
            load_rlx(&m->stop) != 0)   /* rlx: a heuristic */
                return false;
        return !m->p || rni_runq_empty(&m->p->runq);
}

static bool take_or_spin(a32 *word)
{
        for (int round = 0;; round++) {
                unsigned old = load_rlx(word);   /* rlx: the CAS decides */

                if (old == 0 && cas_acq(word, 0, LOCKED))   /* acq: pairs with rel in the unlocks */
                        return true;
                if (round == SPIN_ROUNDS || !may_spin(old))
                        return false;
                for (int i = 0; i < SPIN_RELAX; i++)
                        cpu_relax();
        }
}

/* The last look before parking, behind the fence of rni_parking_begin or _again. False: somebody
 * has it, and knows of our hunger. */
static bool take_or_starve(a32 *word, bool starved)
{
        for (;;) {
                unsigned old = load_rlx(word);   /* rlx: ordered by that fence */

                if (old == 0) {
                        if (cas_acq(word, 0, LOCKED))   /* acq: as above */
                                return true;
                } else if (!starved || (old & STARVING) || cas(word, LOCKED, LOCKED | STARVING)) {
                        return false;
                }
        }
}

static void commit_unlock(struct g *g, void *bucket)
{
        (void)g;
        rni_bucket_unlock(bucket);
}

static void leave(struct waiter *w)
{
        struct bucket *b = rni_bucket_lock(w->obj);

        rni_parking_leave(b, w);
        rni_bucket_unlock(b);
}

/* True: w was not handed the mutex and stays; b is locked. False: it has it, and b is unlocked. */
static bool stays(struct bucket *b, struct waiter *w, a32 *word, bool starved)
{
        rni_parking_again(b, w);
        if (!take_or_starve(word, starved))
                return true;
        rni_parking_leave(b, w);
        rni_bucket_unlock(b);
        return false;
}

/* We own it by being handed it, so nobody but us changes the word. */
static void end_starving(a32 *word, const struct waiter *w, int64_t since)
{
        if (w->ok == HANDED_LAST || rni_now(rni_self()) - since < PATIENCE)
                store_rlx(word, LOCKED);   /* rlx: the owner's; published by the unlock */
}

static void park_until_ours(a32 *word)
{
        struct g *g = rni_self()->g;
        struct waiter *w = &g->u.run.w;
        int64_t since = rni_now(rni_self());
        struct bucket *b = rni_bucket_lock(word);

        rni_parking_begin(b, word);
        if (take_or_starve(word, false)) {
                rni_parking_cancel(b, word);
                rni_bucket_unlock(b);
                return;
        }
        *w = (struct waiter){ .g = g, .obj = (void *)(uintptr_t)word };
        rni_parking_add(b, w);
        do {
                rni_park(commit_unlock, b, WAIT_MUTEX);
                if (w->ok) {
                        end_starving(word, w, since);
                        return;
                }
                if (take_or_spin(word)) {
                        leave(w);
                        return;
                }
                rni_bucket_lock(word);
        } while (stays(b, w, word, rni_now(rni_self()) - since > PATIENCE));
}

static void lock_entered(a32 *word)
{
        if (!take_or_spin(word))
                park_until_ours(word);
}

/* Named like parts of the public function, which has no frame: a dump shows that. */
static rni_noinline void lock_slow(a32 *word) __asm__("rn_mutex_lock.slow");
static rni_noinline void lock_slow(a32 *word)
{
        rt_enter();
        lock_entered(word);
        rt_leave();
        san_acquire(word);
        rni_compiler_barrier();   /* no tail call: a frame for the dump */
}

/* <runnel/sync.h> has the fast path a second time, inline, where it only sets the bit: a word
 * without LOCKED is 0. */
void (rn_mutex_lock)(rn_mutex *mu)
{
        a32 *word = word_of(mu);

        /* Fast path: free. */
        if (unlikely(!cas_acq(word, 0, LOCKED)))   /* acq: pairs with rel in the unlocks */
                lock_slow(word);
        else
                san_acquire(word);
}

bool rn_mutex_trylock(rn_mutex *mu)
{
        a32 *word = word_of(mu);

        if (load_rlx(word) == 0 && cas_acq(word, 0, LOCKED)) {   /* rlx: the CAS decides; acq: pairs
                                                                  * with rel in the unlocks */
                san_acquire(word);
                return true;
        }
        rni_budget(rni_m());   /* a loop of tries lets others run */
        return false;
}

void rni_mutex_lock_entered(rn_mutex *mu)
{
        lock_entered(word_of(mu));
        san_acquire(word_of(mu));
}

/* -- unlock -- */

static _Noreturn rni_cold void fatal_unlocked(void)
{
        rni_m();
        rni_fatal("sync: unlock of unlocked mutex");
}

void rni_mutex_need_locked(rn_mutex *mu)
{
        if (unlikely(!(load_rlx(word_of(mu)) & LOCKED)))   /* rlx: the owner's */
                fatal_unlocked();
}

/* STARVING: the first waiter becomes the owner. Returns whom the caller is to ready: NULL if it is
 * on its way already, or all are gone; then the word is free, and it, or whoever comes, takes it
 * under the bucket's lock or before. */
static struct g *hand_over(a32 *word)
{
        struct bucket *b = rni_bucket_lock(word);
        struct waiter *w = rni_parking_first(b, word);

        if (w)
                w->ok = rni_parking_leave(b, w) ? HANDED : HANDED_LAST;
        else
                store_rel(word, 0);   /* rel: pairs with acq in the locks; our last access */
        rni_bucket_unlock(b);
        return w ? w->g : NULL;
}

static inline bool nobody_parked(const a32 *word)
{
        return load_rlx(&rn_parked_[rni_spot(word)]) == 0;   /* rlx: F1 comes before */
}

/* word is free, and may be gone; who is to be readied, or NULL. Behind F1. */
static inline struct g *waiter_of(const a32 *word)
{
        return likely(nobody_parked(word)) ? NULL : rni_parking_wake(word);
}

/* The rest of an unlock, if somebody is parked or each fence is a full one. */
static rni_noinline void wake_slow(const a32 *word) __asm__("rn_mutex_unlock.slow");
static rni_noinline void wake_slow(const a32 *word)
{
        struct m *m = rni_m();   /* boots: before that there are no light fences */
        struct g *g;

        rni_fence_light();   /* F1; heavy side: announce in parking.c */
        g = waiter_of(word);
        if (g) {
                rt_enter();
                rni_ready(g);
                rt_leave();
        } else if (--m->budget == 0) {   /* a waiter may be on its way and need our P */
                rni_budget_slow(m);
                rni_parking_cool(word);
        }
        rni_compiler_barrier();   /* as in lock_slow */
}

static rni_noinline void unlock_starving(a32 *word,
                                         unsigned old) __asm__("rn_mutex_unlock.starving");
static rni_noinline void unlock_starving(a32 *word, unsigned old)
{
        struct g *g;

        if (unlikely(!(old & LOCKED)))
                fatal_unlocked();
        san_release(word);
        rt_enter();
        g = hand_over(word);
        if (g) {
                rni_ready(g);
                rni_yield_now();   /* the owner's turn: others wait for it */
        }
        rt_leave();
        rni_compiler_barrier();   /* as in lock_slow */
}

/* <runnel/sync.h> has the fast path a second time, inline; it calls rn_mutex_wake_. */
void (rn_mutex_unlock)(rn_mutex *mu)
{
        a32 *word = word_of(mu);
        unsigned old = load_rlx(word);   /* rlx: the owner's, but for STARVING */

        if (unlikely(old != LOCKED)) {
                unlock_starving(word, old);
                return;
        }
        /* Fast path: nobody starves, nobody is parked. */
        san_release(word);
        store_rel(word, 0);   /* rel: pairs with acq in the locks; our last access */
        rni_compiler_barrier();   /* F1, if there are light fences; otherwise the bucket is hot and
                                   * wake_slow has it */
        if (unlikely(!nobody_parked(word)))
                wake_slow(word);
}

void rn_mutex_wake_(uintptr_t mu)
{
        wake_slow((const a32 *)mu);
}

void rni_mutex_unlock_entered(rn_mutex *mu)
{
        a32 *word = word_of(mu);
        unsigned old = load_rlx(word);   /* rlx: as above */
        struct g *g = NULL;

        if (unlikely(!(old & LOCKED)))
                fatal_unlocked();
        san_release(word);
        if (unlikely(old & STARVING)) {
                g = hand_over(word);
        } else {
                store_rel(word, 0);   /* rel: as above */
                rni_fence_light();   /* F1; heavy side: announce in parking.c */
                g = waiter_of(word);
        }
        if (g)
                rni_ready(g);
}
