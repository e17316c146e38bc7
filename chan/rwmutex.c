/* SPDX-License-Identifier: MIT
 * RWMutex: a word {WRITER, readers, QUEUED}, and under a word lock (chan/parking.h) who waits.
 *
 *   WRITER    a writer has it, or is the next and waits for `leaving` readers to go: from then on
 *             readers wait
 *   readers   who read, and who came while WRITER was set and wait
 *   QUEUED    writers stand in the queue; only together with WRITER. The first of them is the next
 *             one if leaving != 0
 *
 *            add 1                   lock: set WRITER              leaving == 0
 *   {0} <------------> {readers} ------------------> next waits ----------------> a writer has it
 *    |       sub 1         ^        leaving = readers    ^                             |
 *    |                     |                             | unlock, others queued       | unlock
 *    |                     '- all who wait may read -----'-- all who wait may read ----'
 *    '--- CAS 0 <-> WRITER: a writer alone
 *
 * A reader adds itself to the word first and, if it finds WRITER, takes the lock to queue up: in
 * between it is counted but in no list. The bug would be a writer that unlocks, and another that
 * locks, in that window: the second would count the reader among those it waits for, and the reader
 * would wait for the second. Therefore an unlock lets all go that are counted, and notes in `owed`
 * how many of them it did not find in the list; a reader that comes for the lock takes one of
 * these, whosever it was, before it waits. Between two writers as many reads are granted as there
 * are readers counted in leaving.
 *
 * After its last step a call does not touch the object: a reader's is the sub, if no WRITER was
 * there; with one, a writer waits for this very reader until it is taken off leaving. A writer's is
 * the CAS, if nobody else is counted; or the release of the lock, before which nobody it lets go
 * can run on: the listed ones are readied after it, the owed ones need the lock. */
#include "chan/parking.h"

/* word */
#define QUEUED  ((AO_t)1)
#define READER  ((AO_t)2)
#define WRITER  ((AO_t)1 << (sizeof(AO_t) * 8 - 1))   /* the sign */

struct rwmutex {
        aword word;
        a32 lock;                  /* a word lock: all below */
        uint32_t leaving;          /* reads that the first of the queue waits for */
        uint32_t owed;             /* reads granted to readers that are on their way to the lock */
#if __SIZEOF_POINTER__ == 8
        uint32_t pad;
#endif
        struct waiter *readers;    /* newest first */
        struct waiter *last;       /* of the queue of writers, a ring by next: last->next is the
                                    * first */
};
_Static_assert(sizeof(struct rwmutex) <= sizeof(rn_rwmutex), "fits");
_Static_assert(offsetof(struct rwmutex, word) == 0 && READER == 2 &&
                       WRITER - READER == (~(uintptr_t)0 >> 1) - 1,
               "rn_rwmutex_rlock_ in <runnel/sync.h>");

static inline struct rwmutex *inside(rn_rwmutex *rw)
{
        return (struct rwmutex *)(void *)rw;
}

static uint32_t readers_in(AO_t word)
{
        return (uint32_t)((word & ~WRITER) / READER);
}

static void commit_unlock(struct g *g, void *lock)
{
        (void)g;
        rni_word_unlock(lock, 0);
}

static void lock(struct rwmutex *rw)
{
        rni_word_lock(&rw->lock);
}

static void unlock(struct rwmutex *rw)
{
        rni_word_unlock(&rw->lock, 0);
}

static void park(struct rwmutex *rw, enum wait_reason why)
{
        rni_park(commit_unlock, (void *)(uintptr_t)&rw->lock, why);
}

/* What TSan is told: a writer comes after all before it, a reader after the writers only. */
static inline void *reads_of(struct rwmutex *rw)
{
        return &rw->leaving;
}

static inline void san_write_begins(struct rwmutex *rw)
{
        san_acquire(rw);
        san_acquire(reads_of(rw));
}

/* -- readers -- */

