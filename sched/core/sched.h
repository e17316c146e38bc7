/* SPDX-License-Identifier: MIT
 * The scheduler as the layers above see it: enter, park, ready, and the global state. HACKING.md
 * tells the story; sched.c has the hot path.
 *
 * The entry protocol: a public function that parks, readies or spawns calls rt_enter() once, first;
 * internal functions assert it. Between enter and leave the M may touch its P, and nobody else
 * does; outside, sysmon may take it away (retake.c). Entering may park, if the P was taken, so
 * nothing of m is kept over it but by its result. Parking inside is allowed: the goroutine may come
 * back on another M, still entered. */
#ifndef RNI_CORE_SCHED_H
#define RNI_CORE_SCHED_H

#include "sched/core/fatal.h"
#include "sched/core/g.h"
#include "sched/core/gq.h"
#include "sched/core/lock.h"
#include "sched/core/m.h"
#include "sched/core/p.h"
#include "sched/core/san.h"

enum { MAXPROCS_MAX = 1024 };

struct sched {
        struct lock lock;               /* RANK_SCHED: what follows up to the next note */
        struct gq gq;                   /* global queue */
        struct g_list gfree;            /* dead descriptors nobody's P caches: hosts of batches
                                         * (gfree.c) */
        struct p *idle_p;
        struct m *idle_m;               /* last in, first out */
        struct m *keeper;               /* the idle M that waits for the next deadline, and for
                                         * events; NULL: no P is idle, or no M */
        struct m *all_m;                /* Ms that exist or have existed; none is ever taken out */
        struct m *dead_m;               /* those whose threads have ended, for new ones */
        unsigned nm, nidle_m;           /* Ms that exist; of them idle */
        unsigned max_m;                 /* more would be fatal; set at boot */
        bool sysmon_fires;              /* sysmon has timers in its hands */
        unsigned nforeign;              /* plain threads that have called us and live */
        unsigned nforeign_parked;       /* of them parked without a deadline */
        int64_t deadlock_at;            /* when to look again at a deadlock that only other threads
                                         * stand against; TIMER_NEVER: not */
        int64_t deadlock_pause;         /* how long that was from the last look */

        a32 gq_n rni_aligned(RNI_APART);   /* length of gq; written under lock, read anywhere */
        a32 nidle_p;                    /* written under lock, read anywhere */
        a32 sysmon;                     /* enum sysmon_word: sysmon.c */
        a32 nspinning;                  /* Ms that look for work */
        a64 keeper_until;               /* when the keeper wakes; 0: no keeper. Written under lock,
                                         * read by who adds a timer */
        a32 nprocs;                     /* MAXPROCS; written under lock */
        a32 np;                         /* Ps that exist: allp[0..np-1] never go */
        a32 frozen;                     /* odd: no M may resume a goroutine (freeze.c) */
        a32 main_exited;                /* goroutine 1 called rn_exit */
        a32 stack_waiters;              /* length of stack_queue */
        aword nspawned_no_p, nexited_no_p;   /* by threads without a P; nspawned - nexited as in a
                                              * P */
        aword nretakes, nhandoffs;
        a64 sysmon_told;                /* when it was last woken */
        aword goid;                     /* ids leased so far */
        struct g *g1;                   /* goroutine 1; NULL: main is a foreign thread */
        struct g_list stack_queue;      /* lock: fresh Gs that no stack could be had for */
        struct p *allp[MAXPROCS_MAX];
};
extern struct sched rni_sched;

/* -- entry -- */
struct m *rni_attach(void);              /* boot.c: first call of the process or of this thread */
struct m *rni_enter_slow(struct m *m);   /* retake.c */
void rni_enter_slow_locked(struct m *m);
void rni_leave_slow(struct m *m);

static inline struct m *rni_m(void)
{
        struct m *m = rni_self();

        return likely(m != NULL) ? m : rni_attach();
}

static inline struct m *rt_enter(void)
{
        struct m *m = rni_m();

        rni_assert(load_rlx(&m->in_rt) == 0);   /* rlx: own word */
        store_rlx(&m->in_rt, 1);   /* rlx: ordered against the loads below by the heavy fences of
                                    * rni_retake and rni_freeze */
        rni_fence_light();   /* heavy side: rni_retake, rni_freeze */
        if (unlikely((load_rlx(&m->retake) | load_rlx(&m->stop)) != 0))   /* rlx: see above */
                return rni_enter_slow(m);
        return m;
}

