/* SPDX-License-Identifier: MIT
 * The calls of <runnel/fd.h> that end with a context: a parked one stands in two queues, the
 * descriptor's and that of the context's done channel, and is claimed by whoever comes first. The
 * channel's lock is held from the last look at it until the goroutine has parked (core/fdop.h says
 * when), so the end is not missed. */
#include <errno.h>

#include "ctx/ctx.h"
#include "io/io.h"

struct ctx_end {
        struct fdop_end end;
        struct hchan *done;
        struct waiter w;
};

static struct ctx_end *inside(struct fdop_end *e)
{
        return container_of(e, struct ctx_end, end);
}

static bool end_lock(struct fdop_end *e)
{
        struct hchan *done = inside(e)->done;

        hchan_lock(done);
        if (!load_rlx(&done->closed))   /* rlx: under the lock */
                return true;
        hchan_unlock(done);
        return false;
}

/* In the commit of a park, too, when e is gone as soon as this has unlocked it. */
static void end_unlock(struct fdop_end *e)
{
        hchan_unlock_last(inside(e)->done);
}

static void end_queue(struct fdop_end *e, struct g *g)
{
        struct ctx_end *c = inside(e);

        c->w = (struct waiter){ .g = g, .obj = c->done, .claim = true };
        san_release(&c->w);
        waitq_add(&c->done->recvq, &c->w);
        c->done->nreturning++;
}

static void end_leave(struct fdop_end *e)
{
        struct ctx_end *c = inside(e);

        hchan_lock(c->done);
        if (c->w.queued)
                waitq_remove(&c->done->recvq, &c->w);
        c->done->nreturning--;
        hchan_leave(c->done);
}

/* What a call gets: &c->end, or NULL if ctx never ends. *err: has it ended? */
static struct fdop_end *end_of(struct ctx_end *c, const rn_ctx *ctx, int *err)
{
        *err = rn_ctx_err(ctx);
        *c = (struct ctx_end){ .end = { end_lock, end_queue, end_unlock, end_leave } };
        if (*err == 0)
                c->done = hchan_of(rn_ctx_done(ctx));
        return c->done ? &c->end : NULL;
}

static ssize_t result(ssize_t r, const rn_ctx *ctx)
{
        return r == -ECANCELED ? rn_ctx_err(ctx) : r;
}

ssize_t rn_fd_read_ctx(int fd, void *buf, size_t n, const rn_ctx *ctx)
{
        struct ctx_end c;
        int err;
        struct fdop_end *end = end_of(&c, ctx, &err);

        return err ? err : result(rni_fd_read(fd, buf, n, RN_NEVER, end), ctx);
}

ssize_t rn_fd_write_ctx(int fd, const void *buf, size_t n, size_t *done, const rn_ctx *ctx)
{
        struct ctx_end c;
        int err;
        struct fdop_end *end = end_of(&c, ctx, &err);

        if (done)
                *done = 0;
        return err ? err : result(rni_fd_write(fd, buf, n, done, RN_NEVER, end), ctx);
}

ssize_t rn_fd_recvfrom_ctx(int fd, void *buf, size_t n, struct sockaddr *from, socklen_t *len,
                           const rn_ctx *ctx)
{
        struct ctx_end c;
        int err;
        struct fdop_end *end = end_of(&c, ctx, &err);

        return err ? err : result(rni_fd_recvfrom(fd, buf, n, from, len, RN_NEVER, end), ctx);
}

ssize_t rn_fd_sendto_ctx(int fd, const void *buf, size_t n, const struct sockaddr *to,
                         socklen_t len, const rn_ctx *ctx)
{
        struct ctx_end c;
        int err;
        struct fdop_end *end = end_of(&c, ctx, &err);

        return err ? err : result(rni_fd_sendto(fd, buf, n, to, len, RN_NEVER, end), ctx);
}

int rn_fd_accept_ctx(int fd, struct sockaddr *addr, socklen_t *len, const rn_ctx *ctx)
{
        struct ctx_end c;
        int err;
        struct fdop_end *end = end_of(&c, ctx, &err);

        return err ? err : (int)result(rni_fd_accept(fd, addr, len, RN_NEVER, end), ctx);
}

int rn_fd_connect_ctx(int fd, const struct sockaddr *addr, socklen_t len, const rn_ctx *ctx)
{
        struct ctx_end c;
        int err;
        struct fdop_end *end = end_of(&c, ctx, &err);

        return err ? err : (int)result(rni_fd_connect(fd, addr, len, RN_NEVER, end), ctx);
}

int rn_fd_wait_ctx(int fd, int events, const rn_ctx *ctx)
{
        struct ctx_end c;
        int err;
        struct fdop_end *end = end_of(&c, ctx, &err);

        return err ? err : (int)result(rni_fd_wait(fd, events, RN_NEVER, end), ctx);
}

int rn_dial_ctx(const char *addr, const rn_ctx *ctx)
{
        struct ctx_end c;
        int err;
        struct fdop_end *end = end_of(&c, ctx, &err);

        return err ? err : (int)result(rni_dial(addr, rn_ctx_deadline(ctx), end), ctx);
}
