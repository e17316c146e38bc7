/* SPDX-License-Identifier: MIT
 * The tree: who is in whose set, how an end reaches all below, and when a context is freed. The two
 * structures and the states of one context are in ctx.h.
 *
 * The walk of rni_ctx_end. At each step one context is locked; the walker holds a reference to it,
 * and by that one's own references to everything above.
 *
 *   visit n: take out of its set the child just finished, if any; end n, if it has not ended; the
 *   first of the set: go down to it.
 *             Nobody left: n is finished, go up, unless n is where the walk began
 *
 * Two walks in one subtree do the same steps, each idempotent, and meet in the same first child; so
 * when a walk ends, everything below has ended, whoever did it. A walk that finds n ended by
 * another goes on with n's error and cause, so a child that ends with its parent always says the
 * same as that, whichever walk comes to it. Nothing new comes into the set of one that has ended:
 * rni_ctx_adopt looks under the same lock, and what it finds ended it copies. After-funcs are taken
 * out as they are met, and started when the lock is released.
 *
 * A child in a set may be going: its last reference has gone, and it wants the lock to take itself
 * out. The walker cannot hold it and takes it out instead. The bug would be a walker that looks at
 * a child that is freed: in_set = 0 is its last access to one it does not hold, and a child that
 * finds anything else there waits for the lock. */
#include "ctx/ctx.h"

#include <errno.h>
#include <stdlib.h>

#include "chan/parking.h"
#include "sched/core/panic.h"

enum { READY_BATCH = 64 };   /* goroutines that wait for the walk to ready them */

/* -- sets -- */

void rni_ctx_set_add(struct cancel *n, struct member *m)
{
        struct member *first = n->set;

        store_rlx(&m->in_set, 1);   /* rlx: under the lock */
        if (!first) {
                n->set = m->next = m->prev = m;
                return;
        }
        m->next = first;
        m->prev = first->prev;
        first->prev->next = m;
        first->prev = m;
}

bool rni_ctx_set_remove(struct cancel *n, struct member *m)
{
        if (!load_rlx(&m->in_set))   /* rlx: under the lock */
                return false;
        if (m->next == m) {
                n->set = NULL;
        } else {
                m->next->prev = m->prev;
                m->prev->next = m->next;
                if (n->set == m)
                        n->set = m->next;
        }
        store_rel(&m->in_set, 0);   /* rel: our last access; pairs with acq in leave_set */
        return true;
}

static struct cancel *cancel_of(struct member *m)
{
        return container_of(m, struct cancel, at);
}

/* In whose set n is, or was; it lives as long as n. */
static struct cancel *above(const struct cancel *n)
{
        return n->ctx.parent->cancel;
}

void rni_ctx_adopt(struct cancel *n, struct rn_ctx *parent, rn_time deadline,
                   const struct obj_class *class)
{
        struct cancel *up = parent->cancel;

        obj_init(&n->ctx.obj, class);
        n->ctx.parent = rni_ctx_hold(parent);
        n->ctx.cancel = n;
        n->ctx.deadline = deadline < parent->deadline ? deadline : parent->deadline;
        n->at = (struct member){ .next = NULL };
        n->lock = (struct lock){ 0 };
        n->set = NULL;
        store_rlx(&n->ended, 0);   /* rlx: not shared yet */
        store_rlx(&n->done, 0);   /* rlx: not shared yet */
        n->cause = 0;
        if (!up)
                return;
        ctx_lock(up);
        if (load_rlx(&up->ended)) {   /* rlx: under the lock */
                san_acquire(up);
                n->cause = up->cause;
                store_rlx(&n->ended,   /* rlx: not shared yet */
                          load_rlx(&up->ended) & ~(unsigned)ENDING);   /* rlx: under the lock */
                san_release(n);
        } else {
                rni_ctx_set_add(up, &n->at);
        }
        ctx_unlock(up);
}

/* n is ours, or has ended with all below it. */
static void leave_set(struct cancel *n)
{
        struct cancel *up = above(n);

        if (!up || !load_acq(&n->at.in_set))   /* acq: pairs with rel in rni_ctx_set_remove */
                return;
        ctx_lock(up);
        rni_ctx_set_remove(up, &n->at);
        ctx_unlock(up);
}

/* -- ending -- */

struct walk {
        unsigned word;             /* of ended; this and the cause are those of the context
                                    * visited */
        int cause;
        enum where where;
        struct g_list woken;
        struct member *stops;      /* after-funcs of the present visit, by next */
};

static void flush(struct walk *k)
{
        if (k->where == OUTSIDE)
                rni_ready_woken(&k->woken);
        else if (k->woken.n)   /* a timer's: behind those whose timers came before */
                rni_ready_list(&k->woken);
        k->woken = (struct g_list){ NULL, NULL, 0 };
}

