/* SPDX-License-Identifier: MIT
 * A context that a signal ends. It watches (chan/signal.h) as long as it has not been cancelled by
 * its owner, so that a second signal does not kill a program that is on its way out. The registry
 * holds no reference: who takes a signal to it holds it first, under the registry's lock, which the
 * last reference needs to get out. */
#include "chan/signal.h"

#include <errno.h>
#include <runnel/signal.h>
#include <stdlib.h>

#include "ctx/ctx.h"
#include "sched/core/panic.h"

struct signal_ctx {
        struct cancel cancel;
        struct watcher watcher;
};

const struct obj_class rni_ctx_signal_class = { "context of signals", rni_ctx_last };

static struct signal_ctx *of_watcher(struct watcher *w)
{
        return container_of(w, struct signal_ctx, watcher);
}

static bool take(struct watcher *w, int sig, struct g_list *woken)
{
        (void)sig;
        (void)woken;
        return obj_hold(&of_watcher(w)->cancel.ctx.obj);
}

static void end(struct watcher *w)
{
        struct signal_ctx *s = of_watcher(w);

        rni_ctx_end(&s->cancel, ECANCELED, -EINTR, OUTSIDE);
        rni_ctx_put(&s->cancel.ctx, OUTSIDE);
}

static const struct watcher_class watcher_class = { take, end };

void rni_ctx_signal_stop(struct cancel *n, bool settle)
{
        rni_signal_remove(&container_of(n, struct signal_ctx, cancel)->watcher, settle);
}

rn_ctx *rn_signal_ctx_new(rn_ctx *parent, const int *sigs, size_t n)
{
        struct signal_ctx *s;

        rni_signal_check(sigs, n);
        s = rni_ctx_block(parent, sizeof *s);
        s->watcher = (struct watcher){ .class = &watcher_class };
        rni_ctx_adopt(&s->cancel, parent, RN_NEVER, &rni_ctx_signal_class);
        rni_signal_add(&s->watcher, sigs, n);
        return &s->cancel.ctx;
}
