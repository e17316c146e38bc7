/* SPDX-License-Identifier: MIT
 * M: an OS thread that runs goroutines, and, with m->foreign, a plain thread that uses the library.
 * An M's own stack (g0) runs the scheduler loop when no goroutine can be switched to directly.
 * rni_self() is the calling thread's M; it must be fetched again after anything that may park. Ms
 * of workers are never freed; a foreign one goes with its thread.
 *
 * in_rt, retake and stop are the words of the entry protocol (rt_enter): the M says in_rt = 1 while
 * it may touch its P or resume goroutines; who wants its P (sysmon: retake.c) or wants it to stop
 * first (a dump: freeze.c) writes the word of its own, runs a heavy fence and then looks at in_rt.
 * The M's side costs a store, two loads and no fence. */
#ifndef RNI_CORE_M_H
#define RNI_CORE_M_H

#include "sched/core/g.h"
#include "sched/os/os.h"

struct p;
struct sim;

/* LOOK: the deadline has changed; POLL: asleep in the epoll set */
enum park_word { PARK_ASLEEP, PARK_WOKEN, PARK_LOOK, PARK_POLL };
/* owns its P; is asked for it; has none (states: retake.c); has one that is not asked for: sim.h */
enum retake_word { RETAKE_NOT, RETAKE_ASKED, RETAKE_GONE, RETAKE_SIM };
/* a freezer wants it to stand still; no goroutine is picked but by the engine: sim.h */
enum stop_bit { STOP_FREEZE = 1, STOP_SIM = 2 };

enum { HELD_MAX = 8 };
struct lock;
struct held { const struct lock *lock; int rank; };

struct m {
        struct g *g;                   /* the G that runs here; assembly reads it at offset 0 */
        struct p *p;                   /* inside the runtime: NULL = none held. Outside nobody but
                                        * sysmon looks at it */
        int *errnop;                   /* this thread's errno */
        a32 in_rt;                     /* 1: inside the runtime */
        a32 retake;                    /* enum retake_word; of a plain thread, which nobody asks,
                                        * 0 */
        a32 stop;                      /* enum stop_bit: what the next entry or switch is to look
                                        * at */

        /* What the next context on this M does for the one that left: set before a switch, run
         * right after it (rni_post). */
        void (*post)(struct g *g, void *arg);
        struct g *post_g;
        void *post_arg;
        unsigned post_state;           /* what post_g has become: enum g_state */

        struct ctx g0;                 /* the scheduler loop, while a goroutine runs */
        struct stack g0_stack;         /* of the thread's own stack, what sanitizers want; scratch
                                        * is never used */
        struct g *picked;              /* chosen by who switched to the scheduler loop; NULL: find
                                        * one */
        struct sim *sim;               /* the deterministic run that it is in: its own thread's */

        a32 park;                      /* futex: enum park_word */
        a32 stopped;                   /* stands still for the freeze of this number */
        bool idle;                     /* in sched.idle_m: under sched.lock */
        bool spinning;                 /* looks for work; counted in sched.nspinning */
        unsigned starts_seen, patience;   /* all Ps' nspawned when it last looked for work in vain;
                                           * how many more times it may do so */
        bool foreign;
        bool stays;                    /* its thread does not end: the initial one */
        unsigned budget;               /* channel fast paths left before the time slice is looked
                                        * at */
        unsigned runnext_runs;         /* picks from runnext since the last look at the clock */
        int64_t chain_start;           /* when the running chain of them began, or was first looked
                                        * at; 0: not yet */
        struct p *nextp;               /* handed over by who wakes it */
        struct m *idle_next, *idle_prev;   /* sched.lock; idle_next also in sched.dead_m. Of a plain
                                            * thread: the list in foreign.c */
        int64_t idle_until;            /* a surplus M that is idle so long ends; TIMER_NEVER: it
                                        * stays */
        struct m *all_next;            /* Ms only; set once */
        int64_t seen_cpu, seen_at;     /* sysmon: its thread's processor time while it has no P, and
                                        * when it was looked at */
        int64_t alone_from;            /* sysmon: when it took its P, ... */
        a32 alone;                     /* ... and it has not come back since */
        bool turn_is_long;             /* turn.c */
        int64_t turn;                  /* of its thread at first, in ns; 0: the system has none */
        uint64_t rand;                 /* select's order */
        int64_t park_until;            /* a foreign thread's next park ends then: set before it */
        bool park_counted;             /* in sched.nforeign_parked */
        int tid;

        struct g self_g;               /* foreign: the thread's stand-in, and its scratch */
        struct stack self_stack;
#ifdef RNI_DEBUG
        int nlocks;
        struct held locks[HELD_MAX];
#endif
};

_Static_assert(offsetof(struct m, g) == 0, "call_*.S");

static inline void m_stop_set(struct m *m, unsigned bit)
{
        unsigned old;

        do
                old = load_rlx(&m->stop);   /* rlx: the CAS decides */
        while (!cas(&m->stop, old, old | bit));
}

static inline void m_stop_clear(struct m *m, unsigned bit)
{
        unsigned old;

        do
                old = load_rlx(&m->stop);   /* rlx: the CAS decides */
        while (!cas(&m->stop, old, old & ~bit));
}

#endif
