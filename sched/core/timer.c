/* SPDX-License-Identifier: MIT
 * The timer heap. States and the argument about late timers: timer.h; the model is
 * docs/design/timer.pml. */
#include "sched/core/timer.h"

#include <stdlib.h>

#include "sched/core/fatal.h"
#include "sched/core/san.h"

enum { ARITY = 4, FIRST_CAP = 64, SWEEP_MIN = 32 };

static void set_min(struct timers *t)
{
        int64_t min = t->n ? t->heap[0].when : TIMER_NEVER;

        store_rel(&t->min_when, min);   /* rel: pairs with acq in rni_timers_min */
}

static struct timer *timer_of(const struct timer_entry *e)
{
        return e->who & 1 ? (struct timer *)(e->who - 1) : NULL;
}

/* Who stops a timer in the midst of the heap leaves its entry there with nobody in it. */
static bool is_void(const struct timer_entry *e)
{
        return e->who == 0;
}

static struct g *g_of(const struct timer_entry *e)
{
        return (struct g *)e->who;
}

static inline void place(struct timer_entry *h, size_t i, struct timer_entry e)
{
        struct timer *t = timer_of(&e);

        h[i] = e;
        if (t)
                t->pos = i;
}

static void sift_up(struct timer_entry *h, size_t i)
{
        struct timer_entry e = h[i];

        while (i > 0) {
                size_t parent = (i - 1) / ARITY;

                if (h[parent].when <= e.when)
                        break;
                place(h, i, h[parent]);
                i = parent;
        }
        place(h, i, e);
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
                place(h, i, h[least]);
                i = least;
        }
        place(h, i, e);
}

/* Fills the hole at i from the end. */
static void take_out(struct timers *t, size_t i)
{
        struct timer_entry *h = t->heap;
        struct timer_entry last = h[--t->n];

        if (i == t->n)
                return;
        h[i] = last;
        if (i > 0 && last.when < h[(i - 1) / ARITY].when)
                sift_up(h, i);
        else
                sift_down(h, t->n, i);
}

static void clean_head(struct timers *t)
{
        while (t->n > 0 && is_void(&t->heap[0])) {
                take_out(t, 0);
                t->nvoid--;
        }
        set_min(t);
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

                san_acquire(t);   /* TSan watches the block, which changes hands under a lock it
                                   * does not know */
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
        g->u.run.timers = t;
        push(t, (struct timer_entry){
                when, (uintptr_t)g,
                load_rlx(&g->claim)   /* rlx: g is ours until the lock is released */
        });
        set_min(t);
        lock_release(&t->lock, RANK_TIMERS);
}

void rni_timers_start(struct timers *h, struct timer *t, int64_t when)
{
        lock_acquire(&h->lock, RANK_TIMERS);
        store_rlx(&t->home, aptr(h));   /* rlx: published by the lock; read without it only to find
                                         * the lock */
        push(h, (struct timer_entry){ when, (uintptr_t)t | 1, 0 });
        set_min(h);
        lock_release(&h->lock, RANK_TIMERS);
}

static bool entry_live(const struct timer_entry *e)
{
        return e->who & 1 ||
               (!is_void(e) && load_rlx(&g_of(e)->claim) == e->wait);   /* rlx: a hint; the CAS in
                                                                         * rni_timers_due decides */
}

static size_t sweep_locked(struct timers *t)
{
        size_t live = 0;

        store_rlx(&t->stale, 0);   /* rlx: an estimate */
        t->nvoid = 0;
        for (size_t i = 0; i < t->n; i++)
                if (entry_live(&t->heap[i]))
                        place(t->heap, live++, t->heap[i]);
        t->n = live;
        for (size_t i = live / ARITY + 1; i-- > 0;)
                if (i < live)
                        sift_down(t->heap, live, i);
        set_min(t);
        return live;
}

/* Filling a hole takes as many cache misses as the heap has levels; a void entry takes one, and its
 * share of a sweep. A void head may wake an M up for nobody, so there is none in a small heap. */
static void leave_locked(struct timers *h, size_t i)
{
        if (h->n <= SWEEP_MIN || i == h->n - 1) {
                take_out(h, i);
                clean_head(h);
                return;
        }
        h->heap[i].who = 0;
        if (++h->nvoid >= h->n / 2)
                sweep_locked(h);
}

