/* SPDX-License-Identifier: MIT
 * Stacks of less than a page: there is no guard, but who overruns one is found at his next wait or
 * at his end. */
#define _GNU_SOURCE
#include "tests/crash/cases.h"

static const rn_attr leaf = { .stack = 512 };

/* Down to where the canary is, and further: the lowest slot, which is handed out first, has nobody
 * below. */
VISIBLE(void, uses_too_much, (bool waits))
{
        volatile char much[6500];

        for (size_t i = 0; i < sizeof much; i++)
                much[i] = 1;
        if (waits)
                rn_yield(), rn_forever();
        AFTERWARDS();
}

static void start(bool waits)
{
        if (rn_go_attr(&leaf, uses_too_much, waits) != 0)
                abort();
        rn_forever();
}

CASE(ends_after_an_overrun)
{
        start(false);
}

CASE(waits_after_an_overrun)
{
        start(true);
}

VISIBLE(void, dumps, (void))
{
        rn_dump(2);
        AFTERWARDS();
}

CASE(dump_on_a_small_stack)
{
        if (rn_go_attr(&leaf, dumps) != 0)
                abort();
        rn_forever();
}
