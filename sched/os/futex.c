/* SPDX-License-Identifier: MIT
 * Sleeping until a word changes. The word decides, not the return value: every caller looks at it
 * again. Callers: all locks and idle waits above. */
#include "sched/os/sys.h"

#include <linux/futex.h>
#include <time.h>
#include <unistd.h>

static long wait_until(const a32 *w, unsigned expect, int64_t t)
{
        struct timespec ts = { .tv_sec = (time_t)(t / 1000000000), .tv_nsec = (long)(t % 1000000000) };

        return rni_sys(SYS_futex, rni_ptr(w), FUTEX_WAIT_BITSET_PRIVATE, (long)expect, rni_ptr(&ts), 0,
                       (long)FUTEX_BITSET_MATCH_ANY);
}

#if RNI_TSAN
/* TSan keeps a signal back until its thread calls a function that it intercepts, which a system call of ours is not. A wait with a time-out, however far, comes back when a handler has run. */
static long wait_and_hear(const a32 *w, unsigned expect, int64_t t)
{
        long r = wait_until(w, expect, t);

        if (r == -EINTR)
                usleep(0);
        return r;
}

void rni_futex_wait(const a32 *w, unsigned expect)
{
        wait_and_hear(w, expect, INT64_MAX / 2);
}
#else
#define wait_and_hear wait_until

void rni_futex_wait(const a32 *w, unsigned expect)
{
        rni_sys(SYS_futex, rni_ptr(w), FUTEX_WAIT_PRIVATE, (long)expect, 0, 0, 0);
}
#endif

bool rni_futex_wait_until(const a32 *w, unsigned expect, int64_t t)
{
        if (t < 0)
                return false;
        if (t == INT64_MAX) {
                rni_futex_wait(w, expect);
                return true;
        }
        return wait_and_hear(w, expect, t) != -ETIMEDOUT;
}

void rni_futex_wake(const a32 *w, int n)
{
        rni_sys(SYS_futex, rni_ptr(w), FUTEX_WAKE_PRIVATE, n, 0, 0, 0);
}
