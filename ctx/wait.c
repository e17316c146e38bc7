/* SPDX-License-Identifier: MIT
 * Waits that the end of a context ends: a sleep, and the acquire of a semaphore. The latter stands
 * in two queues, the semaphore's and that of the done channel, and is claimed by whoever comes
 * first; both locks are held, the channel's first, from the last look until the commit of the park,
 * so neither a grant nor the end can be missed. */
#include <errno.h>

#include "chan/sem.h"
#include "ctx/ctx.h"
#include "sched/core/panic.h"

int rn_ctx_sleep(const rn_ctx *ctx, rn_dur d)
{
        int err = rn_ctx_err(ctx);

        if (err || d <= 0)
                return err;
        if (rn_chan_recv_until(rn_ctx_done(ctx), NULL, rn_deadline(d)) == -ETIMEDOUT)
                return 0;
        return rn_ctx_err(ctx);
}

struct both {
        struct hchan *done;
        rn_sem *sem;
};

static void commit_unlock(struct g *g, void *arg)
{
        struct both b = *(struct both *)arg;

        (void)g;
        rni_sem_unlock(b.sem);
        hchan_unlock_last(b.done);
}

/* Both are locked. True: granted. */
static bool wait_locked(struct both *b, int64_t n)
{
        struct g *g = rt_enter_locked()->g;
        struct waiter *granted = &g->u.run.w;
        struct waiter ended = { .g = g, .obj = b->done, .claim = true };
        bool ok;

        *granted = (struct waiter){ .g = g, .obj = b->sem, .claim = true };
        rni_claim_begin(g);
        san_release(&ended);
        waitq_add(&b->done->recvq, &ended);
        b->done->nreturning++;
        rni_sem_queue_locked(b->sem, granted, &n);
        rni_park(commit_unlock, b, WAIT_SEM);
        ok = g->u.run.fired == granted;
        if (ok)
                san_acquire(b->sem);
        else
                rni_sem_leave(b->sem, granted);
        rt_leave();
        hchan_lock(b->done);
        if (ended.queued)
                waitq_remove(&b->done->recvq, &ended);
        b->done->nreturning--;
        hchan_leave(b->done);
        return ok;
}

/* Takes n, or waits; false: done was closed first. */
static bool acquire(rn_sem *s, int64_t n, struct hchan *done)
{
        struct both b = { done, s };

        hchan_lock(done);
        if (load_rlx(&done->closed)) {   /* rlx: under the lock */
                hchan_unlock(done);
                return false;
        }
        if (!rni_sem_take_or_lock(s, n))
                return wait_locked(&b, n);
        hchan_unlock(done);
        return true;
}

int rn_sem_acquire_ctx(rn_sem *s, int64_t n, const rn_ctx *ctx)
{
        struct hchan *done;
        int err;

        rni_sem_check(n);
        err = rn_ctx_err(ctx);
        if (unlikely(err))
                return err;
        if (likely(!rni_sem_never(s, n))) {
                if (rni_sem_take_or_lock(s, n))
                        return 0;
                rni_sem_unlock(s);
        }
        done = hchan_of(rn_ctx_done(ctx));
        if (!done) {
                rn_sem_acquire(s, n);
                return 0;
        }
        if (unlikely(rni_sem_never(s, n)))
                rn_chan_recv(done, NULL);   /* there is nothing else to wait for */
        else if (acquire(s, n, done))
                return 0;
        return rn_ctx_err(ctx);
}
