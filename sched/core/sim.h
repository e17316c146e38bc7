/* SPDX-License-Identifier: MIT
 * A deterministic run (<runnel/sim.h>): one M, with a P that nobody else knows of, runs all
 * goroutines of the run; who is next is drawn from a seed, and time is a variable. sim.c is the
 * engine, simrun.c the public calls, debug/schedule.c the report.
 *
 * The ordinary paths pay nothing for it, since each of them has a slow half that such an M is sent
 * to by the words it has anyway:
 *
 *   m->stop   == STOP_SIM      pick finds nothing: every switch goes to the engine, which stands
 *                              where the scheduler loop would be (m->g0)
 *   m->retake == RETAKE_SIM    rt_enter and rt_leave come to rni_sim_point: somebody else may run
 *                              now
 *   m->budget == 1             channel fast paths do not count as such, and come there too
 *
 * Invariant: a G of the run (GF_SIM) is in one place: the engine's list, the P's run queue (until
 * the engine's next look), running, waiting, or chosen (next). The P is in no list of the
 * scheduler's, so nobody steals, retakes or runs its timers. */
#ifndef RNI_CORE_SIM_H
#define RNI_CORE_SIM_H

#include <runnel/panic.h>
#include <runnel/sim.h>

#include "sched/core/sched.h"

struct rni_out;

/* Enough to see who called the library, whose own frames come first. */
#ifdef __OPTIMIZE__
enum { SIM_FRAMES = 8 };
#else
enum { SIM_FRAMES = 16 };
#endif
enum sim_what { SIM_GAVE_WAY, SIM_YIELDED, SIM_WAITS, SIM_ENDED, SIM_PANICKED, SIM_TIME };

/* One line of the schedule: how a goroutine's turn ended, or a jump of the clock. */
struct sim_event {
        uint64_t step;
        uint64_t id;              /* goroutine; SIM_TIME: the time */
        uint8_t what;
        uint8_t reason;           /* SIM_WAITS: enum wait_reason */
        uint8_t nframes;          /* SIM_GAVE_WAY: return addresses, innermost first */
        const char *at;           /* SIM_GAVE_WAY: the call that it stands before or after, if it
                                   * said so (-DRN_SIM) */
        uintptr_t frame[SIM_FRAMES];
};

/* What is kept of each goroutine that the run has had, by id. */
struct sim_g {
        struct g *g;              /* NULL: it has ended */
        uint64_t priority;        /* RN_SIM_PCT */
        void (*fn)(void);
        const char *name;
};

enum { SIM_CHANGES = 7 };         /* of RN_SIM_PCT at most */
enum { SIM_LOG = 1000 };          /* events kept, the newest */

struct sim {
        struct m *m;
        struct p *p;
        struct rn_sim_opts o;     /* no field at its default */
        int64_t now;
        uint64_t rand;
        uint64_t steps;
        bool over;
        int outcome;
        struct rn_recovered panic;
        uint64_t panicked;        /* id; 0: nobody */

        struct g **ready;         /* longest ready first */
        size_t nready, ready_room;
        struct sim_g *gs;         /* gs[id - 1] */
        size_t ngs, gs_room, live;
        struct g *next;           /* chosen already */
        struct g *waiter;         /* in rn_sim_wait */
        const char *at;           /* said by the goroutine that is at a point */
        unsigned alone;           /* places passed since somebody else ran */
        uint64_t lowest;          /* RN_SIM_PCT: all priorities that were lowered are below 2^32,
                                   * each below the last */
        uint64_t change[SIM_CHANGES];

        uint64_t nlog;            /* events so far */
        struct sim_event log[SIM_LOG];   /* event n in log[n % SIM_LOG] */

        struct ctx g0;            /* the M's, meanwhile */
        struct stack g0_stack;    /* of which the bounds and the sanitizers' words are kept */
        uint64_t m_rand;
};

struct sim *rni_sim_new(void);                            /* NULL: out of memory */
void rni_sim_free(struct sim *s);
/* a run; then s->outcome. Entered, on a goroutine */
void rni_sim_one(struct sim *s, uint64_t seed, const struct rn_call *call);
void rni_sim_clear(struct sim *s);                        /* the goroutines that are left go; before
                                                           * the next run. As above */
/* the end of the run; not entered */
_Noreturn void rni_sim_panicked(struct m *m, const struct rn_recovered *what);

#endif
