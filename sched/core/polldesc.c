/* SPDX-License-Identifier: MIT
 * Poll descriptors; polldesc.h has the states and the arguments. Callers: fdop.c, io/, the
 * poller. */
#include "sched/core/polldesc.h"

#include <errno.h>

#include "sched/core/netpoll.h"

enum { BLOCK = 1024, BLOCKS = 1 << 16 };   /* numbers below 2^26 */

/* -- from a number to its pd -- */

static aword blocks[BLOCKS];   /* struct pd[BLOCK], set once */

static struct pd *block_new(aword *at)
{
        void *b = rni_vm_reserve(BLOCK * sizeof(struct pd));

        if (b && !cas(at, 0, aptr(b))) {
                rni_vm_free(b, BLOCK * sizeof(struct pd));
                b = (void *)load_acq(at);   /* acq: pairs with the CAS of who was faster */
        }
        return b;
}

static struct pd *find(int fd)
{
        struct pd *b = NULL;

        if (fd >= 0 && fd < BLOCK * BLOCKS)
                b = (void *)load_acq(&blocks[fd / BLOCK]);   /* acq: pairs with the CAS in
                                                              * block_new */
        return b ? &b[fd % BLOCK] : NULL;
}

int rni_pd_get(int fd, struct pd **pd)
{
        *pd = find(fd);
        if (likely(*pd != NULL))
                return 0;
        if (fd < 0)
                return -EBADF;
        if (fd >= BLOCK * BLOCKS)
                return -EMFILE;
        if (!block_new(&blocks[fd / BLOCK]))
                return -ENOMEM;
        *pd = find(fd);
        return 0;
}

static uint64_t event_data(const struct pd *pd, int fd)
{
        return (uint64_t)load_rlx(&pd->gen) << 32 | (uint32_t)fd;   /* rlx: under the lock */
}

void rni_pd_ready(struct g_list *l)
{
        if (likely(l->n == 0))
                return;
        rt_enter();
        rni_ready_list(l);
        rt_leave();
}

/* -- waking: locked -- */

static bool wake_waiter(struct waiter *w, enum fd_wake how, struct g_list *out)
{
        if (!rni_claim(w->g))
                return false;   /* its own time is up */
        w->ok = (uint8_t)how;
        w->g->u.run.fired = w;
        g_list_push(out, w->g);
        return true;
}

static bool wake_side(struct fd_side *s, enum fd_wake how, struct g_list *out)
{
        struct g *g = s->waiter;

        if (!g)
                return false;
        s->waiter = NULL;
        fetch_add(&rni_net.waiting, (unsigned)-1);
        return wake_waiter(&g->u.run.w, how, out);
}

static struct waiter *queue_take(struct fd_side *s)
{
        struct waiter *w = s->first;

        if (!w)
                return NULL;
        w->queued = false;
        s->first = w->next;
        if (w->next)
                w->next->prev = NULL;
        else
                s->last = NULL;
        return w;
}

void rni_pd_pass_on(struct fd_side *s, struct g_list *out)
{
        struct waiter *w;

        s->busy = false;
        while (!s->busy && (w = queue_take(s)) != NULL)
                s->busy = wake_waiter(w, WAKE_OWNER, out);
}

/* -- the timer of rn_fd_deadline -- */

static bool timer_hold(struct timer *t)
{
        (void)t;
        return true;   /* a pd is never freed */
}

static bool timer_awaited(struct timer *t)
{
        (void)t;
        return false;   /* a call that waits is counted as waiting for its descriptor */
}

static void timer_fire(struct timer *t, int64_t now);
static const struct timer_class timer_class = { timer_hold, timer_fire, timer_awaited, NULL };

bool rni_pd_passed(int64_t t)
{
        return t != TIMER_NEVER && t <= rni_clock();
}

/* The deadline may have been moved, or the descriptor closed, since the timer was taken off its
 * heap. */
static void timer_fire(struct timer *t, int64_t now)
{
        struct fd_side *s = container_of(t, struct fd_side, timer);
        struct pd *pd = container_of(s - s->which, struct pd, side);
        struct g_list l = { NULL, NULL, 0 };

        pd_lock(pd);
        if (s->deadline <= now)
                wake_side(s, WAKE_TIMEOUT, &l);
        pd_unlock(pd);
        if (l.n)
                rni_ready_list(&l);
}

/* -- open and closed: locked -- */

