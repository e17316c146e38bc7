/* SPDX-License-Identifier: MIT
 * Send, receive and close: what <runnel/chan.h> declares. Each operation tries under the lock,
 * which is the whole of an uncontended one; one that must wait puts its waiter, which lies in the
 * goroutine's descriptor, into the queue and parks; the unlock is the park's commit, so no partner
 * sees the waiter before the goroutine's context is saved (docs/design/select.pml is the model of
 * this and of select). What a public function shares with its sisters is inlined into it, so that a
 * dump names the public one. */
#include <errno.h>

#include "chan/hchan.h"
#include "sched/core/panic.h"

static void commit_unlock(struct g *g, void *arg)
{
        (void)g;
        hchan_unlock_last(arg);   /* g may have gone on, and taken the last reference back */
}

static _Noreturn rni_cold void block_for_ever(enum wait_reason why)
{
        rni_m();
        rt_enter();
        rni_park(rni_commit_nothing, NULL, why);
        rni_throw("a goroutine that waits for ever was resumed");
}

static _Noreturn rni_cold void panic_closed(void)
{
        rni_runtime_panic("send on closed channel");
}

/* Parks on the locked c until a partner, close, or the deadline. NULL: the deadline; the waiter is
 * out of the queue then. */
static rni_noinline struct waiter *wait_on(struct hchan *c, struct waitq *q, void *elem,
                                           enum wait_reason why, rn_time until)
{
        struct m *m = rt_enter_locked();
        struct g *g = m->g;
        struct waiter *w = &g->u.run.w;
        bool fired = true;

        *w = (struct waiter){ .g = g, .elem = elem, .obj = c, .claim = until != RN_NEVER,
                              .returns = until != RN_NEVER };
        c->nreturning += w->returns;
        san_release(w);
        waitq_add(q, w);
        hchan_event(c, 0);
        if (until == RN_NEVER) {
                rni_park(commit_unlock, c, why);
        } else {
                rni_claim_begin(g);
                fired = rni_park_until(commit_unlock, c, why, until);
        }
        rt_leave();
        if (fired) {
                san_acquire(w);
                return w;
        }
        hchan_lock(c);
        if (w->queued)
                waitq_remove(q, w);
        c->nreturning--;
        hchan_leave(c);
        return NULL;
}

/* -- the fast paths' parts -- */

static inline bool elem_is_word(size_t size)
{
        return size == 8 || size == 4;
}

/* To or from a slot. Without a multiplication: what follows the locked instruction is a chain that
 * the next one waits for. */
static inline void slot_put_word(struct hchan *c, const void *from)
{
        if (c->size == 8)
                __builtin_memcpy(c->buf + (size_t)c->sendx * 8, from, 8);
        else
                __builtin_memcpy(c->buf + (size_t)c->sendx * 4, from, 4);
}

static inline void slot_get_word(void *to, const struct hchan *c)
{
        if (c->size == 8)
                __builtin_memcpy(to, c->buf + (size_t)c->recvx * 8, 8);
        else
                __builtin_memcpy(to, c->buf + (size_t)c->recvx * 4, 4);
}

/* False: the budget is used up (0 then): the slow path sees to it. */
static inline bool fast_budget(void)
{
        struct m *m = rni_self();

        return likely(m != NULL) && likely(--m->budget != 0);
}

/* False: not locked, or tools watch: likewise. */
static inline bool fast_lock(struct hchan *c)
{
#if RNI_TSAN || RNI_ASAN || defined(RNI_DEBUG)
        return false;
#endif
        if (!lone_is_over())
                return lone_try(rni_self());
        return cas_acq(&c->lock.word, 0, 1);   /* acq: pairs with rel in lock_release */
}

/* -- send -- */

/* 0: sent; -ETIMEDOUT. c is locked. */
static rni_always_inline int send_locked(struct hchan *c, const void *elem, rn_time until)
{
        struct g *wake = NULL;
        enum op_result r = hchan_send_locked(c, elem, &wake);
        struct waiter *w;

        if (likely(r == OP_DONE)) {
                hchan_unlock(c);
                if (wake)
                        hchan_ready(wake);
                return 0;
        }
        if (r == OP_BLOCK && (until == RN_NEVER || until > rni_now(rni_self()))) {
                w = wait_on(c, &c->sendq, (void *)(uintptr_t)elem, WAIT_CHAN_SEND, until);
                if (!w)
                        return -ETIMEDOUT;
                if (!w->ok)
                        panic_closed();
                return 0;
        }
        hchan_unlock(c);
        if (r == OP_CLOSED)
                panic_closed();
        return -ETIMEDOUT;
}