static rni_noinline void rlock_slow(struct rwmutex *rw) __asm__("rn_rwmutex_rlock.slow");
static rni_noinline void rlock_slow(struct rwmutex *rw)
{
        struct g *g = rt_enter()->g;
        struct waiter *w = &g->u.run.w;

        lock(rw);
        if (rw->owed) {
                rw->owed--;
                unlock(rw);
        } else {
                *w = (struct waiter){ .g = g, .obj = rw, .next = rw->readers };
                rw->readers = w;
                park(rw, WAIT_RWMUTEX_R);
        }
        rt_leave();
        san_acquire(rw);
        rni_compiler_barrier();   /* no tail call: a frame for the dump */
}

/* What <runnel/sync.h> does not do in the caller. */
void rn_rwmutex_rlocked_(rn_rwmutex *mu)
{
        rlock_slow(inside(mu));
}

void (rn_rwmutex_rlock)(rn_rwmutex *mu)
{
        struct rwmutex *rw = inside(mu);

        /* Fast path: no writer. */
        if (unlikely(fetch_add(&rw->word, READER) & WRITER))
                rlock_slow(rw);
        else
                san_acquire(rw);
}

bool rn_rwmutex_tryrlock(rn_rwmutex *mu)
{
        struct rwmutex *rw = inside(mu);
        AO_t old;

        while (!((old = load_rlx(&rw->word)) & WRITER))   /* rlx: the CAS decides */
                if (cas_acq(&rw->word, old, old + READER)) {   /* acq: pairs with rel and the full
                                                                * operations of the unlocks */
                        san_acquire(rw);
                        return true;
                }
        rni_budget(rni_m());   /* a loop of tries lets others run */
        return false;
}

static _Noreturn rni_cold void fatal_runlock(void)
{
        rni_m();
        rni_fatal("sync: RUnlock of unlocked RWMutex");
}

/* Takes the first writer off the queue. */
static struct g *first_writer(struct rwmutex *rw)
{
        struct waiter *w = rw->last->next;

        if (w == rw->last) {
                rw->last = NULL;
                fetch_add(&rw->word, (AO_t)0 - QUEUED);
        } else {
                rw->last->next = w->next;
        }
        return w->g;
}

static void ready(struct g *g)
{
        rt_enter();
        rni_ready(g);
        rt_leave();
}

/* old: the word before we left it. */
static rni_noinline void runlock_slow(struct rwmutex *rw,
                                      AO_t old) __asm__("rn_rwmutex_runlock.slow");
static rni_noinline void runlock_slow(struct rwmutex *rw, AO_t old)
{
        struct g *writer = NULL;
        bool read_locked;

        if (readers_in(old) == 0)
                fatal_runlock();
        lock(rw);
        read_locked = rw->leaving > 0;
        if (read_locked && --rw->leaving == 0)
                writer = first_writer(rw);
        unlock(rw);
        if (!read_locked)
                fatal_runlock();   /* a writer has it, and readers wait */
        if (writer)
                ready(writer);
        rni_compiler_barrier();   /* as above */
}

void rn_rwmutex_runlocked_(rn_rwmutex *mu, uintptr_t old)
{
        runlock_slow(inside(mu), old);
}

void (rn_rwmutex_runlock)(rn_rwmutex *mu)
{
        struct rwmutex *rw = inside(mu);
        AO_t old;

        san_release(reads_of(rw));
        old = fetch_add(&rw->word, (AO_t)0 - READER);
        /* Fast path: we did read, and no writer waits for us. */
        if (unlikely(old - READER >= WRITER - READER))
                runlock_slow(rw, old);
}

/* -- writers -- */

/* Takes it, or sees to it that its owner will look for the queue. Returns whether it was taken; rw
 * is locked. */
static bool take_or_announce(struct rwmutex *rw)
{
        for (;;) {
                AO_t old = load_rlx(&rw->word);   /* rlx: the CAS decides */

                if (old & WRITER) {
                        if ((old & QUEUED) || cas(&rw->word, old, old | QUEUED))
                                return false;
                } else if (old == 0) {
                        if (cas_acq(&rw->word, 0, WRITER))   /* acq: pairs with rel and the full
                                                              * operations of the unlocks */
                                return true;
                } else if (cas(&rw->word, old, old | WRITER | QUEUED)) {
                        rw->leaving = readers_in(old);
                        return false;
                }
        }
}

