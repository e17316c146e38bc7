/* SPDX-License-Identifier: MIT
 * Dead descriptors on their way: from a P's list, through the global one, to the slab
 * (mem/gslab.h), and back. They move in batches. What nobody needs is given back by who has nothing
 * to do, as stacks are.
 *
 * A descriptor that comes back from the slab may have been wiped, its claim word too, which late
 * timers compare (timer.h). They would take a wait for their own whose number was counted up to
 * once more; so counting goes on from claim_floor, which is above all that were wiped.
 *
 * Invariant: a dead descriptor is in exactly one P's list, batch of the global list, or the slab's
 * book. Callers: spawn, sched, sim, procs, trim. */
#include "sched/base/surplus.h"
#include "sched/core/sched.h"

/* A batch of dead descriptors on its way between Ps: one of them, the host, holds the addresses of
 * the others where a living one has what it was started with. So a batch changes hands at the price
 * of its host, and nobody walks a list of cold descriptors with a lock held. claim and state, which
 * late timers and dumps read, lie before it. */
struct g_batch {
        size_t n;                          /* without the host */
        struct g *g[GFREE_BATCH - 1];
};
enum { BATCH_OFF = offsetof(struct g, u) };
_Static_assert(BATCH_OFF + sizeof(struct g_batch) <= RNI_GSLOT, "fits a descriptor");
_Static_assert(offsetof(struct g, claim) + sizeof(aword) <= BATCH_OFF &&
                       offsetof(struct g, state) < BATCH_OFF,
               "spares what is read of the dead");
_Static_assert(sizeof(void *) == 4 || BATCH_OFF == RNI_LINE, "in lines of its own");

enum {
        LIST_MOST = 88,    /* batches that always stay in the global list: 264 KiB */
        TRIM = 32          /* batches that are looked through at a time */
};
_Static_assert(TRIM * GFREE_BATCH <= RNI_GSLAB_GIVE, "what is trimmed is given back as one");

static struct surplus surplus;   /* of batches in the global list; under sched.lock */
static a32 nbatches;             /* in the global list; written under sched.lock */
static a32 trimming;
static aword claim_floor;        /* no claim word of a descriptor that was given back is above */

static struct g_batch *batch_in(struct g *host)
{
        return (struct g_batch *)(void *)((char *)host + BATCH_OFF);
}

/* The lowest last, so that it is used first and a dump goes by age. */
static size_t fresh(struct g **out, size_t unbound)
{
        size_t n = rni_gslab_take((void **)out, GFREE_BATCH, unbound);

        for (size_t i = 0; i < n / 2; i++) {
                struct g *g = out[i];

                out[i] = out[n - 1 - i];
                out[n - 1 - i] = g;
        }
        for (size_t i = 0; i < n; i++) {
                struct g *g = out[i];

                /* Who reads an untouched page before he writes to it has it mapped twice, the
                 * second time by telling all processors. */
                store_rlx(&g->state, G_DEAD);   /* rlx: it is */
                /* The floor was raised before the slot was given back, under the slab's lock. */
                if (load_rlx(&g->claim) < load_rlx(&claim_floor))   /* rlx: ordered by it */
                        store_rlx(&g->claim, load_rlx(&claim_floor));   /* rlx: ours alone */
        }
        return n;
}

/* n <= GFREE_BATCH; sched.lock held. */
static void gfree_push(struct g *const *g, size_t n)
{
        struct g *host = g[n - 1];

        batch_in(host)->n = n - 1;
        g_copy(batch_in(host)->g, g, n - 1);
        g_list_push(&rni_sched.gfree, host);
        store_rlx(&nbatches, (unsigned)rni_sched.gfree.n);   /* rlx: under the lock; a hint
                                                              * outside */
}

static void gfree_give(struct g *const *g, size_t n)
{
        lock_acquire(&rni_sched.lock, RANK_SCHED);
        gfree_push(g, n);
        lock_release(&rni_sched.lock, RANK_SCHED);
}

void rni_g_free_from(struct p *p)
{
        while (p->ngfree > 0) {
                unsigned n = p->ngfree < GFREE_BATCH ? p->ngfree : GFREE_BATCH;

                p->ngfree -= n;
                gfree_push(p->gfree + p->ngfree, n);
        }
}

/* The oldest batch of the global list, 0 if it is empty; sched.lock held. */
static size_t gfree_pop_locked(struct g **out)
{
        struct g *host = g_list_pop(&rni_sched.gfree);
        size_t n;

        if (!host)
                return 0;
        surplus_seen(&surplus, rni_sched.gfree.n);
        store_rlx(&nbatches, (unsigned)rni_sched.gfree.n);   /* rlx: under the lock; a hint
                                                              * outside */
        n = batch_in(host)->n;
        g_copy(out, batch_in(host)->g, n);
        out[n] = host;
        return n + 1;
}

