/* SPDX-License-Identifier: MIT
 * Switching stacks with <ucontext.h>, for processors without a header of their own
 * (RNI_SWITCH_UCONTEXT). Slow: every switch is a system call for the signal mask. Invariant: while
 * a context is parked, uc points into the frame of its own ctx_switch, or to the top of its stack
 * if it never ran; only the very struct ctx it parked with can be visited, not a copy. */
#ifndef RNI_SWITCH_UCONTEXT_H
#define RNI_SWITCH_UCONTEXT_H

#include "sched/arch/arch.h"

struct ctx {
        void *uc;
        void (*visitor)(void);  /* set by ctx_visit, which resumes the owner; he takes it back */
};

/* Where its innermost frame lies. */
static inline const char *ctx_innermost(const struct ctx *c)
{
        return c->uc;
}

void rni_uc_switch(struct ctx *from, const struct ctx *to);
_Noreturn void rni_uc_jump(const struct ctx *to);
void rni_uc_make(struct ctx *c, void *lo, void *hi, void (*entry)(void));
void rni_uc_visit(struct ctx *self, const struct ctx *parked, void (*fn)(void));

static inline void ctx_switch(struct ctx *from, const struct ctx *to)
{
        rni_uc_switch(from, to);
}

static inline _Noreturn void ctx_jump(const struct ctx *to)
{
        rni_uc_jump(to);
}

static inline void ctx_make(struct ctx *c, void *lo, void *hi, void (*entry)(void))
{
        rni_uc_make(c, lo, hi, entry);
}

static inline void ctx_visit(struct ctx *self, const struct ctx *parked, void (*fn)(void))
{
        rni_uc_visit(self, parked, fn);
}

#endif
