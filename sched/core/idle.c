/* SPDX-License-Identifier: MIT
 * Looking for work, sleeping without it, and waking who should look. Called by the scheduler loop
 * and by everything that submits work.
 *
 * The protocol against lost wakeups. Work is submitted by: store to a queue; light fence; if there
 * is an idle P and nobody spins, wake an M as a spinner. An M goes to sleep by: P to the idle list;
 * stop spinning; heavy fence; look at every queue once more; only then sleep. The bug would be
 *
 *        submitter                                sleeper
 *        queue = g                                P idle, nspinning--
 *        reads "no idle P" or "somebody spins"    reads "queue empty"
 *
 * Were both reads stale, g would wait though a processor is free. The heavy fence puts a full
 * barrier into the submitter's stream at some point X: a load before X has its store before X too,
 * and the sleeper, who looks after X, sees the queue filled; a load after X sees the idle P and no
 * spinner. An M that found work while spinning wakes another spinner if it was the last
 * (rni_stop_spinning), because submitters relied on it.
 *
 * The model is docs/design/idle.pml; that of what follows docs/design/keeper.pml. Both find the bug
 * when any of the rules is undone.
 *
 * Timers and events: while a P is idle, and an M, one such M is the keeper and sleeps until the
 * earliest deadline of all Ps, or in the epoll set. It says until when (keeper_until), heavy fence,
 * and looks at the minima again; who adds an earlier timer stores the minimum, light fence, reads
 * keeper_until: the same pattern. A keeper that leaves promotes another idle M; if there is none,
 * sysmon keeps the deadline (sysmon.c). Without an idle P there is nobody whom a keeper could give
 * what it hears of: the holders of the Ps look themselves, and sysmon. One that was there before
 * gets up once more, finds no P, and lies down as any other. No sleep has any other timeout, but
 * for the one look at a deadlock that only foreign threads stand against (deadlock.c), and the one
 * after which a surplus M ends. */
#include <stdlib.h>

#include "sched/base/rand.h"
#include "sched/core/netpoll.h"
#include "sched/core/sched.h"

/* OBSERVE: relaxations to see whether a victim is alive, 1 to 3 us */
enum { STEAL_ROUNDS = 4, OBSERVE = 60 };
/* APART_MOST: relaxations between looks, 10 to 25 us */
enum { LOOKS = 40, APART_MOST = 512, PATIENCE = 5 };
#define LINGER INT64_C(2000000000)   /* how long a surplus M stays idle before its thread ends */
enum { KEEP_LEAST = 4 };             /* idle Ms that stay, if there are fewer Ps */

#define sched rni_sched

/* -- idle Ps: sched.lock held -- */

struct p *rni_idle_p_get(void)
{
        struct p *p = sched.idle_p;

        if (p) {
                sched.idle_p = p->idle_next;
                store_rlx(&p->status, P_RUNNING);   /* rlx: under the lock */
                store_rlx(&sched.nidle_p, load_rlx(&sched.nidle_p) - 1);   /* rlx: under the lock;
                                                                            * hints outside */
        }
        return p;
}

void rni_idle_p_put(struct p *p)
{
        unsigned n;

        store_rlx(&p->m, 0);   /* rlx: a hint for sysmon */
        if (unlikely(load_rlx(&sched.stack_waiters) != 0))   /* rlx: under the lock */
                rni_stacks_from(p);
        if (p->id >= (int)load_rlx(&sched.nprocs)) {   /* rlx: under the lock */
                store_rlx(&p->status, P_RETIRED);   /* rlx: under the lock */
                return;
        }
        store_rlx(&p->status, P_IDLE);   /* rlx: under the lock */
        p->idle_next = sched.idle_p;
        sched.idle_p = p;
        n = load_rlx(&sched.nidle_p);   /* rlx: under the lock */
        store_rlx(&sched.nidle_p, n + 1);   /* rlx: ordered by the sleeper's heavy fence */
}

int64_t rni_earliest_deadline(void)
{
        int64_t t = TIMER_NEVER;

        for (unsigned i = 0; i < load_acq(&sched.np); i++) {   /* acq: pairs with rel in
                                                                * rni_procs_init */
                int64_t when = rni_timers_min(&sched.allp[i]->timers);

                t = when < t ? when : t;
        }
        return t;
}

