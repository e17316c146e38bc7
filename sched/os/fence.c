/* SPDX-License-Identifier: MIT
 * The heavy half of the asymmetric fence. Invariant: rni_membarrier_on never changes after
 * rni_os_init, or the two halves would not meet. Callers: core/sysmon before it takes a P away. */
#include "sched/os/sys.h"

#include <linux/membarrier.h>

bool rni_membarrier_on;

static long membarrier(long cmd)
{
        return rni_sys(SYS_membarrier, cmd, 0, 0, 0, 0, 0);
}

void rni_fence_init(void)
{
        const char *env = rni_os_env("RUNNEL_MEMBARRIER");
        long have;

        if (env && env[0] == '0' && env[1] == 0)
                return;
        have = membarrier(MEMBARRIER_CMD_QUERY);
        rni_membarrier_on = have > 0 && (have & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 &&
                            membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

/* The kernel had no memory for its list of processors. The slow command needs none; where the
 * kernel has not got that (nohz_full), memory comes back. The light side has no fence, so there is
 * no going on without one. */
static rni_cold void fence_otherwise(void)
{
        long r;

        while ((r = membarrier(MEMBARRIER_CMD_GLOBAL)) != 0 &&
               (r = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) != 0) {
                if (r != -ENOMEM && r != -EAGAIN) {
                        struct rni_out o;

                        rni_out_init(&o, 2);
                        rni_out_fmt(&o, "fatal error: runnel: membarrier failed with error %ld: "
                                    "was it forbidden after the start?\n", -r);
                        rni_out_flush(&o);
                        rni_os_exit(2);
                }
                rni_cpu_yield();
        }
}

void rni_fence_heavy(void)
{
        if (!rni_membarrier_on)
                fence_full();           /* pairs with the other half's: see the callers */
        else if (unlikely(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0))
                fence_otherwise();
}
