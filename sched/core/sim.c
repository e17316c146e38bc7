/* SPDX-License-Identifier: MIT
 * The engine of a deterministic run; sim.h says how an M comes to be in one. The goroutine that
 * asked for the run is its host: its stack takes the place of the M's scheduler loop, so a turn of
 * a goroutine is
 *
 *   host: choose G, ctx_switch ==> G ... rni_sim_point, a park or the end
 *                              ==> host: rni_post, collect, choose
 *
 * A goroutine gives way only at a point. There the engine collects whom it has readied or started
 * since (they are in the P's run queue, where the ordinary paths put them) and draws who goes on.
 * If nobody can, the clock jumps to the next timer that could change that; if there is none, the
 * run is over: everybody has ended, or it is a deadlock.
 *
 * Why the same seed makes the same run: one thread, so nothing depends on speed; the order of the
 * list, the ids and select's order come from what the run itself did and from the seed; addresses
 * are never compared but for locks that nobody else holds. What can still differ is what the
 * program reads elsewhere: files, real clocks, addresses.
 *
 * Goroutines of a run that is over are ended on their own stacks, from the top: nothing of their
 * frames runs again (rni_sim_clear). */
#include "sched/core/sim.h"

#include <errno.h>
#include <stdlib.h>
#include "sched/base/rand.h"
#include "sched/core/hook.h"
#include "sched/core/panic.h"

enum {
        ALONE_MAX = 1000,          /* places after which even the highest priority, or FIFO, lets
                                    * others run: it may spin */
        LOG2_STEPS = 14            /* RN_SIM_PCT: changes of priority come among the first 2^14
                                    * steps, as many in each octave */
};

#define SIM_EPOCH INT64_C(1000000000)   /* so that 0 and other small numbers are in the past */
#define LOWERED   (UINT64_C(1) << 32)

/* -- memory -- */

/* TSan watches the block, which one goroutine after the other uses in the engine's name. */
static void *grown(void *p, size_t *room, size_t need, size_t size)
{
        size_t n = *room ? *room : 64;

        if (need <= *room)
                return p;
        while (n < need)
                n *= 2;
        san_acquire(room);
        p = realloc(p, n * size);
        san_release(room);
        if (!p)
                rni_fatal("out of memory for a simulation");
        *room = n;
        return p;
}

struct sim *rni_sim_new(void)
{
        struct sim *s = calloc(1, sizeof *s);
        struct p *p = aligned_alloc(RNI_APART, sizeof *p);

        if (!s || !p) {
                free(s);
                free(p);
                return NULL;
        }
        _Static_assert(sizeof *p % RNI_APART == 0, "aligned_alloc");
        *p = (struct p){ .id = -1 };
        rni_timers_init(&p->timers);
        store_rlx(&p->runq.shared, 1);   /* rlx: ours alone */
        s->p = p;
        return s;
}

void rni_sim_free(struct sim *s)
{
        rni_g_free_flush(s->p);
        rni_stack_cache_flush(&s->p->stacks);
        san_acquire(&s->ready_room);   /* as in grown */
        san_acquire(&s->gs_room);
        free(s->p);
        free(s->ready);
        free(s->gs);
        free(s);
}

/* -- the list, and who is in the run -- */

static struct sim_event *note(struct sim *s, enum sim_what what, uint64_t id, unsigned reason)
{
        struct sim_event *e = &s->log[s->nlog++ % SIM_LOG];

        e->step = s->steps;
        e->id = id;
        e->what = (uint8_t)what;
        e->reason = (uint8_t)reason;
        e->nframes = 0;
        return e;
}

/* The running goroutine is about to give way here. */
static void note_place(struct sim *s, const struct g *g)
{
        struct sim_event *e = note(s, SIM_GAVE_WAY, g->id, 0);

        e->nframes = (uint8_t)rni_hook_frames(e->frame, SIM_FRAMES);
        e->at = s->at;
}

