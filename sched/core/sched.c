/* SPDX-License-Identifier: MIT
 * The hot path of the scheduler: picking the next G, parking, readying, yielding, ending.
 *
 * A G that leaves picks its successor on its own stack and switches straight to it; only when this
 * P has nothing at hand does it switch to the M's scheduler loop (g0), which looks further and may
 * sleep (idle.c).
 *
 *   G1: rni_park -> pick G2 -> ctx_switch ==> G2: rni_post: G1 is WAITING, commit(G1) -> on with G2
 *
 * The bug would be that a partner resumes G1 on another M while G1's registers are still being
 * saved here. It cannot: until rni_post has run, on G2's stack, nothing that a partner looks at
 * says that G1 waits (its object is locked, its claim is not armed, it is in no queue), and
 * rni_post runs after the save, on the same M. The unlock in commit publishes both. The same holds
 * for a yield (the G enters the run queue in rni_post) and for the end of a G.
 *
 * Invariant: m->p, and every P field, is touched only between rt_enter and rt_leave; after any
 * switch m and p are fetched again. An M whose P was taken may come here with a lock held or at the
 * end of a goroutine: m->p is NULL then, and the scheduler loop goes on. */
#include <runnel/go.h>

#include "sched/core/sched.h"

#include "sched/core/netpoll.h"

struct sched rni_sched;

enum {
        LOOK_EVERY = 4,       /* ticks between looks at anything but this P's queue: at the clock,
                               * if there are timers */
        CHAIN_LOOK = 16,      /* consecutive runs from runnext between looks at the clock */
        READY_LOCAL = RUNQ_SIZE / 2,   /* of a list readied as one */
        SLICE_NS = 10000000
};

/* Gs that ready each other through runnext share one time slice; when it is over, who waits in the
 * ring has a turn. The slice begins when the one before it was over, if that is why the chain
 * began, otherwise at the first look. */
static rni_noinline bool chain_over(struct m *m)
{
        int64_t now = rni_clock(), since = m->chain_start;

        m->runnext_runs = 0;
        if (since == 0 || now - since > SLICE_NS)
                m->chain_start = now;
        return since != 0 && now - since > SLICE_NS;
}

static inline bool timers_due(struct p *p)
{
        int64_t when = rni_timers_min(&p->timers);

        return when != TIMER_NEVER && when <= rni_clock();
}

_Static_assert(NET_EVERY % LOOK_EVERY == 0, "each is one of them");

/* What must not be starved by local work. True: the scheduler loop should see to it; *g: else who
 * comes first, if anybody. The global queue is asked first: timers can be due, and the network
 * worth a look, each time, and they lose one look of many. */
static bool look_around(struct m *m, unsigned tick, struct g **g)
{
        struct p *p = m->p;

        if (unlikely(p->crowded))
                runq_prefetch(&p->runq, LOOK_EVERY);
        if (gq_turn(p)) {
                if (p->id >= (int)load_rlx(&rni_sched.nprocs))   /* rlx: seen sooner or later */
                        return true;   /* to retire it */
                if (unlikely(load_rlx(&rni_sched.stack_waiters) != 0))   /* rlx: seen sooner or
                                                                          * later */
                        rni_stacks_share(m);
                *g = load_rlx(&rni_sched.gq_n) ? rni_gq_get_few(p) : NULL;   /* rlx: a hint; the get
                                                                              * locks */
                if (*g)
                        return false;
        }
        if (unlikely(timers_due(p)))
                return true;   /* a timer may fire into an object that our caller has locked */
        return tick % NET_EVERY == 0 && rni_net_due();
}

