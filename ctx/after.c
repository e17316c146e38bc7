/* SPDX-License-Identifier: MIT
 * After-funcs: calls that are made, each in a goroutine of its own, once a context has ended. One
 * lies in the set of its context until that ends or it is stopped: whoever takes it out of the set,
 * under the lock of the set, decides which. A context is kept by the after-funcs it has, since it
 * may still end. */
#include "ctx/ctx.h"

#include <stdlib.h>

#include "sched/core/panic.h"

static void stop_free(struct rn_ctx_stop *s, enum where where)
{
        struct rn_ctx *ctx = s->ctx;

        free(s);
        rni_ctx_put(ctx, where);
}

static void stop_last(struct obj *o)
{
        stop_free(container_of(o, struct rn_ctx_stop, obj), OUTSIDE);
}

static const struct obj_class stop_class = { "after-func", stop_last };

static void stop_put(struct rn_ctx_stop *s, enum where where)
{
        san_release(s);
        if (fetch_add(&s->obj.refs, (AO_t)-1) != 1)   /* full: all use of it comes before, freeing
                                                       * after */
                return;
        san_acquire(s);
        stop_free(s, where);
}

void rni_ctx_stop_run(struct rn_ctx_stop *s, enum where where)
{
        int err;

        if (where == OUTSIDE)
                rt_enter();
        san_acquire(s);   /* released when it was made */
        err = rni_spawn_in_turn(rni_self(), &s->call, NULL, NULL);
        if (where == OUTSIDE)
                rt_leave();
        if (unlikely(err))
                rni_fatal("out of memory: cannot start the goroutine of an after-func");
        stop_put(s, where);
}

rn_ctx_stop *rn_ctx_after_call(rn_ctx *ctx, const struct rn_call *call)
{
        struct cancel *n = ctx->cancel;
        struct rn_ctx_stop *s;
        bool ended = false;

        rni_need_fn((const void *)(uintptr_t)call->fn);
        s = malloc(sizeof *s);
        if (unlikely(!s))
                rni_runtime_panic("out of memory for an after-func");
        *s = (struct rn_ctx_stop){ .obj = { &stop_class, 1 }, .at = { .is_stop = true },
                                   .call = *call };
        s->ctx = rni_ctx_hold(ctx);
        if (!n)
                return s;   /* never */
        store_rlx(&s->obj.refs, 2);   /* rlx: not shared yet; the set's is one */
        san_release(s);
        ctx_lock(n);
        ended = load_rlx(&n->ended) != 0;   /* rlx: under the lock */
        if (!ended)
                rni_ctx_set_add(n, &s->at);
        ctx_unlock(n);
        if (ended) {
                san_acquire(n);
                rni_ctx_stop_run(s, OUTSIDE);
        }
        return s;
}

bool rn_ctx_stop_call(rn_ctx_stop *s)
{
        struct cancel *n;
        bool waits = true;

        if (unlikely(!s))
                rni_runtime_panic("context: stop of a nil after-func");
        n = s->ctx->cancel;
        if (n) {
                ctx_lock(n);
                waits = rni_ctx_set_remove(n, &s->at);
                ctx_unlock(n);
                if (waits)
                        stop_put(s, OUTSIDE);
        }
        stop_put(s, OUTSIDE);
        return waits;
}
