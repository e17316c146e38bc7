/* SPDX-License-Identifier: MIT
 * Time for goroutines: now, deadlines, sleep. A sleep is a wait whose only waker is its timer. */
#include <runnel/time.h>

#include "sched/core/sched.h"

rn_time rn_now(void)
{
        const struct m *m;

        rni_sim_place();   /* it may be asked in a loop */
        m = rni_self();
        return likely(!m) ? rni_clock() : rni_now(m);
}

rn_time rn_deadline(rn_dur d)
{
        rn_time now = rni_now(rni_m());

        if (d <= 0)
                return now;
        return d > RN_NEVER - now ? RN_NEVER : now + d;
}

void rn_sleep_until(rn_time t)
{
        struct m *m;

        if (t <= rni_now(rni_m()))
                return;
        m = rt_enter();
        rni_claim_begin(m->g);
        rni_park_until(rni_commit_nothing, NULL, WAIT_SLEEP, t);
        rt_leave();
}

void rn_sleep(rn_dur d)
{
        if (d > 0)
                rn_sleep_until(rn_deadline(d));
}
