/* SPDX-License-Identifier: MIT
 * sysmon: a thread without a P that sees to what nobody else can see to. It takes Ps from Ms whose
 * goroutines sit in C code while work waits (retake.c says how, this file when), fires timers that
 * are due while a P is idle but no M, and looks for events while goroutines wait for descriptors
 * and nobody waits in the epoll set. It is started when first needed, blocks all signals, and never
 * ends.
 *
 *            started, or woken                           nothing needed for QUIET looks
 *   NONE --------------------------> AWAKE: look, nap <----------------------------------> ASLEEP
 *                                                       woken: rni_sysmon_need
 *
 * It is needed while work waits and no P is idle, while a G waits for a stack, while there are
 * timers and nobody keeps the deadline, or while descriptors are waited for and there is no keeper,
 * who would wait in the epoll set. With an idle P the spinning protocol finds a thread for the
 * work, and an idle M keeps the deadline (idle.c). With none, timers are work that waits for a P:
 * its holder fires them in their order, or whom sysmon gives it to. The bug would be that it sleeps
 * though it is needed:
 *
 *        submitter                                    sysmon
 *        queue or heap = g                            sysmon = ASLEEP
 *        light fence                                  heavy fence
 *        reads nidle_p, keeper_until,                 reads queues, heaps, nidle_p, keeper
 *        then sysmon
 *
 * The same pattern as going idle: a read before the fence's point X has its store before X too, and
 * sysmon sees it; one after X sees ASLEEP and wakes it. While an M spins it is not told: who spins
 * looks, and tells it when it was the last. It can also become needed without anything new: when
 * the last idle P is taken, which a spinning M does, who calls rni_wake_p when it stops spinning,
 * or an M that enters, which does likewise; and when the keeper goes, which sees to the next one,
 * or to sysmon, itself (sleep_for_p). The model of who keeps a deadline is docs/design/keeper.pml.
 *
 * An M asleep in the kernel (its thread's processor time stands still from one look to the next,
 * and the kernel says it sleeps) loses its P at once: the nap is SHORTEST after that, and grows to
 * LONGEST while nothing is found. One that computes keeps it for SLICE, to the end of which a nap
 * is cut. Beside loops that compute without a P, and have for long, the look that is to end a slice
 * may get no processor for a tick or two of the system's clock: slices are SHORT_SLICE then. While
 * max(4, 2 * MAXPROCS) or more compute without a P, the slice of the next one is longer, by another
 * SLICE for each that is too many: a crowd of loops gets its threads slowly, and yet nobody who
 * waits beside them waits for ever. */
#include "sched/core/boot.h"
#include "sched/core/netpoll.h"
#include "sched/core/sched.h"

#define sched rni_sched

#define SHORTEST INT64_C(20000)
#define LONGEST  INT64_C(1000000)    /* asleep is seen after two looks, computing SLICE after the
                                      * first: within 2 and 4 ms, if the system finds a processor
                                      * for sysmon, and for who comes */
#define SLICE    INT64_C(3000000)
#define SHORT_SLICE INT64_C(1000000)
#define LEAST_SLICE INT64_C(250000)   /* what we are late is taken off a slice, but who has just
                                       * begun gets on a little, unless there is a crowd */
#define STEADY (2 * SLICE)            /* who computes without a P so long is a loop, and not
                                       * somebody who was about to come back */
#define CROWD_LASTS INT64_C(100000000)

enum { SAME = 50, QUIET = 4 };
enum { STACK = 256 * 1024 };

unsigned rni_compute_least = 4;

static struct m self;   /* entered, without a P, for ever */

/* -- what there is to do -- */

static bool kept(void)
{
        bool is;

        lock_acquire(&sched.lock, RANK_SCHED);
        is = sched.keeper != NULL;
        lock_release(&sched.lock, RANK_SCHED);
        return is;
}

/* Nobody is free for a G, or for a timer that is due; or a G waits for a stack that a P may
 * have. */
static bool work_waits(int64_t now)
{
        return load_rlx(&sched.stack_waiters) != 0 ||   /* rlx: ordered by the fences */
               (load_rlx(&sched.nidle_p) == 0 &&   /* rlx: the same */
                (rni_work_anywhere() || rni_earliest_deadline() <= now));
}

/* A P is idle, but no M that would keep the deadline. */
static bool timers_ours(void)
{
        return load_rlx(&sched.nidle_p) != 0 && !kept();   /* rlx: ordered by the fences */
}

/* Descriptors are waited for, and nobody waits in the epoll set; Ms that take decisions look now
 * and then, but they may all compute. */
static bool events_ours(void)
{
        return rni_net_awaited() && !kept();
}

static bool needed(int64_t now)
{
        return work_waits(now) || (rni_earliest_deadline() <= now && timers_ours()) ||
               events_ours();
}

