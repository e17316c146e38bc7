/* SPDX-License-Identifier: MIT
 * Switching stacks on 64-bit RISC-V. sp, s0 and the resume address are saved by hand; every other
 * register but gp and tp is a clobber, fs0-fs11 among them, so the compiler spills what lives.
 * There is no red zone and sp is always 16-aligned, so a visitor runs at the parked sp with the
 * parked pc as its return address. fcsr belongs to the thread. Included by arch.h; callers are
 * sched/core. */
#ifndef RNI_SWITCH_RISCV64_H
#define RNI_SWITCH_RISCV64_H

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

#ifdef __riscv_flen
#define RNI_CLOBBER_F "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "ft8", "ft9", \
        "ft10", "ft11", "fs0", "fs1", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", \
        "fs10", "fs11", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7",
#else
#define RNI_CLOBBER_F
#endif
#ifdef __riscv_vector
#define RNI_CLOBBER_V "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", \
        "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", \
        "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", "vl", "vtype",
#else
#define RNI_CLOBBER_V
#endif
#define RNI_CLOBBERS RNI_CLOBBER_F RNI_CLOBBER_V "ra", "t0", "t1", "t2", "t3", "t4", "t5", "t6", \
        "a3", "a4", "a5", "a6", "a7", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", \
        "s10", "s11", "memory"

#define RNI_SAVE_SELF "lla t0, 1f\n\t" \
        "sd sp, 0(a0)\n\t" \
        "sd s0, 8(a0)\n\t" \
        "sd t0, 16(a0)\n\t"

/* sp comes last: an unwinder in a signal handler is lost only between that load and the jump. */
#define RNI_LOAD_OTHER(pc) "ld " pc ", 16(a1)\n\t" \
        "ld s0, 8(a1)\n\t" \
        "ld sp, 0(a1)\n\t"

static inline void ctx_switch(struct ctx *from, const struct ctx *to)
{
        register struct ctx *a0 __asm__("a0") = from;
        register const struct ctx *a1 __asm__("a1") = to;

        __asm__ volatile(RNI_SAVE_SELF RNI_LOAD_OTHER("t1") "jr t1\n1:"
                         : "+r"(a0), "+r"(a1) : : "a2", RNI_CLOBBERS);
        rni_other_code_ran();
}

static inline _Noreturn void ctx_jump(const struct ctx *to)
{
        rni_other_code_ran();   /* and reads what was stored so far */
        register const struct ctx *a1 __asm__("a1") = to;

        __asm__ volatile(RNI_LOAD_OTHER("t1") "jr t1" : : "r"(a1) : "t1", "memory");
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
        register struct ctx *a0 __asm__("a0") = self;
        register const struct ctx *a1 __asm__("a1") = parked;
        register uintptr_t a2 __asm__("a2") = (uintptr_t)fn;

        __asm__ volatile(RNI_SAVE_SELF RNI_LOAD_OTHER("ra") "jr a2\n1:"
                         : "+r"(a0), "+r"(a1), "+r"(a2) : : RNI_CLOBBERS);
        rni_other_code_ran();
}

#undef RNI_CLOBBER_F
#undef RNI_CLOBBER_V
#undef RNI_CLOBBERS
#undef RNI_SAVE_SELF
#undef RNI_LOAD_OTHER

#endif