/* With a lock held, or about to end: neither stops here nor waits for a P. If the P was taken, m->p
 * is NULL from here on: ready hands to the global queue, park and exit leave for the M's scheduler
 * loop, which stops and looks for a P. The caller does one of these next, or leaves. */
static inline struct m *rt_enter_locked(void)
{
        struct m *m = rni_self();

        rni_assert(load_rlx(&m->in_rt) == 0);   /* rlx: own word */
        store_rlx(&m->in_rt, 1);   /* rlx: as in rt_enter */
        rni_fence_light();   /* heavy side: rni_retake, rni_freeze */
        if (unlikely(load_rlx(&m->retake) != 0))   /* rlx: as in rt_enter */
                rni_enter_slow_locked(m);
        return m;
}

static rni_always_inline void rt_leave(void)
{
        struct m *m = rni_self();

        if (unlikely(load_rlx(&m->retake) == RETAKE_SIM))   /* rlx: own word then */
                rni_leave_slow(m);
        store_rel(&m->in_rt, 0);   /* rel: pairs with acq in rni_retake and rni_freeze */
}

/* -- sched.c: hot path -- */
typedef void rni_commit(struct g *g, void *arg);

/* Parks the running G (or thread). commit(g, arg) runs after the G's context is saved and it is
 * WAITING, and publishes it: unlocks what protects the queue it stands in, adds its timer. From
 * then on a ready may resume it at once. Returns when readied. Entered before and after. */
void rni_park(rni_commit *commit, void *arg, enum wait_reason reason);
void rni_commit_nothing(struct g *g, void *arg);   /* nothing to publish: for ever, or until the
                                                    * deadline */
/* The same with a deadline, after rni_claim_begin(g): true = something else than the deadline ended
 * it. until == TIMER_NEVER: none. */
bool rni_park_until(rni_commit *commit, void *arg, enum wait_reason reason, int64_t until);
/* Makes a WAITING G runnable; the caller alone has the right to (it took the G's only waiter, or
 * won its claim). The G runs next on this P. */
void rni_ready(struct g *g);
/* The same for a list, as one: wakes at most as many threads as are idle. */
void rni_ready_list(struct g_list *l);
void rni_yield_now(void);                /* entered */
/* Ends the running G; its deferred calls have run. result: what its function returned, 0 after
 * rn_exit. Entered, with a P or without. */
_Noreturn void rni_g_exit(intptr_t result);
/* A time slice is over and others wait: called by channel fast paths every BUDGET operations, not
 * entered. */
void rni_budget_slow(struct m *m);
enum { BUDGET = 64 };

static inline void rni_budget(struct m *m)
{
        if (unlikely(--m->budget == 0))
                rni_budget_slow(m);
}

/* What the context that left this M wanted done. Run by every context right after it got the M. */
static inline void rni_post(struct m *m)
{
        void (*post)(struct g *, void *) = m->post;

        if (post) {
                m->post = NULL;
                store_rel(&m->post_g->state, m->post_state);   /* rel: its context is saved; pairs
                                                                * with acq in the dump */
                post(m->post_g, m->post_arg);
        }
}

/* From an M's own stack: g, RUNNABLE and taken, runs until it leaves. */
static inline void rni_resume(struct m *m, struct g *g)
{
        m->g = g;
        store_rlx(&g->state, G_RUNNING);   /* rlx: ours alone */
        san_switch(&m->g0_stack, g->stack, false);
        ctx_switch(&m->g0, &g->ctx);
        san_switched(&m->g0_stack);
        rni_post(m);
}

void rni_wait_for_p(struct m *m);        /* m has lost its P and none is idle: the running G goes to
                                          * the global queue. Entered, no lock held */
void rni_submit(struct m *m, struct g *g, bool next);   /* RUNNABLE G into m's P, or the global
                                                         * queue; wakes an M if need be */
