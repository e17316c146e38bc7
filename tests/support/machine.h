/* SPDX-License-Identifier: MIT
 * What the machine that a test runs on cannot show. RUNNEL_EMULATOR names the program that runs the
 * tests where they are built for another processor; .ci/cross sets it. Invariant: whoever leaves
 * something out says what and why, so that the test's log has it. Included by unit and behaviour
 * tests. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static inline bool emulated(void)
{
        const char *emulator = getenv("RUNNEL_EMULATOR");

        return emulator && emulator[0];
}

/* True under an emulator, which is said with the reason. */
static inline bool not_emulated(const char *test, const char *why)
{
        if (!emulated())
                return false;
        fprintf(stderr, "%s: skipped under %s: %s\n", test, getenv("RUNNEL_EMULATOR"), why);
        return true;
}

#endif
