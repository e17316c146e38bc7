/* SPDX-License-Identifier: MIT
 * The counters behind rn_stats_get. Each belongs to one P, whose holder alone writes it; a sum is
 * taken while they go on, so it is an estimate of an instant, and each of them never falls. Called
 * by users and tests only. */
#include <runnel/debug.h>

#include <string.h>

#include "sched/core/sched.h"

static void add_p(struct rn_stats *s, const struct p *p)
{
        s->spawned += load_rlx(&p->nspawned);     /* rlx: an instant's count, as all here */
        s->switches += load_rlx(&p->nswitches);   /* rlx: as above */
        s->steals += load_rlx(&p->nsteals);       /* rlx: as above */
        s->parks += load_rlx(&p->nparks);         /* rlx: as above */
}

void rn_stats_get(struct rn_stats *s, size_t size)
{
        struct rn_stats now = { .goroutines = 0 };

        rni_m();
        now.goroutines = rni_g_count();
        now.spawned = load_rlx(&rni_sched.nspawned_no_p);   /* rlx: as above */
        now.handoffs = load_rlx(&rni_sched.nhandoffs);     /* rlx: as above */
        now.retakes = load_rlx(&rni_sched.nretakes);       /* rlx: as above */
        for (unsigned i = 0; i < load_acq(&rni_sched.np); i++)   /* acq: pairs with rel in procs.c:
                                                                  * allp[i] is there */
                add_p(&now, rni_sched.allp[i]);
        now.stack_bytes = rni_stack_bytes();
        now.guard_kind = rni_stack_guard_kind();
        memset(s, 0, size);
        memcpy(s, &now, size < sizeof now ? size : sizeof now);
}