/* the running G is left for the scheduler loop; errno is kept */
void rni_leave_to_loop(struct m *m, rni_commit *commit, void *arg, unsigned state);
void rni_g0_loop(void);                                 /* the scheduler loop, on an M's own stack;
                                                         * comes back when the thread is to end */
_Noreturn void rni_g0_first(void);                      /* the same as the entry of a stack of its
                                                         * own: the initial thread's */

/* -- idle.c: spinning, sleeping, waking -- */
struct g *rni_find_runnable(struct m *m);        /* sleeps until there is one; m may come back with
                                                  * another P. NULL: m is surplus, and its thread is
                                                  * to end */
void rni_wake_p(void);                           /* work was submitted: sees that some M looks for
                                                  * it */
void rni_stop_spinning(struct m *m);
void rni_keeper_look(void);                      /* sched.lock held: the keeper's deadline has
                                                  * changed */
void rni_keeper_wanted(void);                    /* sched.lock held: a P came to the idle list, and
                                                  * its holder does not go idle after it */
void rni_timekeeper_kick(int64_t when);          /* a timer for `when` was added */
struct p *rni_idle_p_get(void);                  /* sched.lock held */
void rni_idle_p_put(struct p *p);                /* sched.lock held */
bool rni_idle_m_give(struct p *p, bool spinning);   /* sched.lock held. Gives p to an idle M; false:
                                                     * there is none */
void rni_m_first(struct m *m);                    /* a new M takes the P it was started for */
bool rni_work_anywhere(void);                    /* is a G in some queue? */
int64_t rni_earliest_deadline(void);             /* of all Ps' timers; TIMER_NEVER: none */
bool rni_run_due_timers(struct p *p, int64_t now);   /* readies and fires what is due on p's heap.
                                                      * Entered; any M, no lock held */

/* Starts a timer that is in no heap: it fires at `when`; TIMER_NEVER: it does not. Entered; locks
 * below RANK_SCHED may be held. Stop: rni_timer_stop. */
void rni_timer_start(struct m *m, struct timer *t, int64_t when);

/* -- m.c: the life of an M -- */
void rni_m_start(struct p *p, bool spinning);    /* gives p to an idle or a new M; fatal if no
                                                  * thread can be made */

/* -- retake.c: how a P changes hands -- */
void rni_p_take(struct m *m, struct p *p);       /* m, inside the runtime, has p from here on */
struct p *rni_p_leave(struct m *m);              /* m, inside the runtime, gives its P up by its own
                                                  * will */
struct p *rni_retake(struct m *m, bool computes);   /* sysmon only: takes m's P if m is in user
                                                     * code; NULL: it is not. computes: m's thread
                                                     * is not asleep */
void rni_hand_off(struct p *p);                  /* a P that nobody holds goes to an M, if there is
                                                  * anything to do, or to the idle list. Entered, no
                                                  * lock held */

/* -- turn.c: for how long at a time a thread asks for a processor -- */
int64_t rni_turn_begin(void);                    /* of this thread, short: what they were, in ns, or
                                                  * 0 */
void rni_turn_lengthen(struct m *m);             /* as they were; sched.lock held, m without a P and
                                                  * out */
void rni_turn_shorten(struct m *m);              /* of this thread, m's, if they are long */

/* -- sysmon.c -- */
enum sysmon_word { SYSMON_NONE, SYSMON_ASLEEP, SYSMON_AWAKE };
void rni_sysmon_wake(void);
extern unsigned rni_compute_least;   /* so many Ms may compute without a P; a test makes it less */

/* What sysmon should see to has come up. After a light fence. */
static inline void rni_sysmon_need(void)
{
        if (unlikely(load_rlx(&rni_sched.sysmon) != SYSMON_AWAKE))   /* rlx: ordered by it and the
                                                                      * heavy one in doze */
                rni_sysmon_wake();
}

/* -- procs.c -- */
void rni_procs_init(int n);                      /* boot: n Ps, all idle */
void rni_p_drain(struct p *p);                    /* a P retires: Gs to the global queue, timers to
                                                   * P 0, which never does, free lists to the global
                                                   * ones */

/* -- deadlock.c -- */
bool rni_deadlock_possible(void);                /* sched.lock held, all Ms idle: nothing can ever
                                                  * run again, but for other threads */