/* When we shall be needed if nothing happens. */
static int64_t needed_from(void)
{
        bool ours = load_rlx(&sched.nidle_p) == 0 || !kept();   /* rlx: ordered by the fences */

        return ours ? rni_earliest_deadline() : TIMER_NEVER;
}

/* -- timers and events that nobody sees to -- */

/* While they are in our hands they are on no heap and wait for nothing, and all Ms may be idle. */
static void fires(bool begin)
{
        lock_acquire(&sched.lock, RANK_SCHED);
        sched.sysmon_fires = begin;
        lock_release(&sched.lock, RANK_SCHED);
}

static void fire_timers(int64_t now)
{
        for (unsigned i = 0; i < load_acq(&sched.np); i++)   /* acq: pairs with rel in
                                                              * rni_procs_init */
                rni_run_due_timers(sched.allp[i], now);
}

static void see_to_them(int64_t now)
{
        bool timers = rni_earliest_deadline() <= now && timers_ours(),
             events = events_ours() && rni_net_stale(now);

        if (!timers && !events)
                return;
        fires(true);
        if (timers)
                fire_timers(now);
        if (events)
                rni_net_look();
        fires(false);
        rni_deadlock_look();
}

/* -- who sits in C code -- */

static struct m *holder(const struct p *p)
{
        return (struct m *)load_rlx(&p->m);   /* rlx: a hint; descriptors of Ms are never freed */
}

/* Since the last look at it m has had a good part of a processor, or some, and is not asleep: it
 * may have to share. */
static bool has_computed(struct m *m, int64_t now)
{
        int64_t cpu = rni_thread_cpu(m->tid), had = cpu - m->seen_cpu, time = now - m->seen_at;

        m->seen_cpu = cpu;
        m->seen_at = now;
        return had > time / 4 || (had > 0 && !rni_thread_asleep(m->tid));
}

/* Until when slices are short. */
static int64_t crowded_until;

/* How many Ms compute without a P; counted at most once in a look, and only if a slice is over. */
static unsigned count_computing(int64_t now)
{
        unsigned n = 0;
        struct m *m;

        lock_acquire(&sched.lock, RANK_SCHED);
        m = sched.all_m;
        lock_release(&sched.lock, RANK_SCHED);
        for (; m; m = m->all_next)
                if (load_rlx(&m->alone) && has_computed(m, now)) {   /* rlx: a hint */
                        n++;
                        if (now - m->alone_from > STEADY)
                                crowded_until = now + CROWD_LASTS;
                }
        return n;
}

struct look {
        int64_t now;
        int64_t late;                  /* this look should have been so much earlier: those that
                                        * wait have waited that long */
        bool counted;
        unsigned computing;
        bool found_asleep;
        int64_t next_due;              /* the first slice that ends after now */
};

/* By how many too many would compute without a P if one more did; 0: it may. */
static unsigned too_many(struct look *l)
{
        unsigned most = 2 * load_rlx(&sched.nprocs);   /* rlx: a number */

        if (most < rni_compute_least)
                most = rni_compute_least;
        if (!l->counted)
                l->computing = count_computing(l->now);
        l->counted = true;
        return l->computing < most ? 0 : l->computing + 1 - most;
}

/* Would p's goroutine keep others from running if it went on? A sleeping one wastes the P for
 * all. */
static bool in_the_way(const struct p *p, int64_t now)
{
        return !rni_runq_empty(&p->runq) ||
               load_acq(&sched.gq_n) ||   /* acq: pairs with rel in rni_gq_put */
               rni_timers_min(&p->timers) <= now ||
               load_rlx(&sched.stack_waiters) != 0;   /* rlx: seen sooner or later */
}

static void look_again(const struct watch *w, struct look *l)
{
        if (w->due < l->next_due)
                l->next_due = w->due;
}

/* The slice is over, and others wait. */
static bool lengthened(struct watch *w, struct look *l)
{
        unsigned n = w->longer ? 0 : too_many(l);

        if (n == 0)
                return false;
        w->longer = true;
        w->due = l->now + n * SLICE;
        look_again(w, l);
        return true;
}

static bool stands_still(struct watch *w)
{
        int64_t before = w->cpu;

        w->cpu = rni_thread_cpu(w->m->tid);
        return w->cpu == before && rni_thread_asleep(w->m->tid);
}

static bool is_due(struct p *p, struct look *l)
{
        struct watch *w = &p->watch;

        if (l->now >= w->due)
                return in_the_way(p, l->now) && !lengthened(w, l);
        look_again(w, l);
        return false;
}

/* A slice that begins now; those that wait do so since we should have looked. In a crowd the next
 * look may be as late. */
static int64_t slice_end(const struct look *l)
{
        bool crowded = l->now < crowded_until;
        int64_t slice = crowded ? SHORT_SLICE : SLICE,
                had = crowded ? slice : slice - LEAST_SLICE;

        return l->now + slice - (l->late < had ? l->late : had);
}

