/* SPDX-License-Identifier: MIT
 * How much of a stock of spare things nobody needs: the least that lay in it since it was last
 * trimmed, and the least of a whole period. What is above it comes and goes, and would only have to
 * be made again. Invariant: no mark is above the stock. Everything is under the stock's lock.
 * Callers: mem/stack, core/gfree. */
#ifndef RNI_BASE_SURPLUS_H
#define RNI_BASE_SURPLUS_H

#include "sched/base/cc.h"

struct surplus { size_t since_trim, in_period; };

/* The stock has become n. */
static inline void surplus_seen(struct surplus *s, size_t n)
{
        if (n < s->since_trim)
                s->since_trim = n;
        if (n < s->in_period)
                s->in_period = n;
}

/* What may go: all that lay unused in this period, or, at any time, what is more than `most`. */
static inline size_t surplus_spare(const struct surplus *s, bool unused, size_t most)
{
        if (unused)
                return s->in_period;
        return s->since_trim > most ? s->since_trim - most : 0;
}

/* k of `spare` are gone, n are left. Returns whether more may go at once; if not, a period ends
 * with that. */
static inline bool surplus_trimmed(struct surplus *s, bool unused, size_t most, size_t spare,
                                   size_t k, size_t n)
{
        bool more = unused ? k > 0 && spare > k : n > most;

        surplus_seen(s, n);
        if (!unused)
                s->since_trim = n;
        else
                s->in_period = more ? spare - k : n;
        return more;
}

#endif
