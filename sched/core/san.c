/* SPDX-License-Identifier: MIT
 * Fibers for TSan's build; nothing otherwise. TSan orders a new fiber after the context that
 * creates it, and that would be whoever happens to run when a goroutine gets its stack, which hides
 * races between the two. So one fiber that never did anything creates all others. */
#include "sched/core/san.h"

#if RNI_TSAN

#include "sched/core/lock.h"

void *rni_fiber_new(void)
{
        static struct lock lock;   /* RANK_LEAF: nobody, and the switches to it */
        static void *nobody;
        void *mine = __tsan_get_current_fiber(), *fiber;

        lock_acquire(&lock, RANK_LEAF);
        if (!nobody)
                nobody = __tsan_create_fiber(0);
        __tsan_switch_to_fiber(nobody, TSAN_NO_SYNC);
        fiber = __tsan_create_fiber(0);
        __tsan_switch_to_fiber(mine, TSAN_NO_SYNC);
        lock_release(&lock, RANK_LEAF);
        return fiber;
}

#else

typedef int rni_san_nothing;   /* C has no empty translation units */

#endif
