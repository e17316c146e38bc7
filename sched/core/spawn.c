/* SPDX-License-Identifier: MIT
 * The beginning of a goroutine: captured call, stack at first run, entry. A spawned G that has not
 * run costs its descriptor only; the captured words wait there, in the room of the first waiter.
 * Whoever takes a fresh descriptor from the slab has been promised a stack (mem/gslab.h), and one
 * of another size is mapped by spawn, so that is where "out of memory" is said. */
#include <runnel/go.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sched/core/panic.h"
#include "sched/core/sched.h"

enum { GOID_BATCH = 64 };

static uint64_t goid_new(struct p *p)
{
        if (!p)
                return fetch_add(&rni_sched.goid, 1) + 1;
        if (unlikely(p->goid_next == p->goid_end)) {
                p->goid_next = fetch_add(&rni_sched.goid, GOID_BATCH) + 1;
                p->goid_end = p->goid_next + GOID_BATCH;
        }
        return p->goid_next++;
}

uint64_t rni_g_count(void)
{
        AO_t n = rni_sched.g1 != NULL;   /* main, whose exit is counted as any other. A word, as the
                                          * counters are: differences may be below 0 */

        n += load_rlx(&rni_sched.nspawned_no_p) -   /* rlx: an instant's count */
             load_rlx(&rni_sched.nexited_no_p);   /* rlx: the same */
        for (unsigned i = 0; i < load_acq(&rni_sched.np); i++) {   /* acq: pairs with rel in
                                                                    * rni_procs_init */
                const struct p *p = rni_sched.allp[i];

                n += load_rlx(&p->nspawned) - load_rlx(&p->nexited);   /* rlx: as above */
        }
        return n;
}

/* -- spawn -- */

static struct g *g_prepare(struct m *m, void (*fn)(void))
{
        struct g *g = rni_g_new(m);

        if (unlikely(!g))
                return NULL;
        g->flags = 0;
        g->fn = fn;
        g->name = NULL;
        g->at_exit = NULL;
        g->id = goid_new(m->p);
        return g;
}

static void g_launch(struct m *m, struct g *g, bool next)
{
        aword *n = m->p ? &m->p->nspawned : &rni_sched.nspawned_no_p;

        san_release(g);   /* go happens before the goroutine's start; acquired in g_entry */
        store_rlx(&g->state, G_RUNNABLE);   /* rlx: published by the queue */
        if (m->p)
                store_rlx(n, load_rlx(n) + 1);   /* rlx: the holder alone writes */
        else
                fetch_add(n, 1);
        rni_submit(m, g, next);
}

void rni_need_fn(const void *fn)
{
        if (unlikely(!fn))
                rni_fatal("go of nil func value");
}

static inline struct g *g_of_call(struct m *m, const struct rn_call *call)
{
        struct g *g = g_prepare(m, call->fn);

        if (likely(g != NULL))
                g->u.start.reg = call->reg;
        return g;
}

/* Without the stack that attr asks for there is no g. */
static int take_attr(struct m *m, struct g *g, const rn_attr *attr)
{
        g->name = attr->name;
        if (!attr->stack || attr->stack == rni_stack_default())
                return 0;
        g->sized = rni_stack_get(NULL, attr->stack);
        if (!g->sized) {
                rni_g_free(m, g);
                return -ENOMEM;
        }
        g->flags |= GF_SIZED;
        return 0;
}

static int spawn(const struct rn_call *call, const rn_attr *attr)
{
        struct m *m;
        struct g *g;
        int err = -EAGAIN;

        rni_need_fn((const void *)(uintptr_t)call->fn);
        m = rt_enter();
        g = g_of_call(m, call);
        if (likely(g != NULL))
                err = attr ? take_attr(m, g, attr) : 0;
        if (likely(err == 0))
                g_launch(m, g, true);
        rt_leave();
        return err;
}

int rni_spawn_in_turn(struct m *m, const struct rn_call *call, void (*at_exit)(void *, intptr_t),
                      void *arg)
{
        struct g *g = g_of_call(m, call);

        if (unlikely(!g))
                return -EAGAIN;
        g->at_exit = at_exit;
        g->at_exit_arg = arg;
        g_launch(m, g, false);
        return 0;
}

_Noreturn rni_cold void rni_spawn_refused(void)
{
        rni_runtime_panic("out of memory: cannot start a goroutine (%lu exist)",
                          (unsigned long)rni_g_count());
}

void rn_spawn(const struct rn_call *call)
{
        if (unlikely(spawn(call, NULL) != 0))
                rni_spawn_refused();
}

int rn_spawn_try(const struct rn_call *call, const rn_attr *attr)
{
        return spawn(call, attr);
}

int rni_spawn_call(const struct rn_call *call, void (*at_exit)(void *, intptr_t), void *arg)
{
        struct m *m;
        struct g *g;

        rni_need_fn((const void *)(uintptr_t)call->fn);
        m = rt_enter();
        g = g_of_call(m, call);
        if (likely(g != NULL)) {
                g->at_exit = at_exit;
                g->at_exit_arg = arg;
                g_launch(m, g, true);
        }
        rt_leave();
        return g ? 0 : -EAGAIN;
}