/* That an idle M keeps: without an idle P timers are for the holders of the others, who fire them
 * in their order, or for whom sysmon gives those Ps to. */
static int64_t deadline_to_keep(void)
{
        unsigned n = load_rlx(&sched.nidle_p);   /* rlx: who puts one there looks for the keeper */

        return n > 0 ? rni_earliest_deadline() : TIMER_NEVER;
}

/* What the keeper gets up for by itself. */
static int64_t time_to_keep(void)
{
        int64_t t = deadline_to_keep();
        unsigned n = load_rlx(&sched.nidle_p);   /* rlx: as above */
        int64_t trim_at = n > 0 ? rni_trim_at() : TIMER_NEVER;

        return t < trim_at ? t : trim_at;
}

static bool deadline_passed(void)
{
        int64_t t = rni_earliest_deadline();

        return t != TIMER_NEVER && t <= rni_clock();
}

/* -- idle Ms: sched.lock held -- */

static void idle_m_unlink(struct m *m)
{
        if (m->idle_prev)
                m->idle_prev->idle_next = m->idle_next;
        else
                sched.idle_m = m->idle_next;
        if (m->idle_next)
                m->idle_next->idle_prev = m->idle_prev;
        m->idle = false;
        sched.nidle_m--;
        if (sched.keeper == m) {
                sched.keeper = NULL;
                store_rlx(&sched.keeper_until, 0);   /* rlx: under the lock */
        }
}

/* More idle Ms than Ps can only be wanted when as many goroutines block at once again. */
static bool idle_m_surplus(const struct m *m)
{
        unsigned keep = load_rlx(&sched.nprocs);   /* rlx: under the lock */

        return !m->stays && sched.nidle_m > (keep > KEEP_LEAST ? keep : KEEP_LEAST);
}

static void idle_m_link(struct m *m)
{
        m->idle_prev = NULL;
        m->idle_next = sched.idle_m;
        if (sched.idle_m)
                sched.idle_m->idle_prev = m;
        sched.idle_m = m;
        m->idle = true;
        sched.nidle_m++;
        m->idle_until = idle_m_surplus(m) ? rni_clock() + LINGER : TIMER_NEVER;
        /* One that looked at the timers while no P was idle keeps none: m, which has just left a P,
         * does. If it is about to say so, it sees the idle P afterwards. */
        if (load_rlx(&sched.nidle_p) &&   /* rlx: under the lock */
            (!sched.keeper ||
             load_rlx(&sched.keeper_until) > time_to_keep())) {   /* rlx: under the lock */
                sched.keeper = m;
                store_rlx(&sched.keeper_until, 0);   /* rlx: under the lock */
        }
}

/* sched.lock held. */
static void m_poke(struct m *m, enum park_word w)
{
        unsigned old;

        do {
                old = load_rlx(&m->park);   /* rlx: the CAS decides */
        } while (!cas(&m->park, old, w));   /* nextp and the rest are set; pairs with acq in
                                             * m_sleep */
        if (old == PARK_POLL)
                rni_net_poke();
        else
                rni_futex_wake(&m->park, 1);
}

/* The keeper left, or a P came: while a P is idle, and an M, one keeps the deadline and listens. */
static void promote_keeper(void)
{
        if (sched.keeper || !sched.idle_m || !load_rlx(&sched.nidle_p))   /* rlx: under the lock */
                return;
        sched.keeper = sched.idle_m;
        store_rlx(&sched.keeper_until, TIMER_NEVER);   /* rlx: ordered by the fences */
        rni_fence_heavy();   /* light side: rni_timekeeper_kick */
        if (rni_net_on() || rni_earliest_deadline() != TIMER_NEVER ||
            sched.deadlock_at != TIMER_NEVER)
                m_poke(sched.keeper, PARK_LOOK);
}

/* An idle M, the keeper last. */
static struct m *idle_m_get(void)
{
        struct m *m = sched.idle_m;

        if (m && m == sched.keeper && m->idle_next)
                m = m->idle_next;
        if (m)
                idle_m_unlink(m);
        return m;
}

