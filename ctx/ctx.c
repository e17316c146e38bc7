/* SPDX-License-Identifier: MIT
 * The public face of contexts: making them, asking them, ending them. Each is one block of memory;
 * the done channel is made when somebody first asks for it. How they hang together: ctx.h. */
#include "ctx/ctx.h"

#include <errno.h>
#include <stdlib.h>

#include "sched/core/panic.h"

const struct obj_class rni_ctx_cancel_class = { "context", rni_ctx_last };
const struct obj_class rni_ctx_deadline_class = { "context with a deadline", rni_ctx_last };
const struct obj_class rni_ctx_value_class = { "context with a value", rni_ctx_last };
static const struct obj_class without_class = { "context without cancel", rni_ctx_last };

/* -- roots: never counted, never end -- */

static const struct obj_class background_class = { "context.Background", NULL };
static const struct obj_class todo_class = { "context.TODO", NULL };
static struct rn_ctx background = { .obj = { .class = &background_class }, .deadline = RN_NEVER };
static struct rn_ctx todo = { .obj = { .class = &todo_class }, .deadline = RN_NEVER };

rn_ctx *rn_ctx_background(void)
{
        return &background;
}

rn_ctx *rn_ctx_todo(void)
{
        return &todo;
}

/* -- making -- */

void *rni_ctx_block(const rn_ctx *parent, size_t size)
{
        void *p;

        if (unlikely(!parent))
                rni_runtime_panic("cannot create context from nil parent");
        p = malloc(size);
        if (unlikely(!p))
                rni_runtime_panic("out of memory for a context");
        return p;
}

rn_ctx *rn_ctx_with_cancel(rn_ctx *parent)
{
        struct cancel *n = rni_ctx_block(parent, sizeof *n);

        rni_ctx_adopt(n, parent, RN_NEVER, &rni_ctx_cancel_class);
        return &n->ctx;
}

static struct deadline *of_timer(struct timer *t)
{
        return container_of(t, struct deadline, timer);
}

static bool deadline_hold(struct timer *t)
{
        return obj_hold(&of_timer(t)->cancel.ctx.obj);
}

static void deadline_fire(struct timer *t, int64_t now)
{
        struct deadline *d = of_timer(t);

        (void)now;
        rni_ctx_end(&d->cancel, ETIMEDOUT, d->cause, ENTERED);
        rni_ctx_put(&d->cancel.ctx, ENTERED);
}

/* Whom it might wake hangs somewhere below. */
static bool deadline_awaited(struct timer *t)
{
        (void)t;
        return true;
}

static const struct timer_class deadline_timer_class = { deadline_hold, deadline_fire,
                                                         deadline_awaited, NULL };

/* The parent may end it at any time: the timer of an ended one is not started. */
static void start_timer(struct deadline *d, rn_time t)
{
        struct m *m = rt_enter();

        ctx_lock(&d->cancel);
        if (!load_rlx(&d->cancel.ended))   /* rlx: under the lock */
                rni_timer_start(m, &d->timer, t);
        ctx_unlock(&d->cancel);
        rt_leave();
}

static void check_cause(int err)
{
        if (unlikely(err > 0))
                rni_runtime_panic("context: a cause is a negative error number, not %d", err);
}

/* now: rn_now(), or before. */
static rn_ctx *with_deadline(rn_ctx *parent, rn_time t, rn_time now, int cause)
{
        struct deadline *d;

        check_cause(cause);
        if (parent && parent->deadline <= t)
                return rn_ctx_with_cancel(parent);   /* which ends it first */
        d = rni_ctx_block(parent, sizeof *d);
        d->timer = (struct timer){ .class = &deadline_timer_class };
        d->cause = cause;
        rni_ctx_adopt(&d->cancel, parent, t, &rni_ctx_deadline_class);
        if (t <= now)
                rni_ctx_end(&d->cancel, ETIMEDOUT, cause, OUTSIDE);
        else
                start_timer(d, t);
        return &d->cancel.ctx;
}

rn_ctx *rn_ctx_with_deadline_cause(rn_ctx *parent, rn_time t, int err)
{
        return with_deadline(parent, t, rn_now(), err);
}

rn_ctx *rn_ctx_with_deadline(rn_ctx *parent, rn_time t)
{
        return with_deadline(parent, t, rn_now(), 0);
}

rn_ctx *rn_ctx_with_timeout_cause(rn_ctx *parent, rn_dur d, int err)
{
        rn_time now = rn_now();
        rn_time t = d <= 0 ? now : d > RN_NEVER - now ? RN_NEVER : now + d;

        return with_deadline(parent, t, now, err);
}

rn_ctx *rn_ctx_with_timeout(rn_ctx *parent, rn_dur d)
{
        return rn_ctx_with_timeout_cause(parent, d, 0);
}

static void init_passive(struct rn_ctx *c, struct rn_ctx *parent, const struct obj_class *class)
{
        obj_init(&c->obj, class);
        c->parent = rni_ctx_hold(parent);
        c->cancel = parent->cancel;
        c->deadline = parent->deadline;
}

