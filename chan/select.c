/* SPDX-License-Identifier: MIT
 * select: wait for whichever of several channel operations can go first. After Go's
 * runtime/select.go in its passes.
 *
 *   glance  with a default only: each case's hint, then whether all channels are still in the state
 *           they had. If none has moved none was ready between the two rounds: default, without a
 *           lock.
 *   look    the cases in random order, each by its channel's hint and, if that says ready, under
 *           that channel's lock alone: a ready case needs nothing else.
 *   decide  all channels locked, in address order (each once): the same order, now as of one
 *           moment. Nothing ready: default, or queue up on all.
 *   park    the commit unlocks all. Whoever wants to wake us must win our claim, so one case is
 *           chosen even if several partners come at once.
 *   leave   all locked again: our waiters leave the queues they still stand in.
 *
 * The bug that the claim prevents: two partners on two channels each take our waiter and each pass
 * a value. Both hold only their own channel's lock; the claim is the one word they share. A waiter
 * that was taken by a partner who then lost is out of its queue, which `queued` says, so that leave
 * does not unlink it twice. The model is docs/design/select.pml, which finds the bug when this or
 * any other of the rules is undone.
 *
 * Waiters and the lock order lie on the caller's stack up to STACK_CASES cases; a larger select
 * takes a block from the heap. */
#include <runnel/select.h>

#include <errno.h>
#include <stdlib.h>

#include "chan/hchan.h"
#include "sched/base/rand.h"
#include "sched/core/panic.h"

enum { OP_SEND = 1, OP_RECV = 2 };   /* struct rn_case's op, as the macros of select.h write it */
enum { NONE = -1, CLOSED_SEND = -2 };   /* instead of an index */
enum { FEW_CASES = 8, STACK_CASES = 128, MAX_CASES = 65536 };

struct order {
        uint16_t poll;   /* case index, in the order of looking */
        uint16_t lock;   /* case index, in ascending order of channel address */
};

struct select {
        const struct rn_case *cases;
        struct order *order;
        unsigned n;                /* live cases: those with a channel */
        struct waiter *waiters;    /* parallel to order[].lock */
};

static struct hchan *case_chan(const struct select *s, unsigned i)
{
        return hchan_of(s->cases[i].chan);
}

/* -- pass 0: the orders -- */

/* Live cases in random order (inside-out shuffle). */
static void shuffle(struct select *s, size_t n, uint64_t *rand)
{
        for (size_t i = 0; i < n; i++) {
                const struct rn_case *c = &s->cases[i];
                unsigned j;

                if (!c->op || !c->chan)
                        continue;
                j = s->n ? rni_rand_below(rand, s->n + 1) : 0;
                s->order[s->n].poll = s->order[j].poll;
                s->order[j].poll = (uint16_t)i;
                s->n++;
        }
}

static bool below(const struct select *s, uint16_t a, uint16_t b)
{
        return (uintptr_t)case_chan(s, a) < (uintptr_t)case_chan(s, b);
}

static void sift(struct select *s, unsigned i, unsigned n)
{
        uint16_t x = s->order[i].lock;

        for (;;) {
                unsigned child = 2 * i + 1;

                if (child >= n)
                        break;
                if (child + 1 < n && below(s, s->order[child].lock, s->order[child + 1].lock))
                        child++;
                if (!below(s, x, s->order[child].lock))
                        break;
                s->order[i].lock = s->order[child].lock;
                i = child;
        }
        s->order[i].lock = x;
}

/* By channel address: insertion for a few, heap sort for many. */
static void sort(struct select *s)
{
        for (unsigned i = 0; i < s->n; i++) {
                unsigned j = i;

                if (s->n <= FEW_CASES)
                        for (; j > 0 && below(s, s->order[i].poll, s->order[j - 1].lock); j--)
                                s->order[j].lock = s->order[j - 1].lock;
                s->order[j].lock = s->order[i].poll;
        }
        if (s->n <= FEW_CASES)
                return;
        for (unsigned i = s->n / 2; i-- > 0;)
                sift(s, i, s->n);
        for (unsigned last = s->n; --last > 0;) {
                uint16_t top = s->order[0].lock;

                s->order[0].lock = s->order[last].lock;
                s->order[last].lock = top;
                sift(s, 0, last);
        }
}