bool rni_idle_m_give(struct p *p, bool spinning)
{
        struct m *m = idle_m_get();

        if (!m)
                return false;
        m->nextp = p;
        m->spinning = spinning;
        m_poke(m, PARK_WOKEN);
        return true;
}

/* -- waking -- */

static rni_noinline void wake_spinner(void)
{
        struct p *p;

        if (rni_self() && rni_self()->sim)   /* what it readies is nobody else's */
                return;
        if (!cas(&sched.nspinning, 0, 1))
                return;
        lock_acquire(&sched.lock, RANK_SCHED);
        p = rni_idle_p_get();
        lock_release(&sched.lock, RANK_SCHED);
        if (likely(p != NULL)) {
                rni_m_start(p, true);
                return;
        }
        fetch_add(&sched.nspinning, (unsigned)-1);   /* somebody else has just taken the last one */
        rni_sysmon_need();
}

void rni_wake_p(void)
{
        rni_fence_light();   /* heavy side: stop_looking, doze in sysmon.c */
        if (load_rlx(&sched.nidle_p) == 0) {   /* rlx: ordered by the fences */
                /* Who spins looks, and comes here at the end. */
                if (load_rlx(&sched.nspinning) == 0)   /* rlx: pairs with the add in
                                                        * rni_stop_spinning */
                        rni_sysmon_need();
        } else if (load_rlx(&sched.nspinning) == 0) {   /* rlx: ordered by the fences */
                wake_spinner();
        }
}

void rni_stop_spinning(struct m *m)
{
        m->spinning = false;
        if (fetch_add(&sched.nspinning, (unsigned)-1) == 1)
                rni_wake_p();
}

/* -- timers -- */

bool rni_run_due_timers(struct p *p, int64_t now)
{
        bool any = false;

        while (rni_timers_min(&p->timers) <= now) {
                struct due due = { .n = 0 };

                rni_timers_due(&p->timers, now, &due);
                any |= due.gs.head || due.n;
                if (due.gs.head)
                        rni_ready_list(&due.gs);
                for (unsigned i = 0; i < due.n; i++)
                        due.timers[i]->class->fire(due.timers[i], now);
        }
        return any;
}

void rni_timer_start(struct m *m, struct timer *t, int64_t when)
{
        if (when == TIMER_NEVER)
                return;
        rni_timers_start(m->p ? &m->p->timers : &sched.allp[0]->timers, t, when);
        rni_timekeeper_kick(when);
}

static bool run_all_due_timers(int64_t now)
{
        bool any = false;

        for (unsigned i = 0; i < load_acq(&sched.np); i++)   /* acq: pairs with rel in
                                                              * rni_procs_init */
                any |= rni_run_due_timers(sched.allp[i], now);
        return any;
}

void rni_keeper_look(void)
{
        if (sched.keeper)
                m_poke(sched.keeper, PARK_LOOK);
}

void rni_keeper_wanted(void)
{
        rni_keeper_look();   /* it may not have kept the deadline, for lack of an idle P */
        promote_keeper();
}

void rni_timekeeper_kick(int64_t when)
{
        int64_t until;
        bool kept;

        if (unlikely(rni_self() && rni_self()->sim))   /* a time that is none */
                return;
        rni_fence_light();   /* heavy side: keep, doze in sysmon.c */
        until = load_rlx(&sched.keeper_until);   /* rlx: ordered by the fences */
        /* A keeper keeps nothing without an idle P; a P that goes idle has it look again. */
        if (until == 0 || load_rlx(&sched.nidle_p) == 0) {   /* rlx: as above */
                rni_sysmon_need();
                return;
        }
        if (when >= until)
                return;
        lock_acquire(&sched.lock, RANK_SCHED);
        kept = sched.keeper && load_rlx(&sched.nidle_p) != 0;   /* rlx: under the lock */
        if (kept) {
                store_rlx(&sched.keeper_until, 0);   /* rlx: under the lock; one kick is enough
                                                      * until it has looked */
                m_poke(sched.keeper, PARK_LOOK);
        }
        lock_release(&sched.lock, RANK_SCHED);
        if (!kept)
                rni_sysmon_need();   /* who has left meanwhile may not have seen the timer */
}

/* -- looking -- */

