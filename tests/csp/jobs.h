/* SPDX-License-Identifier: MIT
 * Runs of programs in child processes. Called by check.c, from a process that has not used the
 * library itself: the child of one that has may not. */
#ifndef CSP_JOBS_H
#define CSP_JOBS_H

#include "tests/csp/run.h"

enum verdict {
        RAN,        /* to its end: all processes came to theirs */
        BLOCKED,    /* the library said that all are asleep, and named those that are, and what they
                     * wait for */
        MISTOLD,    /* it said so, but not who waits for what */
        CRASHED,    /* it died otherwise; the text says how */
        HUNG        /* nothing came for jobs_seconds; the text is a dump */
};

enum { JOB_TEXT = 8192 };

extern int jobs_seconds;   /* 60 */

struct job {
        struct program program;
        struct how how;
        /* Filled in: */
        struct outcome outcome;
        uint8_t verdict;   /* enum verdict */
        char *text;        /* last words of a child that did not end well, for who frees it; else
                            * NULL */
};

/* Runs them all, one after the other. Most share a child; one that blocks for ever costs it. */
void jobs_run(struct job *jobs, size_t n);

/* How many children were started so far. */
size_t jobs_children(void);

#endif
