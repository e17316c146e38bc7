/* SPDX-License-Identifier: MIT
 * Calls that block their thread, said beforehand. It is not necessary to say it: a goroutine that
 * sits in C code while others wait loses its processor to them after 10 ms at most. Who says it
 * gives the processor away at once, and thousands of such calls wait side by side, on a thread
 * each. */
#ifndef RUNNEL_BLOCK_H
#define RUNNEL_BLOCK_H

#include <runnel/call.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the captured call without a processor. Behind rn_blocking.
 * call: copied before the call begins; a NULL function panics.
 * Returns the call's result; of a void function's nothing is said. What the call panics with goes
 * on as from any other.
 * Context: goroutine or thread; on a thread it is the call alone. Parks: may, after the call, until
 * a processor is free.
 * Orders: nothing. */
RN_API intptr_t rn_block_call(const struct rn_call *call);

/* Gives this goroutine's processor away: C code that follows blocks nobody. Pairs with
 * rn_block_exit and does not nest. A call of the library in between takes a processor again as soon
 * as it needs one.
 * Context: goroutine or thread; on a thread without effect. Parks: never. */
RN_API void rn_block_enter(void);

/* The end of it: waits for a processor, on which the goroutine goes on, perhaps on another thread.
 * Context: goroutine or thread; on a thread without effect. Parks: may.
 * errno is kept, but a compiler may look for it where it was before: copy it before this call. */
RN_API void rn_block_exit(void);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus

/* rn_blocking(f, ...): intptr_t, the result of f(...), called as rn_block_call does; f's result is
 * an integer, a pointer or not wanted. f hands errno back as -errno in it. Parks: may. */
#define rn_blocking(...) RN_CAT(RN_CAT(RN_BLOCK, RN_NARG_(__VA_ARGS__)), _)(__VA_ARGS__)

#define RN_BLOCK0_(f) \
        rn_blocked_((intptr_t)(RN_WORD_(__typeof__((f)())))rn_block_call(RN_CALL_(f)))
#define RN_BLOCKN_(f, ...) \
        rn_blocked_((intptr_t)(RN_WORD_(__typeof__((f)(__VA_ARGS__)))) \
                    rn_block_call(RN_CALL_(f, __VA_ARGS__)))
#define RN_BLOCK1_(f, ...)    RN_BLOCKN_(f, __VA_ARGS__)
#define RN_BLOCK2_(f, ...)    RN_BLOCKN_(f, __VA_ARGS__)
#define RN_BLOCK3_(f, ...)    RN_BLOCKN_(f, __VA_ARGS__)
#define RN_BLOCK4_(f, ...)    RN_BLOCKN_(f, __VA_ARGS__)
#define RN_BLOCK5_(f, ...)    RN_BLOCKN_(f, __VA_ARGS__)
#define RN_BLOCK6_(f, ...)    RN_BLOCKN_(f, __VA_ARGS__)
#define RN_BLOCKMANY_(f, ...) rn_block_call(RN_CALL_(f, __VA_ARGS__))

/* A call, so that it need not be used. */
static inline intptr_t rn_blocked_(intptr_t result)
{
        return result;
}

/* As much of the register as R fills counts, and its sign; void counts as int. */
#define RN_WORD_(R) \
        __typeof__(*_Generic((R *)0, void *: (int *)0, bool *: (unsigned char *)0, default: (R *)0))

#endif
#endif
