/* SPDX-License-Identifier: MIT
 * Calls on descriptors: owning a side, waiting, leaving; polldesc.h has the states and the
 * arguments. Callers: io/. */
#include "sched/core/fdop.h"

#include <errno.h>

#include "sched/core/netpoll.h"

/* -- the end of a context, if the call has one -- */

static bool end_lock(const struct fdop *op)
{
        return !op->end || op->end->lock(op->end);
}

static void end_unlock(const struct fdop *op)
{
        if (op->end)
                op->end->unlock(op->end);
}

/* Both are locked. */
static void commit_unlock(struct g *g, void *arg)
{
        struct fdop op = *(struct fdop *)arg;   /* gone from the stack of g once the descriptor is
                                                 * unlocked */

        (void)g;
        pd_unlock(op.pd);
        end_unlock(&op);
}

/* Locked and claimable; not at the return. True: something else than the deadline ended it, and w
 * says what, unless it was the end. */
static bool park_with_end(struct fdop *op, struct g *g, int64_t until)
{
        bool fired;

        if (op->end)
                op->end->queue(op->end, g);
        fired = rni_park_until(commit_unlock, op, WAIT_IO, until);
        rt_leave();
        if (op->end)
                op->end->leave(op->end);
        return fired;
}

static bool dead(const struct fdop *op)
{
        return op->pd->closing || load_rlx(&op->pd->gen) != op->gen;   /* rlx: under the lock */
}

static void queue_add(struct fd_side *s, struct waiter *w)
{
        w->queued = true;
        w->next = NULL;
        w->prev = s->last;
        if (s->last)
                s->last->next = w;
        else
                s->first = w;
        s->last = w;
}

static void queue_remove(struct fd_side *s, struct waiter *w)
{
        if (w->prev)
                w->prev->next = w->next;
        else
                s->first = w->next;
        if (w->next)
                w->next->prev = w->prev;
        else
                s->last = w->prev;
}

/* Locked, and the descriptor again at the return. */
static int wait_to_own(struct fdop *op, struct fd_side *s)
{
        struct g *g = rt_enter_locked()->g;
        struct waiter *w = &g->u.run.w;
        bool fired;

        *w = (struct waiter){ .g = g, .obj = op->pd };
        rni_claim_begin(g);
        queue_add(s, w);
        fired = park_with_end(op, g, op->until);
        pd_lock(op->pd);
        if (g->u.run.fired != w) {
                if (w->queued)
                        queue_remove(s, w);
                return fired ? -ECANCELED : -ETIMEDOUT;
        }
        return dead(op) ? -EBADF : 0;
}

/* Before a wait the end is locked, and the descriptor, which ranks behind it, once more. */
static int lock_to_wait(struct fdop *op)
{
        if (!op->end)
                return 0;
        pd_unlock(op->pd);
        if (!end_lock(op)) {
                pd_lock(op->pd);
                return -ECANCELED;
        }
        pd_lock(op->pd);
        return 0;
}

static int own_later(struct fdop *op, struct fd_side *s)
{
        int r;

        if (op->until == 0)
                return -ETIMEDOUT;
        r = lock_to_wait(op);
        if (r < 0)
                return r;
        if (!dead(op) && s->busy)
                return wait_to_own(op, s);
        end_unlock(op);
        return dead(op) ? -EBADF : 0;
}

static int own(struct fdop *op, struct fd_side *s)
{
        int r = 0;

        if (unlikely(s->busy))
                r = own_later(op, s);
        if (r < 0)
                return r;
        s->busy = true;
        s->ready = false;
        return 0;
}

/* For i, s over the sides of op. */
#define FOR_SIDES(op, s) \
        for (struct fd_side *s = (op)->pd->side; s < (op)->pd->side + 2; s++) \
                if ((op)->sides >> (s - (op)->pd->side) & 1)

static bool too_late(const struct fdop *op)
{
        FOR_SIDES(op, s)
                if (rni_pd_passed(s->deadline))
                        return true;
        return op->until != 0 && rni_pd_passed(op->until);
}

static int begin_locked(struct fdop *op)
{
        struct fd_side *held = NULL;
        struct g_list l = { NULL, NULL, 0 };
        struct pd *pd = op->pd;
        int r = pd->closing ? -EBADF : 0;

        if (op->sides & FD_ANEW)
                pd->kept = false;
        if (r == 0 && !pd->open)
                r = rni_pd_open_locked(pd, op->fd);
        else if (r == 0 && !pd->kept && (pd->kind < RNI_FD_SOCKET || (op->sides & FD_STRICT)))
                r = rni_pd_refresh(pd, op->fd, &l);
        r = r > 0 ? 0 : r;
        op->gen = load_rlx(&pd->gen);   /* rlx: under the lock */
        FOR_SIDES(op, s) {
                if (r == 0)
                        r = own(op, s);
                if (r == 0)
                        held = s;
        }
        if (r == 0 && too_late(op))
                r = -ETIMEDOUT;
        if (r < 0) {
                if (held && !dead(op))
                        FOR_SIDES(op, s)
                                if (s <= held)
                                        rni_pd_pass_on(s, &l);
        } else {
                pd->users++;
                op->live = true;
                op->drained = pd->side[0].drained && op->until != 0;
        }
        pd_unlock(pd);
        rni_pd_ready(&l);
        return r;
}