static struct sim_g *entry_of(struct sim *s, const struct g *g)
{
        return &s->gs[g->id - 1];
}

static void adopt(struct sim *s, struct g *g)
{
        s->gs = grown(s->gs, &s->gs_room, (size_t)g->id, sizeof *s->gs);
        while (s->ngs < g->id)
                s->gs[s->ngs++] = (struct sim_g){ 0 };
        g->flags |= GF_SIM;
        *entry_of(s, g) = (struct sim_g){ g, LOWERED + rni_rand(&s->rand), g->fn, g->name };
        s->live++;
}

static void put(struct sim *s, struct g *g)
{
        s->ready = grown(s->ready, &s->ready_room, s->nready + 1, sizeof(struct g *));
        s->ready[s->nready++] = g;
}

static struct g *take(struct sim *s, size_t i)
{
        struct g *g = s->ready[i];

        s->nready--;
        g_copy(&s->ready[i], &s->ready[i + 1], s->nready - i);
        return g;
}

/* One from outside, woken by one of the run: it goes on where it came from. */
static void pass_on(struct sim *s, struct g *g)
{
        s->m->sim = NULL;
        rni_gq_put(&g, 1);
        rni_wake_p();
        s->m->sim = s;
}

static void take_in(struct sim *s, struct g *g)
{
        if (!(g->flags & GF_SIM)) {
                if (g->stack) {
                        pass_on(s, g);
                        return;
                }
                adopt(s, g);   /* never run yet, and nobody else puts any into our queue */
        }
        put(s, g);
}

/* What the run queue has, oldest first. */
static void collect(struct sim *s)
{
        struct g *g;

        while ((g = runq_get(&s->p->runq)) != NULL)
                take_in(s, g);
        g = runq_take_next(&s->p->runq);
        if (g)
                take_in(s, g);
}

void rni_sim_overflow(struct m *m, struct g *g)
{
        collect(m->sim);
        take_in(m->sim, g);
}

bool rni_sim_owns(const struct m *m, const struct g *g)
{
        const struct sim *s = m->sim;

        return s && g->id - 1 < s->ngs && s->gs[g->id - 1].g == g;
}

/* -- choosing -- */

/* Where in the first 2^LOG2_STEPS steps; short runs and long ones get their share. */
static uint64_t random_step(struct sim *s)
{
        unsigned octave = rni_rand_below(&s->rand, LOG2_STEPS);

        return (UINT64_C(1) << octave) + rni_rand_below(&s->rand, 1u << octave);
}

static void lower(struct sim *s, const struct g *g)
{
        entry_of(s, g)->priority = --s->lowest;
}

static size_t highest(struct sim *s)
{
        size_t best = 0;

        for (size_t i = 1; i < s->nready; i++)
                if (entry_of(s, s->ready[i])->priority > entry_of(s, s->ready[best])->priority)
                        best = i;
        return best;
}

static bool change_due(const struct sim *s)
{
        for (int i = 0; i < s->o.depth - 1; i++)
                if (s->change[i] == s->steps)
                        return true;
        return false;
}

/* Which of the list, of which there is one at least, runs next; nready: the current one goes on. */
static size_t draw(struct sim *s, const struct g *current)
{
        size_t i = 0;

        switch (s->o.strategy) {
        case RN_SIM_RANDOM:
                return rni_rand_below(&s->rand, (uint32_t)s->nready + (current != NULL));
        case RN_SIM_PCT:
                if (current && (change_due(s) || s->alone > ALONE_MAX))
                        lower(s, current);
                i = highest(s);
                if (current && entry_of(s, current)->priority > entry_of(s, s->ready[i])->priority)
                        return s->nready;
                return i;
        default:
                return current && s->alone <= ALONE_MAX ? s->nready : 0;
        }
}

/* -- how a goroutine leaves -- */

static void commit_ready(struct g *g, void *sim)
{
        put(sim, g);
}