/* A G of somebody else. The last round takes runnext too, but only from a P that makes no progress
 * while we watch: its holder would run it next, and moving it across Ms costs more than waiting. */
static struct g *steal_from(struct p *p, struct p *victim, bool last)
{
        struct g *g = rni_runq_steal(&p->runq, &victim->runq, false);
        unsigned tick;
        AO_t next;

        if (g || !last)
                return g;
        next = load_rlx(&victim->runq.runnext);   /* rlx: a hint; the CAS decides */
        if (next == 0)
                return NULL;
        tick = load_rlx(&victim->tick);   /* rlx: does it move? */
        for (int i = 0; i < OBSERVE; i++)
                cpu_relax();
        if (load_rlx(&victim->tick) != tick ||   /* rlx: a hint */
            load_rlx(&victim->runq.runnext) != next)   /* rlx: a hint */
                return NULL;
        return rni_runq_steal(&p->runq, &victim->runq, true);
}

/* One round over all other Ps, from a random one on. */
static struct g *steal_round(struct p *p, unsigned np, bool last)
{
        unsigned at = rni_rand_below(&p->rand, np);

        for (unsigned i = 0; i < np; i++, at = at + 1 == np ? 0 : at + 1) {
                struct g *g = sched.allp[at] == p ? NULL : steal_from(p, sched.allp[at], last);

                if (g) {
                        store_rlx(&p->nsteals, load_rlx(&p->nsteals) + 1);   /* rlx: the holder
                                                                              * alone writes */
                        return g;
                }
        }
        return load_rlx(&sched.gq_n) ? rni_gq_get(p) : NULL;   /* rlx: a hint */
}

/* Moves whenever some P takes a scheduling decision. */
static unsigned decisions(unsigned np)
{
        unsigned sum = 0;

        for (unsigned i = 0; i < np; i++)
                sum += load_rlx(&sched.allp[i]->tick);   /* rlx: does it move? */
        return sum;
}

/* Who only starts goroutines takes no decision, and may spend a microsecond on each whose memory is
 * fresh: if there were starts lately, some looks pass before m believes that nothing happens. */
static bool patient(struct m *m, unsigned np)
{
        unsigned starts = 0;

        for (unsigned i = 0; i < np; i++)
                starts += (unsigned)load_rlx(&sched.allp[i]->nspawned);   /* rlx: does it move? */
        if (starts != m->starts_seen)
                m->patience = PATIENCE;
        m->starts_seen = starts;
        if (m->patience == 0)
                return false;
        m->patience--;
        return true;
}

/* While others take decisions, work may come up any moment, and to be woken for it would cost them
 * a system call each time: then we look for up to LOOKS times. Each look takes lines that the
 * others write at each turn, so the looks are further and further apart: at last by as much as it
 * takes to be woken. In between the processor is for whoever else wants it: another process, a
 * thread in C code. */
static struct g *steal(struct m *m)
{
        struct p *p = m->p;
        unsigned np = load_acq(&sched.np);   /* acq: pairs with rel in rni_procs_init */

        if (!m->spinning) {
                unsigned busy = load_rlx(&sched.nprocs) -   /* rlx: a heuristic */
                                load_rlx(&sched.nidle_p);   /* rlx: a heuristic */

                if (2 * load_rlx(&sched.nspinning) >= busy)   /* rlx: a heuristic */
                        return NULL;   /* enough look already */
                m->spinning = true;
                fetch_add(&sched.nspinning, 1);
        }
        if (np == 1)
                return NULL;
        for (unsigned look = 0, apart = 1, before = decisions(np), now; look < LOOKS;
             look++, before = now) {
                for (int round = 0; round < STEAL_ROUNDS; round++) {
                        struct g *g = steal_round(p, np, round == STEAL_ROUNDS - 1);

                        if (g)
                                return g;
                }
                rni_cpu_yield();
                for (unsigned i = 0; i < apart; i++)
                        cpu_relax();
                apart = apart < APART_MOST ? 2 * apart : apart;
                now = decisions(np);
                if ((now == before && !patient(m, np)) ||
                    load_rlx(&m->stop) != 0 ||   /* rlx: ordered by the asker's heavy fence */
                    deadline_passed())
                        break;
        }
        return NULL;
}

