/* SPDX-License-Identifier: MIT
 * Making the Ms stand still, so that a dump may walk parked stacks. Nobody is interrupted: an M in
 * user code runs on until it enters the runtime or switches; it cannot resume another goroutine
 * without passing one of those points, and that is all a dump needs.
 *
 *        M entering          freezer
 *        in_rt = 1           stop |= 1
 *        light fence         heavy fence
 *        reads stop          reads in_rt
 *
 * Either the M sees stop & 1 and stops, or the freezer sees in_rt == 1 and waits until the M leaves
 * or stops. The bug would be that both read the old value; the heavy fence makes it impossible
 * (sched/os fence). A new M starts with in_rt == 1 and stop & 1 (m.c): one that the freezer did not
 * find in all_m, or found still dead, was started after frozen was set, and sees it. An M stops
 * with no lock held: at the entry, before a switch, or when it wakes.
 *
 * frozen counts: odd while the world is frozen, another number each time, and an M that stands
 * still says for which. So the freezer that comes next does not take an M for still that was let go
 * and has not been scheduled since: it waits until that M has come to its next point. Each M thus
 * makes a step between two dumps, and who dumps in a loop until others have moved sees them move.
 * stop goes back by the freezer, before it lets go. An M takes its own back only while nothing is
 * frozen (it was new), and looks at frozen once more after that.
 *
 * Whether an M has a P does not matter here, and sysmon may take one meanwhile: the M that it is
 * given to stops before it resumes anything. */
#include "sched/core/sched.h"

#define sched rni_sched

enum { DYING_TRIES = 1000 };

static bool is_frozen(uint32_t era)
{
        return era & 1;
}

void rni_m_stop(struct m *m)
{
        uint32_t era = load_acq(&sched.frozen);   /* acq: pairs with rel in rni_thaw */

        if (!is_frozen(era)) {
                m_stop_clear(m, STOP_FREEZE);
                /* If this came over a new freezer's stop |= 1, then its frozen, which is older, is
                 * seen below. */
                era = load_rlx(&sched.frozen);   /* rlx: ordered by the CAS of stop; pairs with the
                                                  * CAS of frozen in rni_freeze */
                if (!is_frozen(era))
                        return;
        }
        store_rel(&m->stopped, era);   /* rel: pairs with acq in m_still */
        while (load_acq(&sched.frozen) == era)   /* acq: pairs with rel in rni_thaw */
                rni_futex_wait(&sched.frozen, era);
}

static bool m_still(struct m *m, uint32_t era)
{
        return load_acq(&m->in_rt) == 0 ||   /* acq: pairs with rel in rt_leave, m_sleep */
               load_acq(&m->stopped) == era;   /* acq: pairs with rel in rni_m_stop */
}

/* The era that is ours. Somebody else dumps: we stand still for them first, unless we die, and then
 * theirs will do. */
static uint32_t begin_era(struct m *self, bool dying)
{
        for (;;) {
                uint32_t era = load_rlx(&sched.frozen);   /* rlx: the CAS decides */

                if (!is_frozen(era) && cas(&sched.frozen, era, era + 1))
                        return era + 1;
                if (is_frozen(era) && dying)
                        return era;
                if (is_frozen(era))
                        rni_m_stop(self);
        }
}

void rni_freeze(bool dying)
{
        struct m *self = rni_self(), *m;
        uint32_t era = begin_era(self, dying);
        unsigned tries = 0;

        for (m = sched.all_m; m; m = m->all_next)
                if (m != self)
                        m_stop_set(m, STOP_FREEZE);
        rni_fence_heavy();   /* light side: rt_enter and every switch point */
        for (m = sched.all_m; m; m = m->all_next)
                while (m != self && !m_still(m, era)) {
                        if (++tries > DYING_TRIES && dying)
                                return;   /* it may wait for a lock that the dying thread holds */
                        rni_cpu_wait(tries);
                }
}

void rni_thaw(void)
{
        for (struct m *m = sched.all_m; m; m = m->all_next)
                m_stop_clear(m, STOP_FREEZE);
        store_rel(&sched.frozen, load_rlx(&sched.frozen) + 1);   /* rel: pairs with acq in
                                                                  * rni_m_stop; rlx: ours */
        rni_futex_wake(&sched.frozen, INT32_MAX);
}
