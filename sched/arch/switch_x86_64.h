/* SPDX-License-Identifier: MIT
 * Switching stacks on x86-64. Three words are saved by hand; every other register is a clobber, so
 * the compiler spills what lives. The assembly never pushes: a leaf function that switches may
 * keep locals in the red zone, the 128 bytes below its sp. For the same reason its sp need not be
 * 16-aligned, and a visitor starts below that zone, in a frame whose CFI gives the parked
 * registers back exactly (rni_visit_entry). MXCSR and the x87 control word belong to the thread.
 * Included by arch.h; callers are sched/core. */
#ifndef RNI_SWITCH_X86_64_H
#define RNI_SWITCH_X86_64_H

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

void rni_ctx_entry(void);       /* no C functions: jumped to, on stacks of their own shape */
void rni_visit_entry(void);

#ifdef __CET__
#define RNI_RESUME "1:\tendbr64"
#else
#define RNI_RESUME "1:"
#endif

/* Registers that exist only with some -m flags must be named then and cannot be otherwise. */
#ifdef __AVX512F__
#define RNI_CLOBBER_AVX512 "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", \
        "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", \
        "k1", "k2", "k3", "k4", "k5", "k6", "k7",
#else
#define RNI_CLOBBER_AVX512
#endif
#ifdef __APX_F__
#define RNI_CLOBBER_APX "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", \
        "r26", "r27", "r28", "r29", "r30", "r31",
#else
#define RNI_CLOBBER_APX
#endif
#define RNI_CLOBBERS RNI_CLOBBER_AVX512 RNI_CLOBBER_APX "rax", "rbx", "rcx", "r8", "r9", "r10", \
        "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", \
        "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", \
        "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "mm0", "mm1", \
        "mm2", "mm3", "mm4", "mm5", "mm6", "mm7", "cc", "memory"

#define RNI_SAVE_SELF "leaq 1f(%%rip), %%rax\n\t" \
        "movq %%rsp, 0(%%rdi)\n\t" \
        "movq %%rbp, 8(%%rdi)\n\t" \
        "movq %%rax, 16(%%rdi)\n\t"

/* rsp comes last: an unwinder in a signal handler is lost only between that load and the jump. */
#define RNI_RESUME_OTHER "movq 16(%%rsi), %%rcx\n\t" \
        "movq 8(%%rsi), %%rbp\n\t" \
        "movq 0(%%rsi), %%rsp\n\t" \
        "jmpq *%%rcx\n"

static inline void ctx_switch(struct ctx *from, const struct ctx *to)
{
        __asm__ volatile(RNI_SAVE_SELF RNI_RESUME_OTHER RNI_RESUME
                         : "+D"(from), "+S"(to) : : "rdx", RNI_CLOBBERS);
        rni_other_code_ran();
}

static inline _Noreturn void ctx_jump(const struct ctx *to)
{
        rni_other_code_ran();   /* and reads what was stored so far */
        __asm__ volatile(RNI_RESUME_OTHER : : "S"(to) : "rcx", "memory");
        __builtin_unreachable();
}

/* The entry's frame, upwards from sp: entry, a zero where a walker without CFI looks for a return
 * address. */
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

/* 144 = red zone + rni_visit_entry's frame of pc and sp. */
static inline void ctx_visit(struct ctx *self, const struct ctx *parked, void (*fn)(void))
{
        __asm__ volatile(RNI_SAVE_SELF
                         "movq 0(%%rsi), %%rax\n\t"
                         "movq 8(%%rsi), %%rbp\n\t"
                         "movq 16(%%rsi), %%rcx\n\t"
                         "leaq -144(%%rax), %%r8\n\t"
                         "andq $-16, %%r8\n\t"
                         "movq %%rcx, 0(%%r8)\n\t"
                         "movq %%rax, 8(%%r8)\n\t"
                         "movq %%r8, %%rsp\n\t"
                         "jmp rni_visit_entry\n"
                         RNI_RESUME
                         : "+D"(self), "+S"(parked), "+d"(fn) : : RNI_CLOBBERS);
        rni_other_code_ran();
}

#undef RNI_RESUME
#undef RNI_CLOBBER_AVX512
#undef RNI_CLOBBER_APX
#undef RNI_CLOBBERS
#undef RNI_SAVE_SELF
#undef RNI_RESUME_OTHER

#endif
