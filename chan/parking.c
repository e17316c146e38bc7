/* SPDX-License-Identifier: MIT
 * The parking lot and the slow half of the word lock; parking.h has the argument. Callers: mutex.c
 * for the lot, the other synchronisation objects for the word lock. */
#include "chan/parking.h"

#include "sched/core/hook.h"

enum { SPINS = 40 };    /* about a microsecond */
enum { COOL_AFTER = 16 };   /* times BUDGET looks in vain */

a32 rni_word_sleepers[SPOTS];
a32 rn_parked_[SPOTS] = { [0 ... SPOTS - 1] = PARKED_NEW };
static struct bucket buckets[SPOTS];

/* -- the word lock -- */

static bool word_try(a32 *word, unsigned *old)
{
        *old = load_rlx(word);   /* rlx: the CAS decides */
        return !(*old & WORD_LOCK) &&
               cas_acq(word, *old, *old | WORD_LOCK);   /* acq: pairs with rel in rni_word_unlock */
}

rni_noinline unsigned rni_word_lock_slow(a32 *word)
{
        a32 *sleepers = &rni_word_sleepers[rni_spot(word)];
        unsigned old;

        rni_m();   /* boots: only then is it known which fences there are */
        for (int i = 0; i < SPINS; i++) {
                cpu_relax();
                if (word_try(word, &old))
                        return old;
        }
        fetch_add(sleepers, 1);
        rni_fence_heavy();   /* light side: rni_word_unlock, rni_word_wake */
        while (!word_try(word, &old))
                if (old & WORD_LOCK)
                        rni_futex_wait(word, old);
        fetch_add(sleepers, (unsigned)-1);
        return old;
}

/* word is free, and may be gone. */
rni_noinline void rni_word_wake(const a32 *word)
{
        rni_m();   /* boots: without that each unlock would have a full fence */
        rni_fence_light();   /* heavy side: rni_word_lock_slow */
        if (load_rlx(&rni_word_sleepers[rni_spot(word)]) != 0)   /* rlx: ordered by the fences */
                rni_futex_wake(word, 1);   /* the address only; a wake too many is looked through */
}

/* -- buckets -- */

static struct bucket *bucket_of(const volatile void *addr)
{
        return &buckets[rni_spot(addr)];
}

static a32 *count_of(const struct bucket *b)
{
        return &rn_parked_[b - buckets];
}

/* Under b's lock. The caller fences if others must see it now. */
static void count(const struct bucket *b, int n)
{
        store_rlx(count_of(b), load_rlx(count_of(b)) + (unsigned)n);   /* rlx: under the lock */
}

struct bucket *rni_bucket_lock(const volatile void *addr)
{
        struct bucket *b = bucket_of(addr);

        lock_acquire(&b->lock, RANK_SYNC);
        return b;
}

void rni_bucket_unlock(struct bucket *b)
{
        lock_release(&b->lock, RANK_SYNC);
}

/* Where the first waiter of addr's chain hangs; *it is NULL if there is none. */
static struct waiter **chain_of(struct bucket *b, const volatile void *addr)
{
        struct waiter **at = &b->chains;

        while (*at && (*at)->obj != addr)
                at = &(*at)->prev;
        return at;
}

/* One chain more wants to be woken, and who releases sees it: += 1, F2. */
static void announce(struct bucket *b)
{
        store_rlx(&b->vain, 0);   /* rlx: an estimate */
        if (load_rlx(count_of(b)) & PARKED_HOT) {   /* rlx: under the lock */
                fetch_add(count_of(b), 1);   /* F2: full; pairs with F1 in rni_parking_wake */
        } else {
                store_rlx(count_of(b), PARKED_HOT | 1);   /* rlx: a cold bucket counts 0, a new one
                                                           * nothing; the fence follows */
                rni_fence_heavy();   /* F2; light side: the release in mutex.c */
        }
}

void rni_parking_begin(struct bucket *b, const volatile void *addr)
{
        if (!*chain_of(b, addr))
                announce(b);
}