static void lock_all(const struct select *s)
{
        const struct hchan *before = NULL;

        for (unsigned i = 0; i < s->n; i++) {
                struct hchan *c = case_chan(s, s->order[i].lock);

                if (c != before)
                        hchan_lock(c);
                before = c;
        }
}

/* Backwards, so that nothing of s is needed after the last unlock: the parked goroutine may have
 * gone by then. */
static void unlock_all(const struct select *s)
{
        for (unsigned i = s->n; i-- > 0;) {
                struct hchan *c = case_chan(s, s->order[i].lock);

                if (i == 0 || c != case_chan(s, s->order[i - 1].lock))
                        hchan_unlock_last(c);   /* in a commit the goroutine goes on with the last
                                                 * of these, and may free it */
        }
}

/* -- passes 1 and 2: what is ready -- */

static rni_noinline enum op_result try_case(const struct rn_case *k, struct hchan *c,
                                            struct g **wake)
{
        return k->op == OP_SEND ? hchan_send_locked(c, k->elem, wake)
                                : hchan_recv_locked(c, k->into, wake);
}

struct choice {
        int index;                /* or NONE */
        enum op_result result;
        struct g *wake;
};

/* After the unlock: the chosen case's result is told. Returns its index, or CLOSED_SEND. */
static rni_always_inline int finish(const struct rn_case *cases, struct choice got, struct m *m)
{
        const struct rn_case *k = &cases[got.index];

        if (got.wake)
                hchan_ready(got.wake);
        if (k->op == OP_RECV) {
                struct hchan *c = hchan_of(k->chan);

                if (got.result == OP_CLOSED)
                        hchan_zero(c, k->into, c->size);
                if (k->ok)
                        *k->ok = got.result == OP_DONE;
        } else if (unlikely(got.result == OP_CLOSED)) {
                return CLOSED_SEND;
        }
        if (unlikely(m->sim != NULL))
                rni_sim_here(m);
        return got.index;
}

static inline bool blocks(const struct rn_case *k, const struct hchan *c)
{
        return k->op == OP_SEND ? hchan_send_blocks(c) : hchan_recv_blocks(c);
}

/* A case with a channel. OP_BLOCK: not ready. */
static rni_always_inline struct choice look_at(const struct rn_case *k, unsigned i)
{
        struct hchan *c = hchan_of(k->chan);
        struct choice got = { (int)i, OP_BLOCK, NULL };

        if (!blocks(k, c)) {
                hchan_lock(c);
                got.result = try_case(k, c, &got.wake);
                hchan_unlock(c);
        }
        return got;
}

static struct choice look(const struct select *s)
{
        for (unsigned p = 0; p < s->n; p++) {
                unsigned i = s->order[p].poll;
                struct choice got = look_at(&s->cases[i], i);

                if (got.result != OP_BLOCK)
                        return got;
        }
        return (struct choice){ NONE, OP_BLOCK, NULL };
}

/* The same for two, the most common number, which are in random order when one bit says who is
 * first. */
static rni_always_inline struct choice look_at_two(const struct rn_case *cases, uint64_t *rand)
{
        unsigned i = rni_rand(rand) >> 31;

        for (int p = 0; p < 2; p++, i ^= 1) {
                const struct rn_case *k = &cases[i];

                if (k->op && k->chan) {
                        struct choice got = look_at(k, i);

                        if (got.result != OP_BLOCK)
                                return got;
                }
        }
        return (struct choice){ NONE, OP_BLOCK, NULL };
}

