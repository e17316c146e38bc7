/* SPDX-License-Identifier: MIT
 * Sleeping until a word changes. The word decides, not the return value: every caller looks at it
 * again. Callers: all locks and idle waits above. */
#include "sched/os/sys.h"

#include <linux/futex.h>

static long wait_until(const a32 *w, unsigned expect, int64_t t)
{
        /* this call's, whatever the C library's is */
        struct { long sec, nsec; } ts = { (long)(t / 1000000000), (long)(t % 1000000000) };

        return rni_sys(SYS_futex, rni_ptr(w), FUTEX_WAIT_BITSET_PRIVATE, (long)expect, rni_ptr(&ts),
                       0, (long)FUTEX_BITSET_MATCH_ANY);
}

void rni_futex_wait(const a32 *w, unsigned expect)
{
        rni_sys(SYS_futex, rni_ptr(w), FUTEX_WAIT_PRIVATE, (long)expect, 0, 0, 0);
}

bool rni_futex_wait_until(const a32 *w, unsigned expect, int64_t t)
{
        if (t < 0)
                return false;
        if (t == INT64_MAX) {
                rni_futex_wait(w, expect);
                return true;
        }
        return wait_until(w, expect, t) != -ETIMEDOUT;
}

void rni_futex_wake(const a32 *w, int n)
{
        rni_sys(SYS_futex, rni_ptr(w), FUTEX_WAKE_PRIVATE, n, 0, 0, 0);
}