/* What rn_chan_send leaves to others, without a frame of its own: it is named like a part of it, so
 * that a dump shows rn_chan_send. */
static rni_noinline void send_rest(struct hchan *c, const void *elem) __asm__("rn_chan_send.rest");
static rni_noinline void send_rest(struct hchan *c, const void *elem)
{
        send_locked(c, elem, RN_NEVER);
        rni_compiler_barrier();   /* no tail call: a frame for the dump */
}

static rni_noinline void send_slow(rn_anychan ch, const void *elem) __asm__("rn_chan_send.slow");
static rni_noinline void send_slow(rn_anychan ch, const void *elem)
{
        struct m *m = rni_m();

        if (unlikely(!ch))
                block_for_ever(WAIT_CHAN_SEND_NIL);
        if (m->budget == 0)
                rni_budget_slow(m);
        hchan_lock(hchan_of(ch));
        send_locked(hchan_of(ch), elem, RN_NEVER);
        rni_sim_place();
        rni_compiler_barrier();   /* as above */
}

void rn_chan_send(rn_anychan ch, const void *elem)
{
        struct hchan *c = hchan_of(ch);

        /* Fast path: room in the buffer, nobody waits. No call in it but last ones, hence no
         * frame. */
        if (unlikely(!c) || unlikely(!fast_budget()) || unlikely(!fast_lock(c))) {
                send_slow(ch, elem);
        } else if (hchan_count(c) < c->cap && !waitq_first(&c->recvq) &&
                   !load_rlx(&c->closed) &&   /* rlx: under the lock */
                   elem_is_word(c->size)) {
                slot_put_word(c, elem);
                c->sendx = hchan_next(c, c->sendx);
                hchan_event(c, 1);
                hchan_unlock(c);
        } else {
                send_rest(c, elem);
        }
}

static int nil_until(enum wait_reason why, rn_time until)
{
        if (until == RN_NEVER)
                block_for_ever(why);
        rn_sleep_until(until);
        return -ETIMEDOUT;
}

int rn_chan_send_until(rn_anychan ch, const void *elem, rn_time until)
{
        if (unlikely(!ch))
                return nil_until(WAIT_CHAN_SEND_NIL, until);
        rni_budget(rni_m());
        hchan_lock(hchan_of(ch));
        return send_locked(hchan_of(ch), elem, until);
}

bool rn_chan_send_try(rn_anychan ch, const void *elem)
{
        struct hchan *c = hchan_of(ch);
        struct g *wake = NULL;
        enum op_result r;

        if (unlikely(!c))
                return false;
        rni_budget(rni_m());
        if (hchan_send_blocks(c))
                return false;
        hchan_lock(c);
        r = hchan_send_locked(c, elem, &wake);
        hchan_unlock(c);
        if (wake)
                hchan_ready(wake);
        if (r == OP_CLOSED)
                panic_closed();
        return r == OP_DONE;
}

/* -- receive -- */

/* 1: a value; 0: closed and drained; -ETIMEDOUT. c is locked. */
static rni_always_inline int recv_locked(struct hchan *c, void *into, rn_time until)
{
        struct g *wake = NULL;
        size_t size = c->size;
        enum op_result r = hchan_recv_locked(c, into, &wake);
        struct waiter *w;

        if (likely(r == OP_DONE)) {
                hchan_unlock(c);
                if (wake)
                        hchan_ready(wake);
                return 1;
        }
        if (r == OP_BLOCK && (until == RN_NEVER || until > rni_now(rni_self()))) {
                w = wait_on(c, &c->recvq, into, WAIT_CHAN_RECV, until);
                if (!w)
                        return -ETIMEDOUT;
                if (w->ok)
                        return 1;
                hchan_zero(c, into, size);
                return 0;
        }
        hchan_unlock(c);
        if (r == OP_BLOCK)
                return -ETIMEDOUT;
        hchan_zero(c, into, size);
        return 0;
}

/* As send_rest and send_slow. */
static rni_noinline bool recv_rest(struct hchan *c, void *into) __asm__("rn_chan_recv.rest");
static rni_noinline bool recv_rest(struct hchan *c, void *into)
{
        return recv_locked(c, into, RN_NEVER) != 0;
}

static rni_noinline bool recv_slow(rn_anychan ch, void *into) __asm__("rn_chan_recv.slow");
static rni_noinline bool recv_slow(rn_anychan ch, void *into)
{
        struct m *m = rni_m();
        bool ok;

        if (unlikely(!ch))
                block_for_ever(WAIT_CHAN_RECV_NIL);
        if (m->budget == 0)
                rni_budget_slow(m);
        hchan_lock(hchan_of(ch));
        ok = recv_locked(hchan_of(ch), into, RN_NEVER) != 0;
        rni_sim_place();
        return ok;
}

