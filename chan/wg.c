/* SPDX-License-Identifier: MIT
 * WaitGroup: one word {counter, flags} and a list of waiters.
 *
 *   word = counter << SHIFT | WAITERS | LOCK        w_[1] = waiters, newest first, under LOCK
 *
 *                 add, done              last done               store 0, then ready all
 *   {n, flags} <------------> {m, flags} ---------> {0, flags} ------------------------> {0, 0}
 *                                             (flags != 0: takes LOCK, detaches the list)
 *
 * The word may lie on a waiter's stack and be gone the moment wait returns. So wait returns only
 * when the whole word is 0, on its fast path too, and the last done's final access is the store of
 * 0, after which it readies what it has detached. The bug would be a done that decrements, sees
 * waiters, and looks into the object after a second waiter has seen counter 0 on the fast path and
 * returned: the second waiter sees flags, which only the store of 0 clears.
 *
 * LOCK is taken only inside the runtime (entered) and never across a stop. */
#include "chan/wg.h"

#include "sched/core/panic.h"
#include "sched/core/sched.h"

enum { LOCK = 1, WAITERS = 2, FLAGS = 0xff, SHIFT = 8, SPINS = 100 };
#define SIGN ((AO_t)1 << (sizeof(AO_t) * 8 - 1))

struct wg {
        aword word;
#if __SIZEOF_POINTER__ == 4
        uint32_t pad;
#endif
        struct waiter *waiters;
};
_Static_assert(sizeof(struct wg) <= sizeof(rn_wg), "fits");
_Static_assert(FLAGS == 0xff && SHIFT == 8 && offsetof(struct wg, word) == 0 &&
                       sizeof(AO_t) == sizeof(uintptr_t),
               "rn_wg_add_ in <runnel/sync.h>");

static struct wg *inside(rn_wg *wg)
{
        return (struct wg *)(void *)wg;
}

static intptr_t counter(AO_t word)
{
        return (intptr_t)word >> SHIFT;
}

/* The holder of the bit is a few instructions from its release, unless it lost its processor. */
static void back_off(unsigned *tries)
{
        if (++*tries < SPINS)
                cpu_relax();
        else
                rni_cpu_wait(*tries - SPINS + 1);
}

/* -- the last done; entered -- */

static void lock_word(struct wg *wg)
{
        unsigned tries = 0;

        for (;;) {
                AO_t old = load_rlx(&wg->word);   /* rlx: the CAS decides */

                if (!(old & LOCK) &&
                    cas_acq(&wg->word, old, old | LOCK))   /* acq: pairs with the full fetch_add in
                                                            * commit_wait */
                        return;
                back_off(&tries);
        }
}

static void release_waiters(struct wg *wg)
{
        struct g_list woken = { NULL, NULL, 0 };
        struct waiter *w, *next;

        lock_word(wg);
        w = wg->waiters;
        wg->waiters = NULL;
        store_rel(&wg->word, 0);   /* rel: our last access to *wg; pairs with acq in rn_wg_wait */
        for (; w; w = next) {
                next = w->next;
                w->g->u.run.fired = w;
                w->g->next = woken.head;   /* newest first becomes first come first */
                if (!woken.tail)
                        woken.tail = w->g;
                woken.head = w->g;
                woken.n++;
        }
        rni_ready_list(&woken);
}

/* What an add of n that made new of old means beyond that, if a flag is set or new is negative.
 * True: the counter came to 0 and somebody may wait. */
static rni_noinline bool after_add(struct wg *wg, intptr_t n, AO_t old)
{
        AO_t change = (AO_t)n << SHIFT;

        if (counter(old + change) < 0) {
                fetch_add(&wg->word, (AO_t)0 - change);   /* a caught panic leaves it as it was */
                rni_runtime_panic("sync: negative WaitGroup counter");
        }
        if (n > 0 && counter(old) == 0 && (old & WAITERS))
                rni_runtime_panic("sync: WaitGroup misuse: Add called concurrently with Wait");
        return counter(old + change) == 0 && (old & FLAGS) != 0;
}

static inline bool plain_add(AO_t old, intptr_t n)
{
        return likely(((old & FLAGS) | ((old + ((AO_t)n << SHIFT)) & SIGN)) == 0);
}

static inline AO_t add(struct wg *wg, intptr_t n)
{
        if (n < 0)
                san_release(wg);
        return fetch_add(&wg->word, (AO_t)n << SHIFT);
}

/* Somebody waits, or the counter is negative now. */
rni_noinline void rn_wg_added_(rn_wg *wg, intptr_t n, uintptr_t old)
{
        if (after_add(inside(wg), n, old)) {
                rt_enter();
                release_waiters(inside(wg));
                rt_leave();
        }
}

/* Fast path of these two: nobody waits. <runnel/sync.h> has it a second time, inline. */
void (rn_wg_add)(rn_wg *wg, int n)
{
        AO_t old = add(inside(wg), n);

        if (!plain_add(old, n))
                rn_wg_added_(wg, n, old);
}

void (rn_wg_done)(rn_wg *wg)
{
        (rn_wg_add)(wg, -1);
}

/* -- wait -- */

/* Sets WAITERS and clears LOCK, while adds and dones go on. */
static void commit_wait(struct g *g, void *arg)
{
        struct wg *wg = arg;
        AO_t set = load_rlx(&wg->word) & WAITERS;   /* rlx: only LOCK's holder changes WAITERS */

        (void)g;
        fetch_add(&wg->word, set ? (AO_t)-LOCK : (AO_t)(WAITERS - LOCK));
}

static rni_noinline void wait_slow(struct wg *wg)
{
        struct m *m = rt_enter();
        unsigned tries = 0;

        for (;;) {
                AO_t old = load_acq(&wg->word);   /* acq: pairs with rel in release_waiters */

                if (old == 0)
                        break;
                if (counter(old) > 0 && !(old & LOCK) &&
                    cas_acq(&wg->word, old, old | LOCK)) {   /* acq: as in lock_word */
                        struct waiter *w = &m->g->u.run.w;

                        *w = (struct waiter){ .g = m->g, .obj = wg, .next = wg->waiters };
                        wg->waiters = w;
                        rni_park(commit_wait, wg, WAIT_WG_WAIT);
                        break;
                }
                back_off(&tries);
        }
        rt_leave();
}

void rn_wg_wait(rn_wg *wg)
{
        rni_m();
        if (load_acq(&inside(wg)->word) != 0)   /* acq: pairs with rel in release_waiters and the
                                                 * full fetch_add in add */
                wait_slow(inside(wg));
        san_acquire(wg);
        rni_compiler_barrier();   /* no tail call above: a dump is to name this function */
}

/* -- go -- */

void rni_wg_done_entered(rn_wg *wg)
{
        AO_t old = add(inside(wg), -1);

        if (!plain_add(old, -1) && after_add(inside(wg), -1, old))
                release_waiters(inside(wg));
}

/* Runs as the goroutine ends, entered; a panic that nobody caught has ended the process before. */
static void done_at_exit(void *arg, intptr_t result)
{
        (void)result;
        rni_wg_done_entered(arg);
}

void rn_wg_spawn(rn_wg *wg, const struct rn_call *call)
{
        rn_wg_add(wg, 1);
        if (unlikely(rni_spawn_call(call, done_at_exit, wg) != 0)) {
                rn_wg_done(wg);
                rni_spawn_refused();
        }
}
