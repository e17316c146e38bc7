/* SPDX-License-Identifier: MIT
 * Timers: per P a 4-ary heap of {when, g, wait}, so that sifting touches no parked stack. The entry belongs to one wait of g: it fires by winning g->claim for exactly
 * that wait. A wait that ended otherwise has moved the claim word on; its entry dies lazily, when it comes up or when a quarter of the heap is stale.
 *
 *        add (commit of a timed park)        due: CAS claim wait -> wait|1 succeeds
 *   none ----------------------------> live -------------------------------------> fired (ready)
 *                                       |  g woken by something else: claim moves on
 *                                       '-----------------------------------------> stale --sweep or due--> none
 *
 * The bug would be: a late timer wakes g from its next wait. It cannot: the claim word of each wait is new (sched/core/g.h), the CAS names the old one.
 *
 * Every heap has a lock, because an M without work runs other Ps' timers. min_when is readable without it. The wait for the next deadline of all has one
 * owner, the timekeeper (idle.c); who adds an earlier timer kicks it. */
#ifndef RNI_CORE_TIMER_H
#define RNI_CORE_TIMER_H

#include "sched/core/g.h"
#include "sched/core/lock.h"

#define TIMER_NEVER INT64_MAX

struct timer_entry {
        int64_t when;
        struct g *g;
        AO_t wait;      /* g->claim of the wait it belongs to */
};

struct timers {
        struct lock lock;             /* RANK_TIMERS: heap, n, cap */
        struct timer_entry *heap;
        size_t n, cap;
        aword stale;                  /* entries known to be dead; added without the lock */
        aword min_when;               /* of heap[0], or TIMER_NEVER; written under the lock, read anywhere */
};

void rni_timers_init(struct timers *t);
/* Adds an entry for g's present wait (its claim word) and notes t in g. Called in the commit of g's park; the caller then calls rni_timekeeper_kick. */
void rni_timers_add(struct timers *t, struct g *g, int64_t when);
/* g's timed wait has ended by something else than its timer. */
void rni_timers_forget(struct g *g);
/* Moves the Gs of all due entries to out, claimed, with fired == NULL; the caller readies them. */
void rni_timers_due(struct timers *t, int64_t now, struct g_list *out);
/* Drops all stale entries; returns how many live ones are left. */
size_t rni_timers_sweep(struct timers *t);
/* A P retires: its entries move to another heap. */
void rni_timers_move(struct timers *from, struct timers *to);

static inline int64_t rni_timers_min(const struct timers *t)
{
        return (int64_t)load_acq(&t->min_when);   /* acq: pairs with rel in set_min */
}

#endif