/* The next G of m's P, or NULL if the scheduler loop should look. */
static inline struct g *pick(struct m *m)
{
        struct p *p = m->p;
        unsigned tick = load_rlx(&p->tick) + 1;   /* rlx: own word, others only see whether it
                                                   * moves */
        struct g *g = NULL;

        store_rlx(&p->tick, tick);   /* rlx: as above */
        if (unlikely(load_rlx(&m->stop) != 0))   /* rlx: ordered by the asker's heavy fence */
                return NULL;
        if (tick % LOOK_EVERY == 0 && unlikely(look_around(m, tick, &g) || g))
                return g;
        if (likely(m->runnext_runs < CHAIN_LOOK) || !chain_over(m)) {
                g = runq_take_next(&p->runq);
                if (g) {
                        m->runnext_runs++;
                        return g;
                }
                m->runnext_runs = 0;
                m->chain_start = 0;
        }
        g = runq_get(&p->runq);
        return g ? g : runq_take_next(&p->runq);
}

static inline void count(aword *counter)
{
        store_rlx(counter, load_rlx(counter) + 1);   /* rlx: the holder alone writes, readers want
                                                      * an estimate */
}

/* In a deterministic run: whoever comes after all of it comes after this turn. */
static inline void turn_ends(const struct m *m)
{
#if RNI_TSAN
        if (m->sim)
                san_release(m->sim);   /* acquired in sim.c */
#else
        (void)m;
#endif
}

/* Leaves g for next, or for the scheduler loop if next is NULL or has no stack at hand. Returns
 * when g is resumed, on whatever M. */
static inline void switch_from(struct m *m, struct g *g, struct g *next)
{
        struct stack *mine = g->stack;

        count(&m->p->nswitches);
        if (likely(next != NULL) &&
            (likely(next->stack != NULL) || rni_g_bind(m->p, next, false))) {
                m->g = next;
                store_rlx(&next->state, G_RUNNING);   /* rlx: next is ours alone */
                san_switch(mine, next->stack, false);
                ctx_switch(&g->ctx, &next->ctx);
        } else {
                m->picked = next;
                m->g = NULL;
                turn_ends(m);
                san_switch(mine, &m->g0_stack, false);
                ctx_switch(&g->ctx, &m->g0);
        }
        san_switched(mine);
        rni_post(rni_self());
}

static inline void leave_by(struct m *m, struct g *g, rni_commit *commit, void *arg, unsigned state)
{
        m->post = commit;
        m->post_g = g;
        m->post_arg = arg;
        m->post_state = state;
}

void rni_leave_to_loop(struct m *m, rni_commit *commit, void *arg, unsigned state)
{
        int err = *m->errnop;

        leave_by(m, m->g, commit, arg, state);
        switch_from(m, m->g, NULL);
        *rni_self()->errnop = err;
}

/* The same for an M without a P. */
static rni_noinline void switch_without_p(struct m *m, struct g *g)
{
        struct stack *mine = g->stack;

        m->picked = NULL;
        m->g = NULL;
        san_switch(mine, &m->g0_stack, false);
        ctx_switch(&g->ctx, &m->g0);
        san_switched(mine);
        rni_post(rni_self());
}

/* A plain thread waits for itself; an M whose P was taken leaves its G to the scheduler loop's
 * commit, which releases the lock that kept it from waiting for another P. */
static rni_cold void park_without_p(struct m *m, rni_commit *commit, void *arg,
                                    enum wait_reason reason)
{
        struct g *g = m->g;

        if (m->foreign) {
                rni_foreign_park(m, commit, arg, reason);
                return;
        }
        leave_by(m, g, commit, arg, G_WAITING);
        switch_without_p(m, g);
}

static inline void check_canary(const struct g *g)
{
        if (unlikely(rni_stack_canary_dead(g->stack)))
                rni_fatal("goroutine %lu overran its stack of %zu bytes", (unsigned long)g->id,
                          (size_t)(g->stack->hi - g->stack->floor));
}