bool rni_timer_stop(struct timer *t)
{
        struct timers *h;

        /* NULL: rni_timers_due, if it had t, is over with it. */
        while ((h = (struct timers *)load_acq(&t->home)) != NULL) {   /* acq: pairs with rel in
                                                                       * rni_timers_due */
                bool here;

                lock_acquire(&h->lock, RANK_TIMERS);
                here = load_rlx(&t->home) == aptr(h);   /* rlx: under the lock, if it is this one */
                if (here) {
                        store_rlx(&t->home, 0);   /* rlx: under the lock */
                        leave_locked(h, t->pos);
                }
                lock_release(&h->lock, RANK_TIMERS);
                if (here)
                        return true;
        }
        return false;
}

size_t rni_timers_sweep(struct timers *t)
{
        size_t live;

        lock_acquire(&t->lock, RANK_TIMERS);
        live = sweep_locked(t);
        lock_release(&t->lock, RANK_TIMERS);
        return live;
}

static bool entry_awaited(const struct timer_entry *e)
{
        struct timer *t = timer_of(e);

        return t ? t->class->awaited(t) : entry_live(e);
}

/* Asked whenever the last M goes to sleep, so it begins where it found somebody the last time: as a
 * rule one look, however many there are. */
bool rni_timers_awaited(struct timers *t)
{
        bool any = false;

        if (rni_timers_min(t) == TIMER_NEVER)
                return false;
        lock_acquire(&t->lock, RANK_TIMERS);
        for (size_t left = t->n; left > 0 && !any; left--) {
                if (t->witness >= t->n)
                        t->witness = 0;
                any = entry_awaited(&t->heap[t->witness]);
                t->witness += !any;
        }
        lock_release(&t->lock, RANK_TIMERS);
        return any;
}

void rni_timers_forget(struct g *g)
{
        struct timers *t = g->u.run.timers;
        size_t stale = fetch_add(&t->stale, 1) + 1;

        if (stale < SWEEP_MIN || stale < t->n / 4)   /* t->n: an estimate */
                return;
        rni_timers_sweep(t);
}

static void due_one(const struct timer_entry *e, struct due *out)
{
        struct timer *t = timer_of(e);

        if (!t) {
                if (!cas(&g_of(e)->claim, e->wait, e->wait | 1))
                        return;
                g_of(e)->u.run.fired = NULL;
                g_list_push(&out->gs, g_of(e));
                return;
        }
        if (t->class->hold(t))
                out->timers[out->n++] = t;
        store_rel(&t->home, 0);   /* rel: one that is going may be freed from here on; pairs with
                                   * acq in rni_timer_stop */
}

void rni_timers_due(struct timers *t, int64_t now, struct due *out)
{
        lock_acquire(&t->lock, RANK_TIMERS);
        while (t->n > 0 && t->heap[0].when <= now && out->n < FIRE_BATCH) {
                struct timer_entry e = t->heap[0];

                take_out(t, 0);
                if (is_void(&e))
                        t->nvoid--;
                else
                        due_one(&e, out);
        }
        clean_head(t);
        lock_release(&t->lock, RANK_TIMERS);
}

/* One at a time: what drop does may free others. */
void rni_timers_drop(struct timers *t)
{
        for (;;) {
                struct timer *last = NULL;

                lock_acquire(&t->lock, RANK_TIMERS);
                while (!last && t->n > 0) {
                        last = timer_of(&t->heap[--t->n]);
                        if (last)
                                store_rel(&last->home, 0);   /* rel: pairs with acq in
                                                              * rni_timer_stop */
                }
                set_min(t);
                lock_release(&t->lock, RANK_TIMERS);
                if (!last)
                        break;
                if (last->class->drop)
                        last->class->drop(last);
        }
        san_acquire(t);   /* as in push */
        free(t->heap);
        t->heap = NULL;
        t->cap = t->nvoid = 0;
        store_rlx(&t->stale, 0);   /* rlx: nobody else knows of it */
}

/* Both heaps are locked, in the order of their addresses, so that no timer is seen between them. */
void rni_timers_move(struct timers *from, struct timers *to)
{
        struct timers *first = from < to ? from : to, *second = from < to ? to : from;
        struct timer_entry *h;

        lock_acquire(&first->lock, RANK_TIMERS);
        lock_acquire(&second->lock, RANK_TIMERS);
        h = from->heap;
        for (size_t i = 0; i < from->n; i++) {
                struct timer *t = timer_of(&h[i]);

                if (is_void(&h[i]))
                        continue;
                if (t)
                        store_rlx(&t->home, aptr(to));   /* rlx: under both locks */
                push(to, h[i]);
        }
        from->heap = NULL;
        from->n = from->cap = from->nvoid = 0;
        set_min(from);
        set_min(to);
        lock_release(&second->lock, RANK_TIMERS);
        lock_release(&first->lock, RANK_TIMERS);
        san_acquire(from);   /* as in push */
        free(h);
}
