/* SPDX-License-Identifier: MIT
 * The one clock: monotonic, nanoseconds, from the vDSO. Everybody calls it. */
#include "sched/os/os.h"

#include <time.h>

int64_t rni_clock(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}