static rni_noinline void lock_slow(struct rwmutex *rw) __asm__("rn_rwmutex_lock.slow");
static rni_noinline void lock_slow(struct rwmutex *rw)
{
        struct g *g = rt_enter()->g;
        struct waiter *w = &g->u.run.w;

        lock(rw);
        if (take_or_announce(rw)) {
                unlock(rw);
        } else {
                *w = (struct waiter){ .g = g, .obj = rw, .next = w };
                if (rw->last) {
                        w->next = rw->last->next;
                        rw->last->next = w;
                }
                rw->last = w;
                park(rw, WAIT_RWMUTEX_W);
        }
        rt_leave();
        san_write_begins(rw);
        rni_compiler_barrier();   /* as above */
}

void rn_rwmutex_lock(rn_rwmutex *mu)
{
        struct rwmutex *rw = inside(mu);

        /* Fast path: free. */
        if (unlikely(!cas_acq(&rw->word, 0, WRITER)))   /* acq: pairs with rel and the full
                                                         * operations of the unlocks */
                lock_slow(rw);
        else
                san_write_begins(rw);
}

bool rn_rwmutex_trylock(rn_rwmutex *mu)
{
        struct rwmutex *rw = inside(mu);

        if (load_rlx(&rw->word) == 0 &&   /* rlx: the CAS decides */
            cas_acq(&rw->word, 0, WRITER)) {   /* acq: as above */
                san_write_begins(rw);
                return true;
        }
        rni_budget(rni_m());   /* a loop of tries lets others run */
        return false;
}

static _Noreturn rni_cold void fatal_unlock(void)
{
        rni_m();
        rni_fatal("sync: Unlock of unlocked RWMutex");
}

/* The readers in the list, first come first. */
static void take_readers(struct rwmutex *rw, struct g_list *out)
{
        for (struct waiter *w = rw->readers; w; w = w->next) {
                w->g->next = out->head;
                if (!out->head)
                        out->tail = w->g;
                out->head = w->g;
                out->n++;
        }
        rw->readers = NULL;
}

/* All readers who wait may read; the first writer, if there is one, is the next. rw is locked, by
 * its writer. Nobody but the caller runs on before that lock is released. */
static void pass_on(struct rwmutex *rw, struct g_list *out)
{
        uint32_t n;

        take_readers(rw, out);
        if (rw->last) {
                n = readers_in(load_acq(&rw->word));   /* acq: as of this moment; later ones find
                                                        * WRITER and wait */
                rw->leaving = n;
                if (n == 0)
                        g_list_push(out, first_writer(rw));
        } else {
                n = readers_in(fetch_add(&rw->word, (AO_t)0 - WRITER));
        }
        rw->owed = n ? n - (uint32_t)out->n : 0;
}

static rni_noinline void unlock_slow(struct rwmutex *rw) __asm__("rn_rwmutex_unlock.slow");
static rni_noinline void unlock_slow(struct rwmutex *rw)
{
        struct g_list out = { NULL, NULL, 0 };
        bool write_locked;

        if (!(load_rlx(&rw->word) & WRITER))   /* rlx: the owner's */
                fatal_unlock();
        lock(rw);
        write_locked = rw->leaving == 0;
        if (write_locked)
                pass_on(rw, &out);
        unlock(rw);
        if (!write_locked)
                fatal_unlock();   /* others read, a writer waits */
        rni_ready_woken(&out);
        rni_compiler_barrier();   /* as above */
}

void rn_rwmutex_unlock(rn_rwmutex *mu)
{
        struct rwmutex *rw = inside(mu);

        san_release(rw);
        /* Fast path: nobody waits. */
        if (unlikely(!cas_rel(&rw->word, WRITER, 0)))   /* rel: pairs with acq and the full
                                                         * operations of the locks */
                unlock_slow(rw);
}
