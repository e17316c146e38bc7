/* SPDX-License-Identifier: MIT
 * How many Ps there are: at boot and changed while running. Nothing is stopped for it: a new number
 * is stored, surplus idle Ps leave the idle list at once, and a surplus P that is held retires at
 * its holder's next scheduling decision (find_runnable, every 61st pick, or rn_maxprocs's own
 * park). Ps are never freed; a later increase takes retired ones back first. Invariant:
 * allp[0..np-1] are valid for ever; ids >= nprocs are retired or about to be. */
#include <runnel/go.h>

#include <stdlib.h>

#include "sched/base/rand.h"
#include "sched/core/sched.h"

#define sched rni_sched

static struct p *p_new(int id)
{
        struct p *p = aligned_alloc(RNI_APART, (sizeof *p + RNI_APART - 1) / RNI_APART * RNI_APART);

        if (!p)
                return NULL;
        *p = (struct p){ .id = id, .rand = rni_rand_seed((uint64_t)id + (uint64_t)rni_clock()) };
        rni_timers_init(&p->timers);
        store_rlx(&p->status, P_RETIRED);   /* rlx: published with np */
        return p;
}

/* Ps up to n exist and those that were retired are idle; sched.lock held or nobody else there.
 * Returns how many exist. */
static int grow(int n)
{
        for (int i = (int)load_rlx(&sched.np); i < n; i++) {   /* rlx: under the lock */
                struct p *p = p_new(i);

                if (!p)
                        return i;
                store_rlx(&p->runq.shared, n > 1);   /* rlx: published with np */
                sched.allp[i] = p;
                store_rel(&sched.np, (unsigned)i + 1);   /* rel: publishes allp[i]; pairs with acq
                                                          * where np is read */
        }
        return n;
}

/* The first P is no longer the only one: before another exists its holder has to know that there
 * are stealers (runq.h). Frozen, or nobody else there. */
static void share_first(int n)
{
        if (n > 1 && load_rlx(&sched.np) > 0)   /* rlx: only grows, and not now */
                store_rlx(&sched.allp[0]->runq.shared, 1);   /* rlx: all stand still; pairs with
                                                              * load in runq_shared */
}

static void set_nprocs(int n)
{
        struct p *keep = NULL, *p;

        n = grow(n);
        store_rlx(&sched.nprocs, (unsigned)n);   /* rlx: under the lock; seen sooner or later */
        while ((p = rni_idle_p_get()) != NULL) {
                p->idle_next = keep;
                keep = p;
        }
        while ((p = keep) != NULL) {
                keep = p->idle_next;
                rni_idle_p_put(p);   /* retires it if its id is too high */
        }
        for (int i = 0; i < n; i++)
                if (load_rlx(&sched.allp[i]->status) == P_RETIRED)   /* rlx: under the lock */
                        rni_idle_p_put(sched.allp[i]);
}

void rni_procs_init(int n)
{
        set_nprocs(n);
        if (load_rlx(&sched.np) == 0)   /* rlx: alone */
                rni_fatal("out of memory for processors");
}

void rni_p_drain(struct p *p)
{
        struct g_list l = { NULL, NULL, 0 };
        struct g *g;

        while ((g = runq_take_next(&p->runq)) != NULL || (g = runq_get(&p->runq)) != NULL)
                g_list_push(&l, g);
        rni_timers_move(&p->timers, &sched.allp[0]->timers);
        rni_stack_cache_flush(&p->stacks);
        rni_g_free_flush(p);
        rni_gq_put_list(&l);
        rni_timekeeper_kick(rni_timers_min(&sched.allp[0]->timers));
}

int rn_maxprocs(int n)
{
        struct m *m = rt_enter();
        int old = (int)load_rlx(&sched.nprocs);   /* rlx: a number to tell */

        if (n > 1 && load_acq(&sched.np) == 1) {   /* acq: pairs with rel in grow */
                rni_freeze(false);
                share_first(n);
                rni_thaw();
        }
        if (n >= 1) {
                lock_acquire(&sched.lock, RANK_SCHED);
                old = (int)load_rlx(&sched.nprocs);   /* rlx: under the lock */
                set_nprocs(n < MAXPROCS_MAX ? n : MAXPROCS_MAX);
                rni_keeper_wanted();
                lock_release(&sched.lock, RANK_SCHED);
                if (n > old)
                        rni_wake_p();
                else if (m->p && m->p->id >= n)
                        rni_yield_now();   /* the scheduler loop retires the P and runs us on
                                            * another */
        }
        rt_leave();
        return old;
}

int rn_numcpu(void)
{
        rni_m();
        return rni_cpu_count();
}
