/* SPDX-License-Identifier: MIT
 * The life of an M: started for a P that has work and no thread, idle in between (idle.c), ended
 * when there are too many idle ones. Its descriptor outlives the thread and serves a later one:
 * sysmon and a freeze read all_m without a lock.
 *
 *                  rni_m_start: linked, counted             thread runs
 *   (none), DEAD ------------------------------> STARTING ---------------> looks for work, runs
 *             ^                                                            Gs, sleeps (idle.c)
 *             |                                                               |
 *             |                       idle for LINGER, and surplus: uncounted |
 *             '------------------------------ m_gone -------------------------'
 *
 * Without a thread the P would lie idle beside its work until somebody else comes by, who may sit
 * in C code for ever: that no thread is to be had is the end, as it is in Go.
 *
 * STARTING has in_rt == 1 and stop == 1, so a freezer waits for it, and it looks at frozen before
 * anything else (freeze.c). retake is RETAKE_GONE from the start until it takes its P. The bug
 * would be that a descriptor is taken from dead_m while its last thread still uses it: m_gone puts
 * it there as the thread's last access, under the lock under which it is taken. */
#include <stdlib.h>

#include "sched/base/rand.h"
#include "sched/core/hook.h"
#include "sched/core/sched.h"

enum { M_STACK = 256 * 1024 };

#define sched rni_sched

/* -- on the M's own thread -- */

static void m_gone(struct m *m)
{
        rni_self_set(NULL);
        lock_acquire(&sched.lock, RANK_SCHED);
        m->tid = 0;
        m->idle_next = sched.dead_m;
        sched.dead_m = m;
        lock_release(&sched.lock, RANK_SCHED);
}

static void *m_main(void *arg)
{
        struct m *m = arg;

        rni_self_set(m);
        m->tid = rni_thread_id();
        m->rand = rni_rand_seed((uint64_t)m->tid);
        m->errnop = rni_thread_errno();
        san_errno(m->errnop);
        rni_thread_slack();
        m->turn = rni_turn_begin();
        rni_thread_altstack();
#if RNI_ASAN
        void *lo, *hi;

        rni_thread_stack(&lo, &hi);
        m->g0_stack.lo = m->g0_stack.floor = lo;
        m->g0_stack.hi = hi;
#endif
#if RNI_TSAN
        m->g0_stack.san_fiber = __tsan_get_current_fiber();
#endif
        rni_m_first(m);
        rni_g0_loop();
        m_gone(m);
        return NULL;
}

/* -- starting one -- */

/* sched.lock held. What others may read without it, and the links, are not zeroed in a used one. */
static struct m *m_get(void)
{
        struct m *m = sched.dead_m;

        if (m) {
                sched.dead_m = m->idle_next;
                return m;
        }
        m = aligned_alloc(RNI_APART, (sizeof *m + RNI_APART - 1) / RNI_APART * RNI_APART);
        if (m) {
                *m = (struct m){ .retake = RETAKE_GONE };
                m->all_next = sched.all_m;
                sched.all_m = m;
        }
        return m;
}

/* sched.lock held. */
static struct m *m_new(struct p *p, bool spinning)
{
        struct m *m = m_get();

        if (!m)
                return NULL;
        m->nextp = p;
        m->spinning = spinning;
        m->budget = BUDGET;
        store_rlx(&m->stop, STOP_FREEZE);   /* rlx: starting a thread is a full barrier */
        store_rlx(&m->in_rt, 1);   /* rlx: as above */
        sched.nm++;
        return m;
}

/* An M that did not come to be stands still: whoever dies waits for all others. */
static void m_run(struct m *m)
{
        int err = rni_thread_start(m_main, m, M_STACK, false);

        if (likely(err == 0))
                return;
        store_rel(&m->in_rt, 0);   /* rel: pairs with acq in rni_freeze */
        rni_fatal("cannot start a thread to run goroutines on: error %d (%u exist)", -err,
                  sched.nm - 1);
}

static _Noreturn rni_cold void too_many(void)
{
        struct rni_out o;

        rni_die_begin();
        rni_out_init(&o, 2);
        rni_out_fmt(&o,
                    "runtime: program exceeds %u-thread limit\nfatal error: thread exhaustion\n\n",
                    sched.max_m);
        rni_fatal_who(&o);
        rni_hook_trace(&o);
        rni_out_flush(&o);
        rni_die_end();
}

void rni_m_start(struct p *p, bool spinning)
{
        struct m *m = NULL;
        bool idle, full = false;

        lock_acquire(&sched.lock, RANK_SCHED);
        sched.deadlock_at = TIMER_NEVER;
        sched.deadlock_pause = 0;
        idle = rni_idle_m_give(p, spinning);
        if (!idle)
                full = sched.nm >= sched.max_m;
        if (!idle && !full)
                m = m_new(p, spinning);
        lock_release(&sched.lock, RANK_SCHED);
        if (full)
                too_many();
        if (idle)
                return;
        if (unlikely(!m))
                rni_fatal("out of memory for a thread to run goroutines on");
        m_run(m);
}
