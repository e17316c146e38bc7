/* SPDX-License-Identifier: MIT
 * Stack overflow. The lowest 64 KiB of each stack are guard; a touch raises SIGSEGV, handled on the
 * M's alternate stack. The verdict goes by the address alone, since guard markers and mprotect give
 * different si_codes. Any other fault goes to the handler that was there before. */
#include "sched/core/boot.h"
#include "sched/core/hook.h"
#include "sched/core/sched.h"

static struct sigaction old_segv;

static void on_segv(int sig, siginfo_t *si, void *uc)
{
        struct m *m = rni_self();
        struct stack *owner;
        struct rni_out o;

        if (!rni_stack_guard_hit(si->si_addr, &owner)) {
                rni_sig_chain(&old_segv, sig, si, uc);
                return;
        }
        rni_die_begin();
        rni_out_init(&o, 2);
        rni_out_fmt(&o, "runtime: goroutine %lu stack exceeds %zu-byte limit\n",
                    m && m->g ? (unsigned long)m->g->id : 0UL,
                    (size_t)(owner->lo + owner->size - owner->floor));
        rni_out_fmt(&o, "runtime: address %p, stack [%p, %p]\n", si->si_addr, (void *)owner->floor,
                    (void *)owner->hi);
        rni_out_fmt(&o, "fatal error: stack overflow\n\n");
        rni_fatal_who(&o);
        rni_hook_trace(&o);
        rni_out_flush(&o);
        rni_die_end();
}

void rni_overflow_init(void)
{
        rni_sig_install(SIGSEGV, on_segv, &old_segv);
}
