/* SPDX-License-Identifier: MIT
 * Words about the compiler that every layer uses. No state, no functions that do anything. */
#ifndef RNI_BASE_CC_H
#define RNI_BASE_CC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define rni_noinline __attribute__((noinline))
#define rni_always_inline inline __attribute__((always_inline))
#define rni_cold     __attribute__((noinline, cold))
#define rni_aligned(n) __attribute__((aligned(n)))

/* Two cache lines: adjacent-line prefetch makes 64 bytes too few for words that different Ms
 * write. */
#define RNI_LINE 64
#define RNI_APART 128

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* Stops the compiler, not the processor, from moving memory accesses across it. */
static inline void rni_compiler_barrier(void)
{
        __asm__ volatile("" ::: "memory");
}

/* Which sanitizer this very file is built under. */
#if defined(__SANITIZE_ADDRESS__)
#define RNI_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RNI_ASAN 1
#endif
#endif
#ifndef RNI_ASAN
#define RNI_ASAN 0
#endif
/* The library itself is never instrumented by TSan; configure --enable-tsan defines RNI_TSAN for
 * it. */
#ifndef RNI_TSAN
#define RNI_TSAN 0
#endif

#endif