/* All locked: what the hint says of a channel that is not ready is certain now. */
static struct choice decide(const struct select *s)
{
        for (unsigned p = 0; p < s->n; p++) {
                unsigned i = s->order[p].poll;
                struct choice got = { (int)i, OP_BLOCK, NULL };

                if (blocks(&s->cases[i], case_chan(s, i)))
                        continue;
                got.result = try_case(&s->cases[i], case_chan(s, i), &got.wake);
                if (got.result != OP_BLOCK)
                        return got;
        }
        return (struct choice){ NONE, OP_BLOCK, NULL };
}

/* -- passes 3 and 4: waiting -- */

static void commit_select(struct g *g, void *arg)
{
        struct select s = *(struct select *)arg;

        (void)g;
        unlock_all(&s);
}

static void queue_up(const struct select *s, struct g *g)
{
        for (unsigned i = 0; i < s->n; i++) {
                unsigned index = s->order[i].lock;
                const struct rn_case *k = &s->cases[index];
                struct hchan *c = hchan_of(k->chan);
                bool send = k->op == OP_SEND;

                s->waiters[i] = (struct waiter){ .g = g, .obj = c, .index = index, .claim = true,
                                                 .elem = send ? (void *)(uintptr_t)k->elem
                                                              : k->into };
                san_release(&s->waiters[i]);
                c->nreturning++;
                waitq_add(send ? &c->sendq : &c->recvq, &s->waiters[i]);
                hchan_event(c, 0);
        }
}

static void leave(const struct select *s)
{
        lock_all(s);
        for (unsigned i = 0; i < s->n; i++) {
                unsigned index = s->order[i].lock;
                struct hchan *c = case_chan(s, index);

                c->nreturning--;
                if (s->waiters[i].queued)
                        waitq_remove(s->cases[index].op == OP_SEND ? &c->sendq : &c->recvq,
                                     &s->waiters[i]);
        }
        for (unsigned i = s->n; i-- > 0;) {
                struct hchan *c = case_chan(s, s->order[i].lock);

                if (i == 0 || c != case_chan(s, s->order[i - 1].lock))
                        hchan_leave(c);
        }
}

/* All locked, nothing ready. NONE: the deadline. */
static struct choice wait(struct select *s, rn_time until)
{
        struct m *m = rt_enter_locked();
        struct g *g = m->g;
        const struct waiter *fired;

        rni_claim_begin(g);
        queue_up(s, g);
        fired = rni_park_until(commit_select, s, WAIT_SELECT, until) ? g->u.run.fired : NULL;
        rt_leave();
        leave(s);
        if (!fired)
                return (struct choice){ NONE, OP_BLOCK, NULL };
        san_acquire(fired);
        return (struct choice){ (int)fired->index, fired->ok ? OP_DONE : OP_CLOSED, NULL };
}

/* -- the whole -- */

/* Two rounds, of which the first sees each case not ready, and the second that nothing has happened
 * to its channel since: so at the moment between the rounds none was ready. The bug would be one
 * round: a case seen first comes ready before one seen last ceases to be, and always one of them
 * was. False: not so sure. */
static inline bool none_ready(const struct rn_case *cases, size_t n)
{
        AO_t state[FEW_CASES];

        for (size_t i = 0; i < n; i++) {
                const struct rn_case *k = &cases[i];
                const struct hchan *c = hchan_of(k->chan);

                if (!k->op || !c)
                        continue;
                state[i] = load_acq(&c->state);   /* acq: before the hint; pairs with the lock's
                                                   * release */
                if (!blocks(k, c))
                        return false;
        }
        for (size_t i = 0; i < n; i++) {
                const struct rn_case *k = &cases[i];
                const struct hchan *c = hchan_of(k->chan);

                if (k->op && c &&
                    (load_acq(&c->state) != state[i] ||   /* acq: as above */
                     load_acq(&c->closed)))   /* acq: pairs with rel in rni_hchan_close */
                        return false;
        }
        return true;
}

enum block { NO_WAIT, WAIT };

