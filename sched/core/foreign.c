/* SPDX-License-Identifier: MIT
 * Plain threads as full citizens. A thread's first call gives it a struct m with foreign set and a
 * stand-in G inside; it waits in the same queues as goroutines, on a futex instead of a switch, and
 * hands what it readies to the global queue, since it holds no P. The struct goes when the thread
 * ends.
 *
 * Invariant: a waker's last access to a stand-in is the store to m->park; the futex call after it
 * uses the address only, which may be gone by then: a wake of an unmapped or reused address is
 * harmless, since every futex wait here looks at its word again. */
#include <stdlib.h>

#include "sched/base/rand.h"
#include "sched/core/boot.h"
#include "sched/core/sched.h"

#define sched rni_sched

static struct m *newest;   /* sched.lock: all that are counted in nforeign, by idle_next and
                            * idle_prev */

static void thread_gone(void *arg)
{
        struct m *m = arg;

        if (!rni_self())
                return;   /* in the child of a fork */
        rni_self_set(NULL);
        lock_acquire(&sched.lock, RANK_SCHED);
        sched.nforeign--;
        *(m->idle_prev ? &m->idle_prev->idle_next : &newest) = m->idle_next;
        if (m->idle_next)
                m->idle_next->idle_prev = m->idle_prev;
        lock_release(&sched.lock, RANK_SCHED);
        free(m);
}

void rni_foreign_init(struct m *m)
{
        void *lo, *hi;

        m->foreign = true;
        m->budget = BUDGET;
        m->park_until = TIMER_NEVER;
        m->tid = rni_thread_id();
        m->errnop = rni_thread_errno();
        m->rand = rni_rand_seed((uint64_t)m->tid);
        rni_thread_stack(&lo, &hi);
        m->self_stack.lo = m->self_stack.floor = lo;
        m->self_stack.hi = hi;
        m->self_g.flags = GF_FOREIGN;
        m->self_g.stack = &m->self_stack;
        m->self_g.state = G_RUNNING;
        m->g = &m->self_g;
}

struct m *rni_foreign_new(void)
{
        struct m *m = calloc(1, sizeof *m);

        if (!m)
                rni_fatal("out of memory for a thread's descriptor");
        if (rni_thread_on_exit(thread_gone, m) != 0)
                rni_fatal("out of memory for a thread's descriptor: its end could not be noted");
        rni_foreign_init(m);
        lock_acquire(&sched.lock, RANK_SCHED);
        sched.nforeign++;
        m->idle_next = newest;
        if (newest)
                newest->idle_prev = m;
        newest = m;
        lock_release(&sched.lock, RANK_SCHED);
        rni_self_set(m);
        return m;
}

void rni_foreign_park(struct m *m, rni_commit *commit, void *arg, enum wait_reason reason)
{
        struct g *g = m->g;
        int64_t until = m->park_until;

        (void)reason;
        m->park_until = TIMER_NEVER;
        store_rlx(&m->park, PARK_ASLEEP);   /* rlx: published by commit */
        store_rlx(&g->state, G_WAITING);   /* rlx: published by commit */
        m->park_counted = until == TIMER_NEVER;
        if (m->park_counted) {
                lock_acquire(&sched.lock, RANK_SCHED);
                sched.nforeign_parked++;
                lock_release(&sched.lock, RANK_SCHED);
        }
        commit(g, arg);
        rni_deadlock_look();
        while (load_acq(&m->park) == PARK_ASLEEP) {   /* acq: pairs with rel in rni_foreign_wake */
                AO_t wait = load_rlx(&g->claim);   /* rlx: own wait */

                if (rni_futex_wait_until(&m->park, PARK_ASLEEP, until))
                        continue;
                if (!(wait & 1) && cas(&g->claim, wait, wait | 1)) {   /* we are our own timer */
                        g->u.run.fired = NULL;
                        break;
                }
                until = TIMER_NEVER;   /* somebody else won: the wake is on its way */
        }
        store_rlx(&g->state, G_RUNNING);   /* rlx: own again */
}

void rni_foreign_wake(struct g *g)
{
        struct m *m = container_of(g, struct m, self_g);

        /* Only a park without a deadline was counted: whoever parks with one wakes by itself. */
        if (m->park_counted) {
                lock_acquire(&sched.lock, RANK_SCHED);
                sched.nforeign_parked--;
                lock_release(&sched.lock, RANK_SCHED);
        }
        store_rel(&m->park, PARK_WOKEN);   /* rel: the value is written; pairs with acq in
                                            * rni_foreign_park */
        rni_futex_wake(&m->park, 1);
}

/* No stack: what a thread's registers are while it is in the kernel only it knows. */
void rni_foreign_report(struct rni_out *o)
{
        for (const struct m *m = newest; m; m = m->idle_next)
                rni_out_fmt(o, "\nthread %d [%s]:\n", m->tid, rni_wait_text(m->self_g.reason));
}
