/* SPDX-License-Identifier: MIT
 * How a P changes hands: taken from the idle list, given up, handed off, and retaken from an M
 * whose goroutine sits in C code. The model is docs/design/retake.pml, which finds the bug when any
 * of the rules below is undone; docs/design/retake.md draws the interleaving.
 *
 * m->retake:
 *
 *            sysmon: CAS                     sysmon: CAS, after it has seen in_rt == 0
 *   NOT ---------------------> ASKED --------------------------------------------------> GONE
 *    ^ ^    M, entering: CAS     |                                                        | ^
 *    | '-------------------------'                                                        | |
 *    '--------- M, inside, has got a P: rni_p_take <--------------------------------------' |
 *   NOT, ASKED --------- M, inside, gives its P up: rni_p_leave ----------------------------'
 *
 *        M entering          sysmon
 *        in_rt = 1           retake = ASKED
 *        light fence         heavy fence
 *        reads retake        reads in_rt
 *
 * The bug would be an M that uses a P which sysmon has taken. Why it cannot:
 *   1. Both reading the old value is impossible because of the heavy fence. So an M that enters
 *      after sysmon has read in_rt == 0 sees ASKED, and its CAS and sysmon's second one decide.
 *   2. Sysmon asks by CAS: a store could come over a GONE that the M has just written, and the
 *      second CAS would then take a P from an M that has none, or its next one.
 *   3. The P taken is m->p as it is after the second CAS. The M may have changed it since sysmon
 *      looked.
 *   4. The second CAS and the move of m->p are one step to the M: both are under sched.lock, and an
 *      M that finds GONE takes that lock before it looks at m->p or takes a P.
 *   5. Only one thread asks. Two could: the first reads in_rt == 0, the M takes the question back
 *      and goes on, the second asks again, and the first's CAS succeeds while the M is inside.
 *   6. in_rt is 0 only when the M is out: enter and leave do not nest.
 *   7. A P is given up with GONE before the M leaves, so GONE is the only sign of having none.
 * What the M has done to the P is seen by who gets it: in_rt = 0 is a release, sysmon's look at it
 * an acquire, and sched.lock or the start of a thread passes it on.
 *
 * Where there is no membarrier both fences are full ones (sched/os/fence.c), and the argument is
 * the same. */
#include "sched/core/sched.h"

#define sched rni_sched

void rni_p_take(struct m *m, struct p *p)
{
        rni_turn_shorten(m);
        m->p = p;
        store_rlx(&p->m, aptr(m));   /* rlx: a hint for sysmon */
        store_rlx(&p->tick, load_rlx(&p->tick) + 1);   /* rlx: the holder's; a slice begins */
        m->runnext_runs = 0;
        m->chain_start = 0;
        store_rel(&m->retake, RETAKE_NOT);   /* rel: m->p is set; pairs with the CASes in
                                              * rni_retake */
}

struct p *rni_p_leave(struct m *m)
{
        struct p *p = m->p;

        rni_assert(load_rlx(&m->in_rt));   /* rlx: own word */
        m->p = NULL;
        store_rlx(&p->m, 0);   /* rlx: a hint for sysmon */
        store_rlx(&m->retake, RETAKE_GONE);   /* rlx: published by rel in rt_leave; a question that
                                               * is open has its answer */
        return p;
}

/* -- the M's side -- */

/* A question, if it is open, is taken back. False: the P is gone. */
static bool still_ours(struct m *m)
{
        unsigned word = load_rlx(&m->retake);   /* rlx: the CAS decides */

        return word == RETAKE_NOT ||
               (word == RETAKE_ASKED && cas(&m->retake, RETAKE_ASKED, RETAKE_NOT));
}

static void lock_behind_sysmon(struct m *m)
{
        lock_acquire(&sched.lock, RANK_SCHED);   /* rule 4 */
        rni_assert(m->p == NULL);
        store_rlx(&m->alone, 0);   /* rlx: under the lock; a hint outside */
}

static struct p *idle_p(struct m *m)
{
        struct p *p;

        lock_behind_sysmon(m);
        p = rni_idle_p_get();
        lock_release(&sched.lock, RANK_SCHED);
        return p;
}

rni_cold struct m *rni_enter_slow(struct m *m)
{
        int err = *m->errnop;
        struct p *p;

#ifdef RNI_DEBUG
        rni_assert(m->nlocks == 0);   /* we may wait for a P */
#endif
        if (load_rlx(&m->stop) & STOP_FREEZE)   /* rlx: ordered by the heavy fence of rni_freeze */
                rni_m_stop(m);
        if (m->sim) {
                rni_sim_point(m);
        } else if (!still_ours(m)) {
                p = idle_p(m);
                if (p) {
                        rni_p_take(m, p);
                        rni_fence_light();   /* heavy side: doze in sysmon.c */
                        if (load_rlx(&sched.nidle_p) == 0)   /* rlx: ordered by the fences */
                                rni_sysmon_need();
                } else {
                        rni_wait_for_p(m);
                        m = rni_self();
                }
        }
        *m->errnop = err;
        return m;
}

rni_cold void rni_enter_slow_locked(struct m *m)
{
        if (m->sim || still_ours(m))
                return;
        lock_behind_sysmon(m);
        lock_release(&sched.lock, RANK_SCHED);
}

rni_cold void rni_leave_slow(struct m *m)
{
        rni_sim_point(m);
}

/* -- sysmon's side -- */

struct p *rni_retake(struct m *m, bool computes)
{
        struct p *p = NULL;

        if (!cas(&m->retake, RETAKE_NOT, RETAKE_ASKED) &&
            load_rlx(&m->retake) != RETAKE_ASKED)   /* rlx: asked before, and not seen yet; only we
                                                     * ask */
                return NULL;
        rni_fence_heavy();   /* light side: rt_enter */
        if (load_acq(&m->in_rt) != 0)   /* acq: what it did to its P is over; pairs with rel in
                                         * rt_leave */
                return NULL;
        lock_acquire(&sched.lock, RANK_SCHED);
        if (cas(&m->retake, RETAKE_ASKED, RETAKE_GONE)) {
                p = m->p;
                m->p = NULL;
                store_rlx(&p->m, 0);   /* rlx: a hint for ourselves */
                store_rlx(&m->alone, 1);   /* rlx: a hint for ourselves */
                if (computes)
                        rni_turn_lengthen(m);
                fetch_add(&sched.nretakes, 1);
        }
        lock_release(&sched.lock, RANK_SCHED);
        return p;
}

/* -- a P that nobody holds -- */

static bool something_to_do(const struct p *p)
{
        return !rni_runq_empty(&p->runq) ||
               load_acq(&sched.gq_n) ||   /* acq: pairs with rel in rni_gq_put */
               rni_timers_min(&p->timers) <= rni_clock();
}

/* If there is nothing to do, the P goes as that of an M that looks in vain: to the idle list, heavy
 * fence, and one more look (idle.c). Its timers are the keeper's or sysmon's. */
void rni_hand_off(struct p *p)
{
        if (p->id >= (int)load_rlx(&sched.nprocs)) {   /* rlx: seen sooner or later */
                rni_p_drain(p);
        } else if (something_to_do(p)) {
                rni_m_start(p, false);
                return;
        }
        lock_acquire(&sched.lock, RANK_SCHED);
        rni_idle_p_put(p);
        rni_keeper_wanted();
        lock_release(&sched.lock, RANK_SCHED);
        rni_fence_heavy();   /* light side: rni_wake_p */
        if (rni_work_anywhere())
                rni_wake_p();
}
