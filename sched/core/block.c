/* SPDX-License-Identifier: MIT
 * C code that is known to block: the P is handed off before it, and asked for after it. For the
 * rest such an M is like one whose P was taken (retake.c): in user code with RETAKE_GONE. So the
 * exit is an entry like any other, and so is every call of the library in between. */
#include <runnel/block.h>

#include "sched/core/panic.h"
#include "sched/core/sched.h"

void rn_block_enter(void)
{
        int err = *rni_m()->errnop;
        struct m *m;

        if (rni_self()->sim)
                return;   /* its thread is all the run has */
        m = rt_enter_locked();   /* if the P was taken already, there is nothing to give */
        if (m->p) {
                fetch_add(&rni_sched.nhandoffs, 1);
                rni_hand_off(rni_p_leave(m));
        }
        rt_leave();
        *m->errnop = err;
}

void rn_block_exit(void)
{
        rt_enter();
        rt_leave();
}

intptr_t rn_block_call(const struct rn_call *call)
{
        struct rn_call own = *call;   /* it lies where the next capture goes */
        intptr_t result;

        if (unlikely(!own.fn))
                rni_runtime_panic("invalid memory address or nil pointer dereference");
        rn_block_enter();
        result = rni_call_run(&own);
        rn_block_exit();
        return result;
}
