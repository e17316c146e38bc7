/* SPDX-License-Identifier: MIT
 * One program on the library, once. Called by jobs.c in a child process, because a program in which
 * somebody waits for ever ends the process. */
#ifndef CSP_RUN_H
#define CSP_RUN_H

#include "tests/csp/program.h"

/* Where a program runs. A mode is a function in run.c that calls run_processes within what it sets
 * up. */
enum mode {
        MODE_REAL,   /* threads and the clock of the machine */
        MODE_SIM,    /* a deterministic run of its seed; no threads */
        MODE_END_
};

/* Wrong on purpose: what a broken library would do, to show that the net catches it. */
enum sabotage {
        SAB_NONE,
        SAB_LOSE,       /* a send that says it was done and was not */
        SAB_TWICE,      /* ... that was done twice */
        SAB_SWAP,       /* a buffer that is no queue: a receive puts one value back behind the
                         * others */
        SAB_SPURIOUS,   /* a try that finds nothing though something is there */
        SAB_DEAF,       /* a select that waits on its first case only */
        SAB_QUIET,      /* a close that closes nothing */
        SAB_ZERO,       /* a receive from a closed channel that brings a value */
        SAB_NAMES,      /* a dump that mixes up who is who */
        SAB_DIES,       /* a close that ends the process */
        SAB_HANGS,      /* a receive that neither comes back nor sleeps */
        SAB_END_
};

struct how {
        uint8_t mode;       /* enum mode */
        uint8_t sabotage;   /* enum sabotage */
        uint8_t threads;    /* bit i: process i is a plain thread */
        uint8_t procs;      /* Ps */
        uint64_t seed;      /* of the disturbances, the order of starting and the size of elements:
                             * not of the program */
};

/* Fills in o, which is all zeroes, as the processes go on, so that it says how far they came if
 * this does not return. Goroutines of processes are called p0, p1 ... in dumps. */
void run_program(const struct program *p, const struct how *how, volatile struct outcome *o);

#endif