static void give_way(struct sim *s)
{
        rni_leave_to_loop(s->m, commit_ready, s, G_RUNNABLE);
}

static _Noreturn void stop(struct sim *s, int outcome)
{
        s->over = true;
        s->outcome = outcome;
        s->m->g->reason = WAIT_SIM_OVER;
        rni_leave_to_loop(s->m, rni_commit_nothing, NULL, G_WAITING);
        rni_throw("a goroutine of a simulation that is over was resumed");
}

rni_noinline void rni_sim_point(struct m *m)
{
        struct sim *s = m->sim;
        struct g *g = m->g;
        size_t i;

        m->budget = 1;
        if (!g)
                return;   /* the engine itself: a timer's call */
        if (unlikely(load_rlx(&m->stop) & STOP_FREEZE))   /* rlx: ordered by the heavy fence of
                                                           * rni_freeze */
                rni_m_stop(m);
#ifdef RNI_DEBUG
        rni_assert(m->nlocks == 0);
#endif
        s->steps++;
        s->alone++;
        collect(s);
        if (s->steps >= s->o.max_steps) {
                note_place(s, g);
                stop(s, -ETIME);
        }
        i = s->nready ? draw(s, g) : 0;
        if (i < s->nready) {
                s->next = take(s, i);
                note_place(s, g);
                s->at = NULL;
                give_way(s);
        }
        s->at = NULL;
}

rni_noinline void rni_sim_here(const struct m *m)
{
        struct m *self = rni_self();   /* m is whose it was when the call began */

        (void)m;
        if (!self->sim || !self->g)
                return;
        rni_assert(load_rlx(&self->in_rt) == 0);   /* rlx: own word */
        store_rlx(&self->in_rt, 1);   /* rlx: the point looks at stop */
        rni_sim_point(self);
        store_rel(&self->in_rt, 0);   /* rel: as in rt_leave */
}

void rni_sim_refuse(const char *what)
{
        if (unlikely(rni_m()->sim != NULL))
                rni_runtime_panic("%s in a simulation", what);
}

void rni_sim_yield(struct m *m)
{
        struct sim *s = m->sim;
        struct g *g = m->g;

        collect(s);
        if (s->nready == 0)
                return;
        if (s->o.strategy == RN_SIM_PCT)
                lower(s, g);
        s->next = take(s, draw(s, NULL));
        note(s, SIM_YIELDED, g->id, 0);
        give_way(s);
}

void rni_sim_panicked(struct m *m, const struct rn_recovered *what)
{
        struct sim *s = m->sim;

        store_rlx(&m->in_rt, 1);   /* rlx: own word */
        s->panic = *what;
        s->panicked = m->g->id;
        note(s, SIM_PANICKED, m->g->id, 0);
        stop(s, -ECANCELED);
}

/* -- the engine's loop -- */

/* One from the cache, which is filled if need be: a run has no queue of those who wait for a
 * stack. */
static void bind(struct sim *s, struct g *g)
{
        struct stack *stack;

        if (rni_g_bind(s->p, g, false))
                return;
        stack = rni_stack_get(&s->p->stacks, 0);
        if (!stack)
                rni_fatal("out of memory for the stack of a goroutine in a simulation");
        rni_stack_put(&s->p->stacks, stack);
        rni_g_bind(s->p, g, false);
}

static void run(struct sim *s, struct g *g)
{
        struct m *m = s->m;

        if (!g->stack)
                bind(s, g);
        s->alone = 0;
        m->budget = 1;
        rni_resume(m, g);
}

/* A turn, and what came of it. */
static void turn(struct sim *s, struct g *g)
{
        uint64_t id = g->id;
        unsigned state;

        run(s, g);
        state = load_rlx(&g->state);   /* rlx: our own thread's; a dead one is still in our cache */
        s->steps++;
        if (state == G_DEAD) {
                s->gs[id - 1].g = NULL;
                s->live--;
                note(s, SIM_ENDED, id, 0);
        } else if (state == G_WAITING && !s->over) {
                s->gs[id - 1].name = g->name;
                note(s, SIM_WAITS, id, g->reason);
        }
}

