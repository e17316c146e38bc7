/* SPDX-License-Identifier: MIT
 * The lock of this layer: a word, zero is free. Its holder may lose its processor, so waiters spin
 * only briefly and then sleep. Leaf locks all: nobody takes another lock, parks or calls upward
 * while holding one. Callers: gslab.c, slab.c, stack.c, odd.c, small.c. */
#ifndef RNI_MEM_MEMLOCK_H
#define RNI_MEM_MEMLOCK_H

#include "sched/os/os.h"

enum { MEMLOCK_FREE, MEMLOCK_HELD, MEMLOCK_WAITED, MEMLOCK_SPIN = 100 };

static inline bool memlock_try(a32 *l, unsigned as)
{
        return load_rlx(l) == MEMLOCK_FREE &&   /* a hint: saves the cas */
               cas_acq(l, MEMLOCK_FREE, as);   /* acq: pairs with rel in memlock_drop */
}

static rni_noinline void memlock_wait(a32 *l)
{
        for (unsigned i = 0; i < MEMLOCK_SPIN; i++) {
                if (memlock_try(l, MEMLOCK_HELD))
                        return;
                cpu_relax();
        }
        /* who slept cannot know that it was the only one */
        while (!memlock_try(l, MEMLOCK_WAITED))
                if (load_rlx(l) == MEMLOCK_WAITED ||   /* futex looks again */
                    cas(l, MEMLOCK_HELD, MEMLOCK_WAITED))
                        rni_futex_wait(l, MEMLOCK_WAITED);
}

static inline void memlock_take(a32 *l)
{
        if (unlikely(!memlock_try(l, MEMLOCK_HELD)))
                memlock_wait(l);
}

static inline void memlock_drop(a32 *l)
{
        if (unlikely(!cas_rel(l, MEMLOCK_HELD, MEMLOCK_FREE))) {   /* rel: pairs with acq in
                                                                    * memlock_try */
                store_rel(l, MEMLOCK_FREE);   /* rel: pairs with acq in memlock_try */
                rni_futex_wake(l, 1);
        }
}

#endif
