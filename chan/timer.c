/* SPDX-License-Identifier: MIT
 * Timers and tickers as <runnel/time.h> declares them. One with a channel is the channel, an hchan
 * of capacity 1 with a timer behind it: one block, one count. One with a call starts a goroutine.
 *
 *                                       fire: value into the buffer
 *                 new, reset            (a ticker starts again and stays pending)
 *   not pending ------------> pending --------------------------------------------> not pending
 *        ^---------------------- stop: timer off its heap, buffer emptied
 *
 * All steps are made under the channel's lock. The bug would be that a fire, taken off its heap
 * already, sends after a stop or a reset has returned. It cannot: it locks the channel first and
 * sends only if the timer is pending, in no heap, and due by the fire's own clock. Stopped, it is
 * not pending; reset, it is in a heap, or not due yet when the old fire's M looked, which is so for
 * ever if it was reset to never, or has been taken off anew, and then two fires are on their way,
 * of which the first whose time is not before the new one sends the one value. The model,
 * docs/design/timer.pml, finds the bug when any of this is undone. */
#include <runnel/time.h>

#include <stdlib.h>

#include "chan/hchan.h"
#include "sched/core/panic.h"

struct chan_timer {
        struct hchan chan;             /* first: freeing the one frees the other */
        rn_time slot;                  /* its buffer */
        struct timer timer;
        rn_time when;                  /* of a ticker's next tick */
        rn_dur period;                 /* 0: fires once */
        bool pending;
};

struct call_timer {
        struct obj obj;
        struct lock lock;              /* RANK_SYNC: starting */
        struct timer timer;
        struct rn_call call;
        bool endless;                  /* pending, in no heap: its time is RN_NEVER. It does not
                                        * hold itself */
};

/* -- with a channel -- */

static struct chan_timer *of_chan(struct timer *t)
{
        return container_of(t, struct chan_timer, timer);
}

static bool chan_hold(struct timer *t)
{
        return obj_hold(&of_chan(t)->chan.obj);
}

static bool chan_awaited(struct timer *t)
{
        return !waitq_hint_empty(&of_chan(t)->chan.recvq);
}

/* The first tick after now that is a whole number of periods after the last. */
static rn_time next_tick(const struct chan_timer *t, rn_time now)
{
        /* now - when < 2^63, and no more than one period is added */
        rn_dur ahead = t->period * ((now - t->when) / t->period + 1);

        return ahead > RN_NEVER - t->when ? RN_NEVER : t->when + ahead;
}

static void chan_fire(struct timer *timer, int64_t now)
{
        struct chan_timer *t = of_chan(timer);
        rn_time value[2] = { now };   /* gcc sees the branch that copies 16 bytes, too */
        struct g_list woken = { NULL, NULL, 0 };
        struct g *wake = NULL;

        hchan_lock(&t->chan);
        if (t->pending && load_rlx(&timer->home) == 0 &&   /* rlx: under the lock that starts it */
            now >= t->when) {
                hchan_send_locked(&t->chan, value, &wake);   /* the buffer is full: the tick is
                                                              * lost */
                t->pending = t->period > 0;
                if (t->pending) {
                        t->when = next_tick(t, now);
                        rni_timer_start(rni_self(), timer, t->when);
                }
        }
        hchan_unlock(&t->chan);
        if (wake) {   /* behind those whose timers came before */
                g_list_push(&woken, wake);
                rni_ready_list(&woken);
        }
        (rn_unref)(t);
}

static const struct timer_class chan_timer_class = { chan_hold, chan_fire, chan_awaited, NULL };

static void chan_last(struct obj *o)
{
        struct chan_timer *t = container_of(o, struct chan_timer, chan.obj);

        rni_timer_stop(&t->timer);
        rni_hchan_last(&t->chan);
}

static const struct obj_class chan_class = { "timer", chan_last };

static struct chan_timer *chan_timer_new(rn_time when, rn_dur period)
{
        struct chan_timer *t = malloc(sizeof *t);

        if (!t)
                rni_runtime_panic("out of memory for a timer");
        *t = (struct chan_timer){ .chan = { .cap = 1, .size = sizeof t->slot,
                                            .buf = (char *)&t->slot, .type = "rn_time" },
                                  .timer = { .class = &chan_timer_class },
                                  .when = when, .period = period, .pending = true };
        obj_init(&t->chan.obj, &chan_class);
        rni_timer_start(rt_enter(), &t->timer, when);
        rt_leave();
        return t;
}

/* Locked. Was it pending, or is there a value nobody has received? There is none now. */
static bool disarm(struct chan_timer *t)
{
        bool was = t->pending || hchan_count(&t->chan) > 0;

        if (t->pending)
                rni_timer_stop(&t->timer);
        t->pending = false;
        hchan_event(&t->chan, -(int)hchan_count(&t->chan));
        return was;
}

static bool chan_timer_stop(struct chan_timer *t)
{
        bool was;

        hchan_lock(&t->chan);
        was = disarm(t);
        hchan_unlock(&t->chan);
        return was;
}