bool rni_work_anywhere(void)
{
        if (load_acq(&sched.gq_n))   /* acq: pairs with rel in rni_gq_put */
                return true;
        for (unsigned i = 0; i < load_acq(&sched.np); i++)   /* acq: pairs with rel in
                                                              * rni_procs_init */
                if (!rni_runq_empty(&sched.allp[i]->runq))
                        return true;
        return false;
}

/* -- sleeping -- */

/* The keeper's sleep. False: the deadline has come, or m's idle_until, or events have. */
static bool keep(struct m *m, struct net_batch *events)
{
        int64_t until = time_to_keep();

        if (sched.deadlock_at < until)
                until = sched.deadlock_at;
        lock_acquire(&sched.lock, RANK_SCHED);
        if (sched.keeper == m)
                store_rlx(&sched.keeper_until, until);   /* rlx: ordered by the fences */
        lock_release(&sched.lock, RANK_SCHED);
        rni_fence_heavy();   /* light side: rni_timekeeper_kick */
        if (deadline_to_keep() < until)
                return true;
        if (m->idle_until < until)
                until = m->idle_until;
        return rni_net_on() ? rni_net_keep(m, until, events)
                            : rni_futex_wait_until(&m->park, PARK_ASLEEP, until);
}

/* Out of the idle list by our own will, unless somebody was faster. */
static bool leave_idle(struct m *m, bool with_p)
{
        bool ours;

        lock_acquire(&sched.lock, RANK_SCHED);
        ours = m->idle;
        if (ours) {
                idle_m_unlink(m);
                m->nextp = with_p ? rni_idle_p_get() : NULL;
        }
        lock_release(&sched.lock, RANK_SCHED);
        return ours;
}

/* m has been idle, and too many, for long: its thread is to end. False: it was woken, or is wanted
 * after all. */
static bool end_idle(struct m *m)
{
        bool ends;

        lock_acquire(&sched.lock, RANK_SCHED);
        ends = m->idle && sched.keeper != m && idle_m_surplus(m);
        if (ends) {
                idle_m_unlink(m);
                sched.nm--;
        } else {
                m->idle_until = TIMER_NEVER;
        }
        lock_release(&sched.lock, RANK_SCHED);
        return ends;
}

/* Is there time to give memory back? Some of it only when nobody runs. */
static bool trim(void)
{
        unsigned idle = load_rlx(&sched.nidle_p);   /* rlx: a hint */

        return idle > 0 && !deadline_passed() &&
               rni_trim(idle == load_rlx(&sched.nprocs));   /* rlx: a hint */
}

/* Sleeps without a P; comes back with m->nextp, or with NULL to look again, and with the events it
 * met. False: the thread is to end. */
static bool m_sleep(struct m *m, struct net_batch *events)
{
        rni_turn_shorten(m);   /* to come soon when it is woken */
        lock_acquire(&sched.lock, RANK_SCHED);
        store_rlx(&m->park, PARK_ASLEEP);   /* rlx: under the lock, nobody knows us yet */
        m->nextp = NULL;
        idle_m_link(m);
        lock_release(&sched.lock, RANK_SCHED);
        rni_deadlock_look();
        store_rel(&m->in_rt, 0);   /* rel: an idle M stands still; pairs with acq in rni_freeze */
        for (;;) {
                unsigned w = load_acq(&m->park);   /* acq: pairs with rel in m_poke */
                bool in_time;

                if (w == PARK_WOKEN)
                        break;
                if (w == PARK_LOOK && !cas(&m->park, PARK_LOOK, PARK_ASLEEP))
                        continue;
                if (trim())
                        continue;   /* in slices, between which we can be woken */
                if (sched.keeper == m)   /* changed by others too, who then make us look, if it
                                          * matters */
                        in_time = keep(m, events);
                else
                        in_time = rni_futex_wait_until(&m->park, PARK_ASLEEP, m->idle_until);
                if (in_time)
                        continue;
                if (events->n == 0 && m->idle_until != TIMER_NEVER &&
                    m->idle_until <= rni_clock()) {
                        if (end_idle(m))
                                return false;
                } else if (leave_idle(m, true)) {
                        break;
                }
        }
        store_rlx(&m->in_rt, 1);   /* rlx: as in rt_enter */
        rni_fence_light();   /* heavy side: rni_freeze */
        return true;
}