int rni_fdop_begin(struct fdop *op, int fd, unsigned sides, int64_t until, struct fdop_end *end)
{
        int r = rni_pd_start();

        *op = (struct fdop){ .fd = fd, .sides = sides, .until = until < 0 ? 1 : until, .end = end };
        rni_budget(rni_self());   /* a loop of calls that need not wait lets others run */
        if (r == 0)
                r = rni_pd_get(fd, &op->pd);
        if (r < 0)
                return r;
        pd_lock(op->pd);
        return begin_locked(op);
}

/* Locked; neither at the return. */
static int park(struct fdop *op, int64_t until, bool paused)
{
        struct pd *pd = op->pd;
        struct g *g = rt_enter_locked()->g;
        struct waiter *w = &g->u.run.w;
        int r = -EBADF;
        bool fired;

        san_release(pd);
        *w = (struct waiter){ .g = g, .obj = pd };
        rni_claim_begin(g);
        FOR_SIDES(op, s) {
                s->waiter = g;
                s->paused = paused;
                fetch_add(&rni_net.waiting, 1);
        }
        pd->users--;
        if (!rni_net_listening())
                rni_sysmon_need();   /* all Ms may come to compute */
        fired = park_with_end(op, g, until);
        san_acquire(pd);
        pd_lock(pd);
        FOR_SIDES(op, s)
                if (s->waiter == g) {
                        s->waiter = NULL;
                        fetch_add(&rni_net.waiting, (unsigned)-1);
                }
        op->live = !dead(op);
        if (op->live) {
                pd->users++;
                if (g->u.run.fired == w)
                        r = w->ok == WAKE_EVENT ? 0 : -ETIMEDOUT;
                else
                        r = fired ? -ECANCELED : -ETIMEDOUT;
        }
        pd_unlock(pd);
        return r;
}

static bool take_ready(struct fdop *op)
{
        bool any = false;

        FOR_SIDES(op, s) {
                any |= s->ready;
                s->ready = false;
        }
        return any;
}

/* The call goes on with the new descriptor under its number. */
static int adopt(struct fdop *op)
{
        op->gen = load_rlx(&op->pd->gen);   /* rlx: under the lock */
        op->pd->users = 1;
        FOR_SIDES(op, s)
                s->busy = true;
        return 1;
}

/* 0: park. 1: try again. */
static int prepare(struct fdop *op, struct g_list *out)
{
        struct pd *pd = op->pd;
        int r = 0;

        if (dead(op))
                return -EBADF;
        if (op->until == 0 || too_late(op))
                return -ETIMEDOUT;
        if (pd->blocking)
                return -EAGAIN;   /* it should not have said so */
        if (take_ready(op))
                return 1;
        if (!pd->polled || !pd->kept)
                r = rni_pd_look_after(pd, op->fd, out);
        return r == 1 ? adopt(op) : r;
}

int rni_fdop_wait(struct fdop *op)
{
        struct g_list l = { NULL, NULL, 0 };
        int r;

        op->drained = false;
        if (!end_lock(op))
                return -ECANCELED;
        pd_lock(op->pd);
        r = prepare(op, &l);
        if (r == 0)
                return park(op, op->until, false);
        pd_unlock(op->pd);
        end_unlock(op);
        rni_pd_ready(&l);
        return r < 0 ? r : 0;
}

int rni_fdop_pause(struct fdop *op, int64_t d)
{
        int64_t until = rni_clock() + d;
        int r;

        if (op->until < until)
                until = op->until;
        if (!end_lock(op))
                return -ECANCELED;
        pd_lock(op->pd);
        if (dead(op) || op->until == 0 || too_late(op)) {
                r = dead(op) ? -EBADF : -ETIMEDOUT;
                pd_unlock(op->pd);
                end_unlock(op);
                return r;
        }
        r = park(op, until, true);
        if (r == -ETIMEDOUT && op->live) {   /* whose time was up? */
                pd_lock(op->pd);
                r = dead(op) ? -EBADF : too_late(op) ? -ETIMEDOUT : 0;
                pd_unlock(op->pd);
        }
        return r;
}

int rni_fdop_rearm(struct fdop *op)
{
        struct g_list l = { NULL, NULL, 0 };
        bool kept;
        int r;

        pd_lock(op->pd);
        kept = op->pd->kept;
        op->pd->kept = false;
        (void)take_ready(op);
        r = prepare(op, &l);
        if (r == 0)
                op->pd->kept = kept;
        pd_unlock(op->pd);
        rni_pd_ready(&l);
        return r < 0 ? r : 0;
}

int rni_fdop_renew(struct fdop *op)
{
        struct g_list l = { NULL, NULL, 0 };
        int r = -EBADF;

        pd_lock(op->pd);
        if (!dead(op))
                r = rni_pd_renew(op->pd, op->fd, &l);
        if (r == 1)
                r = adopt(op);
        pd_unlock(op->pd);
        rni_pd_ready(&l);
        return r < 0 ? r : 0;
}

void rni_fdop_end(struct fdop *op)
{
        struct g_list l = { NULL, NULL, 0 };
        struct pd *pd = op->pd;

        if (!op->live)
                return;
        san_release(pd);
        op->live = false;
        pd_lock(pd);
        if (load_rlx(&pd->gen) == op->gen) {   /* rlx: under the lock */
                pd->users--;
                if (op->came_short)
                        pd->side[0].drained = pd->polled && !pd->always && pd->kind == RNI_FD_TCP &&
                                              !pd->side[0].ready;
                FOR_SIDES(op, s)
                        rni_pd_pass_on(s, &l);
                if (pd->closing && pd->users == 0)
                        rni_pd_close_locked(pd, op->fd);
        }
        pd_unlock(pd);
        rni_pd_ready(&l);
}
