/* SPDX-License-Identifier: MIT
 * Timers: per P a 4-ary heap of deadlines of two kinds. Every heap has a lock, because an M without
 * work runs other Ps' timers; min_when is readable without it. The wait for the next deadline of
 * all has one owner, the timekeeper (idle.c); who adds an earlier one kicks it.
 *
 * A wait of a goroutine, {when, g, wait}: sifting touches no parked stack. The entry belongs to one
 * wait of g: it fires by winning g->claim for exactly that wait. A wait that ended otherwise has
 * moved the claim word on; its entry dies lazily, when it comes up or when a quarter of the heap is
 * stale.
 *
 *       add (commit of a timed park)      due: CAS claim wait -> wait|1 succeeds
 *   none --------------------------> live -----------------------------------------> fired (ready)
 *                                     |  g woken by something else: claim moves on
 *                                     '-----------------------------> stale --sweep or due--> none
 *
 * The bug would be: a late timer wakes g from its next wait. It cannot: the claim word of each wait
 * is new (sched/core/g.h), the CAS names the old one.
 *
 * A struct timer, which lies in an object of a layer above and fires into it: it knows its place in
 * the heap, so stopping takes it out at once and the object's memory is free.
 *
 *          start                 due, heap locked: hold() says yes
 *   home == 0 ----> home == heap -------------------------------> home == 0, fire() is on its way
 *        ^-- stop ---'  '-- hold() says no: the object is going --> home == 0, never touched again
 *
 * The bug would be: fire() runs on an object that was freed after it was taken off the heap. hold()
 * is asked while the heap is locked; an object whose last reference goes calls rni_timer_stop,
 * which needs that lock as long as home is set. So either hold() finds a reference and the object
 * lives until fire() gives it back, or it finds none. A fire() that is on its way while the timer
 * is stopped or started anew is the object's affair: it sees under its own lock what was done
 * meanwhile. The model of both kinds is docs/design/timer.pml. */
#ifndef RNI_CORE_TIMER_H
#define RNI_CORE_TIMER_H

#include "sched/core/g.h"
#include "sched/core/lock.h"

#define TIMER_NEVER INT64_MAX

struct timer;
struct m;

struct timer_class {
        bool (*hold)(struct timer *t);               /* heap locked. True: the object stays until
                                                      * fire is done */
        void (*fire)(struct timer *t, int64_t now);  /* entered, no lock held; gives back what hold
                                                      * took */
        bool (*awaited)(struct timer *t);            /* heap locked. Could firing make a goroutine
                                                      * run? For the deadlock check */
        void (*drop)(struct timer *t);               /* it will never fire, since its heap goes;
                                                      * NULL: nothing to do */
};

struct timer {
        const struct timer_class *class;
        aword home;                   /* struct timers * of the heap that has it; 0: none. Written
                                       * under its lock, or while nobody else may start it */
        size_t pos;                   /* in that heap */
};

struct timer_entry {
        int64_t when;
        uintptr_t who;                /* struct g *, or struct timer * | 1; 0: void */
        AO_t wait;                    /* g->claim of the wait it belongs to */
};

struct timers {
        struct lock lock;             /* RANK_TIMERS */
        struct timer_entry *heap;
        size_t n, cap;
        size_t nvoid;                 /* entries with nobody in them */
        size_t witness;               /* where an awaited one was found */
        aword stale;                  /* entries of goroutines known to be dead; added without the
                                       * lock */
        a64 min_when;                 /* of heap[0], or TIMER_NEVER; written under the lock, read
                                       * anywhere */
};

/* What came due: goroutines, claimed, with fired == NULL, and timers, held. */
enum { FIRE_BATCH = 16 };
struct due {
        struct g_list gs;
        unsigned n;
        struct timer *timers[FIRE_BATCH];
};

void rni_timers_init(struct timers *t);
/* Adds an entry for g's present wait (its claim word) and notes t in g. Called in the commit of g's
 * park; the caller then calls rni_timekeeper_kick. */
void rni_timers_add(struct timers *t, struct g *g, int64_t when);
/* g's timed wait has ended by something else than its timer. */
void rni_timers_forget(struct g *g);
/* Starts a timer that is in no heap; the object sees to it that no two do at once. The caller then
 * calls rni_timekeeper_kick. */
void rni_timers_start(struct timers *h, struct timer *t, int64_t when);
/* True: it was in a heap and will not fire. False: it was not, but a fire may be on its way. Any
 * thread, entered or not. */
bool rni_timer_stop(struct timer *t);
/* Takes what is due off the heap; when FIRE_BATCH timers are, some may be left. The caller readies
 * and fires. */
void rni_timers_due(struct timers *t, int64_t now, struct due *out);
/* Drops all stale entries; returns how many live ones are left. */
size_t rni_timers_sweep(struct timers *t);
/* Can anything on this heap make a goroutine run? */
bool rni_timers_awaited(struct timers *t);
/* A deterministic run is over: what is still there never fires. Nobody waits for any of it. */
void rni_timers_drop(struct timers *t);
/* A P retires: its entries move to another heap. */
void rni_timers_move(struct timers *from, struct timers *to);

static inline int64_t rni_timers_min(const struct timers *t)
{
        return load_acq(&t->min_when);   /* acq: pairs with rel in set_min */
}

#endif