static bool chan_timer_reset(struct chan_timer *t, rn_time when, rn_dur period)
{
        struct m *m = rt_enter();
        bool was;

        hchan_lock(&t->chan);
        was = disarm(t);
        t->when = when;
        t->period = period;
        t->pending = true;
        rni_timer_start(m, &t->timer, when);
        hchan_unlock(&t->chan);
        rt_leave();
        return was;
}

/* -- with a call -- */

static struct call_timer *of_call(struct timer *t)
{
        return container_of(t, struct call_timer, timer);
}

/* A pending one has a reference of its own, which goes with it to fire. */
static bool call_hold(struct timer *t)
{
        (void)t;
        return true;
}

static bool call_awaited(struct timer *t)
{
        (void)t;
        return true;
}

static void call_fire(struct timer *timer, int64_t now)
{
        struct call_timer *t = of_call(timer);

        (void)now;
        san_acquire(t);   /* released when it was started */
        if (rni_spawn_in_turn(rni_self(), &t->call, NULL, NULL) != 0)
                rni_fatal("out of memory: cannot start the goroutine of a timer");
        (rn_unref)(t);
}

static void call_drop(struct timer *t)
{
        (rn_unref)(of_call(t));
}

static const struct timer_class call_timer_class = { call_hold, call_fire, call_awaited,
                                                     call_drop };

static void call_last(struct obj *o)
{
        free(container_of(o, struct call_timer, obj));
}

static const struct obj_class call_class = { "timer with a call", call_last };

static bool call_timer_stop(struct call_timer *t)
{
        bool held, was;

        lock_acquire(&t->lock, RANK_SYNC);
        held = rni_timer_stop(&t->timer);
        was = held || t->endless;
        t->endless = false;
        lock_release(&t->lock, RANK_SYNC);
        if (held)
                (rn_unref)(t);
        return was;
}

static bool call_timer_reset(struct call_timer *t, rn_time when)
{
        struct m *m = rt_enter();
        bool held, was, endless = when == RN_NEVER;

        san_release(t);
        lock_acquire(&t->lock, RANK_SYNC);
        held = rni_timer_stop(&t->timer);
        was = held || t->endless;
        t->endless = endless;
        if (!held && !endless)
                rn_obj_ref(t);   /* ours for being pending; the old one is still with a fire on its
                                  * way, or was given back */
        rni_timer_start(m, &t->timer, when);
        lock_release(&t->lock, RANK_SYNC);
        rt_leave();
        if (held && endless)
                (rn_unref)(t);
        return was;
}

rn_timer *rn_timer_call(rn_dur d, const struct rn_call *call)
{
        rn_time when = rn_deadline(d);
        bool endless = when == RN_NEVER;
        struct call_timer *t;

        rni_need_fn((const void *)(uintptr_t)call->fn);
        t = malloc(sizeof *t);
        if (!t)
                rni_runtime_panic("out of memory for a timer");
        t->lock = (struct lock){ 0 };
        t->timer = (struct timer){ .class = &call_timer_class };
        t->call = *call;
        t->endless = endless;
        t->obj = (struct obj){ &call_class, endless ? 1 : 2 };   /* the caller's, and its own while
                                                                  * it is pending */
        san_release(t);
        rni_timer_start(rt_enter(), &t->timer, when);
        rt_leave();
        return (rn_timer *)t;
}

/* -- either -- */

static bool has_call(const rn_timer *t)
{
        return ((const struct obj *)t)->class == &call_class;
}

rn_timer *rn_timer_new(rn_dur d)
{
        return (rn_timer *)chan_timer_new(rn_deadline(d), 0);
}

bool rn_timer_stop(rn_timer *t)
{
        if (unlikely(!t))
                rni_runtime_panic("time: Stop called on uninitialized Timer");
        return has_call(t) ? call_timer_stop((struct call_timer *)t)
                           : chan_timer_stop((struct chan_timer *)t);
}

bool rn_timer_reset(rn_timer *t, rn_dur d)
{
        if (unlikely(!t))
                rni_runtime_panic("time: Reset called on uninitialized Timer");
        return has_call(t) ? call_timer_reset((struct call_timer *)t, rn_deadline(d))
                           : chan_timer_reset((struct chan_timer *)t, rn_deadline(d), 0);
}

rn_recv_chan(rn_time) rn_timer_chan(rn_timer *t)
{
        return t && !has_call(t) ? (rn_recv_chan(rn_time))(void *)t : NULL;
}

/* -- tickers -- */

rn_ticker *rn_ticker_new(rn_dur d)
{
        if (unlikely(d <= 0))
                rni_runtime_panic("non-positive interval for NewTicker");
        return (rn_ticker *)chan_timer_new(rn_deadline(d), d);
}

void rn_ticker_stop(rn_ticker *t)
{
        if (t)
                chan_timer_stop((struct chan_timer *)t);
}

void rn_ticker_reset(rn_ticker *t, rn_dur d)
{
        if (unlikely(d <= 0))
                rni_runtime_panic("non-positive interval for Ticker.Reset");
        if (unlikely(!t))
                rni_runtime_panic("time: Reset called on uninitialized Ticker");
        chan_timer_reset((struct chan_timer *)t, rn_deadline(d), d);
}

rn_recv_chan(rn_time) rn_ticker_chan(rn_ticker *t)
{
        return (rn_recv_chan(rn_time))(void *)t;
}