/* What is due at one instant fires in any order (of each batch). */
static void fire_due(struct sim *s)
{
        while (rni_timers_min(&s->p->timers) <= s->now) {
                struct due due = { .n = 0 };

                rni_timers_due(&s->p->timers, s->now, &due);
                rni_ready_list(&due.gs);
                while (due.n > 0) {
                        unsigned i = rni_rand_below(&s->rand, due.n);
                        struct timer *t = due.timers[i];

                        due.timers[i] = due.timers[--due.n];
                        t->class->fire(t, s->now);
                }
        }
}

/* False: no timer can make anybody run. */
static bool advance(struct sim *s)
{
        int64_t when;

        rni_timers_sweep(&s->p->timers);   /* the clock does not stop where nobody is woken */
        if (!rni_timers_awaited(&s->p->timers))
                return false;
        when = rni_timers_min(&s->p->timers);
        if (when > s->now)
                s->now = when;
        note(s, SIM_TIME, (uint64_t)s->now, 0);
        if (++s->steps >= s->o.max_steps) {   /* a ticker that nobody ever lets become quiet */
                s->over = true;
                s->outcome = -ETIME;
        }
        fire_due(s);
        return true;
}

static struct g *choose(struct sim *s)
{
        struct g *g = s->next;

        collect(s);
        s->next = NULL;
        if (g)
                return g;
        if (s->nready)
                return take(s, draw(s, NULL));
        g = s->waiter;
        s->waiter = NULL;
        return g;
}

static void loop(struct sim *s)
{
        while (!s->over) {
                struct g *g;

                if (unlikely(load_rlx(&s->m->stop) & STOP_FREEZE))   /* rlx: ordered by the heavy
                                                                      * fence of rni_freeze */
                        rni_m_stop(s->m);
                g = choose(s);
                if (g) {
                        turn(s, g);
                } else if (s->live == 0) {
                        s->over = true;
                } else if (!advance(s)) {
                        s->over = true;
                        s->outcome = -EDEADLK;
                }
        }
}

/* -- the M goes into the run, and comes back -- */

/* What a switch looks at. Not the whole: TSan would watch the copy. */
static void stand_on(struct stack *to, const struct stack *from)
{
        to->lo = from->lo;
        to->floor = from->floor;
        to->hi = from->hi;
        to->san_fiber = from->san_fiber;
        to->san_fake = from->san_fake;
}

static void enter(struct sim *s)
{
        struct m *m = rni_self();
        const struct stack *host = m->g->stack;

        if (m->p)
                rni_hand_off(rni_p_leave(m));
        s->m = m;
        s->g0 = m->g0;
        s->m_rand = m->rand;
        stand_on(&s->g0_stack, &m->g0_stack);
        stand_on(&m->g0_stack, host);
        m->sim = s;
        m->p = s->p;
        m->rand = rni_rand_seed(s->o.seed ^ 1);
        store_rlx(&m->retake, RETAKE_SIM);   /* rlx: nobody asks an M that holds none of allp */
        m_stop_set(m, STOP_SIM);
        m->g->reason = WAIT_SIM_HOST;
        m->g = NULL;
}

static void leave(struct sim *s, struct g *host)
{
        struct m *m = s->m;

        host->reason = WAIT_NONE;
        m->g = host;
        m_stop_clear(m, STOP_SIM);
        m->sim = NULL;
        m->p = NULL;
        store_rlx(&m->retake, RETAKE_GONE);   /* rlx: published by rel in rt_leave */
        m->g0 = s->g0;
        stand_on(&m->g0_stack, &s->g0_stack);
        m->rand = s->m_rand;
        m->budget = BUDGET;
}

