/* SPDX-License-Identifier: MIT
 * Histories of calls on one channel, and whether a bounded queue could have had them. Knows nothing
 * of the library. Called by history_test.c. */
#ifndef CSP_HISTORY_H
#define CSP_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_CALLS = 64, MAX_QUEUE = 3 };

enum call_kind { CALL_SEND, CALL_RECV, CALL_CLOSE };

enum call_result {
        CALL_DONE,     /* sent, received, closed */
        CALL_CLOSED,   /* a receive: it is closed */
        CALL_NOT,      /* tried, or waited for a while, in vain */
        CALL_PANIC     /* a send or a close: it is closed */
};

struct call {
        uint8_t kind, result;
        int value;             /* sent or received */
        uint64_t begin, end;   /* by one clock for all: a call whose end is smaller than another's
                                * begin was over before that began */
};

/* True if there is an order of the calls, which leaves calls that do not overlap as they were, in
 * which a channel of this capacity answers as recorded. n <= MAX_CALLS. */
bool history_possible(const struct call *calls, size_t n, unsigned cap);

#endif