static bool surplus(const struct p *p)
{
        return p->id >= (int)load_rlx(&sched.nprocs);   /* rlx: seen sooner or later */
}

/* The P goes, because no work was found or because it is surplus, and then m, unless work turns up
 * after all. */
static void stop_looking(struct m *m)
{
        struct p *p = m->p;

        lock_acquire(&sched.lock, RANK_SCHED);
        if (load_rlx(&sched.gq_n) && !surplus(p)) {   /* rlx: under the lock */
                lock_release(&sched.lock, RANK_SCHED);
                return;
        }
        rni_idle_p_put(rni_p_leave(m));
        lock_release(&sched.lock, RANK_SCHED);
        if (m->spinning) {
                m->spinning = false;
                fetch_add(&sched.nspinning, (unsigned)-1);
        }
        rni_fence_heavy();   /* light side: rni_wake_p */
        if (!rni_work_anywhere())
                return;
        lock_acquire(&sched.lock, RANK_SCHED);
        p = rni_idle_p_get();
        lock_release(&sched.lock, RANK_SCHED);
        if (p) {
                rni_p_take(m, p);
                m->spinning = true;
                fetch_add(&sched.nspinning, 1);
        }
}

/* Comes back without a P only to be called again. False: the thread is to end. */
static bool sleep_for_p(struct m *m)
{
        struct net_batch events = { .n = 0 };
        bool kept, listens;

        if (!m_sleep(m, &events))
                return false;
        if (m->nextp) {
                rni_p_take(m, m->nextp);
                m->nextp = NULL;
        }
        if (unlikely(load_rlx(&m->stop) != 0))   /* rlx: ordered by the asker's heavy fence */
                rni_m_stop(m);
        if (m->p)
                run_all_due_timers(rni_clock());
        rni_net_deliver(&events);
        lock_acquire(&sched.lock, RANK_SCHED);
        promote_keeper();
        listens = sched.keeper != NULL;
        kept = listens && load_rlx(&sched.nidle_p) != 0;   /* rlx: under the lock */
        lock_release(&sched.lock, RANK_SCHED);
        rni_fence_light();   /* heavy side: doze in sysmon.c */
        if ((!kept && rni_earliest_deadline() != TIMER_NEVER) || (!listens && rni_net_awaited()))
                rni_sysmon_need();
        return true;
}

void rni_m_first(struct m *m)
{
        if (m->nextp) {
                rni_p_take(m, m->nextp);
                m->nextp = NULL;
        }
}

struct g *rni_find_runnable(struct m *m)
{
        struct g *g = NULL;

        while (!g) {
                struct p *p;

                if (unlikely(load_rlx(&m->stop) != 0))   /* rlx: ordered by the asker's heavy
                                                          * fence */
                        rni_m_stop(m);
                p = m->p;
                if (!p) {
                        if (!sleep_for_p(m))
                                return NULL;
                        continue;
                }
                if (unlikely(surplus(p))) {
                        rni_p_drain(p);
                        stop_looking(m);
                        continue;
                }
                if (unlikely(load_rlx(&sched.stack_waiters) != 0))   /* rlx: rni_idle_p_put looks
                                                                      * under the lock */
                        rni_stacks_share(m);
                if (rni_timers_min(&p->timers) != TIMER_NEVER)
                        rni_run_due_timers(p, rni_clock());
                if (rni_net_due())
                        rni_net_look();
                /* If the P changes hands at each turn, pick never looks. */
                if (unlikely(load_rlx(&sched.gq_n) != 0) && gq_turn(p))   /* rlx: as below */
                        g = rni_gq_get_few(p);
                if (!g)
                        g = runq_take_next(&p->runq);
                if (!g)
                        g = runq_get(&p->runq);
                if (!g && load_rlx(&sched.gq_n))   /* rlx: a hint; stop_looking looks under the
                                                    * lock */
                        g = rni_gq_get(p);
                if (!g && rni_net_awaited())
                        g = rni_net_find();
                if (!g)
                        g = steal(m);
                if (!g)
                        stop_looking(m);
        }
        if (m->spinning)
                rni_stop_spinning(m);
        return g;
}
