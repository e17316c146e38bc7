/* SPDX-License-Identifier: MIT
 * Deterministic runs: all goroutines of a run on one thread, every decision of the scheduler drawn
 * from a seed, and a clock that stands still while anybody can run and jumps to the next timer when
 * nobody can. The same seed makes the same run, in a test as in gdb; a time-out of hours takes no
 * time.
 *
 * Where one goroutine may give way to another: before and after each call that sends, receives,
 * selects, closes, starts, sleeps, yields or wakes. Calls of <runnel/sync.h> whose fast path is
 * inlined come to the scheduler only if they wait or wake: compile what is to be tested with
 * -DRN_SIM, and each of them is such a place too. Code between two such places runs as one step, so
 * what only races on plain memory is TSan's to find.
 *
 * A run has everything that its first goroutine starts, and nothing else may touch what it waits
 * on: a goroutine or thread from outside that wakes one of the run's is fatal. Descriptors,
 * processes and signals have no place in it (they panic), rn_blocking calls at once. A run that
 * does not finish leaves its goroutines where they were: their stacks are freed without running
 * what they deferred, and what they held or waited on must not be used again; so a function that is
 * to be explored makes all of its objects itself. */
#ifndef RUNNEL_SIM_H
#define RUNNEL_SIM_H

#include <runnel/call.h>
#include <runnel/panic.h>

/* Who is next, wherever there is a choice. Select picks at random among what is ready in each of
 * them. */
enum {
        RN_SIM_RANDOM,   /* anybody who can run, with the same chance */
        RN_SIM_PCT,   /* the one of the highest priority; priorities are random, and fall to the
                       * lowest at depth - 1 random places (Burckhardt et al., "A randomized
                       * scheduler with probabilistic guarantees of finding bugs", ASPLOS 2010) */
        RN_SIM_FIFO      /* in turn, and nobody gives way who does not wait or yield: for tests that
                          * want the clock only */
};

/* {0}: the defaults. */
struct rn_sim_opts {
        uint64_t seed;        /* 0: RUNNEL_SEED, or 1. Exploring: the first of them; with
                               * RUNNEL_SEED that one alone, and its schedule is printed */
        int strategy;         /* RN_SIM_* */
        int depth;            /* RN_SIM_PCT: how many orderings a bug needs, 1 to 8; 0: 3 */
        uint64_t schedules;   /* rn_sim_explore: how many seeds; 0: 1000 */
        uint64_t max_steps;   /* then the run ends; 0: 10 million */
        int report;           /* the descriptor that what did not finish is reported on; 0: standard
                               * error, -1: none */
};

struct rn_sim_result {
        int outcome;                 /* 0: all goroutines have ended; -EDEADLK: some wait for ever;
                                      * -ECANCELED: a panic that nobody caught; -ETIME: max_steps */
        uint64_t seed, steps;        /* of the run, or of the last */
        struct rn_recovered panic;   /* -ECANCELED: what it said */
};

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the captured call as the first goroutine of a run under one seed and returns when all its
 * goroutines have ended or none can go on. Behind rn_sim_run. o: NULL for the defaults; r: filled,
 * or NULL; call: copied. A run that does not finish is reported: seed, schedule, and a trace of
 * each goroutine. Returns r->outcome.
 * Errors: panics inside a run, or on options that make no sense. Fatal errors (unlock of an
 * unlocked mutex ...) end the process as ever, with the seed and the schedule in the report.
 * Context: goroutine or thread, not inside a run. Parks: always; it keeps its thread, and gives its
 * processor away.
 * Orders: all before it happens before the run, and all of the run before its return. */
RN_API int rn_sim_call(const struct rn_sim_opts *o, struct rn_sim_result *r,
                       const struct rn_call *call);

/* The same under one seed after the other, o->seed and up, until one does not finish. Behind
 * rn_sim_explore. Returns 0, or the outcome of the seed in r->seed, which rn_sim_run makes again.
 * Errors: as rn_sim_call.
 * Context: goroutine or thread. Parks: always. */
RN_API int rn_sim_explore_call(const struct rn_sim_opts *o, struct rn_sim_result *r,
                               const struct rn_call *call);

/* Waits until every other goroutine of the run waits or has ended, before time goes on. One at a
 * time.
 * Errors: panics outside a run, and if another one waits so.
 * Context: goroutine of a run. Parks: may.
 * Orders: all that the others have done before happens before its return. */
RN_API void rn_sim_wait(void);

/* The seed of this run; 0 outside.
 * Context: goroutine or thread. Parks: never. */
RN_API uint64_t rn_sim_seed(void);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus

/* rn_sim_run(o, r, f, ...), rn_sim_explore(o, r, f, ...): int, f(...) in a run, as rn_sim_call and
 * rn_sim_explore_call. Each run of an exploration gets the same arguments. Parks: always. */
#define rn_sim_run(o, r, ...)     rn_sim_call((o), (r), RN_CALL_(__VA_ARGS__))
#define rn_sim_explore(o, r, ...) rn_sim_explore_call((o), (r), RN_CALL_(__VA_ARGS__))

#endif
#endif
