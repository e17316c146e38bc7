/* SPDX-License-Identifier: MIT
 * The comparison: a program, what it may do, what it did; and the smallest program that still
 * fails. Called by the tests, by `make fuzz` and by the libFuzzer target. */
#ifndef CSP_CHECK_H
#define CSP_CHECK_H

#include "tests/csp/jobs.h"
#include "tests/csp/reference.h"

/* How a budget is spent. */
struct budget {
        const uint8_t *procs;   /* numbers of Ps, 0 at the end */
        unsigned runs;          /* of each program, for each number of Ps */
        unsigned blocked;       /* the same of one that may block for ever */
        size_t states;          /* programs that have more are skipped */
        unsigned tries;         /* of a smaller program, before it is taken for a good one, for each
                                 * number of Ps */
        uint8_t sabotage;       /* enum sabotage */
};

/* What came of it. */
struct tally {
        size_t programs, skipped, runs, blocked, threads;
        size_t allowed, seen;   /* outcomes: of all programs together, and how many of them were
                                 * met */
        size_t varied;          /* programs that were met with more than one */
};

struct failure {
        struct job job;         /* its text is freed with failure_free */
        uint64_t seed;          /* of the program; 0: it was not made from one */
};

/* Whether a job ended as the rules allow. */
bool job_allowed(const struct job *j, const struct outcomes *allowed);

/* Runs the programs of n seeds from `seed` on and adds to the tally. False: one failed, and f says
 * which and how; the rest was not run. */
bool check_seeds(const struct budget *b, uint64_t seed, size_t n, struct tally *t,
                 struct failure *f);

/* The same for one program; seed: of its runs. */
bool check_program(const struct budget *b, const struct program *p, uint64_t seed, struct tally *t,
                   struct failure *f);

/* Makes f's program smaller as long as it fails; each candidate is run many times, for the machine
 * has its own will. Returns how many cuts were made. */
unsigned failure_shrink(const struct budget *b, struct failure *f);

void failure_print(FILE *out, const struct budget *b, const struct failure *f);
void failure_free(struct failure *f);

#endif
