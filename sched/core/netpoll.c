/* SPDX-License-Identifier: MIT
 * The epoll set and the wait in it; netpoll.h has the protocol. Callers: idle.c, sched.c,
 * core/polldesc. */
#include "sched/core/netpoll.h"

#include <errno.h>

#include "sched/core/polldesc.h"

#define net rni_net
#define sched rni_sched

enum net_slot { SLOT_FREE, SLOT_TAKEN, SLOT_WANTED };

#define POKE UINT64_MAX   /* the eventfd's data: no descriptor's */

struct netpoll rni_net;

/* -- the set -- */

static int make_set(void)
{
        int set = rni_poller_new(), poke;

        if (set < 0)
                return set;
        poke = rni_poke_new(set, POKE);
        if (poke < 0) {
                rni_fd_shut(set);
                return poke;
        }
        net.set = set;
        net.poke = poke;
        store_rel(&net.on, 1);   /* rel: pairs with acq in rni_net_on */
        return 0;
}

/* A keeper that still sleeps in its futex moves over; one that is linked later finds the set.
 * Without any M, foreign threads would have nobody to look for them: the first becomes keeper when
 * it finds no work. */
static void move_keeper(void)
{
        bool nobody;

        lock_acquire(&sched.lock, RANK_SCHED);
        rni_keeper_look();
        nobody = sched.nm == 0;
        lock_release(&sched.lock, RANK_SCHED);
        if (nobody)
                rni_wake_p();
}

int rni_net_start(void)
{
        static struct lock lock;   /* RANK_LEAF: one makes it */
        bool made;
        int r;

        if (likely(rni_net_on()))
                return 0;
        lock_acquire(&lock, RANK_LEAF);
        made = !rni_net_on();
        r = made ? make_set() : 0;
        lock_release(&lock, RANK_LEAF);
        if (made && r == 0)
                move_keeper();
        return r;
}

/* -- events to Gs -- */

static void take_events(struct net_batch *b, struct g_list *out)
{
        for (int i = 0; i < b->n; i++)
                if (b->ev[i].data != POKE)
                        rni_pd_event(b->ev[i].data, b->ev[i].what, out);
        b->n = 0;
}

void rni_net_deliver(struct net_batch *b)
{
        struct g_list l = { NULL, NULL, 0 };

        take_events(b, &l);
        if (l.n)
                rni_ready_list(&l);
}

/* -- looking without waiting -- */

bool rni_net_stale(int64_t now)
{
        return load_rlx(&net.slot) == SLOT_FREE &&   /* rlx: a hint */
               now - load_rlx(&net.looked) > NET_AGE;   /* rlx: a hint */
}

/* May stand on a goroutine's stack, of which the batch would touch another page. */
static void look(struct g_list *out)
{
        static struct net_batch b;   /* whoever set looking */

        if (!rni_net_awaited() || load_rlx(&net.looking) ||   /* rlx: the CAS decides */
            !cas(&net.looking, 0, 1))
                return;
        b.n = rni_poller_wait(net.set, b.ev, NET_BATCH, 0);
        store_rlx(&net.looked, rni_clock());   /* rlx: a hint */
        take_events(&b, out);
        store_rel(&net.looking, 0);   /* rel: pairs with the CAS above */
}

void rni_net_look(void)
{
        struct g_list l = { NULL, NULL, 0 };

        look(&l);
        if (l.n)
                rni_ready_list(&l);
}

struct g *rni_net_find(void)
{
        struct g_list l = { NULL, NULL, 0 };
        struct g *g;

        look(&l);
        while ((g = g_list_pop(&l)) != NULL && (g->flags & GF_FOREIGN))
                rni_foreign_wake(g);
        if (l.n)
                rni_ready_list(&l);
        if (g)
                store_rlx(&g->state, G_RUNNABLE);   /* rlx: ours alone */
        return g;
}

/* -- waiting -- */

void rni_net_poke(void)
{
        rni_poke(net.poke);
}

/* Takes out what the wait itself is for: the poke, and edges that nobody waits for, for which the
 * keeper need not get up. */
static void sort_out(struct net_batch *b)
{
        int kept = 0;

        for (int i = 0; i < b->n; i++) {
                if (b->ev[i].data == POKE)
                        rni_poke_drain(net.poke);
                else if (!rni_pd_note(b->ev[i].data, b->ev[i].what))
                        b->ev[kept++] = b->ev[i];
        }
        b->n = kept;
}

/* False: m is to sleep in its futex and will be told when the slot is free. */
static bool take_slot(void)
{
        while (!cas(&net.slot, SLOT_FREE, SLOT_TAKEN))
                if (load_rlx(&net.slot) == SLOT_WANTED ||   /* rlx: who leaves it WANTED pokes under
                                                             * sched.lock, later */
                    cas(&net.slot, SLOT_TAKEN, SLOT_WANTED))
                        return false;
        return true;
}

static void leave_slot(void)
{
        if (cas(&net.slot, SLOT_TAKEN, SLOT_FREE))
                return;
        store_rel(&net.slot, SLOT_FREE);   /* rel: pairs with the CAS in take_slot */
        lock_acquire(&sched.lock, RANK_SCHED);
        rni_keeper_look();
        lock_release(&sched.lock, RANK_SCHED);
}

bool rni_net_keep(struct m *m, int64_t until, struct net_batch *b)
{
        b->n = 0;
        if (!take_slot())
                return rni_futex_wait_until(&m->park, PARK_ASLEEP, until);
        if (cas(&m->park, PARK_ASLEEP, PARK_POLL)) {
                b->n = rni_poller_wait(net.set, b->ev, NET_BATCH, until);
                if (unlikely(b->n < 0) && b->n != -EINTR)
                        rni_fatal("epoll_wait failed with error %d: "
                                  "was the poller's descriptor closed?", -b->n);
                store_rlx(&net.looked, rni_clock());   /* rlx: a hint */
                sort_out(b);
                (void)cas(&m->park, PARK_POLL, PARK_ASLEEP);   /* fails: it was poked, and the
                                                                * caller sees the word */
        }
        leave_slot();
        return b->n == 0 && (until == TIMER_NEVER || rni_clock() < until);
}
