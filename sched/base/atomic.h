/* SPDX-License-Identifier: MIT
 * Atomic words, from libatomic_ops. Two types: aword (a pointer or a size_t) and a32 (an unsigned
 * int); every operation is a macro that takes the address of either. What is not seq_cst says so in
 * its name, and its caller names the partner on the same line. Plain names (cas, fetch_add,
 * fetch_or) are full barriers. A third type, a64, is a time in ns; it can be loaded and stored.
 * Where words have 32 bits, aword and a32 are one type, and the compiler makes the operations on
 * a64. */
#ifndef RNI_BASE_ATOMIC_H
#define RNI_BASE_ATOMIC_H

#define AO_REQUIRE_CAS
#include <atomic_ops.h>

#include "sched/base/cc.h"

typedef volatile AO_t aword;
typedef volatile unsigned a32;
typedef volatile int64_t a64;

static inline AO_t rni_aw_load(const aword *p) { return AO_load(p); }
static inline AO_t rni_aw_load_acq(const aword *p) { return AO_load_acquire(p); }
static inline void rni_aw_store(aword *p, AO_t v) { AO_store(p, v); }
static inline void rni_aw_store_rel(aword *p, AO_t v) { AO_store_release(p, v); }

static inline bool rni_aw_cas(aword *p, AO_t o, AO_t n)
{
        return AO_compare_and_swap_full(p, o, n) != 0;
}

static inline bool rni_aw_cas_acq(aword *p, AO_t o, AO_t n)
{
        return AO_compare_and_swap_acquire(p, o, n) != 0;
}

static inline bool rni_aw_cas_rel(aword *p, AO_t o, AO_t n)
{
        return AO_compare_and_swap_release(p, o, n) != 0;
}

static inline AO_t rni_aw_add(aword *p, AO_t n) { return AO_fetch_and_add_full(p, n); }

static inline unsigned rni_a32_load(const a32 *p) { return AO_int_load(p); }
static inline unsigned rni_a32_load_acq(const a32 *p) { return AO_int_load_acquire(p); }
static inline void rni_a32_store(a32 *p, unsigned v) { AO_int_store(p, v); }
static inline void rni_a32_store_rel(a32 *p, unsigned v) { AO_int_store_release(p, v); }

static inline bool rni_a32_cas(a32 *p, unsigned o, unsigned n)
{
        return AO_int_compare_and_swap_full(p, o, n) != 0;
}

static inline bool rni_a32_cas_acq(a32 *p, unsigned o, unsigned n)
{
        return AO_int_compare_and_swap_acquire(p, o, n) != 0;
}

static inline bool rni_a32_cas_rel(a32 *p, unsigned o, unsigned n)
{
        return AO_int_compare_and_swap_release(p, o, n) != 0;
}

static inline unsigned rni_a32_add(a32 *p, unsigned n) { return AO_int_fetch_and_add_full(p, n); }

#if UINTPTR_MAX > UINT32_MAX
static inline int64_t rni_a64_load(const a64 *p) { return (int64_t)AO_load((const aword *)p); }

static inline int64_t rni_a64_load_acq(const a64 *p)
{
        return (int64_t)AO_load_acquire((const aword *)p);
}

static inline void rni_a64_store(a64 *p, int64_t v) { AO_store((aword *)p, (AO_t)v); }
static inline void rni_a64_store_rel(a64 *p, int64_t v) { AO_store_release((aword *)p, (AO_t)v); }
#else
static inline int64_t rni_a64_load(const a64 *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }

static inline int64_t rni_a64_load_acq(const a64 *p)
{
        return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void rni_a64_store(a64 *p, int64_t v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }

static inline void rni_a64_store_rel(a64 *p, int64_t v)
{
        __atomic_store_n(p, v, __ATOMIC_RELEASE);
}
#endif

/* The pointed-to type picks the width; anything else does not compile. */
#if UINTPTR_MAX > UINT32_MAX
#define RNI_A32_(op)  , a32 *: rni_a32_##op
#define RNI_A32C_(op) , const a32 *: rni_a32_##op
#else
#define RNI_A32_(op)
#define RNI_A32C_(op)
#endif
#define RNI_AT_(p, op) _Generic((p), aword *: rni_aw_##op, a64 *: rni_a64_##op RNI_A32_(op), \
                                const aword *: rni_aw_##op, const a64 *: rni_a64_##op RNI_A32C_(op))
#define RNI_AS_(p, op) _Generic((p), aword *: rni_aw_##op, a64 *: rni_a64_##op RNI_A32_(op))
#define RNI_AW_(p, op) _Generic((p), aword *: rni_aw_##op RNI_A32_(op))
#define load_rlx(p)      RNI_AT_(p, load)(p)
#define load_acq(p)      RNI_AT_(p, load_acq)(p)
#define store_rlx(p, v)  RNI_AS_(p, store)((p), (v))
#define store_rel(p, v)  RNI_AS_(p, store_rel)((p), (v))
#define cas(p, o, n)     RNI_AW_(p, cas)((p), (o), (n))
#define cas_acq(p, o, n) RNI_AW_(p, cas_acq)((p), (o), (n))
#define cas_rel(p, o, n) RNI_AW_(p, cas_rel)((p), (o), (n))
#define fetch_add(p, n)  RNI_AW_(p, add)((p), (n))

/* A pointer in an aword. */
#define aptr(p) ((AO_t)(uintptr_t)(p))

static inline void fence_full(void)
{
        AO_nop_full();
}

/* The line of p will be read, and then changed. gcc says prefetchw only if told to; 64-bit
 * processors that do not know it take it for a no-op. */
static inline void cpu_prefetchw(const void *p)
{
#ifdef __x86_64__
        __asm__("prefetchw %0" : : "m"(*(const char *)p));
#else
        __builtin_prefetch(p, 1);
#endif
}

/* What a spinning processor should be told. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb" ::: "memory");
#else
        rni_compiler_barrier();
#endif
}

#endif