void rni_park(rni_commit *commit, void *arg, enum wait_reason reason)
{
        struct m *m = rni_self();
        struct g *g = m->g;
        int err = *m->errnop;

        rni_assert(load_rlx(&m->in_rt));   /* rlx: own word */
        g->reason = (uint8_t)reason;
        if (unlikely(!m->p)) {
                park_without_p(m, commit, arg, reason);
        } else {
                check_canary(g);
                count(&m->p->nparks);
                leave_by(m, g, commit, arg, G_WAITING);
                switch_from(m, g, pick(m));
        }
        *rni_self()->errnop = err;
}

void rni_commit_nothing(struct g *g, void *arg)
{
        (void)g;
        (void)arg;
}

/* The ring is full: half of it and g go to the global queue, unless stealers make room
 * meanwhile. */
static rni_cold void overflow(struct m *m, struct g *g)
{
        struct p *p = m->p;

        if (m->sim) {
                rni_sim_overflow(m, g);
                return;
        }
        while (!runq_put(&p->runq, g)) {
                if (!rni_runq_take_half(&p->runq, p->half))
                        continue;
                p->half[RUNQ_SIZE / 2] = g;
                rni_gq_put(p->half, RUNQ_SIZE / 2 + 1);
                return;
        }
}

struct timed {
        rni_commit *commit;
        void *arg;
        int64_t until;
};

/* The timer first: when commit has unlocked, g may be gone from this frame's stack. */
static void commit_timed(struct g *g, void *arg)
{
        struct timed t = *(struct timed *)arg;
        struct m *m = rni_self();

        rni_timers_add(m->p ? &m->p->timers : &rni_sched.allp[0]->timers, g, t.until);
        t.commit(g, t.arg);
        rni_timekeeper_kick(t.until);
}

bool rni_park_until(rni_commit *commit, void *arg, enum wait_reason reason, int64_t until)
{
        struct m *m = rni_self();
        struct g *g = m->g;
        struct timed t = { commit, arg, until };

        if (m->foreign)
                m->park_until = until;
        if (m->foreign || until == TIMER_NEVER) {
                rni_park(commit, arg, reason);
                return g->u.run.fired != NULL;
        }
        rni_park(commit_timed, &t, reason);
        if (g->u.run.fired)
                rni_timers_forget(g);
        return g->u.run.fired != NULL;
}

void rni_submit(struct m *m, struct g *g, bool next)
{
        struct p *p = m->p;

        if (likely(p != NULL)) {
                if (next)
                        g = runq_put_next(&p->runq, g);
                if (g && unlikely(!runq_put(&p->runq, g)))
                        overflow(m, g);
        } else {
                rni_gq_put(&g, 1);
        }
        rni_wake_p();
}

/* False: g is a plain thread's, and awake. */
static rni_cold bool ready_special(const struct m *m, struct g *g)
{
        if (g->flags & GF_FOREIGN) {
                rni_foreign_wake(g);
                return false;
        }
        if (!rni_sim_owns(m, g))
                rni_fatal("goroutine %lu of a simulation is woken from outside it",
                          (unsigned long)g->id);
        return true;
}

void rni_ready(struct g *g)
{
        struct m *m = rni_self();

        rni_assert(load_rlx(&m->in_rt));   /* rlx: own word */
        if (unlikely(g->flags & (GF_FOREIGN | GF_SIM)) && !ready_special(m, g))
                return;
        rni_assert(load_acq(&g->state) == G_WAITING);   /* acq: pairs with rel in rni_post */
        store_rlx(&g->state, G_RUNNABLE);   /* rlx: published by the queue */
        rni_submit(m, g, true);
}

void rni_ready_list(struct g_list *l)
{
        struct m *m = rni_self();
        struct g_list rest = { NULL, NULL, 0 };
        bool local = m->p && l->n <= READY_LOCAL &&
                     load_rlx(&rni_sched.gq_n) == 0;   /* rlx: a hint. Who waits in the global queue
                                                        * was there before */
        struct g *g;

        while ((g = g_list_pop(l)) != NULL) {
                if (unlikely(g->flags & (GF_FOREIGN | GF_SIM)) && !ready_special(m, g))
                        continue;
                store_rlx(&g->state, G_RUNNABLE);   /* rlx: published by the queue */
                if (unlikely(m->sim != NULL))
                        rni_submit(m, g, false);
                else if (!local || !runq_put(&m->p->runq, g))
                        g_list_push(&rest, g);
        }
        rni_gq_put_list(&rest);
        rni_wake_p();
}

