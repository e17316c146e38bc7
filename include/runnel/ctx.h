/* SPDX-License-Identifier: MIT
 * Contexts: a tree that carries deadlines, cancellation and values to the goroutines that work for
 * one purpose. A context is a counted object, safe for concurrent use; a child holds its parent, so
 * a reference of your own is all you need. Ending one ends everything below it; the parent knows
 * nothing of it. What made a context with cancel or a deadline gives it back with rn_ctx_release:
 * rn_defer(rn_ctx_release, ctx). No function takes a NULL context; the with_ ones panic on it. */
#ifndef RUNNEL_CTX_H
#define RUNNEL_CTX_H

#include <runnel/call.h>
#include <runnel/sync.h>
#include <runnel/types.h>

typedef struct rn_ctx rn_ctx;           /* counted: rn_ref, rn_unref */
typedef struct rn_ctx_stop rn_ctx_stop; /* one registered after-func; counted */

#ifdef __cplusplus
extern "C" {
#endif

/* -- making -- */

/* The root of a program's contexts: never ends, has no deadline and no values. Static: rn_ref and
 * rn_unref do nothing.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_ctx *rn_ctx_background(void);

/* The same, for who does not know yet which context to pass on.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_ctx *rn_ctx_todo(void);

/* A child of parent that ends when it is cancelled or its parent ends. A child of a context that
 * has ended has ended too, with the same error and cause.
 * Returns it with one reference, the caller's. The last unref does not cancel, it takes the context
 * out of the tree; the goroutines that use it hold references of their own.
 * Errors: panics when parent is NULL ("cannot create context from nil parent") and when memory is
 * out. The same holds for all that follow.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_ctx *rn_ctx_with_cancel(rn_ctx *parent);

/* The same, and it ends by itself at t with -ETIMEDOUT; at once if t has passed. If the parent's
 * deadline is not later, that one holds.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_ctx *rn_ctx_with_deadline(rn_ctx *parent, rn_time t);

/* rn_ctx_with_deadline, d from now.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_ctx *rn_ctx_with_timeout(rn_ctx *parent, rn_dur d);

/* The same two, with the cause that rn_ctx_cause tells if the deadline is what ends it.
 * err: negative, or 0 for -ETIMEDOUT.
 * Errors: panics also when err > 0.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_ctx *rn_ctx_with_deadline_cause(rn_ctx *parent, rn_time t, int err);
RN_API rn_ctx *rn_ctx_with_timeout_cause(rn_ctx *parent, rn_dur d, int err);

/* A child that binds value to key and otherwise is as its parent: cancel the parent, not it. key:
 * the address of an object that lives as long, usually a static one; only the address counts.
 * value: borrowed, may be NULL.
 * Errors: panics also when key is NULL ("nil key").
 * Context: goroutine or thread. Parks: never. */
RN_API rn_ctx *rn_ctx_with_value(rn_ctx *parent, const void *key, void *value);

/* The same, with what becomes of value when the context is freed: drop(value) is called once, by
 * whoever gives the last reference back; in a goroutine of its own if that is the runtime. NULL:
 * nothing.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_ctx *rn_ctx_with_value_free(rn_ctx *parent, const void *key, void *value,
                                      void (*drop)(void *));

/* A child that keeps the values but neither ends with its parent nor has its deadline.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_ctx *rn_ctx_without_cancel(rn_ctx *parent);

/* -- ending -- */

/* Ends ctx with -ECANCELED, and all below it: when this returns every one of them has ended,
 * whoever ended it. Once ended a context stays as it is: cancelling again does nothing.
 * Errors: panics if ctx is a root, a context with a value or one without cancel.
 * Context: goroutine or thread. Parks: never.
 * Orders: before what sees it: a receive from rn_ctx_done, a result of rn_ctx_err that is not 0, an
 * after-func. */
RN_API void rn_ctx_cancel(rn_ctx *ctx);

/* The same, with a cause for rn_ctx_cause. The first one stays.
 * err: negative, or 0 for -ECANCELED.
 * Errors: panics also when err > 0.
 * Context: goroutine or thread. Parks: never. Orders: as rn_ctx_cancel. */
RN_API void rn_ctx_cancel_cause(rn_ctx *ctx, int err);

/* rn_ctx_cancel and rn_unref.
 * Errors: as rn_ctx_cancel.
 * Context: goroutine or thread. Parks: never. Orders: as rn_ctx_cancel. */
RN_API void rn_ctx_release(rn_ctx *ctx);

/* -- asking -- */

/* A channel that is closed when ctx ends, the same each time; NULL, which waits for ever, if it can
 * never end. Nothing is ever sent. Made at the first call, which may need memory; who never asks
 * never pays.
 * Returns it borrowed from ctx.
 * Errors: panics when memory is out.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_recv_chan(rn_nothing) rn_ctx_done(const rn_ctx *ctx);

/* 0 while ctx has not ended, then -ECANCELED or -ETIMEDOUT. When it is not 0 the done channel is
 * closed, and the other way round.
 * Context: goroutine or thread. Parks: never. */
RN_API int rn_ctx_err(const rn_ctx *ctx);

/* 0 while ctx has not ended, then why it did: what the first to end it gave as the cause, or the
 * same as rn_ctx_err.
 * Context: goroutine or thread. Parks: never. */
RN_API int rn_ctx_cause(const rn_ctx *ctx);

/* When ctx will end by itself, RN_NEVER if it will not: for rn_select_until and its kind.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_time rn_ctx_deadline(const rn_ctx *ctx);

/* What the nearest context from ctx upwards binds to key; NULL if none does. Walks the chain.
 * Errors: panics when key is NULL.
 * Context: goroutine or thread. Parks: never. */
RN_API void *rn_ctx_value(const rn_ctx *ctx, const void *key);

/* -- waiting: who waits in a context needs a reference of its own, if another may release the last
 * one meanwhile -- */

/* Has the captured call made, in a goroutine of its own, once ctx ends; at once if it has. Who ends
 * it does not wait for the call. Until then ctx is kept. Behind rn_ctx_after_func. call: copied.
 * Returns a handle, the caller's: rn_ctx_stop_call consumes it; rn_unref leaves the call standing.
 * Errors: panics when memory is out; a NULL function is fatal.
 * Context: goroutine or thread. Parks: never.
 * Orders: the end, and this call, happen before the function. */
RN_API rn_ctx_stop *rn_ctx_after_call(rn_ctx *ctx, const struct rn_call *call);

/* Gives the handle back and prevents the call: true. False if it has been started; it may not have
 * come to its end.
 * Errors: panics on NULL.
 * Context: goroutine or thread. Parks: never. */
RN_API bool rn_ctx_stop_call(rn_ctx_stop *s);

/* Sleeps for d, or until ctx ends.
 * Returns 0, or what rn_ctx_err says; that also at once if ctx has ended.
 * Context: goroutine or thread. Parks: always, unless d <= 0 or ctx has ended.
 * Orders: when not 0, as rn_ctx_cancel. */
RN_API int rn_ctx_sleep(const rn_ctx *ctx, rn_dur d);

/* Takes n permits as rn_sem_acquire does, unless ctx ends first. More than the semaphore has: waits
 * for ctx only, in nobody's way. Returns 0, or what rn_ctx_err says with nothing taken; that also
 * at once if ctx has ended, even if permits are free.
 * Errors: panics if n < 0.
 * Context: goroutine or thread. Parks: may. Orders: when 0, as rn_sem_acquire. */
RN_API int rn_sem_acquire_ctx(rn_sem *s, int64_t n, const rn_ctx *ctx);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus

/* rn_ctx_after_func(ctx, f, ...): rn_ctx_stop *, as rn_ctx_after_call. Parks: never. */
#define rn_ctx_after_func(ctx, ...) rn_ctx_after_call((ctx), RN_CALL_(__VA_ARGS__))

#endif
#endif
