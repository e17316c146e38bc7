/* SPDX-License-Identifier: MIT
 * A CSP program as a small table, and what happens in it as another: the words that the generator,
 * the reference, the runner and the shrinker share. Invariant: a program is only data, valid by
 * construction (program_from_bytes, program_parse) and after each cut of the shrinker
 * (program_valid). Nothing here knows the library. */
#ifndef CSP_PROGRAM_H
#define CSP_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { MAX_CHANS = 3, MAX_PROCS = 4, MAX_OPS = 6, MAX_CASES = 3, MAX_CAP = 3 };
enum { PROGRAM_BYTES = 96 };   /* what a random program is made from */

/* Channels by number, and two that every program has: the context's done channel, and no channel at
 * all. */
enum { CHAN_DONE = MAX_CHANS, CHAN_NIL, CHAN_END_ };

enum op_kind {
        OP_SEND, OP_RECV,           /* plain */
        OP_TRY_SEND, OP_TRY_RECV,   /* do not wait */
        OP_SEND_FOR, OP_RECV_FOR,   /* wait for a moment only */
        OP_SELECT, OP_TRY_SELECT, OP_SELECT_FOR,
        OP_CLOSE, OP_CANCEL,
        OP_ERR,                     /* has the context ended? */
        OP_SLEEP, OP_YIELD,
        OP_END_
};

/* One communication: of a plain operation the only one, of a select one of several. */
struct comm {
        uint8_t send;   /* else a receive */
        uint8_t chan;
};

struct op {
        uint8_t kind;             /* enum op_kind */
        uint8_t n;                /* communications: 1 for a plain operation and close, 1 to 3 for a
                                   * select, else 0 */
        struct comm comm[MAX_CASES];
};

struct process {
        uint8_t n;
        struct op op[MAX_OPS];
};

struct program {
        uint8_t nchans, nprocs;
        uint8_t cap[MAX_CHANS];
        struct process proc[MAX_PROCS];
};

/* How one operation ended. */
enum result_kind {
        R_NONE,          /* it has not: not reached, or blocked for ever */
        R_DONE,          /* sent, closed, cancelled, slept; the context lives */
        R_VALUE,         /* received `value` */
        R_CLOSED,        /* received that it is closed; the context has ended */
        R_DEFAULT,       /* nothing was ready */
        R_TIMEOUT,
        R_PANIC_SEND,    /* send on closed channel */
        R_PANIC_CLOSE,   /* close of closed channel */
        R_PANIC_NIL,     /* close of nil channel */
        R_ODD,           /* what no implementation may do; only the runner says so */
        R_END_
};

struct result {
        uint8_t kind;    /* enum result_kind */
        uint8_t which;   /* the case of a select that was done, else 0 */
        uint16_t value;
};

/* All that can be seen of a run. Bytes that are not used are zero, so two are equal if their bytes
 * are. */
struct outcome {
        struct result of[MAX_PROCS][MAX_OPS];
};

/* The value that a send gives away: where it comes from, so no two are equal and none is 0. */
static inline unsigned value_of(unsigned proc, unsigned op, unsigned comm)
{
        return 100 * (proc + 1) + 10 * op + comm;
}

enum { MAX_VALUE = 100 * MAX_PROCS + 10 * MAX_OPS + MAX_CASES };

static inline bool op_is_select(unsigned kind)
{
        return kind == OP_SELECT || kind == OP_TRY_SELECT || kind == OP_SELECT_FOR;
}

/* Never waits. */
static inline bool op_tries(unsigned kind)
{
        return kind == OP_TRY_SEND || kind == OP_TRY_RECV || kind == OP_TRY_SELECT;
}

/* Stops waiting by itself. */
static inline bool op_is_timed(unsigned kind)
{
        return kind == OP_SEND_FOR || kind == OP_RECV_FOR || kind == OP_SELECT_FOR;
}

static inline bool op_communicates(unsigned kind)
{
        return kind <= OP_SELECT_FOR;
}

/* -- random numbers (splitmix64) -- */

static inline uint64_t csp_rand(uint64_t *s)
{
        uint64_t z = (*s += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

static inline unsigned csp_below(uint64_t *s, unsigned n)
{
        return (unsigned)(csp_rand(s) % n);
}

/* Any bytes make a program; where they end, zeros follow. */
void program_from_bytes(struct program *p, const uint8_t *bytes, size_t n);
void program_from_seed(struct program *p, uint64_t seed);

/* True if the table says only what it may. */
bool program_valid(const struct program *p);

/* Text and back: what the one writes the other reads. program_parse: false if it does not
 * understand. */
void program_print(FILE *out, const struct program *p);
bool program_parse(struct program *p, const char *text);

/* Outcomes likewise: a line for each process, the results in their order. */
void outcome_print(FILE *out, const struct program *p, const struct outcome *o);
bool outcome_parse(const struct program *p, struct outcome *o, const char *text);

#endif
