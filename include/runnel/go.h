/* SPDX-License-Identifier: MIT
 * Goroutines: starting, yielding, ending, and how many processors run them. In every macro `f, ...`
 * is a function and 0 to 6 scalar arguments of at most 8 bytes, evaluated and converted to f's
 * parameter types by the caller, before it goes on. What pointer arguments point to is borrowed
 * from the starter. */
#ifndef RUNNEL_GO_H
#define RUNNEL_GO_H

#include <runnel/call.h>

/* How to start a goroutine; {0} is the default in every field. */
typedef struct rn_attr {
        /* Usable bytes of its stack; 0: RUNNEL_STACK or 192 KiB, and at least 16 KiB, or less than
         * 4,096: then they are for the frames of your own functions alone, several stacks share a
         * page, and only a canary tells, when the goroutine waits or ends, that one was overrun.
         * Fit for what calls this library and little else: no printf, no panic, no signal handler
         * without SA_ONSTACK, and no function of a shared library that is bound at its first call
         * (link with -Wl,-z,now). A debugger's or sanitizer's build gets 16 KiB. */
        size_t stack;
        const char *name; /* shown in dumps; kept, not copied; NULL: none */
} rn_attr;

#ifdef __cplusplus
extern "C" {
#endif

/* Starts a goroutine that makes the captured call; its result is dropped. Behind rn_go.
 * call: copied before this returns.
 * Errors: panics when memory is out; a NULL function is fatal.
 * Context: goroutine or thread. Parks: never. Orders: all before this happens before the call. */
RN_API void rn_spawn(const struct rn_call *call);

/* Starts a goroutine as rn_spawn does, or says why not. Behind rn_try_go and rn_go_attr.
 * call: copied before this returns; attr: borrowed for the call, NULL for the defaults.
 * Returns 0, -EAGAIN (no goroutine more: memory, addresses or RUNNEL_MAXG), -ENOMEM (no stack of
 * the size that attr asks for).
 * Context: goroutine or thread. Parks: never. Orders: as rn_spawn. */
RN_API int rn_spawn_try(const struct rn_call *call, const rn_attr *attr);

/* Starts a goroutine that calls fn with a pointer to its own copy of size bytes at arg. Behind
 * rn_go_copy. fn: in truth a function of one data pointer; arg: copied before this returns; align:
 * a power of two, the copy's alignment. The copy lives as long as the goroutine.
 * Errors: panics when memory is out; a NULL fn is fatal.
 * Context: goroutine or thread. Parks: never. Orders: as rn_spawn. */
RN_API void rn_spawn_copy(void (*fn)(void), const void *arg, size_t size, size_t align);

/* Lets other goroutines run; on a plain thread this is sched_yield.
 * Context: goroutine or thread. Parks: may. */
RN_API void rn_yield(void);

/* Runs the deferred calls and ends this goroutine; in main the others go on.
 * Errors: panics on a plain thread.
 * Context: goroutine. Parks: always (does not return). */
RN_API RN_NORETURN_ void rn_exit(void);

/* Sets how many processors run goroutines at the same time and returns the number it was; n < 1
 * only asks.
 * Context: goroutine or thread. Parks: may. */
RN_API int rn_maxprocs(int n);

/* The processors this process may use: of its affinity mask and its cgroups' quota the smaller, at
 * least 1.
 * Context: goroutine or thread. Parks: never. */
RN_API int rn_numcpu(void);

/* The goroutines that have not ended; main counts, the library's helpers do not.
 * Context: goroutine or thread. Parks: never. */
RN_API int rn_numgoroutine(void);

/* The number of this goroutine, 1 for main, as dumps show it; 0 on a plain thread.
 * Context: goroutine or thread. Parks: never. */
RN_API uint64_t rn_goid(void);

/* Keeps main a plain thread instead of goroutine 1; without effect after the first use of the
 * library.
 * Context: thread. Parks: never. */
RN_API void rn_main_foreign(void);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus

/* rn_go(f, ...): starts f(...) as a goroutine, as rn_spawn. Parks: never. */
#define rn_go(...) rn_spawn(RN_CALL_(__VA_ARGS__))

/* rn_try_go(f, ...) and rn_go_attr(attr, f, ...): int, as rn_spawn_try; attr is a const rn_attr *.
 * Parks: never. */
#define rn_try_go(...)        rn_spawn_try(RN_CALL_(__VA_ARGS__), NULL)
#define rn_go_attr(attr, ...) rn_spawn_try(RN_CALL_(__VA_ARGS__), (attr))

/* rn_go_copy(f, T, v): starts f(T *) with its own copy of v, an expression of type T or a brace
 * list, as rn_spawn_copy. f takes a T *, const T *, void * or const void *. Parks: never. */
#define rn_go_copy(f, T, ...) \
        (RN_RESULT_((f)((__typeof__(T) *)0)), \
         rn_spawn_copy((void (*)(void))RN_TAKES_(f, __typeof__((f)((__typeof__(T) *)0)), T), \
                       RN_VALUE_(__typeof__(T), __VA_ARGS__), sizeof(T), _Alignof(T)))

/* f itself, if it returns an R and takes a pointer that T * converts to. */
#define RN_TAKES_(f, R, T) \
        _Generic((RN_FN_(f))0, R (*)(__typeof__(T) *): (f), R (*)(const __typeof__(T) *): (f), \
                 R (*)(void *): (f), R (*)(const void *): (f))

#endif
#endif