static void reset(struct sim *s, uint64_t seed)
{
        s->o.seed = seed;
        s->rand = rni_rand_seed(seed);
        s->now = SIM_EPOCH;
        s->steps = s->nlog = 0;
        s->over = false;
        s->outcome = 0;
        s->panicked = 0;
        s->ngs = s->live = 0;
        s->waiter = NULL;
        s->at = NULL;
        s->lowest = LOWERED;
        for (int i = 0; i < s->o.depth - 1; i++)
                s->change[i] = random_step(s);
        s->p->rand = rni_rand_seed(seed ^ 2);
        s->p->goid_next = 1;
        s->p->goid_end = UINT64_MAX;
        store_rlx(&s->p->nspawned, 0);   /* rlx: own word */
        store_rlx(&s->p->nexited, 0);   /* rlx: own word */
}

void rni_sim_one(struct sim *s, uint64_t seed, const struct rn_call *call)
{
        struct g *host = rni_self()->g;

        reset(s, seed);
        enter(s);
        if (rni_spawn_in_turn(s->m, call, NULL, NULL) != 0)
                rni_fatal("out of memory for a goroutine in a simulation");
        loop(s);
        san_acquire(s);   /* released in turn_ends (sched.c) */
        leave(s, host);
}

/* -- after a run -- */

static _Noreturn void ended(void)
{
        struct m *m = rni_self();

        san_switched(m->g->stack);
        rni_post(m);
        rni_g_exit(0);
}

/* One that has run ends on its own stack, so that everything that hears of an end hears of this
 * one. */
static void end(struct sim *s, struct g *g)
{
        g->at_exit = NULL;
        if (g->stack) {
                g->u.run.defers = NULL;
                g->u.run.pcalls = NULL;
                san_forget(g->stack);
                ctx_make(&g->ctx, g->stack->floor, g->stack->hi, ended);
                run(s, g);
                return;
        }
        if (g->flags & GF_COPY_HEAP)
                free(g->u.start.copy.block);
        if (g->flags & GF_SIZED)
                rni_stack_put(NULL, g->sized);
        store_rlx(&g->state, G_DEAD);   /* rlx: back on our own free list */
        rni_g_free(s->m, g);
}

void rni_sim_clear(struct sim *s)
{
        struct g *host = rni_self()->g;

        enter(s);
        collect(s);
        if (s->live)
                rni_hook_forget(s->m);
        for (size_t i = 0; i < s->ngs; i++)
                if (s->gs[i].g)
                        end(s, s->gs[i].g);
        s->nready = 0;
        s->live = s->ngs = 0;
        s->next = NULL;
        rni_timers_drop(&s->p->timers);
        leave(s, host);
}

/* -- inside a run -- */

RN_API void rn_sim_point_(const char *at);   /* <runnel/sync.h>, with -DRN_SIM */

void rn_sim_point_(const char *at)
{
        const struct m *m = rni_m();

        if (!m->sim)
                return;
        m->sim->at = at;
        rni_sim_here(m);
        rni_compiler_barrier();   /* no tail call: the frame tells who called */
}

static void commit_waiter(struct g *g, void *sim)
{
        ((struct sim *)sim)->waiter = g;
}

void rn_sim_wait(void)
{
        struct m *m = rni_m();
        struct sim *s = m->sim;

        if (unlikely(!s))
                rni_runtime_panic("rn_sim_wait outside a simulation");
        if (unlikely(s->waiter))
                rni_runtime_panic("rn_sim_wait: goroutine %lu waits so already",
                                  (unsigned long)s->waiter->id);
        rt_enter();
        rni_park(commit_waiter, s, WAIT_SIM);
        rt_leave();
        san_acquire(s);   /* released in turn_ends (sched.c) */
}

uint64_t rn_sim_seed(void)
{
        const struct sim *s = rni_m()->sim;

        return s ? s->o.seed : 0;
}

int64_t rni_sim_now(const struct m *m)
{
        return m->sim->now;
}
