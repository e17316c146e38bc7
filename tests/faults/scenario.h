/* SPDX-License-Identifier: MIT
 * What the scenarios of the fault sweep share. A scenario does something with the library and
 * checks what comes of it. It returns 0, or the error that the library returned to it, which must
 * be one that it lists; or the library panics. What it leaves behind then is nobody's: memory that
 * goroutines may still use comes from lasting(), descriptors go through owned(), and main closes
 * them. */
#ifndef SCENARIO_H
#define SCENARIO_H

#include <errno.h>
#include <runnel.h>
#include <stdbool.h>
#include <stddef.h>

struct scenario {
        const char *name;
        int (*run)(void);
        int errors[14];         /* what the library may say, negative, then 0 */
};

extern const struct scenario io_scenarios[];    /* the last has no name */

/* Zeroed, and never freed; not from the library, so that it cannot be refused. */
void *lasting(size_t size);

/* Remembers fd, if it is one, to be closed when the scenario is over. Returns it. */
int owned(int fd);

/* Says what is wrong, and where; exit status 1. */
_Noreturn void wrong(const char *file, int line, const char *what, long long got, long long want);

#define SAME(got, want) do { \
                long long got_ = (long long)(got), want_ = (long long)(want); \
                if (got_ != want_) \
                        wrong(__FILE__, __LINE__, #got, got_, want_); \
        } while (0)

#endif