/* Others are woken although there is no more work than before: who looked between the next one's
 * leaving the queue and this one's coming saw none, and the next one may never come back. */
static void commit_yield(struct g *g, void *arg)
{
        (void)arg;
        rni_submit(rni_self(), g, false);
}

void rni_wait_for_p(struct m *m)
{
        struct g *g = m->g;

        leave_by(m, g, commit_yield, NULL, G_RUNNABLE);
        switch_without_p(m, g);
}

/* While nobody can steal, a G that yields enters the queue before it is left: whoever looks into
 * the queue then waits until we are out of the runtime, and it is left. Returns who comes next;
 * NULL: there is more to think about. */
static inline struct g *take_turns(struct m *m, struct g *g)
{
        struct p *p = m->p;
        struct g *next = p ? runq_peek_alone(&p->runq) : NULL;
        unsigned tick;

        if (!next || unlikely(!next->stack) ||
            unlikely(load_rlx(&m->stop) != 0))   /* rlx: as in pick */
                return NULL;
        tick = load_rlx(&p->tick) + 1;   /* rlx: as in pick */
        if (tick % LOOK_EVERY == 0)
                return NULL;
        store_rlx(&p->tick, tick);   /* rlx: as in pick */
        m->runnext_runs = 0;
        m->chain_start = 0;
        store_rlx(&g->state, G_RUNNABLE);   /* rlx: ours alone; a dump looks when we are out of the
                                             * runtime */
        runq_rotate(&p->runq, g);
        return next;
}

/* False: there is nobody else. */
static rni_noinline bool yield_to_any(struct m *m, struct g *g, struct g **next)
{
        bool again = false;

        *next = pick(m);
        if (!*next && timers_due(m->p)) {
                rni_run_due_timers(m->p, rni_clock());
                again = true;
        }
        if (!*next && rni_net_due()) {
                rni_net_look();
                again = true;
        }
        if (again)   /* that may have been why nobody was picked */
                *next = pick(m);
        if (!*next && load_rlx(&m->stop) == 0) {   /* rlx: as in pick */
                int id = m->p->id;
                int n = (int)load_rlx(&rni_sched.nprocs);   /* rlx: seen sooner or later */
                bool surplus = id >= n;
                bool more = !surplus && load_rlx(&rni_sched.gq_n) != 0;   /* rlx: a hint */

                *next = more ? rni_gq_get_few(m->p) : NULL;
                if (!*next && !surplus)
                        return false;
        }
        leave_by(m, g, commit_yield, NULL, G_RUNNABLE);
        return true;
}

/* One switch for all ways here: its end, where the next one goes on, is then always the same place,
 * which the processor foresees. */
static inline void yield_now(struct m *m)
{
        struct g *g = m->g, *next = take_turns(m, g);
        int err = *m->errnop;

        if (!next) {
                if (unlikely(m->foreign)) {
                        rni_cpu_yield();
                        return;
                }
                if (unlikely(m->sim != NULL)) {
                        rni_sim_yield(m);
                        return;
                }
                if (!yield_to_any(m, g, &next))
                        return;
        }
        switch_from(m, g, next);
        *rni_self()->errnop = err;
}

void rni_yield_now(void)
{
        yield_now(rni_self());
}

void rn_yield(void)
{
        yield_now(rt_enter());
        rt_leave();
}