void rni_parking_cancel(struct bucket *b, const volatile void *addr)
{
        if (!*chain_of(b, addr))
                count(b, -1);
}

void rni_parking_add(struct bucket *b, struct waiter *w)
{
        struct waiter **at = chain_of(b, w->obj), *first = *at;

        w->next = w->prev = NULL;
        w->index = PARKED;
        if (first) {
                ((struct waiter *)first->elem)->next = w;
                first->elem = w;
        } else {
                w->elem = w;
                *at = w;
        }
}

void rni_parking_again(struct bucket *b, struct waiter *w)
{
        w->index = PARKED;
        announce(b);
}

bool rni_parking_leave(struct bucket *b, struct waiter *w)
{
        struct waiter **at = chain_of(b, w->obj), *next = w->next;

        rni_assert(*at == w);
        if (next) {
                next->prev = w->prev;
                next->elem = w->elem;
                *at = next;
        } else {
                *at = w->prev;
        }
        /* No fence: whoever releases addr next is the one who goes, or comes after it. */
        count(b, (next != NULL) - (w->index == PARKED));
        return next != NULL;
}

struct waiter *rni_parking_first(struct bucket *b, const volatile void *addr)
{
        struct waiter *w = *chain_of(b, addr);

        return w && w->index == PARKED ? w : NULL;
}

/* The bucket is empty. */
static void cool(struct bucket *b)
{
        store_rlx(count_of(b), rni_membarrier_on ? 0 : PARKED_HOT);   /* rlx: who reads the old
                                                                       * value looks in vain once
                                                                       * more */
}

struct g *rni_parking_wake(const volatile void *addr)
{
        struct bucket *b = bucket_of(addr);
        struct waiter *w;

        if (load_rlx(count_of(b)) == PARKED_HOT) {   /* rlx: read again behind the fence */
                fence_full();   /* F1; pairs with the fetch_add in announce */
                if ((load_rlx(count_of(b)) & ~PARKED_HOT) == 0)   /* rlx: ordered by the fence */
                        return NULL;
        }
        rni_bucket_lock(addr);
        if (load_rlx(count_of(b)) == PARKED_NEW)   /* rlx: under the lock */
                cool(b);
        w = rni_parking_first(b, addr);
        if (w) {
                w->index = WOKEN;
                count(b, -1);
        }
        rni_bucket_unlock(b);
        return w ? w->g : NULL;
}

void rni_parking_cool(const volatile void *addr)
{
        struct bucket *b = bucket_of(addr);
        unsigned vain = load_rlx(&b->vain) + 1;   /* rlx: an estimate */

        store_rlx(&b->vain, vain % COOL_AFTER);   /* rlx: an estimate */
        if (vain < COOL_AFTER)
                return;
        rni_bucket_lock(addr);
        if (!b->chains)
                cool(b);
        rni_bucket_unlock(b);
}

/* -- a deterministic run that is over -- */

/* The chain without the waiters of m's run; NULL: nobody is left. count has said who wants to be
 * woken. */
static struct waiter *without(struct waiter *first, const struct m *m)
{
        struct waiter *kept = NULL, *last = NULL;

        for (struct waiter *w = first; w; w = w->next) {
                if (rni_sim_owns(m, w->g))
                        continue;
                if (last)
                        last->next = w;
                else
                        kept = w;
                last = w;
        }
        if (kept) {
                last->next = NULL;
                kept->elem = last;
                kept->prev = first->prev;
        }
        return kept;
}

void rni_hook_forget(const struct m *m)
{
        for (size_t i = 0; i < SPOTS; i++) {
                struct bucket *b = &buckets[i];

                lock_acquire(&b->lock, RANK_SYNC);
                for (struct waiter **at = &b->chains; *at;) {
                        struct waiter *first = *at, *kept = without(first, m);

                        count(b, (kept && kept->index == PARKED) - (first->index == PARKED));
                        *at = kept ? kept : first->prev;
                        if (kept)
                                at = &kept->prev;
                }
                lock_release(&b->lock, RANK_SYNC);
        }
}
