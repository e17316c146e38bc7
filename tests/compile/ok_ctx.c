/* SPDX-License-Identifier: MIT
 * <runnel/ctx.h> alone: it needs no other header before it. */
#include <runnel/ctx.h>

int wait_for(rn_ctx *parent, rn_dur d, void (*f)(int), rn_sem *s);

int wait_for(rn_ctx *parent, rn_dur d, void (*f)(int), rn_sem *s)
{
        static const char key;
        rn_ctx *ctx = rn_ctx_with_timeout(parent, d), *bound = rn_ctx_with_value(ctx, &key, s);
        rn_recv_chan(rn_nothing) done = rn_ctx_done(bound);
        int err = rn_ctx_sleep(bound, rn_ctx_deadline(ctx) - d);

        if (!err && done && rn_ctx_value(bound, &key) == s)
                err = rn_sem_acquire_ctx(s, 1, bound);
        if (!rn_ctx_stop_call(rn_ctx_after_func(ctx, f, 1)))
                err = rn_ctx_cause(ctx);
        rn_ctx_release(ctx);
        return err;
}