rni_cold void rni_budget_slow(struct m *m)
{
        struct p *p;
        int64_t now;

        m->budget = BUDGET;
        if (m->foreign)
                return;
        if (m->sim) {
                rni_sim_here(m);
                return;
        }
        m = rt_enter();
        p = m->p;
        now = rni_clock();
        rni_run_due_timers(p, now);
        if (rni_net_due())
                rni_net_look();
        if (p->seen_tick != load_rlx(&p->tick)) {   /* rlx: own word */
                p->seen_tick = load_rlx(&p->tick);   /* rlx: own word */
                p->slice_start = now;
        } else if (now - p->slice_start > SLICE_NS) {
                rni_yield_now();
        }
        rt_leave();
}

/* -- the end of a G -- */

/* On the next context: the stack is no longer run on. */
static void commit_exit(struct g *g, void *arg)
{
        struct m *m = rni_self();

        (void)arg;
        san_g_dead(g);
        rni_stack_put(m->p ? &m->p->stacks : NULL, g->stack);
        g->stack = NULL;
        rni_g_free(m, g);
        rni_fence_light();   /* heavy side: rni_wait_for_stack */
        if (unlikely(load_rlx(&rni_sched.stack_waiters) != 0))   /* rlx: ordered by the fences */
                rni_stacks_share(m);
}

static inline void count_exit(struct m *m)
{
        if (likely(m->p != NULL))
                count(&m->p->nexited);
        else
                fetch_add(&rni_sched.nexited_no_p, 1);
}

_Noreturn void rni_g_exit(intptr_t result)
{
        struct m *m = rni_self();
        struct g *g = m->g, *next;

        check_canary(g);
        count_exit(m);   /* before at_exit: who waits for our end finds us gone */
        if (g->at_exit)
                g->at_exit(g->at_exit_arg, result);
        next = likely(m->p != NULL) ? pick(m) : NULL;
        leave_by(m, g, commit_exit, NULL, G_DEAD);
        if (unlikely(g->flags & GF_MAIN)) {   /* its stack is the process's: it stays */
                store_rlx(&rni_sched.main_exited, 1);   /* rlx: read when all are idle */
                m->post = rni_commit_nothing;
        } else if (RNI_EXIT_DIRECT && next && !next->stack &&
                   !((next->flags | g->flags) & GF_SIZED)) {
                /* A fresh G takes over the stack, hot as it is: nobody can see g any more, and
                 * nothing of its frames is needed. */
                next->stack = g->stack;
                g->stack = NULL;
                store_rlx(&g->state, G_DEAD);   /* rlx: back on our own free list */
                rni_g_free(m, g);
                m->post = NULL;
                m->g = next;
                store_rlx(&next->state, G_RUNNING);   /* rlx: ours alone */
                rni_g_enter_fresh(next);
        }
        if (next && (next->stack || rni_g_bind(m->p, next, false))) {
                m->g = next;
                store_rlx(&next->state, G_RUNNING);   /* rlx: ours alone */
                san_switch(g->stack, next->stack, true);
                ctx_jump(&next->ctx);
        }
        m->picked = next;
        m->g = NULL;
        turn_ends(m);
        san_switch(g->stack, &m->g0_stack, true);
        ctx_jump(&m->g0);
}

/* -- the scheduler loop -- */

void rni_g0_loop(void)
{
        for (;;) {
                struct m *m = rni_self();
                struct g *g = m->picked;

                m->picked = NULL;
                if (!g || load_rlx(&m->stop) != 0) {   /* rlx: as in pick */
                        if (g)
                                rni_submit(m, g, false);
                        g = rni_find_runnable(m);
                        if (unlikely(!g))
                                return;
                }
                if (unlikely(!g->stack) && !rni_g_bind(m->p, g, true))
                        continue;   /* it waits for a stack */
                rni_resume(m, g);
        }
}

_Noreturn void rni_g0_first(void)
{
        struct m *m = rni_self();

        san_switched(&m->g0_stack);
        rni_post(m);
        rni_g0_loop();
        rni_throw("the initial thread's scheduler loop has ended");
}