/* Closed and drained it stays: nobody has to be kept out. */
static rni_noinline bool recv_drained(struct hchan *c, void *into) __asm__("rn_chan_recv.drained");
static rni_noinline bool recv_drained(struct hchan *c, void *into)
{
        hchan_zero(c, into, c->size);
        return false;
}

bool rn_chan_recv(rn_anychan ch, void *into)
{
        struct hchan *c = hchan_of(ch);

        if (unlikely(!c) || unlikely(!fast_budget()))
                return recv_slow(ch, into);
        cpu_prefetchw(c);   /* one transfer of a contended line, not two */
        if (unlikely(load_acq(&c->closed)) &&   /* acq: pairs with rel in rni_hchan_close */
            !hchan_elements(load_acq(&c->state)))   /* acq: likewise, the last element is out */
                return recv_drained(c, into);
        /* Fast path: a value in the buffer, no sender waits. */
        if (unlikely(!fast_lock(c)))
                return recv_slow(ch, into);
        /* rlx: under the lock */
        if (hchan_count(c) > 0 && !waitq_first(&c->sendq) && into && elem_is_word(c->size)) {
                slot_get_word(into, c);
                c->recvx = hchan_next(c, c->recvx);
                hchan_event(c, -1);
                hchan_unlock(c);
                return true;
        }
        return recv_rest(c, into);
}

void *rn_chan_get(rn_anychan ch, void *into)
{
        rn_chan_recv(ch, into);
        return into;
}

int rn_chan_recv_until(rn_anychan ch, void *into, rn_time until)
{
        if (unlikely(!ch))
                return nil_until(WAIT_CHAN_RECV_NIL, until);
        rni_budget(rni_m());
        hchan_lock(hchan_of(ch));
        return recv_locked(hchan_of(ch), into, until);
}

int rn_chan_recv_try(rn_anychan ch, void *into)
{
        struct hchan *c = hchan_of(ch);
        struct g *wake = NULL;
        enum op_result r;

        if (unlikely(!c))
                return -EAGAIN;
        rni_budget(rni_m());
        if (hchan_recv_blocks(c))
                return -EAGAIN;
        hchan_lock(c);
        r = hchan_recv_locked(c, into, &wake);
        hchan_unlock(c);
        if (wake)
                hchan_ready(wake);
        if (r == OP_CLOSED)
                hchan_zero(c, into, c->size);
        return r == OP_DONE ? 1 : r == OP_CLOSED ? 0 : -EAGAIN;
}

/* -- close, len, cap -- */

/* Everybody in q is woken with ok == false. */
static void close_queue(struct hchan *c, struct waitq *q, struct g_list *woken)
{
        struct waiter *w;

        while ((w = hchan_take(c, q)) != NULL) {
                san_acquire(w);
                w->ok = false;
                w->g->u.run.fired = w;
                san_release(w);
                g_list_push(woken, w->g);
        }
}

bool rni_hchan_close(struct hchan *c, struct g_list *woken)
{
        hchan_lock(c);
        if (unlikely(load_rlx(&c->closed))) {   /* rlx: under the lock */
                hchan_unlock(c);
                return false;
        }
        san_release(c);
        store_rel(&c->closed, 1);   /* rel: pairs with acq in the hints */
        close_queue(c, &c->recvq, woken);
        close_queue(c, &c->sendq, woken);
        hchan_unlock(c);
        return true;
}

void (rn_close)(rn_anychan ch)
{
        struct g_list woken = { NULL, NULL, 0 };

        if (unlikely(!ch))
                rni_runtime_panic("close of nil channel");
        rni_m();
        rni_sim_place();
        if (unlikely(!rni_hchan_close(hchan_of(ch), &woken)))
                rni_runtime_panic("close of closed channel");
        if (woken.head) {   /* all at once, after the unlock: they may come back for the same
                             * channel */
                rt_enter();
                rni_ready_list(&woken);
                rt_leave();
        } else {
                rni_sim_place();
        }
}

int (rn_len)(rn_anychan ch)
{
        const struct hchan *c = hchan_of(ch);

        return c ? (int)hchan_elements(load_acq(&c->state)) : 0;   /* acq: pairs with the lock's
                                                                    * release */
}

int (rn_cap)(rn_anychan ch)
{
        const struct hchan *c = hchan_of(ch);

        return c ? (int)c->cap : 0;
}