/* A batch from the global list; the dead that idle Ps cache come to it first, if `all`. */
static size_t gfree_pop(struct g **out, bool all)
{
        size_t n;

        lock_acquire(&rni_sched.lock, RANK_SCHED);
        for (struct p *p = all ? rni_sched.idle_p : NULL; p; p = p->idle_next)
                rni_g_free_from(p);
        n = gfree_pop_locked(out);
        lock_release(&rni_sched.lock, RANK_SCHED);
        for (size_t i = 0; i < n; i++)
                g_prefetch(out[i]);
        return n;
}

/* Dead ones, else fresh slots, else dead ones from wherever they are. Returns how many; at most
 * GFREE_BATCH. */
static size_t gfree_take(struct g **out)
{
        size_t n = gfree_pop(out, false), bound;
        uint64_t live;

        if (likely(n > 0))
                return n;
        live = rni_g_count();
        bound = rni_stack_in_use();
        n = fresh(out, live > bound ? (size_t)live - bound : 0);
        return likely(n > 0) ? n : gfree_pop(out, true);
}

/* A thread without a P takes a batch for one and hands the rest back. */
static rni_cold struct g *g_new_foreign(void)
{
        struct g *some[GFREE_BATCH];
        size_t n = gfree_take(some);

        if (n > 1)
                gfree_give(some, n - 1);
        return n ? some[n - 1] : NULL;
}

struct g *rni_g_new(struct m *m)
{
        struct p *p = m->p;

        if (unlikely(!p))
                return g_new_foreign();
        if (unlikely(p->ngfree == 0)) {
                p->ngfree = (unsigned)gfree_take(p->gfree);
                if (p->ngfree == 0)
                        return NULL;
        }
        return p->gfree[--p->ngfree];
}

/* Newest last: the next spawn finds it warm; the oldest leave. */
void rni_g_free(struct m *m, struct g *g)
{
        struct p *p = m->p;

        if (unlikely(!p)) {
                gfree_give(&g, 1);
                return;
        }
        if (unlikely(p->ngfree == GFREE_MAX)) {
                gfree_give(p->gfree, GFREE_BATCH);
                p->ngfree -= GFREE_BATCH;
                g_copy(p->gfree, p->gfree + GFREE_BATCH, p->ngfree);
        }
        p->gfree[p->ngfree++] = g;
}

void rni_g_free_flush(struct p *p)
{
        lock_acquire(&rni_sched.lock, RANK_SCHED);
        rni_g_free_from(p);
        lock_release(&rni_sched.lock, RANK_SCHED);
}

/* -- giving back -- */

size_t rni_g_surplus(void)
{
        return RNI_TSAN ? 0 : (size_t)load_rlx(&nbatches) * GFREE_BATCH;   /* rlx: a hint */
}

/* Unpacks the oldest batches of what may go. *more: that was not all. */
static size_t pop_surplus(struct g **out, bool unused, bool *more)
{
        size_t spare, k = 0, n = 0;

        lock_acquire(&rni_sched.lock, RANK_SCHED);
        spare = surplus_spare(&surplus, unused, LIST_MOST);
        for (; k < spare && k < TRIM; k++)
                n += gfree_pop_locked(out + n);
        *more = surplus_trimmed(&surplus, unused, LIST_MOST, spare, k, rni_sched.gfree.n);
        lock_release(&rni_sched.lock, RANK_SCHED);
        return n;
}

bool rni_g_trim(bool unused)
{
        static struct g *out[TRIM * GFREE_BATCH];   /* whoever made trimming 1 */
        bool more;
        size_t n;

        if (RNI_TSAN)   /* it does not know the slab's lock */
                return false;
        if (load_rlx(&nbatches) <= (unused ? 0 : LIST_MOST))   /* rlx: a hint: the next one looks
                                                                * again */
                return false;
        if (load_rlx(&trimming) != 0 || !cas(&trimming, 0, 1))   /* rlx: the CAS decides */
                return false;
        n = pop_surplus(out, unused, &more);
        for (size_t i = 0; i < n; i++) {
                const struct g *g = out[i];

                /* The dead one's is ours alone; so is writing the floor. */
                if (load_rlx(&g->claim) > load_rlx(&claim_floor))   /* rlx: ours */
                        store_rlx(&claim_floor, load_rlx(&g->claim) | 1);   /* rlx: as in fresh */
        }
        if (n > 0)
                rni_gslab_give((void *const *)out, n);
        store_rel(&trimming, 0);   /* rel: done with out; pairs with the cas */
        return more;
}
