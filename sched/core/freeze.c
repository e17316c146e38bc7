/* SPDX-License-Identifier: MIT
 * Making the Ms stand still, so that a dump may walk parked stacks. Nobody is interrupted: an M in user code runs on until it enters the runtime
 * or switches; it cannot resume another goroutine without passing one of those points, and that is all a dump needs.
 *
 *   M entering:   in_rt = 1;  light fence;  reads stop        freezer:  stop = 1;  heavy fence;  reads in_rt
 *
 * Either the M sees stop == 1 and stops, or the freezer sees in_rt == 1 and waits until the M leaves or stops. The bug would be that both read the old
 * value; the heavy fence makes it impossible (sched/os fence). A new M starts with in_rt == 1 and stop == 1 (m.c): one that the freezer did not find in all_m, or found still dead, was
 * started after frozen was set, and sees it. An M stops with no lock held: at the entry, before a switch, or when it wakes.
 *
 * Whether an M has a P does not matter here, and sysmon may take one meanwhile: the M that it is given to stops before it resumes anything. */
#include "sched/core/sched.h"

#define sched rni_sched

enum { DYING_TRIES = 1000 };

void rni_m_stop(struct m *m)
{
        do {
                store_rel(&m->stopped, 1);   /* rel: pairs with acq in m_still */
                while (load_acq(&sched.frozen))   /* acq: pairs with rel in rni_thaw */
                        rni_futex_wait(&sched.frozen, 1);
                store_rlx(&m->stop, 0);   /* rlx: ordered by the fence */
                store_rlx(&m->stopped, 0);   /* rlx: ordered by the fence */
                /* If this stop = 0 came over a new freezer's stop = 1, then its frozen = 1, which is older, is seen below. */
                fence_full();   /* pairs with the CAS of frozen in rni_freeze */
        } while (load_rlx(&sched.frozen));   /* rlx: ordered by the fence */
}

static bool m_still(struct m *m)
{
        return load_acq(&m->in_rt) == 0 || load_acq(&m->stopped);   /* acq: pair with rel in rt_leave, m_sleep, rni_m_stop */
}

void rni_freeze(bool dying)
{
        struct m *self = rni_self(), *m;
        int tries = 0;

        while (!cas(&sched.frozen, 0, 1)) {   /* somebody else dumps: we stand still for them first */
                if (dying)
                        break;
                rni_m_stop(self);
        }
        for (m = sched.all_m; m; m = m->all_next)
                if (m != self)
                        store_rlx(&m->stop, 1);   /* rlx: ordered by the heavy fence */
        rni_fence_heavy();   /* light side: rt_enter and every switch point */
        for (m = sched.all_m; m; m = m->all_next)
                while (m != self && !m_still(m)) {
                        if (dying && ++tries > DYING_TRIES)
                                return;   /* it may wait for a lock that the dying thread holds */
                        rni_cpu_yield();
                }
}

void rni_thaw(void)
{
        store_rel(&sched.frozen, 0);   /* rel: pairs with acq in rni_m_stop */
        rni_futex_wake(&sched.frozen, INT32_MAX);
}
