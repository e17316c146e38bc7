/* SPDX-License-Identifier: MIT
 * "all goroutines are asleep - deadlock!": declared when no M runs, nothing is runnable, nobody
 * waits for a descriptor, no timer is left that could make a goroutine run, and no thread could
 * still come and change that. Threads of the process that are neither Ms nor parked in this library
 * could; if only they stand against it, the verdict is looked at again after 1 s, then up to every
 * 10 s, by the keeper (idle.c): the one wait with a timeout that is no deadline of the user's.
 * Called with every step of an M, or of a plain thread, into sleep. */
#include "sched/core/boot.h"
#include "sched/core/hook.h"
#include "sched/core/netpoll.h"
#include "sched/core/sched.h"

#define sched rni_sched

#define FIRST_PAUSE INT64_C(1000000000)
#define LAST_PAUSE  INT64_C(10000000000)

static bool anything_to_come(void)
{
        if (load_rlx(&sched.gq_n) || rni_net_awaited())   /* rlx: under the lock */
                return true;
        for (unsigned i = 0; i < load_rlx(&sched.np); i++) {   /* rlx: under the lock */
                struct p *p = sched.allp[i];

                if (!rni_runq_empty(&p->runq))
                        return true;
                if (rni_timers_awaited(&p->timers))
                        return true;
        }
        return false;
}

/* Threads that may still call us. Those known to be in user code are cheaper to see than to
 * count. */
static bool other_threads(void)
{
        size_t known = sched.nm + sched.nforeign_parked +
                       load_rlx(&rni_boot_helpers);   /* rlx: who starts one is not idle */

        return sched.nforeign > sched.nforeign_parked || rni_task_count() > known;
}

bool rni_deadlock_possible(void)
{
        if (sched.nidle_m != sched.nm || sched.sysmon_fires || rni_quit_asked() ||
            anything_to_come())
                return false;
        if (rni_g_count() == 0 && sched.nforeign_parked == 0 &&
            !load_rlx(&sched.main_exited))   /* rlx: nobody runs */
                return false;   /* nobody waits */
        if (!other_threads())
                return true;
        sched.deadlock_pause = sched.deadlock_pause ? sched.deadlock_pause * 2 : FIRST_PAUSE;
        if (sched.deadlock_pause > LAST_PAUSE)
                sched.deadlock_pause = LAST_PAUSE;
        sched.deadlock_at = rni_clock() + sched.deadlock_pause;
        rni_keeper_look();
        return false;
}

void rni_deadlock_look(void)
{
        bool dead;

        lock_acquire(&sched.lock, RANK_SCHED);
        dead = rni_deadlock_possible();
        lock_release(&sched.lock, RANK_SCHED);
        if (dead)
                rni_deadlock_report();
}

void rni_deadlock_report(void)
{
        struct rni_out o;

        rni_die_begin();
        rni_out_init(&o, 2);
        if (load_rlx(&sched.main_exited) && rni_g_count() == 0)   /* rlx: nobody runs */
                rni_out_fmt(&o, "fatal error: no goroutines (main called rn_exit) - deadlock!\n");
        else
                rni_out_fmt(&o, "fatal error: all goroutines are asleep - deadlock!\n");
        rni_hook_dump(&o, 1);
        rni_foreign_report(&o);
        rni_out_flush(&o);
        rni_die_end();
}
