/* SPDX-License-Identifier: MIT
 * The network poller: the one epoll set, and who waits in it. What waits for a descriptor is
 * core/polldesc; this is how its events get from the kernel to there.
 *
 * Who looks:
 *   - the keeper (idle.c), which there is while a P is idle, waits in the set until the next
 *     deadline, from the first descriptor on; before that in a futex;
 *   - an M that finds no work at hand looks without waiting before it steals or sleeps;
 *   - while nobody waits in the set, an M with work looks every 16th scheduling decision, and a
 *     goroutine that does not park, when its budget of channel operations is used up: if the last
 *     look is older than NET_AGE;
 *   - sysmon, while there is no keeper. It may sleep when a G begins to wait, or when the keeper
 *     leaves: the G's count comes before its look at the slot, the slot's leaving before the
 *     keeper's look at the count, so one of the two sees the other and wakes sysmon, which looks at
 *     both behind its fence (sysmon.c).
 * Who fetched events delivers them; an edge is reported once, so they are never dropped. The
 * keeper, idle as long as it waits, leaves the idle list first: between taking a G out of its
 * descriptor and readying it the deadlock check must not find all Ms idle.
 *
 * The wait has one slot, because the eventfd that ends it is one word: were two Ms waiting, the
 * second could drain the poke that was meant for the first.
 *
 *          take (CAS)                 another keeper finds it taken
 *   FREE -----------> TAKEN ------------------------------------------> WANTED
 *     ^---- leave ------'                                                  |
 *     '---- leave, and the keeper of that moment is told to look again ----'
 *
 * The M that holds the slot while another has become keeper was woken (its park word says so) and
 * is on its way out; the new keeper sleeps in its futex meanwhile, until the same deadline. It
 * cannot miss the slot's leaving: it makes the slot WANTED first and sleeps only while its park
 * word is PARK_ASLEEP; who leaves sees WANTED and pokes the keeper under sched.lock.
 *
 * A poke of who waits in the set:
 *
 *        keeper                          poker
 *        CAS park ASLEEP -> POLL         park = WOKEN or LOOK
 *        epoll_wait                      if it was POLL: writes the eventfd
 *        drain
 *        CAS park POLL -> ASLEEP
 *
 * The bug would be that the keeper sleeps on with the word changed. If the poker's exchange comes
 * before the first CAS, that fails and nobody sleeps. If it comes between the two, it finds POLL
 * and writes; the eventfd is level-triggered, so the wait ends, begun or not. It stays ready until
 * the keeper drains it, and only the keeper does: a look without waiting that finds it leaves it. A
 * drain comes before the second CAS, which then fails if a poke came before it; a poke after that
 * CAS finds ASLEEP and wakes the futex. A write that is late (for a keeper that has left) costs the
 * next one a round. */
#ifndef RNI_CORE_NETPOLL_H
#define RNI_CORE_NETPOLL_H

#include "sched/core/sched.h"
#include "sched/os/poll.h"

enum { NET_BATCH = 128, NET_EVERY = 16 };   /* NET_EVERY: a power of two */
#define NET_AGE INT64_C(50000)

/* Events that the kernel has handed out. */
struct net_batch {
        int n;
        struct rni_event ev[NET_BATCH];
};

struct netpoll {
        a32 on;                        /* there is a set; never goes back */
        a32 slot;                      /* enum net_slot */
        int set, poke;                 /* descriptors; written before on */
        a32 waiting rni_aligned(RNI_APART);   /* Gs parked for a descriptor's direction */
        a32 looking;                   /* somebody looks without waiting */
        a64 looked;                    /* when somebody did last */
};
extern struct netpoll rni_net;

/* Makes the set, if there is none. 0 or -errno. Entered or not; no lock held. */
int rni_net_start(void);

static inline bool rni_net_on(void)
{
        return load_acq(&rni_net.on) != 0;   /* acq: pairs with rel in rni_net_start */
}

/* Would anybody be glad of an event? */
static inline bool rni_net_awaited(void)
{
        return load_rlx(&rni_net.waiting) != 0;   /* rlx: a hint here; in the deadlock check no M
                                                   * runs that could change it */
}

/* Does anybody wait in the set? */
static inline bool rni_net_listening(void)
{
        return load_rlx(&rni_net.slot) != 0;   /* rlx: behind the full add of waiting */
}

/* All have work, and nobody has looked for long. */
bool rni_net_stale(int64_t now);
static inline bool rni_net_due(void)
{
        return unlikely(rni_net_awaited()) && rni_net_stale(rni_clock());
}

/* Looks without waiting and readies who can go on. Entered, no lock held. */
void rni_net_look(void);
/* The same, but one goroutine, RUNNABLE, is the caller's to run. NULL: none. */
struct g *rni_net_find(void);

/* The keeper's wait. False: the deadline has come, or b has events. Not entered. */
bool rni_net_keep(struct m *m, int64_t until, struct net_batch *b);
/* Ends it. The park word has been changed from PARK_POLL. */
void rni_net_poke(void);
/* Readies whom b's events are for, and empties it. Entered, no lock held. */
void rni_net_deliver(struct net_batch *b);

#endif
