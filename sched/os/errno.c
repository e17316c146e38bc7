/* SPDX-License-Identifier: MIT
 * Whose errno? To the compiler its address never changes, so where a function of this folder is
 * inlined into one that parks (by LTO) it would be the errno of the thread from before. Nothing
 * must see through this one; sys.h makes errno mean a call of it. Callers: all of sched/os, core's
 * Ms. */
#include <errno.h>

#include "sched/os/os.h"

rni_noinline int *rni_thread_errno(void)
{
        int *p;

        rni_compiler_barrier();
        p = &errno;
        __asm__ volatile("" : "+r"(p) : : "memory");
        return p;
}
