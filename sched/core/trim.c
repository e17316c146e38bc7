/* SPDX-License-Identifier: MIT
 * Memory that a burst of goroutines leaves: stacks and descriptors that nobody needs go back to the
 * system, in slices, by Ms that have nothing to do.
 *
 * When all Ps are idle, at once, down to a rest that spares the next small burst its page faults.
 * Then, as long as some P is idle, period by period: what nobody wanted during a whole period goes,
 * down to the last one, and what idle Ps cache goes where the next period finds it; a P that was
 * busy just then gets its turn at the end of the next. So two or three seconds after its last burst
 * a process has given all back, and an idle one is woken no more. Where all Ps are always busy
 * nothing is given back: who is idle later does it.
 *
 * Invariant: what is given back was free for all to take until its trimmer took it off the list.
 * Caller: idle. */
#include "sched/core/sched.h"

#define sched rni_sched

static const int64_t period = 1000000000;
enum {
        NO_BURST = 128,   /* as few goroutines at the same time leave nothing that is worth waking
                           * up for */
        FEW_STACKS = 4, CACHED_STACKS = 4, CACHED_GS = 4   /* nor does that; each may be in a page
                                                            * of its own */
};
static a64 over_at;   /* when the period ends; 0: none has begun. Two who trim at the same time may
                       * both set it */

/* What idle Ps cache goes where others find it, and the end of the next period. False: there were
 * others, and what those cache is not known. */
static bool empty_caches(void)
{
        bool all;

        lock_acquire(&sched.lock, RANK_SCHED);
        for (struct p *p = sched.idle_p; p; p = p->idle_next) {
                if (p->stacks.n <= CACHED_STACKS && p->ngfree <= CACHED_GS)
                        continue;
                rni_stacks_from(p);
                rni_g_free_from(p);
        }
        all = load_rlx(&sched.nidle_p) == load_rlx(&sched.nprocs);   /* rlx: under the lock */
        lock_release(&sched.lock, RANK_SCHED);
        return all;
}

static bool much(bool cached)
{
        return cached ||
               (rni_gslab_count() > NO_BURST && (rni_stack_surplus() > FEW_STACKS ||
                                                 rni_small_surplus() > 0 || rni_g_surplus() > 0));
}

/* The end of a period. False: done. */
static bool trim_unused(int64_t now)
{
        bool stacks, small, gs, all;

        all = empty_caches();   /* first: what comes to the lists now has been there all the next
                                 * period */
        stacks = rni_stack_trim(true);
        small = rni_small_trim(true);
        gs = rni_g_trim(true);   /* a slice of each */
        if (stacks || small || gs)
                return true;
        rni_gq_trim();
        store_rlx(&over_at, much(!all) ? now + period : 0);   /* rlx: nothing else hangs on it */
        return false;
}

bool rni_trim(bool all_idle)
{
        int64_t over = load_rlx(&over_at), now;   /* rlx: as above */

        if (all_idle) {
                bool stacks = rni_stack_trim(false), small = rni_small_trim(false),
                     gs = rni_g_trim(false);

                if (stacks || small || gs)
                        return true;
        }
        if (over == 0)
                return false;
        now = rni_clock();
        return now >= over && trim_unused(now);
}

int64_t rni_trim_at(void)
{
        int64_t over = load_rlx(&over_at);   /* rlx: as above */

        if (over == 0) {
                if (!much(false))
                        return TIMER_NEVER;
                over = rni_clock() + period;
                store_rlx(&over_at, over);   /* rlx: as above */
        }
        return over;
}