void rni_deadlock_look(void);                    /* no lock held: if all Ms are idle and it is one,
                                                  * reports and does not return */
_Noreturn void rni_deadlock_report(void);                  /* no lock held; does not return */

/* -- freeze.c -- */
void rni_freeze(bool dying);                     /* no goroutine is resumed from here on; waits
                                                  * until all Ms stand still, those of the last
                                                  * freeze after a step. Entered */
void rni_thaw(void);
void rni_m_stop(struct m *m);                    /* at a switch point: stands still while frozen */

/* -- stackwait.c -- */
void rni_wait_for_stack(struct g *g);         /* on g0 */
void rni_stacks_share(struct m *m);              /* Gs wait for stacks: those that m's P caches, or
                                                  * one that m has just put on the list, are for
                                                  * them */
void rni_stacks_from(struct p *p);               /* the same for a P that nobody else touches;
                                                  * sched.lock held */

/* -- gfree.c -- */
struct g *rni_g_new(struct m *m);                /* a DEAD descriptor; NULL: the memory limit is
                                                  * reached */
void rni_g_free(struct m *m, struct g *g);
void rni_g_free_flush(struct p *p);              /* a P goes */
void rni_g_free_from(struct p *p);               /* the same for a P that nobody else touches;
                                                  * sched.lock held */
bool rni_g_trim(bool unused);                    /* as rni_stack_trim, some descriptors */

size_t rni_g_surplus(void);                      /* descriptors in the global list, about */

/* -- trim.c -- */
bool rni_trim(bool all_idle);                    /* gives back some of what nobody needs; false:
                                                  * that is all for now. No lock held */
int64_t rni_trim_at(void);                       /* when the keeper should call it next;
                                                  * TIMER_NEVER: when it has been woken */

/* -- spawn.c -- */
bool rni_g_bind(struct p *p, struct g *g, bool slow);   /* gives a fresh G its stack and context.
                                                         * false: none in the cache; slow, on g0:
                                                         * none to be had, and g waits for one */
_Noreturn void rni_g_enter_fresh(struct g *g);   /* starts g, which was given the stack we stand
                                                  * on */
uint64_t rni_g_count(void);                      /* goroutines that are not dead */
void rni_need_fn(const void *fn);                /* fatal if NULL */
/* What the runtime itself starts, in the order of the calls, behind who is runnable; at_exit as in
 * rni_spawn_call, or NULL: 0, -EAGAIN. Entered. */
int rni_spawn_in_turn(struct m *m, const struct rn_call *call, void (*at_exit)(void *, intptr_t),
                      void *arg);
/* rn_spawn with something to do at the end: 0, -EAGAIN. Not entered */
int rni_spawn_call(const struct rn_call *call, void (*at_exit)(void *, intptr_t), void *arg);
_Noreturn void rni_spawn_refused(void);          /* the panic of who could not spawn. Not entered */

/* -- sim.c, for an M that is in a deterministic run (m->sim) -- */
void rni_sim_point(struct m *m);                   /* others may run. Entered, no lock held */
void rni_sim_yield(struct m *m);                   /* others run, if any can. Entered */
void rni_sim_overflow(struct m *m, struct g *g);   /* g is runnable, and the run queue full */
void rni_sim_here(const struct m *m);              /* rni_sim_point for who has not entered */
bool rni_sim_owns(const struct m *m, const struct g *g);
int64_t rni_sim_now(const struct m *m);

/* What this M's goroutines take for the time. */
static inline int64_t rni_now(const struct m *m)
{
        return likely(!m->sim) ? rni_clock() : rni_sim_now(m);
}

/* In public functions that may do their work without entering: others may run here. */
static inline void rni_sim_place(void)
{
        const struct m *m = rni_self();

        if (unlikely(m && m->sim))
                rni_sim_here(m);
}

void rni_sim_refuse(const char *what);   /* panics in a run: `what` has no place there */

/* -- foreign.c -- */
void rni_foreign_park(struct m *m, rni_commit *commit, void *arg, enum wait_reason reason);
void rni_foreign_wake(struct g *g);
struct m *rni_foreign_new(void);
void rni_foreign_init(struct m *m);              /* a zeroed m becomes the calling thread's, which
                                                  * may call but is not counted */

#endif