static int add_to_set(struct pd *pd, int fd)
{
        int r = rni_poller_add(rni_net.set, fd, event_data(pd, fd));

        if (r == -EEXIST)
                r = rni_poller_again(rni_net.set, fd, event_data(pd, fd));
        pd->polled = r == 0;
        return r;
}

static void set_open(struct pd *pd, unsigned kind)
{
        pd->open = true;
        pd->kind = (uint8_t)kind;
        for (unsigned i = 0; i < 2; i++) {
                struct fd_side *s = &pd->side[i];

                s->which = (uint8_t)i;
                s->deadline = TIMER_NEVER;
                s->timer.class = &timer_class;
        }
}

/* A socket enters the set when somebody first waits for it: one that is not connected yet would be
 * reported as hung up. Anything else does at once, which tells whether it can. */
int rni_pd_open_locked(struct pd *pd, int fd)
{
        int kind = rni_fd_kind(fd), r = kind >= RNI_FD_SOCKET ? 0 : add_to_set(pd, fd);

        pd->blocking = r == -EPERM;
        if (r == 0)
                r = rni_fd_nonblock(fd);
        if (r < 0 && !pd->blocking) {
                if (pd->polled)
                        rni_poller_remove(rni_net.set, fd);
                pd->polled = false;
                return r;
        }
        set_open(pd, (unsigned)kind);
        return 0;
}

/* Whoever waits returns -EBADF. */
static void send_home(struct pd *pd, struct g_list *out)
{
        for (int i = 0; i < 2; i++) {
                struct fd_side *s = &pd->side[i];
                struct waiter *w;

                rni_timer_stop(&s->timer);
                s->deadline = TIMER_NEVER;
                wake_side(s, WAKE_CLOSED, out);
                while ((w = queue_take(s)) != NULL)
                        wake_waiter(w, WAKE_CLOSED, out);
        }
}

/* The end of a generation: no call has anything here any more. */
static void forget(struct pd *pd)
{
        store_rlx(&pd->gen, load_rlx(&pd->gen) + 1);   /* rlx: under the lock; a late event looks
                                                        * again under it */
        pd->open = pd->closing = pd->blocking = pd->polled = pd->kept = pd->always = false;
        pd->users = 0;
        for (int i = 0; i < 2; i++)
                pd->side[i].busy = pd->side[i].ready = pd->side[i].drained = false;
}

int rni_pd_close_locked(struct pd *pd, int fd)
{
        if (pd->polled)
                rni_poller_remove(rni_net.set, fd);   /* a duplicate of fd may keep it in the set
                                                       * otherwise */
        forget(pd);
        san_acquire(pd);   /* released by every call at its end */
        return rni_fd_shut(fd);
}

int rni_pd_renew(struct pd *pd, int fd, struct g_list *out)
{
        int r;

        send_home(pd, out);
        forget(pd);
        r = rni_pd_open_locked(pd, fd);
        return r < 0 ? r : 1;
}

int rni_pd_look_after(struct pd *pd, int fd, struct g_list *out)
{
        int r;

        if (pd->blocking)
                return 0;
        if (!pd->polled)
                return add_to_set(pd, fd);
        r = rni_poller_again(rni_net.set, fd, event_data(pd, fd));
        return r == -ENOENT ? rni_pd_renew(pd, fd, out) : r;
}

int rni_pd_start(void)
{
        int r;

        rni_sim_refuse("a descriptor");
        if (likely(rni_net_on()))
                return 0;
        rt_enter();
        r = rni_net_start();
        rt_leave();
        return r;
}

/* A new descriptor may be one that waits, and if it is a pipe, one that raises a signal. */
int rni_pd_refresh(struct pd *pd, int fd, struct g_list *out)
{
        int r;

        if (pd->blocking) {
                r = rni_poller_add(rni_net.set, fd, event_data(pd, fd));
                return r == -EPERM ? 0 : rni_pd_renew(pd, fd, out);
        }
        r = rni_fd_nonblock(fd);
        if (r < 0)
                return r;
        if (r == 0 && pd->polled)
                return rni_pd_look_after(pd, fd, out);
        if (r == 0 || pd->kind == RNI_FD_OTHER)
                pd->kind = (uint8_t)rni_fd_kind(fd);
        return 0;
}

/* -- new, open, close, deadline -- */

int rni_pd_new(int fd, unsigned kind)
{
        struct g_list l = { NULL, NULL, 0 };
        struct pd *pd;
        int r = rni_pd_get(fd, &pd);

        if (r < 0)
                return r;
        pd_lock(pd);
        if (pd->open) {   /* it was closed behind our back */
                send_home(pd, &l);
                forget(pd);
        }
        set_open(pd, kind);
        pd->kept = true;
        pd_unlock(pd);
        rni_pd_ready(&l);
        return 0;
}

