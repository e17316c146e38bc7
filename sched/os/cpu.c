/* SPDX-License-Identifier: MIT
 * How many processors this process may use at once. Asked at boot and now and then: affinity and
 * quota may change. Callers: core/boot, core/sysmon; rni_cpu_yield, rni_cpu_wait: loops of core,
 * mem and chan that wait for another thread. */
#include "sched/os/sys.h"

/* Room for 65,536 processors: the kernel refuses a mask smaller than its own. */
static int affinity(void)
{
        unsigned long mask[1024] = { 0 };
        long n = rni_sys(SYS_sched_getaffinity, 0, sizeof mask, rni_ptr(mask), 0, 0, 0);
        int count = 0;

        for (size_t i = 0; n > 0 && i < (size_t)n / sizeof mask[0]; i++)
                count += __builtin_popcountl(mask[i]);
        return count;
}

int rni_cpu_count(void)
{
        struct rni_groups room;
        int n = affinity();
        int quota = rni_cgroup_cpus(&room, "");

        if (quota > 0 && (n == 0 || quota < n))
                n = quota;
        return n > 0 ? n : 1;
}

void rni_cpu_yield(void)
{
        rni_sys(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

enum { YIELDS = 20, REST = 50000 };     /* ns */

/* A yield lets nobody run whose priority is lower: between threads of different ones it would be
 * repeated for ever. */
void rni_cpu_wait(unsigned tries)
{
        a32 nothing = 0;

        if (tries < YIELDS)
                rni_cpu_yield();
        else
                rni_futex_wait_until(&nothing, 0, rni_clock() + REST);
}
