/* SPDX-License-Identifier: MIT
 * The error group (Go's x/sync/errgroup): a WaitGroup, the first error, a limit with a queue of
 * those who want to start a goroutine, and a context that the first error ends. Everything but the
 * WaitGroup under the word lock.
 *
 *          go: a place is free: active + 1                    the goroutine ends: active - 1
 *   caller ------------------------------> its goroutine runs -------------------------------> gone
 *      | none is free: queued, parked          ^     | and somebody is queued: its place goes
 *      |                                       |     | to the first, active stays
 *      '---------------------------------------'-----'
 *
 * The last step of a goroutine is its done of the WaitGroup: after it the group may be gone. WAITED
 * says that the results up to now have been told: the next go begins anew, so a second
 * rn_group_wait tells the same. */
#include <runnel/group.h>

#include <errno.h>
#include <limits.h>

#include "chan/parking.h"
#include "chan/wg.h"
#include "ctx/ctx.h"
#include "sched/core/panic.h"

enum { WAITED = 2 };   /* in word, beside WORD_LOCK */

struct group {
        rn_wg running;
        struct rn_ctx *ctx;        /* a reference; NULL: none */
        a32 word;                  /* a word lock, for all but running */
        int limit;                 /* and 1 more; 0: none */
        int active;
        int err;                   /* the first */
        struct waiter *last;       /* of a ring by next, of those who want a place: last->next is
                                    * the first */
};
_Static_assert(sizeof(struct group) <= sizeof(rn_group), "fits");

static struct group *inside(rn_group *g)
{
        return (struct group *)(void *)g;
}

static bool full(const struct group *g)
{
        return g->limit && g->active >= g->limit - 1;
}

/* -- the end of a goroutine; entered -- */

/* g is locked. Who has waited longest for a place takes over that of the one who ends. */
static struct g *pass_place(struct group *g)
{
        struct waiter *w;

        if (!g->last) {
                g->active--;
                return NULL;
        }
        w = g->last->next;
        if (w == g->last)
                g->last = NULL;
        else
                g->last->next = w->next;
        return w->g;
}

static void ended(void *arg, intptr_t result)
{
        struct group *g = arg;
        unsigned state = rni_word_lock(&g->word);
        int err = (int)result;
        bool first = err && !g->err;
        struct g *next;

        if (first)
                g->err = err;
        next = pass_place(g);
        rni_word_unlock(&g->word, state);
        if (first && g->ctx)
                rni_ctx_end(g->ctx->cancel, ECANCELED, err < 0 ? err : 0, ENTERED);
        if (next)
                rni_ready(next);
        rni_wg_done_entered(&g->running);
}

/* -- go -- */

static void commit_unlock(struct g *g, void *arg)
{
        (void)g;
        rni_word_unlock(arg, 0);
}

/* g is locked and full; WAITED is not set, for goroutines run. */
static void wait_for_place(struct group *g)
{
        struct m *m = rt_enter_locked();
        struct waiter *w = &m->g->u.run.w;

        *w = (struct waiter){ .g = m->g, .obj = g, .next = w };
        if (g->last) {
                w->next = g->last->next;
                g->last->next = w;
        }
        g->last = w;
        rni_park(commit_unlock, (void *)(uintptr_t)&g->word, WAIT_GROUP_GO);
        rt_leave();
}

/* g is locked. What was told by a wait is forgotten by what begins anew. */
static unsigned begin(struct group *g, unsigned state)
{
        if (g->active || !(state & WAITED))
                return state;
        g->err = 0;
        return 0;
}

/* False: there is no place, and `wait` says not to wait for one. */
static bool take_place(struct group *g, bool wait)
{
        unsigned state;

        rni_m();   /* not with a lock held */
        state = rni_word_lock(&g->word);
        state = begin(g, state);
        if (!full(g)) {
                g->active++;
                rni_word_unlock(&g->word, state);
                return true;
        }
        if (!wait) {
                rni_word_unlock(&g->word, state);
                return false;
        }
        wait_for_place(g);
        return true;
}

static rni_cold void undo(struct group *g)
{
        rt_enter();
        ended(g, 0);
        rt_leave();
        rni_spawn_refused();
}

static void start(struct group *g, const struct rn_call *call)
{
        rn_wg_add(&g->running, 1);
        if (unlikely(rni_spawn_call(call, ended, g) != 0))
                undo(g);
}

void rn_group_spawn(rn_group *group, const struct rn_call *call)
{
        struct rn_call own = *call;   /* it lies where the next capture goes */

        rni_need_fn((const void *)(uintptr_t)own.fn);
        take_place(inside(group), true);
        start(inside(group), &own);
}

bool rn_group_spawn_try(rn_group *group, const struct rn_call *call)
{
        rni_need_fn((const void *)(uintptr_t)call->fn);
        if (!take_place(inside(group), false)) {
                rni_budget(rni_m());   /* a loop of tries lets others run */
                return false;
        }
        start(inside(group), call);
        return true;
}

/* -- the rest -- */

rn_ctx *rn_group_ctx(rn_group *group, rn_ctx *parent)
{
        struct group *g = inside(group);
        rn_ctx *ctx = rn_ctx_with_cancel(parent);
        const char *why;
        unsigned state;

        rni_m();   /* not with a lock held */
        state = rni_word_lock(&g->word);
        why = g->ctx ? "has one" : g->active ? "runs already" : NULL;
        if (!why)
                g->ctx = rni_ctx_hold(ctx);
        rni_word_unlock(&g->word, why ? state : begin(g, state));
        if (unlikely(why != NULL)) {
                rn_ctx_release(ctx);
                rni_runtime_panic("errgroup: a context for a group that %s", why);
        }
        return ctx;
}

void rn_group_limit(rn_group *group, int n)
{
        struct group *g = inside(group);
        unsigned state;
        int active;

        rni_m();
        state = rni_word_lock(&g->word);
        active = g->active;
        if (active == 0)
                g->limit = n < 0 || n == INT_MAX ? 0 : n + 1;
        rni_word_unlock(&g->word, state);
        if (unlikely(active))
                rni_runtime_panic(
                        "errgroup: modify limit while %d goroutines in the group are still active",
                        active);
}

int rn_group_wait(rn_group *group)
{
        struct group *g = inside(group);
        struct rn_ctx *ctx;
        int err;

        rn_wg_wait(&g->running);
        rni_word_lock(&g->word);
        err = g->err;
        ctx = g->ctx;
        g->ctx = NULL;
        rni_word_unlock(&g->word, WAITED);
        if (ctx) {
                rni_ctx_end(ctx->cancel, ECANCELED, err < 0 ? err : 0, OUTSIDE);
                rni_ctx_put(ctx, OUTSIDE);
        }
        return err;
}