rn_ctx *rn_ctx_with_value_free(rn_ctx *parent, const void *key, void *value, void (*drop)(void *))
{
        struct value *v;

        if (unlikely(parent && !key))
                rni_runtime_panic("nil key");
        v = rni_ctx_block(parent, sizeof *v);
        init_passive(&v->ctx, parent, &rni_ctx_value_class);
        v->key = key;
        v->value = value;
        v->drop = drop;
        return &v->ctx;
}

rn_ctx *rn_ctx_with_value(rn_ctx *parent, const void *key, void *value)
{
        return rn_ctx_with_value_free(parent, key, value, NULL);
}

rn_ctx *rn_ctx_without_cancel(rn_ctx *parent)
{
        struct rn_ctx *c = rni_ctx_block(parent, sizeof *c);

        init_passive(c, parent, &without_class);
        c->cancel = NULL;
        c->deadline = RN_NEVER;
        return c;
}

/* -- ending -- */

static struct cancel *own_cancel(rn_ctx *ctx)
{
        if (unlikely(!ctx))
                rni_runtime_panic("context: cancel of nil context");
        if (unlikely(!ctx->cancel || &ctx->cancel->ctx != ctx))
                rni_runtime_panic("context: cancel of a %s", ctx->obj.class->name);
        return ctx->cancel;
}

void rn_ctx_cancel_cause(rn_ctx *ctx, int err)
{
        struct cancel *n = own_cancel(ctx);

        check_cause(err);
        rni_ctx_end(n, ECANCELED, err, OUTSIDE);
        if (unlikely(ctx->obj.class == &rni_ctx_signal_class))
                rni_ctx_signal_stop(n, true);
}

void rn_ctx_cancel(rn_ctx *ctx)
{
        rn_ctx_cancel_cause(ctx, 0);
}

void rn_ctx_release(rn_ctx *ctx)
{
        rn_ctx_cancel(ctx);
        rni_ctx_put(ctx, OUTSIDE);
}

/* -- asking -- */

int rn_ctx_err(const rn_ctx *ctx)
{
        struct cancel *n = ctx->cancel;
        unsigned ended;

        rni_sim_place();   /* it may be asked in a loop */
        ended = n ? load_acq(&n->ended) : 0;   /* acq: pairs with rel in end_locked */
        if (likely(ended == 0))
                return 0;
        if (unlikely(ended & ENDING)) {   /* done is being closed */
                ctx_lock(n);
                ended = load_rlx(&n->ended);   /* rlx: under the lock */
                ctx_unlock(n);
        }
        san_acquire(n);
        return -(int)(ended >> 1);
}

int rn_ctx_cause(const rn_ctx *ctx)
{
        return rn_ctx_err(ctx) ? ctx->cancel->cause : 0;
}

rn_time rn_ctx_deadline(const rn_ctx *ctx)
{
        return ctx->deadline;
}

void *rn_ctx_value(const rn_ctx *ctx, const void *key)
{
        if (unlikely(!key))
                rni_runtime_panic("nil key");
        for (; ctx; ctx = ctx->parent) {
                const struct value *v = (const void *)ctx;   /* its first member */

                if (ctx->obj.class == &rni_ctx_value_class && v->key == key)
                        return v->value;
        }
        return NULL;
}

/* -- the done channel -- */

/* Of all that ended before anybody asked. */
static const struct obj_class closed_class = { "channel", NULL };
static struct hchan closed_chan = { .obj = { .class = &closed_class },
                                    .closed = 1,
                                    .size = sizeof(rn_nothing),
                                    .type = "rn_nothing" };

/* made: may be taken. Returns n's channel, or NULL if it has none and none was given. */
static struct hchan *settle_done(struct cancel *n, struct hchan *made)
{
        struct hchan *done;

        ctx_lock(n);
        done = (struct hchan *)load_rlx(&n->done);   /* rlx: under the lock */
        if (!done) {
                done = load_rlx(&n->ended) ? &closed_chan : made;   /* rlx: under the lock */
                store_rel(&n->done, aptr(done));   /* rel: pairs with acq in rn_ctx_done */
        }
        ctx_unlock(n);
        return done;
}

static rni_noinline struct hchan *make_done(struct cancel *n)
{
        struct hchan *done = settle_done(n, NULL), *made;

        if (done)
                return done;
        made = rn_chan_new(sizeof(rn_nothing), _Alignof(rn_nothing), 0, "rn_nothing");
        done = settle_done(n, made);
        if (done != made)
                (rn_unref)(made);
        return done;
}

rn_recv_chan(rn_nothing) rn_ctx_done(const rn_ctx *ctx)
{
        struct cancel *n = ctx->cancel;
        struct hchan *done;

        if (!n)
                return NULL;
        done = (struct hchan *)load_acq(&n->done);   /* acq: pairs with rel in settle_done */
        if (!done)
                done = make_done(n);
        if (done == &closed_chan)
                san_acquire(n);
        return (rn_recv_chan(rn_nothing))(void *)done;
}
