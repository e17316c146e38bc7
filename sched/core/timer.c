/* SPDX-License-Identifier: MIT
 * The timer heap. States and the argument about late timers: timer.h. */
#include "sched/core/timer.h"

#include <stdlib.h>

#include "sched/core/fatal.h"
#include "sched/core/san.h"

enum { ARITY = 4, FIRST_CAP = 64, SWEEP_MIN = 32 };

_Static_assert(sizeof(AO_t) >= sizeof(int64_t) || sizeof(AO_t) == 4, "min_when is a word");

static void set_min(struct timers *t)
{
        store_rel(&t->min_when, (AO_t)(t->n ? t->heap[0].when : TIMER_NEVER));   /* rel: pairs with acq in rni_timers_min */
}

static void sift_up(struct timer_entry *h, size_t i)
{
        struct timer_entry e = h[i];

        while (i > 0) {
                size_t parent = (i - 1) / ARITY;

                if (h[parent].when <= e.when)
                        break;
                h[i] = h[parent];
                i = parent;
        }
        h[i] = e;
}

static void sift_down(struct timer_entry *h, size_t n, size_t i)
{
        struct timer_entry e = h[i];

        for (;;) {
                size_t first = i * ARITY + 1, least = first;

                if (first >= n)
                        break;
                for (size_t c = first + 1; c < first + ARITY && c < n; c++)
                        if (h[c].when < h[least].when)
                                least = c;
                if (h[least].when >= e.when)
                        break;
                h[i] = h[least];
                i = least;
        }
        h[i] = e;
}

void rni_timers_init(struct timers *t)
{
        *t = (struct timers){ 0 };
        set_min(t);
}

static void push(struct timers *t, struct timer_entry e)
{
        if (t->n == t->cap) {
                size_t cap = t->cap ? t->cap * 2 : FIRST_CAP;
                struct timer_entry *h;

                san_acquire(t);   /* TSan watches the block, which changes hands under a lock it does not know */
                h = realloc(t->heap, cap * sizeof *h);
                if (!h)
                        rni_fatal("out of memory for timers");
                san_release(t);
                t->heap = h;
                t->cap = cap;
        }
        t->heap[t->n] = e;
        sift_up(t->heap, t->n++);
}

void rni_timers_add(struct timers *t, struct g *g, int64_t when)
{
        lock_acquire(&t->lock, RANK_TIMERS);
        g->u.wait.timers = t;
        push(t, (struct timer_entry){ when, g, load_rlx(&g->claim) });   /* rlx: g is ours until the lock is released */
        set_min(t);
        lock_release(&t->lock, RANK_TIMERS);
}

static bool entry_live(const struct timer_entry *e)
{
        return load_rlx(&e->g->claim) == e->wait;   /* rlx: a hint; the CAS in rni_timers_due decides */
}

static size_t sweep_locked(struct timers *t)
{
        size_t live = 0;

        store_rlx(&t->stale, 0);   /* rlx: an estimate */
        for (size_t i = 0; i < t->n; i++)
                if (entry_live(&t->heap[i]))
                        t->heap[live++] = t->heap[i];
        t->n = live;
        for (size_t i = live / ARITY + 1; i-- > 0;)
                if (i < live)
                        sift_down(t->heap, live, i);
        set_min(t);
        return live;
}

size_t rni_timers_sweep(struct timers *t)
{
        size_t live;

        lock_acquire(&t->lock, RANK_TIMERS);
        live = sweep_locked(t);
        lock_release(&t->lock, RANK_TIMERS);
        return live;
}

void rni_timers_forget(struct g *g)
{
        struct timers *t = g->u.wait.timers;
        size_t stale = fetch_add(&t->stale, 1) + 1;

        if (stale < SWEEP_MIN || stale < t->n / 4)   /* t->n: an estimate */
                return;
        rni_timers_sweep(t);
}

void rni_timers_due(struct timers *t, int64_t now, struct g_list *out)
{
        lock_acquire(&t->lock, RANK_TIMERS);
        while (t->n > 0 && t->heap[0].when <= now) {
                struct timer_entry e = t->heap[0];

                t->heap[0] = t->heap[--t->n];
                if (t->n > 0)
                        sift_down(t->heap, t->n, 0);
                if (cas(&e.g->claim, e.wait, e.wait | 1)) {
                        e.g->fired = NULL;
                        g_list_push(out, e.g);
                }
        }
        set_min(t);
        lock_release(&t->lock, RANK_TIMERS);
}

void rni_timers_move(struct timers *from, struct timers *to)
{
        struct timer_entry *h;
        size_t n;

        lock_acquire(&from->lock, RANK_TIMERS);
        h = from->heap;
        n = from->n;
        from->heap = NULL;
        from->n = from->cap = 0;
        set_min(from);
        lock_release(&from->lock, RANK_TIMERS);
        lock_acquire(&to->lock, RANK_TIMERS);
        for (size_t i = 0; i < n; i++)
                push(to, h[i]);
        set_min(to);
        lock_release(&to->lock, RANK_TIMERS);
        san_acquire(from);   /* as in push */
        free(h);
}