void rn_spawn_copy(void (*fn)(void), const void *arg, size_t size, size_t align)
{
        void *block = NULL;
        struct m *m = rni_m();
        struct g *g;

        rni_need_fn((const void *)(uintptr_t)fn);
        if (size > rni_stack_default() / 2)
                rni_runtime_panic("go: a copy of %zu bytes does not fit a goroutine's stack", size);
        san_read(arg, size);
        if (size > COPY_INLINE) {
                block = malloc(size);
                if (!block)
                        rni_spawn_refused();
                memcpy(block, arg, size);
        }
        m = rt_enter();
        g = g_prepare(m, fn);
        if (likely(g != NULL)) {
                g->u.start.copy.size = (uint32_t)size;
                g->u.start.copy.align = (uint16_t)align;
                if (block) {
                        g->flags |= GF_COPY_HEAP;
                        g->u.start.copy.block = block;
                } else {
                        g->flags |= GF_COPY;
                        memcpy(g->u.start.copy.value, arg, size);
                }
                g_launch(m, g, true);
        }
        rt_leave();
        if (unlikely(!g)) {
                free(block);
                rni_spawn_refused();
        }
}

/* -- first run -- */

/* As rt_leave, but that in a deterministic run nobody gives way who has just been chosen. */
static inline void rt_leave_fresh(struct m *m)
{
        store_rel(&m->in_rt, 0);   /* rel: pairs with acq in rni_retake and rni_freeze */
}

/* The value gets room on this stack; fn(pointer to it). */
static rni_noinline void run_copy(struct g *g)
{
        size_t size = g->u.start.copy.size,
               align = g->u.start.copy.align ? g->u.start.copy.align : 1;
        char *room = __builtin_alloca(size + align);
        char *value = room + (align - (uintptr_t)room % align) % align;
        void *block = g->flags & GF_COPY_HEAP ? g->u.start.copy.block : NULL;
        struct rn_call call = { .fn = g->fn, .reg.i = { (uintptr_t)value } };

        memcpy(value, block ? block : g->u.start.copy.value, size);
        free(block);
        g->u.run.defers = NULL;
        g->u.run.pcalls = NULL;
        rt_leave_fresh(rni_self());
        rni_call_run(&call);
}

static _Noreturn void g_entry(void)
{
        struct m *m = rni_self();
        struct g *g = m->g;
        intptr_t result = 0;

        san_switched(g->stack);
        san_g_enters(g);   /* first: what the other wanted done is done on this stack */
        rni_post(m);
        san_acquire(g);   /* released in g_launch */
        if (unlikely(g->flags & (GF_COPY | GF_COPY_HEAP))) {
                run_copy(g);
        } else {
                struct rn_call call = { .fn = g->fn, .reg = g->u.start.reg };

                g->u.run.defers = NULL;
                g->u.run.pcalls = NULL;
                rt_leave_fresh(m);
                result = rni_call_run(&call);
        }
        rni_m();   /* says it if this is the child of a fork */
        rt_enter_locked();   /* to end it needs no P */
        rni_g_exit(result);
}

_Noreturn void rni_g_enter_fresh(struct g *g)
{
        ctx_make(&g->ctx, g->stack->floor, g->stack->hi, g_entry);
        ctx_jump(&g->ctx);
}

static void bind(struct g *g, struct stack *s)
{
        g->stack = s;
        san_g_born(g);
        ctx_make(&g->ctx, s->floor, s->hi, g_entry);
}

bool rni_g_bind(struct p *p, struct g *g, bool slow)
{
        struct stack *s = g->flags & GF_SIZED ? g->sized : rni_stack_get_cached(&p->stacks);

        if (unlikely(!s)) {
                if (!slow)
                        return false;
                s = rni_stack_get(&p->stacks, 0);
                if (!s) {
                        rni_wait_for_stack(g);
                        return false;
                }
        }
        bind(g, s);
        return true;
}

/* -- public odds and ends of a goroutine's life -- */

int rn_numgoroutine(void)
{
        const struct m *m = rni_m();

        if (unlikely(m->sim != NULL))
                return (int)(load_rlx(&m->p->nspawned) -   /* rlx: our own thread's */
                             load_rlx(&m->p->nexited));   /* rlx: the same */
        return (int)rni_g_count();
}

uint64_t rn_goid(void)
{
        return rni_m()->g->id;
}

/* -- capture -- */

struct rn_call *rni_scratch(void)
{
        return &rni_m()->g->stack->scratch;
}

void (*const volatile rn_capture)(void) = rni_capture_stub;

const struct rn_call *rn_captured(void (*fn)(void))
{
        struct rn_call *c = rni_scratch();

        c->fn = fn;
        return c;
}