static void look_at(struct p *p, struct look *l)
{
        struct watch *w = &p->watch;
        struct m *m = holder(p);
        unsigned tick = load_rlx(&p->tick);   /* rlx: does it move? */
        bool asleep = false;

        if (!m || load_acq(&m->in_rt))   /* acq: a hint; pairs with rel in rt_leave */
                return;
        if (w->m != m || w->tick != tick) {
                *w = (struct watch){ .m = m, .tick = tick, .cpu = rni_thread_cpu(m->tid),
                                     .due = slice_end(l) };
        } else {
                asleep = stands_still(w);
        }
        l->found_asleep |= asleep;
        if (!asleep && !is_due(p, l))
                return;
        p = rni_retake(m, !asleep);
        if (!p)
                return;
        m->seen_cpu = w->cpu;
        m->seen_at = m->alone_from = l->now;
        l->computing++;
        rni_hand_off(p);
}

static struct look look(int64_t now, int64_t planned)
{
        struct look l = { .now = now, .late = now > planned ? now - planned : 0,
                          .next_due = TIMER_NEVER };

        for (unsigned i = 0; i < load_acq(&sched.np); i++) {   /* acq: pairs with rel in
                                                                * rni_procs_init */
                if (!work_waits(now))
                        break;
                look_at(sched.allp[i], &l);
        }
        return l;
}

/* -- the thread -- */

/* For `pause`, or until `most`, or the next deadline that is ours: until when. */
static int64_t nap(int64_t now, int64_t pause, int64_t most)
{
        int64_t until = timers_ours() ? rni_earliest_deadline() : TIMER_NEVER;

        if (until > most)
                until = most;
        if (until < now + SHORTEST)
                until = now + SHORTEST;
        if (until > now + pause)
                until = now + pause;
        rni_futex_wait_until(&sched.sysmon, SYSMON_AWAKE, until);
        return until;
}

/* Sleeps until it is needed, and says since when it was. The time at which a timer needs it is
 * known before the fence; an earlier one that is added wakes it as work does. */
static int64_t doze(void)
{
        bool in_time = true;
        int64_t until;

        store_rlx(&sched.sysmon, SYSMON_ASLEEP);   /* rlx: ordered by the heavy fence */
        rni_fence_heavy();   /* light side: rni_wake_p, rni_timekeeper_kick, sleep_for_p,
                              * rni_enter_slow */
        until = needed_from();
        if (needed(rni_clock())) {
                until = rni_clock();
                in_time = false;
        }
        while (in_time && load_acq(&sched.sysmon) == SYSMON_ASLEEP)   /* acq: pairs with the CAS in
                                                                       * rni_sysmon_wake */
                in_time = rni_futex_wait_until(&sched.sysmon, SYSMON_ASLEEP, until);
        store_rlx(&sched.sysmon, SYSMON_AWAKE);   /* rlx: whatever it was; we look next */
        return in_time ? load_rlx(&sched.sysmon_told) : until;   /* rlx: ordered by the acq above */
}

static _Noreturn void run(void)
{
        int64_t pause = LONGEST, next_due = TIMER_NEVER;
        unsigned same = 0, quiet = 0;

        for (;;) {
                int64_t now = rni_clock(), planned;
                struct look l;

                quiet = needed(now) ? 0 : quiet + 1;
                if (quiet == QUIET) {
                        planned = doze();
                        pause = LONGEST;
                        same = quiet = 0;
                } else {
                        planned = nap(now, quiet ? LONGEST : pause, next_due);
                }
                now = rni_clock();
                see_to_them(now);
                l = look(now, planned);
                next_due = l.next_due;
                if (l.found_asleep) {
                        pause = SHORTEST;
                        same = 0;
                } else if (++same > SAME) {
                        pause = pause * 2 < LONGEST ? pause * 2 : LONGEST;
                }
        }
}

static void *sysmon_main(void *arg)
{
        (void)arg;
        rni_foreign_init(&self);
        store_rlx(&self.in_rt, 1);   /* rlx: nobody asks for it */
        rni_self_set(&self);
        rni_thread_slack();
        rni_turn_begin();
        run();
}

/* Without it the P of a goroutine that sits in C code would never come free, and timers could wait
 * for ever. */
void rni_sysmon_wake(void)
{
        int err;

        store_rlx(&sched.sysmon_told, rni_clock());   /* rlx: ordered by the CAS; pairs with the
                                                       * look in doze */
        if (cas(&sched.sysmon, SYSMON_ASLEEP, SYSMON_AWAKE)) {
                rni_futex_wake(&sched.sysmon, 1);
        } else if (cas(&sched.sysmon, SYSMON_NONE, SYSMON_AWAKE)) {
                fetch_add(&rni_boot_helpers, 1);
                err = rni_thread_start(sysmon_main, NULL, STACK, true);
                if (unlikely(err != 0))
                        rni_fatal("cannot start the thread that watches the others: error %d",
                                  -err);
        }
}
