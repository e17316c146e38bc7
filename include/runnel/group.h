/* SPDX-License-Identifier: MIT
 * Groups: goroutines that work on one thing, the first error of which is the error of all. {0} is
 * ready; never copy one in use. The last goroutine touches the object no more once wait returns, so
 * it may live on the waiter's stack. */
#ifndef RUNNEL_GROUP_H
#define RUNNEL_GROUP_H

#include <runnel/ctx.h>

typedef struct rn_group {
        uint64_t w_[6];
} rn_group;

#ifdef __cplusplus
extern "C" {
#endif

/* Gives g a context, a child of parent that ends with the first error, which is its cause if it is
 * negative, or when rn_group_wait returns.
 * Returns it with one reference, the caller's; the group has one of its own until it is waited for.
 * Errors: panics when goroutines run in g already or it has a context, when parent is NULL and when
 * memory is out.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_ctx *rn_group_ctx(rn_group *g, rn_ctx *parent);

/* From now on at most n goroutines run in g at a time; n < 0: any number, as at first; 0: none.
 * Errors: panics while goroutines run in it.
 * Context: goroutine or thread. Parks: never. */
RN_API void rn_group_limit(rn_group *g, int n);

/* Makes the captured call, of a function that returns int, in a new goroutine; waits for a place
 * first where there is a limit. The result, if it is not 0, is an error; a goroutine that ends by
 * rn_exit has none. Behind rn_group_go. call: copied.
 * Errors: panics when memory is out; a NULL function is fatal.
 * Context: goroutine or thread. Parks: may, if there is a limit.
 * Orders: before the function starts. */
RN_API void rn_group_spawn(rn_group *g, const struct rn_call *call);

/* The same if there is a place now: true.
 * Context: goroutine or thread. Parks: never. Orders: as rn_group_spawn. */
RN_API bool rn_group_spawn_try(rn_group *g, const struct rn_call *call);

/* Waits until all goroutines of g have ended, and ends its context. g may be used again afterwards.
 * Returns the first result that was not 0, in the order of time, or 0.
 * Context: goroutine or thread. Parks: may. Orders: the ends of all happen before its return. */
RN_API int rn_group_wait(rn_group *g);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus

/* rn_group_go(&g, f, ...): void, as rn_group_spawn; f must return int. Parks: may, if there is a
 * limit. */
#define rn_group_go(g, ...) rn_group_spawn((g), (RN_INT_(__VA_ARGS__), RN_CALL_(__VA_ARGS__)))
/* rn_group_try_go(&g, f, ...): bool, as rn_group_spawn_try; f must return int. Parks: never. */
#define rn_group_try_go(g, ...) \
        rn_group_spawn_try((g), (RN_INT_(__VA_ARGS__), RN_CALL_(__VA_ARGS__)))

/* Is what f returns an int? Nothing is called. */
#define RN_INT_(...)        RN_CAT(RN_CAT(RN_INT, RN_NARG_(__VA_ARGS__)), _)(__VA_ARGS__)
#define RN_INTCALL_(call)   RN_REQUIRE_(_Generic((__typeof__(call) *)0, int *: 1, default: 0), \
                                        "a function of an rn_group must return int: 0 or an error")
#define RN_INT0_(f)         RN_INTCALL_((f)())
#define RN_INT1_(f, ...)    RN_INTCALL_((f)(__VA_ARGS__))
#define RN_INT2_(f, ...)    RN_INTCALL_((f)(__VA_ARGS__))
#define RN_INT3_(f, ...)    RN_INTCALL_((f)(__VA_ARGS__))
#define RN_INT4_(f, ...)    RN_INTCALL_((f)(__VA_ARGS__))
#define RN_INT5_(f, ...)    RN_INTCALL_((f)(__VA_ARGS__))
#define RN_INT6_(f, ...)    RN_INTCALL_((f)(__VA_ARGS__))
#define RN_INTMANY_(f, ...) ((void)0)   /* RN_CALL_ says it */

#endif
#endif
