/* SPDX-License-Identifier: MIT
 * Panics, calls that catch them, and deferred calls. A panic runs the deferred calls of each scope
 * it leaves, innermost first; one that nobody catches ends the process with status 2. Only
 * rn_defer'ed calls run: C++ destructors and other cleanup attributes are skipped. */
#ifndef RUNNEL_PANIC_H
#define RUNNEL_PANIC_H

#include <runnel/call.h>

/* What was panicked, by value: it may outlive its goroutine. */
struct rn_recovered {
        int runtime;    /* 1: the library's own panic (send on closed channel ...), 0: rn_panic */
        char text[252]; /* the message, cut off if longer */
};

/* One deferred call; lives in the scope that defers. */
struct rn_deferred {
        uint64_t w_[24];
};

#ifdef __cplusplus
extern "C" {
#endif

/* Panics with a message formatted as by printf.
 * Context: goroutine or thread. Parks: always (does not return). */
RN_API RN_NORETURN_ void rn_panic(const char *fmt, ...)
        __attribute__((__format__(__printf__, 1, 2)));

/* Panics again with what was caught.
 * p: copied.
 * Context: goroutine or thread. Parks: always (does not return). */
RN_API RN_NORETURN_ void rn_repanic(const struct rn_recovered *p);

/* Makes the captured call: true if it returned, false if it panicked. Behind rn_pcall.
 * p: filled when false; NULL: not wanted. rn_exit passes through.
 * Context: goroutine or thread. Parks: may, as the call does. */
RN_API bool rn_pcall_into(struct rn_recovered *p, const struct rn_call *call);

/* Puts the captured call on the goroutine's list of deferred calls. Behind rn_defer.
 * d: in the scope that defers, untouched until rn_defer_run; call: copied before this returns.
 * Context: goroutine or thread. Parks: never. */
RN_API void rn_defer_push(struct rn_deferred *d, const struct rn_call *call);

/* Takes d, the newest, off that list and makes its call. Behind rn_defer.
 * Context: goroutine or thread. Parks: may, as the call does. */
RN_API void rn_defer_run(struct rn_deferred *d);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus

/* rn_pcall(p, f, ...): bool, as rn_pcall_into; p is a struct rn_recovered * or NULL. Parks: may. */
#define rn_pcall(p, ...) rn_pcall_into((p), RN_CALL_(__VA_ARGS__))

/* rn_defer(f, ...): a declaration. Evaluates and captures now, calls at the end of the scope (not
 * of the function, as in Go), by a panic or by rn_exit, in reverse order. Not directly after if (x)
 * or a label; no goto or case label may jump over it. Parks: never here. */
#define rn_defer(...) RN_DEFER_(RN_CAT(rn_deferred_, __COUNTER__), __VA_ARGS__)
#define RN_DEFER_(d, ...) \
        struct rn_deferred d __attribute__((__cleanup__(rn_defer_run))), \
                *const RN_CAT(d, _at) __attribute__((__unused__)) = \
                        (rn_defer_push(&d, RN_CALL_(__VA_ARGS__)), &d)

#endif
#endif