/* n is locked. */
static void end_locked(struct cancel *n, struct walk *k)
{
        struct hchan *done = (struct hchan *)load_rlx(&n->done);   /* rlx: under the lock */
        unsigned ended = load_rlx(&n->ended);   /* rlx: under the lock */

        if (ended) {   /* by another, perhaps: those below end with it */
                san_acquire(n);
                k->word = ended;
                k->cause = n->cause;
                return;
        }
        n->cause = k->cause;
        san_release(n);
        if (done) {
                store_rel(&n->ended, k->word | ENDING);   /* rel: pairs with acq in rn_ctx_err */
                rni_hchan_close(done, &k->woken);
        }
        store_rel(&n->ended, k->word);   /* rel: pairs with acq in rn_ctx_err and rn_ctx_cause */
        if (n->ctx.obj.class == &rni_ctx_deadline_class)
                rni_timer_stop(&container_of(n, struct deadline, cancel)->timer);
}

/* The first context of n's set that lives, with a reference; after-funcs before it go to k->stops.
 * n is locked. */
static struct cancel *first_below(struct cancel *n, struct walk *k)
{
        struct member *m;

        while ((m = n->set) != NULL) {
                if (!m->is_stop && obj_hold(&cancel_of(m)->ctx.obj))
                        return cancel_of(m);
                if (m->is_stop) {   /* which the set holds: it stays */
                        rni_ctx_set_remove(n, m);
                        m->prev = k->stops;
                        k->stops = m;
                } else {
                        rni_ctx_set_remove(n, m);
                }
        }
        return NULL;
}

static void run_stops(struct walk *k)
{
        struct member *m;

        while ((m = k->stops) != NULL) {
                k->stops = m->prev;
                rni_ctx_stop_run(container_of(m, struct rn_ctx_stop, at), k->where);
        }
}

/* One step. finished: the child that the walk comes up from, or NULL. Returns the child to go down
 * to. */
static struct cancel *visit(struct cancel *n, struct cancel *finished, struct walk *k)
{
        struct cancel *down;

        ctx_lock(n);
        if (finished)
                rni_ctx_set_remove(n, &finished->at);
        end_locked(n, k);
        down = first_below(n, k);
        ctx_unlock(n);
        if (finished)
                rni_ctx_put(&finished->ctx, k->where);
        if (unlikely(k->stops != NULL))
                run_stops(k);
        if (k->woken.n >= READY_BATCH)
                flush(k);
        return down;
}

void rni_ctx_end(struct cancel *root, int err, int cause, enum where where)
{
        struct walk k = { .word = (unsigned)err << 1,
                          .cause = cause ? cause : -err,
                          .where = where };
        struct cancel *n = root, *finished = NULL, *down;

        for (;;) {
                down = visit(n, finished, &k);
                finished = down || n == root ? NULL : n;
                if (down)
                        n = down;
                else if (n == root)
                        break;
                else
                        n = above(n);
        }
        flush(&k);
        leave_set(root);
}

/* -- freeing -- */

/* What the user wants done with a value. Inside the runtime no user code can run: a goroutine does
 * it. */
static void drop_value(const struct value *v, enum where where)
{
        struct rn_call call = { .fn = (void (*)(void))v->drop,
                                .reg.i = { (uint64_t)(uintptr_t)v->value } };

        if (!v->drop)
                return;
        if (where == OUTSIDE)
                v->drop(v->value);
        else if (rni_spawn_in_turn(rni_self(), &call, NULL, NULL) != 0)
                rni_fatal("out of memory: cannot start the goroutine that drops a context's value");
}

/* Nobody holds n, so its set is empty. */
static void take_down(struct cancel *n)
{
        leave_set(n);
        if (n->ctx.obj.class == &rni_ctx_signal_class)
                rni_ctx_signal_stop(n, false);
        if (n->ctx.obj.class == &rni_ctx_deadline_class)
                rni_timer_stop(&container_of(n, struct deadline, cancel)->timer);
        if (load_rlx(&n->done))   /* rlx: nobody else is there */
                (rn_unref)((struct hchan *)load_rlx(&n->done));   /* rlx: as above */
}

/* Frees ctx and returns its parent, to which one reference is to be given back. */
static struct rn_ctx *destroy(struct rn_ctx *ctx, enum where where)
{
        struct rn_ctx *parent = ctx->parent;

        if (ctx->obj.class == &rni_ctx_value_class)
                drop_value(container_of(ctx, struct value, ctx), where);
        else if (ctx->cancel && &ctx->cancel->ctx == ctx)
                take_down(ctx->cancel);
        free(ctx);
        return parent;
}

/* Was it the last? */
static bool give_back(struct rn_ctx *ctx)
{
        bool last;

        if (!ctx->obj.class->last)
                return false;   /* a root */
        san_release(ctx);
        last = fetch_add(&ctx->obj.refs, (AO_t)-1) == 1;   /* full: all use of it comes before,
                                                            * freeing after */
        if (last)
                san_acquire(ctx);
        return last;
}

void rni_ctx_put(struct rn_ctx *ctx, enum where where)
{
        while (give_back(ctx))
                ctx = destroy(ctx, where);
}

void rni_ctx_last(struct obj *o)
{
        rni_ctx_put(destroy(container_of(o, struct rn_ctx, obj), OUTSIDE), OUTSIDE);
}
