/* SPDX-License-Identifier: MIT
 * Which M this thread is. Invariant: no compiler reuses an earlier answer, because the goroutine
 * may have changed threads in between; hence volatile assembly where the processor is known and an
 * opaque function elsewhere (the ucontext build always takes that one). Called by everything that
 * touches m. */
#ifndef RNI_ARCH_SELF_H
#define RNI_ARCH_SELF_H

#include "sched/arch/arch.h"

void rni_self_set(struct m *m);         /* NULL: this thread is no M any longer */

#if defined(RNI_SWITCH_UCONTEXT)
#define RNI_SELF_OUT_OF_LINE 1
struct m *rni_self(void);
#elif defined(__x86_64__)
static inline struct m *rni_self(void)
{
        struct m *m;

        __asm__ volatile("movq rni_self_m@gottpoff(%%rip), %0\n\t"
                         "movq %%fs:(%0), %0"
                         : "=r"(m) : : "memory");
        return m;
}
#elif defined(__aarch64__)
static inline struct m *rni_self(void)
{
        struct m *m;
        uintptr_t off;

        __asm__ volatile("adrp %1, :gottprel:rni_self_m\n\t"
                         "ldr %1, [%1, #:gottprel_lo12:rni_self_m]\n\t"
                         "mrs %0, tpidr_el0\n\t"
                         "ldr %0, [%0, %1]"
                         : "=&r"(m), "=&r"(off) : : "memory");
        return m;
}
#elif defined(__riscv) && __riscv_xlen == 64
static inline struct m *rni_self(void)
{
        struct m *m;

        __asm__ volatile("la.tls.ie %0, rni_self_m\n\t"
                         "add %0, %0, tp\n\t"
                         "ld %0, 0(%0)"
                         : "=&r"(m) : : "memory");
        return m;
}
#else
#define RNI_SELF_OUT_OF_LINE 1
struct m *rni_self(void);
#endif

#endif
