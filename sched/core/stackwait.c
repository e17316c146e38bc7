/* SPDX-License-Identifier: MIT
 * Fresh Gs that find no stack. Each descriptor has a slot for a stack (mem/gslab.h), so no more Gs
 * live than there are, and for one that finds none a stack lies free somewhere: in the cache of
 * another P, or on its way there from a G that ends. It waits in stack_queue, under sched.lock, and
 * whoever has stacks to spare brings them:
 *
 *   a P that is idle          at once: who begins to wait empties its cache
 *   a P that goes idle        rni_idle_p_put empties its cache. Both are under sched.lock, so one
 *                             of the two sees the other
 *   a P that is held          its holder, when a goroutine ends, when it looks for work, and every
 *                             61st pick; sysmon retakes it from C code as if a G waited for it,
 *                             and then it goes idle or to a holder that looks
 *   a thread without a P      puts the stack of a G that ends on the global list, where the waiter
 *                             may have looked already: the fences below
 *
 *        ending                       waiter
 *        stack to the list            stack_waiters++
 *        light fence                  heavy fence
 *        reads stack_waiters          looks at the list again
 *
 * The bug would be a stack that stays in a cache while its P's holder is asleep or never comes back
 * to the scheduler, and all others wait for the waiter; or two waiters that find each other's
 * stacks in their Ps' caches in turn. While stacks are scarce none is cached that did not end there
 * (stack.c), and who brings some wakes no more waiters than that.
 *
 * Callers: spawn, idle, sched, sysmon. */
#include "sched/core/sched.h"

#define sched rni_sched

static void count_waiters(void)
{
        unsigned n = (unsigned)sched.stack_queue.n;

        store_rlx(&sched.stack_waiters, n);   /* rlx: ordered by the fences, or under the lock */
}

/* n stacks have come to where all find them; sched.lock held. */
static void serve(size_t n)
{
        struct g_list l = { NULL, NULL, 0 };
        struct g *g;

        while (l.n < n && (g = g_list_pop(&sched.stack_queue)) != NULL)
                g_list_push(&l, g);
        count_waiters();
        rni_gq_put_locked(&l);
}

void rni_stacks_from(struct p *p)
{
        serve(rni_stack_cache_flush(&p->stacks));
}

rni_cold void rni_stacks_share(struct m *m)
{
        size_t n = m->p ? rni_stack_cache_flush(&m->p->stacks) : 1;

        if (n == 0)
                return;
        lock_acquire(&sched.lock, RANK_SCHED);
        serve(n);
        lock_release(&sched.lock, RANK_SCHED);
        rni_wake_p();
}

rni_cold void rni_wait_for_stack(struct g *g)
{
        struct stack *s;

        lock_acquire(&sched.lock, RANK_SCHED);
        g->reason = WAIT_STACK;
        g_list_push(&sched.stack_queue, g);
        count_waiters();
        for (struct p *p = sched.idle_p; p; p = p->idle_next)
                rni_stacks_from(p);
        lock_release(&sched.lock, RANK_SCHED);
        rni_fence_heavy();   /* light side: commit_exit; doze in sysmon.c, which is heavy too */
        s = rni_stack_get(NULL, 0);
        if (s) {
                rni_stack_put(NULL, s);
                lock_acquire(&sched.lock, RANK_SCHED);
                serve(1);
                lock_release(&sched.lock, RANK_SCHED);
        }
        rni_wake_p();
        if (load_rlx(&sched.stack_waiters) != 0)   /* rlx: ordered by the heavy fences */
                rni_sysmon_need();
}
