/* SPDX-License-Identifier: MIT
 * What a program may do: the set of all outcomes that the rules allow, found by trying every order
 * of steps. Knows nothing of the library. Called by the comparison (check.c). */
#ifndef CSP_REFERENCE_H
#define CSP_REFERENCE_H

#include "tests/csp/program.h"

struct outcomes {
        struct outcome *at;   /* sorted by their bytes, each once */
        size_t n;
        size_t states;        /* how many the search went through */
        bool may_block;       /* in some outcome a process waits for ever */
};

/* False, and nothing in o, if there are more than `limit` states. Else outcomes_free is due. */
bool reference_explore(const struct program *p, size_t limit, struct outcomes *o);
bool outcomes_have(const struct outcomes *set, const struct outcome *o);
void outcomes_free(struct outcomes *set);

#endif
