/* SPDX-License-Identifier: MIT
 * Small random numbers for victims and select order: xorshift64* (Vigna, "An experimental
 * exploration of Marsaglia's xorshift generators, scrambled"). One state for each P or thread; not
 * for secrets. */
#ifndef RNI_BASE_RAND_H
#define RNI_BASE_RAND_H

#include "sched/base/cc.h"

static inline uint32_t rni_rand(uint64_t *state)
{
        uint64_t x = *state;

        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        *state = x;
        return (uint32_t)((x * UINT64_C(0x2545F4914F6CDD1D)) >> 32);
}

/* 0 .. n-1 without a division (Lemire); the bias of at most n / 2^32 is below what anybody can
 * measure. */
static inline uint32_t rni_rand_below(uint64_t *state, uint32_t n)
{
        return (uint32_t)(((uint64_t)rni_rand(state) * n) >> 32);
}

/* splitmix64: never 0 for two neighbours, never 0 at all */
static inline uint64_t rni_rand_seed(uint64_t x)
{
        x += UINT64_C(0x9E3779B97F4A7C15);
        x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
        x ^= x >> 31;
        return x ? x : 1;
}

#endif