int rni_pd_open(int fd)
{
        struct g_list l = { NULL, NULL, 0 };
        struct pd *pd;
        int r = rni_pd_start();

        if (r == 0)
                r = rni_pd_get(fd, &pd);
        if (r < 0)
                return r;
        pd_lock(pd);
        r = pd->closing ? -EBADF
            : pd->open  ? rni_pd_look_after(pd, fd, &l)
                        : rni_pd_open_locked(pd, fd);
        if (r >= 0)
                pd->kept = true;
        pd_unlock(pd);
        rni_pd_ready(&l);
        return r < 0 ? r : 0;
}

int rni_pd_close(int fd)
{
        struct g_list l = { NULL, NULL, 0 };
        struct pd *pd = find(fd);
        int r = 0;

        rni_m();
        if (!pd)
                return rni_fd_shut(fd);
        san_release(pd);
        pd_lock(pd);
        if (pd->closing) {
                r = -EBADF;
        } else if (!pd->open) {
                r = rni_fd_shut(fd);
        } else {
                pd->closing = true;
                send_home(pd, &l);
                if (pd->users == 0)
                        r = rni_pd_close_locked(pd, fd);
        }
        pd_unlock(pd);
        rni_pd_ready(&l);
        return r;
}

static void set_deadline(struct m *m, struct fd_side *s, int64_t t, struct g_list *out)
{
        rni_timer_stop(&s->timer);
        s->deadline = t;
        if (rni_pd_passed(t))
                wake_side(s, WAKE_TIMEOUT, out);
        else
                rni_timer_start(m, &s->timer, t);
}

int rni_pd_deadline(int fd, unsigned sides, int64_t t)
{
        struct g_list l = { NULL, NULL, 0 };
        struct m *m = rt_enter();
        struct pd *pd;
        int r = rni_net_start();

        if (r == 0)
                r = rni_pd_get(fd, &pd);
        if (r == 0) {
                san_release(pd);
                pd_lock(pd);
                r = pd->closing ? -EBADF : pd->open ? 0 : rni_pd_open_locked(pd, fd);
                if (r == 0 && pd->blocking)
                        r = -EPERM;
                for (unsigned i = 0; i < 2 && r == 0; i++)
                        if (sides >> i & 1)
                                set_deadline(m, &pd->side[i], t, &l);
                pd_unlock(pd);
                if (l.n)
                        rni_ready_list(&l);
        }
        rt_leave();
        return r;
}

/* -- events -- */

static void edge(struct fd_side *s, struct g_list *out)
{
        s->drained = false;
        if (s->paused || !wake_side(s, WAKE_EVENT, out))
                s->ready = true;
}

static bool concerns(const struct fd_side *s)
{
        return s->waiter && !s->paused;
}

/* What can follow data without an edge of its own. */
enum { BESIDE = RNI_EV_PRI | RNI_EV_RDHUP | RNI_EV_HUP | RNI_EV_ERR };

/* out == NULL: only if nobody is to be woken, else false. */
static bool event(uint64_t data, uint32_t what, struct g_list *out)
{
        struct pd *pd = find((int)(uint32_t)data);
        unsigned gen = (unsigned)(data >> 32);
        bool in = (what & (RNI_EV_IN | RNI_EV_PRI | RNI_EV_RDHUP | RNI_EV_HUP | RNI_EV_ERR)) != 0;
        bool to = (what & (RNI_EV_OUT | RNI_EV_HUP | RNI_EV_ERR)) != 0, done = true;

        if (!pd || load_rlx(&pd->gen) != gen)   /* rlx: a hint; looked at again */
                return true;
        pd_lock(pd);
        if (load_rlx(&pd->gen) == gen && pd->open) {   /* rlx: under the lock */
                done = out || !((in && concerns(&pd->side[0])) || (to && concerns(&pd->side[1])));
                if (done) {
                        pd->always |= (what & BESIDE) != 0;
                        if (in)
                                edge(&pd->side[0], out);
                        if (to)
                                edge(&pd->side[1], out);
                }
        }
        pd_unlock(pd);
        return done;
}

void rni_pd_event(uint64_t data, uint32_t what, struct g_list *out)
{
        event(data, what, out);
}

bool rni_pd_note(uint64_t data, uint32_t what)
{
        return event(data, what, NULL);
}
