/* SPDX-License-Identifier: MIT
 * Switching stacks on aarch64. sp, x29 and the resume address are saved by hand; every other
 * register is a clobber, d8-d15 among them, so the compiler spills what lives. There is no red
 * zone and sp is always 16-aligned, so a visitor runs at the parked sp with the parked pc as its
 * return address. Jumps go through x16: such a branch may land on bti c and on bti j. FPCR belongs
 * to the thread. Included by arch.h; callers are sched/core. */
#ifndef RNI_SWITCH_AARCH64_H
#define RNI_SWITCH_AARCH64_H

#include "sched/arch/arch.h"
#include "sched/arch/elsewhere.h"

/* The offsets 0, 8, 16 are written out in the assembly. */
struct ctx {
        void *sp;
        void *fp;
        void *pc;
};

/* Where its innermost frame lies. */
static inline const char *ctx_innermost(const struct ctx *c)
{
        return c->sp;
}

void rni_ctx_entry(void);       /* no C function: jumped to, on a stack of its own shape */

#ifdef __ARM_FEATURE_BTI_DEFAULT
#define RNI_RESUME "1:\thint #36"       /* bti j */
#else
#define RNI_RESUME "1:"
#endif

/* z registers contain the v registers but exist only with SVE. */
#ifdef __ARM_FEATURE_SVE
#define RNI_CLOBBER_V "z0", "z1", "z2", "z3", "z4", "z5", "z6", "z7", "z8", "z9", "z10", "z11", \
        "z12", "z13", "z14", "z15", "z16", "z17", "z18", "z19", "z20", "z21", "z22", "z23", \
        "z24", "z25", "z26", "z27", "z28", "z29", "z30", "z31", "p0", "p1", "p2", "p3", "p4", \
        "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13", "p14", "p15"
#else
#define RNI_CLOBBER_V "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", \
        "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", \
        "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31"
#endif
#define RNI_CLOBBERS "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", \
        "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", \
        "x26", "x27", "x28", "x30", RNI_CLOBBER_V, "cc", "memory"

#define RNI_SAVE_SELF "adr x9, 1f\n\t" \
        "mov x10, sp\n\t" \
        "stp x10, x29, [x0]\n\t" \
        "str x9, [x0, #16]\n\t"

/* sp comes last: an unwinder in a signal handler is lost only between that move and the jump. */
#define RNI_LOAD_OTHER(pc) "ldr " pc ", [x1, #16]\n\t" \
        "ldp x10, x29, [x1]\n\t" \
        "mov sp, x10\n\t"

static inline void ctx_switch(struct ctx *from, const struct ctx *to)
{
        register struct ctx *x0 __asm__("x0") = from;
        register const struct ctx *x1 __asm__("x1") = to;

        __asm__ volatile(RNI_SAVE_SELF RNI_LOAD_OTHER("x16") "br x16\n" RNI_RESUME
                         : "+r"(x0), "+r"(x1) : : "x2", RNI_CLOBBERS);
        rni_other_code_ran();
}

static inline _Noreturn void ctx_jump(const struct ctx *to)
{
        rni_other_code_ran();   /* and reads what was stored so far */
        register const struct ctx *x1 __asm__("x1") = to;

        __asm__ volatile(RNI_LOAD_OTHER("x16") "br x16" : : "r"(x1) : "x10", "x16", "memory");
        __builtin_unreachable();
}

/* The entry's frame, upwards from sp: entry, zero. */
static inline void ctx_make(struct ctx *c, void *lo, void *hi, void (*entry)(void))
{
        uintptr_t *top = (uintptr_t *)((uintptr_t)hi & ~(uintptr_t)15);

        (void)lo;
        top[-2] = (uintptr_t)entry;
        top[-1] = 0;
        c->sp = top - 2;
        c->fp = NULL;
        c->pc = (void *)(uintptr_t)rni_ctx_entry;
}

static inline void ctx_visit(struct ctx *self, const struct ctx *parked, void (*fn)(void))
{
        register struct ctx *x0 __asm__("x0") = self;
        register const struct ctx *x1 __asm__("x1") = parked;
        register uintptr_t x2 __asm__("x2") = (uintptr_t)fn;

        __asm__ volatile(RNI_SAVE_SELF RNI_LOAD_OTHER("x30")
                         "mov x16, x2\n\t"
                         "br x16\n"
                         RNI_RESUME
                         : "+r"(x0), "+r"(x1), "+r"(x2) : : RNI_CLOBBERS);
        rni_other_code_ran();
}

#undef RNI_RESUME
#undef RNI_CLOBBER_V
#undef RNI_CLOBBERS
#undef RNI_SAVE_SELF
#undef RNI_LOAD_OTHER

#endif