/* looked: just now, and none was ready. */
static struct choice run(struct select *s, bool looked, enum block block, rn_time until)
{
        struct choice got = { NONE, OP_BLOCK, NULL };

        if (!looked)
                got = look(s);
        if (got.index >= 0)
                return got;
        if (s->n == 1 && block == NO_WAIT)
                return got;   /* one channel: its hint was the moment */
        sort(s);
        lock_all(s);
        got = decide(s);
        if (got.index < 0 && block == WAIT && (until == RN_NEVER || until > rni_now(rni_self())))
                return wait(s, until);
        unlock_all(s);
        return got;
}

static int select_on(struct select *s, size_t n, enum block block, rn_time until)
{
        struct choice got;

        shuffle(s, n, &rni_self()->rand);
        got = run(s, n == 2, block, until);
        return got.index < 0 ? got.index : finish(s->cases, got, rni_self());
}

static rni_noinline int select_few(const struct rn_case *cases, size_t n, enum block block,
                                   rn_time until)
{
        struct order order[FEW_CASES];
        struct waiter waiters[FEW_CASES];
        struct select s = { cases, order, 0, waiters };

        return select_on(&s, n, block, until);
}

static rni_noinline int select_some(const struct rn_case *cases, size_t n, enum block block,
                                    rn_time until)
{
        struct order order[STACK_CASES];
        struct waiter waiters[STACK_CASES];
        struct select s = { cases, order, 0, waiters };

        return select_on(&s, n, block, until);
}

static rni_noinline int select_many(const struct rn_case *cases, size_t n, enum block block,
                                    rn_time until)
{
        struct order *order = malloc(n * sizeof *order);
        struct waiter *waiters = malloc(n * sizeof *waiters);
        struct select s = { cases, order, 0, waiters };
        int r;

        if (!order || !waiters) {
                free(order);
                free(waiters);
                rni_runtime_panic("select: out of memory for %zu cases", n);
        }
        r = select_on(&s, n, block, until);
        free(order);
        free(waiters);
        return r;
}

static rni_always_inline int do_select(const struct rn_case *cases, size_t n, enum block block,
                                       rn_time until, int none)
{
        struct choice got = { NONE, OP_BLOCK, NULL };
        struct m *m;
        int r;

        if (n > MAX_CASES)
                rni_runtime_panic("select: more than %d cases", MAX_CASES);
        rni_budget(rni_m());
        m = rni_self();   /* the budget may have been over, and this another thread */
        if (n == 2)
                got = look_at_two(cases, &m->rand);
        if (got.index >= 0)
                r = finish(cases, got, m);
        else if (likely(n <= FEW_CASES))
                r = select_few(cases, n, block, until);
        else
                r = n <= STACK_CASES ? select_some(cases, n, block, until)
                                     : select_many(cases, n, block, until);
        if (unlikely(r == CLOSED_SEND))
                rni_runtime_panic("send on closed channel");
        return r < 0 ? none : r;
}

_Noreturn void rn_forever(void)
{
        rt_enter();
        rni_park(rni_commit_nothing, NULL, WAIT_SELECT_NONE);
        rni_throw("a goroutine that waits for ever was resumed");
}

int rn_selectv(const struct rn_case *cases, size_t n, rn_time deadline)
{
        if (n == 0 && deadline == RN_NEVER)
                rn_forever();
        return do_select(cases, n, WAIT, deadline, RN_TIMEOUT);
}

/* Apart, so that who finds nothing ready has no frame of this. */
static rni_noinline int do_select_try(const struct rn_case *cases, size_t n)
{
        return do_select(cases, n, NO_WAIT, 0, RN_DEFAULT);
}

int rn_selectv_try(const struct rn_case *cases, size_t n)
{
        struct m *m = rni_m();

        if (HCHAN_EVENT && likely(n <= FEW_CASES) && likely(!m->sim) && none_ready(cases, n)) {
                rni_budget(m);
                return RN_DEFAULT;
        }
        return do_select_try(cases, n);
}
