/* SPDX-License-Identifier: MIT
 * WaitGroup, Mutex, RWMutex, Cond, Once and the weighted semaphore. {0} is ready, static or not (a
 * semaphore: RN_SEM or rn_sem_init); never copy one in use, nothing notices it. An object may be
 * freed by whoever knows that no call on it is to come: one that has let others go touches it no
 * more, so it may live on the stack of who waited. */
#ifndef RUNNEL_SYNC_H
#define RUNNEL_SYNC_H

#include <runnel/call.h>
#include <runnel/types.h>

typedef struct rn_wg {
        uint64_t w_[2];
} rn_wg;
typedef struct rn_mutex {
        uint64_t w_[2];
} rn_mutex;
typedef struct rn_rwmutex {
        uint64_t w_[5];
} rn_rwmutex;
typedef struct rn_cond {
        uint64_t w_[3];
} rn_cond;
typedef struct rn_once {
        uint64_t w_[3];
} rn_once;
typedef struct rn_sem {
        uint64_t w_[4];
} rn_sem;

/* static rn_sem s = RN_SEM(4): n permits; {0} has none. If n < 0 the first acquire panics. */
#define RN_SEM(n) { { (uint64_t)(n) } }

#ifdef __cplusplus
extern "C" {
#endif

/* Fast paths that are a few instructions are made in the caller, but for the race detector, who
 * wants to see the calls. What they know of the objects and of the library is part of its binary
 * interface. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RN_CALLS_ONLY_
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(RN_SIM)
#define RN_CALLS_ONLY_
#endif

/* The place of an address in the library's static tables. On the path of every unlock of a mutex:
 * cheap before good. */
static inline unsigned rn_spot_(uintptr_t at)
{
        return (unsigned)(at >> 3 ^ at >> 13) & 1023;
}

/* -- WaitGroup: counts goroutines and waits for the last -- */

/* Adds n, which may be negative, to the counter; at 0 all waiters return. Where pointers have 32
 * bits, the counter and n are at most 8,388,607.
 * Errors: panics when the counter falls below 0.
 * Context: goroutine or thread. Parks: never.
 * Orders: an add from 0 must happen before the wait that is to see it. */
RN_API void rn_wg_add(rn_wg *wg, int n);

/* Takes 1 from the counter; at 0 all waiters return.
 * Errors: panics when the counter falls below 0.
 * Context: goroutine or thread. Parks: never.
 * Orders: all before a done happens before the return of a wait that it ends. */
RN_API void rn_wg_done(rn_wg *wg);

/* Their fast path: the counter is above the low byte, where a bit says that somebody waits. */
#ifndef RN_CALLS_ONLY_
RN_API void rn_wg_added_(rn_wg *wg, intptr_t n, uintptr_t old);

static inline void rn_wg_add_(rn_wg *wg, int n)
{
        typedef uintptr_t __attribute__((__may_alias__)) word;
        uintptr_t change = (uintptr_t)n << 8,
                  old = __atomic_fetch_add((word *)(void *)wg, change, __ATOMIC_SEQ_CST);

        if (__builtin_expect((old & 0xff) != 0 || (intptr_t)(old + change) < 0, 0))
                rn_wg_added_(wg, n, old);
}

static inline void rn_wg_done_(rn_wg *wg)
{
        rn_wg_add_(wg, -1);
}
#define rn_wg_add(wg, n) rn_wg_add_((wg), (n))
#define rn_wg_done(wg)   rn_wg_done_(wg)
#endif

/* Waits until the counter is 0.
 * Context: goroutine or thread. Parks: may. Orders: as rn_wg_done. */
RN_API void rn_wg_wait(rn_wg *wg);

/* Adds 1, starts a goroutine that makes the captured call, and takes the 1 back when it returns or
 * ends by rn_exit. Behind rn_wg_go. wg: borrowed until then; call: copied before this returns.
 * Errors: panics when memory is out; a NULL function is fatal.
 * Context: goroutine or thread. Parks: never. Orders: as rn_spawn and rn_wg_done. */
RN_API void rn_wg_spawn(rn_wg *wg, const struct rn_call *call);

/* -- Mutex: one owner at a time. It belongs to no goroutine: any may unlock it. Who has waited for
 * 1 ms is handed it -- */

/* Waits until m is free and takes it. Not re-entrant.
 * Context: goroutine or thread. Parks: may.
 * Orders: an unlock happens before the return of the next lock. */
RN_API void rn_mutex_lock(rn_mutex *m);

/* Its fast path: m is free. */
#ifndef RN_CALLS_ONLY_
static inline void rn_mutex_lock_(rn_mutex *m)
{
        typedef uint32_t __attribute__((__may_alias__)) word;
        bool taken;

        /* One that is free is 0; one that is not has this bit. On x86 that is lock bts, the
         * cheapest of the locked instructions, which clang 14 does not come upon by itself. */
#if defined(__clang__) && defined(__x86_64__)
        __asm__ volatile("lock btsl $0, %0"   /* a full barrier; pairs with the unlocks' release */
                         : "+m"(*(word *)(void *)m), "=@ccc"(taken) : : "memory");
#else
        taken = __atomic_fetch_or((word *)(void *)m, (word)1,
                                  __ATOMIC_ACQUIRE) & 1;   /* pairs with the unlocks' release */
#endif
        if (__builtin_expect(taken, 0))
                rn_mutex_lock(m);
}
#define rn_mutex_lock(m) rn_mutex_lock_(m)
#endif

/* Takes m if it is free: true.
 * Context: goroutine or thread. Parks: never. Orders: when true, as rn_mutex_lock. */
RN_API bool rn_mutex_trylock(rn_mutex *m);

/* Releases m. It is touched no more: who locks it next may free it.
 * Errors: fatal if m is not locked.
 * Context: goroutine or thread. Parks: never, but may let the next owner run first.
 * Orders: as rn_mutex_lock. */
RN_API void rn_mutex_unlock(rn_mutex *m);

/* Its fast path: nobody starves, nobody is parked. m may be gone after the store; the table is
 * found by its address alone. */
#ifndef RN_CALLS_ONLY_
extern __attribute__((__visibility__("default"))) volatile unsigned rn_parked_[1024];
RN_API void rn_mutex_wake_(uintptr_t m);

static inline void rn_mutex_unlock_(rn_mutex *m)
{
        typedef uint32_t __attribute__((__may_alias__)) word;
        word *w = (word *)(void *)m;
        uintptr_t at = (uintptr_t)w;
        volatile unsigned *parked = &rn_parked_[rn_spot_(at)];

        /* the owner's, but for a bit that says that others starve */
        if (__builtin_expect(__atomic_load_n(w, __ATOMIC_RELAXED) != 1, 0)) {
                rn_mutex_unlock(m);
                return;
        }
        __atomic_store_n(w, (word)0, __ATOMIC_RELEASE);   /* pairs with the acquire of the locks */
        __atomic_signal_fence(__ATOMIC_SEQ_CST);   /* pairs with the membarrier of who parks
                                                    * first */
        __asm__("" : "+r"(parked));   /* an index would make the load a cycle later, for which the
                                       * next lock waits */
        if (__builtin_expect(*parked != 0, 0))
                rn_mutex_wake_(at);
}
#define rn_mutex_unlock(m) rn_mutex_unlock_(m)
#endif

/* -- RWMutex: one writer, or any number of readers. Readers who come while a writer waits wait
 * behind it; a writer's unlock lets all go who wait to read then, before the next writer -- */

/* Waits until m is free and takes it for writing.
 * Context: goroutine or thread. Parks: may.
 * Orders: each unlock and runlock before happens before its return. */
RN_API void rn_rwmutex_lock(rn_rwmutex *m);

/* Takes m for writing if it is free: true.
 * Context: goroutine or thread. Parks: never. Orders: when true, as rn_rwmutex_lock. */
RN_API bool rn_rwmutex_trylock(rn_rwmutex *m);

/* Releases m, which the caller writes.
 * Errors: fatal if m is not locked for writing.
 * Context: goroutine or thread. Parks: never. Orders: as rn_rwmutex_lock and rn_rwmutex_rlock. */
RN_API void rn_rwmutex_unlock(rn_rwmutex *m);

/* Waits until nobody writes or waits to write, and takes m for reading. A second time by the same
 * goroutine deadlocks if a writer came in between.
 * Context: goroutine or thread. Parks: may.
 * Orders: each unlock before happens before its return. */
RN_API void rn_rwmutex_rlock(rn_rwmutex *m);

/* Takes m for reading if nobody writes or waits to write: true.
 * Context: goroutine or thread. Parks: never. Orders: when true, as rn_rwmutex_rlock. */
RN_API bool rn_rwmutex_tryrlock(rn_rwmutex *m);

/* Releases m, which the caller reads.
 * Errors: fatal if m is not locked for reading.
 * Context: goroutine or thread. Parks: never. Orders: as rn_rwmutex_lock. */
RN_API void rn_rwmutex_runlock(rn_rwmutex *m);

/* Their fast paths: no writer has it or waits, which the sign says; readers are counted above bit
 * 0. */
#ifndef RN_CALLS_ONLY_
RN_API void rn_rwmutex_rlocked_(rn_rwmutex *m);
RN_API void rn_rwmutex_runlocked_(rn_rwmutex *m, uintptr_t old);

static inline void rn_rwmutex_rlock_(rn_rwmutex *m)
{
        typedef uintptr_t __attribute__((__may_alias__)) word;

        if (__builtin_expect(
                    (intptr_t)__atomic_fetch_add((word *)(void *)m, 2, __ATOMIC_SEQ_CST) < 0, 0))
                rn_rwmutex_rlocked_(m);
}

static inline void rn_rwmutex_runlock_(rn_rwmutex *m)
{
        typedef uintptr_t __attribute__((__may_alias__)) word;
        uintptr_t old = __atomic_fetch_sub((word *)(void *)m, 2, __ATOMIC_SEQ_CST);

        /* nobody read, or a writer */
        if (__builtin_expect(old - 2 >= (~(uintptr_t)0 >> 1) - 1, 0))
                rn_rwmutex_runlocked_(m, old);
}
#define rn_rwmutex_rlock(m)   rn_rwmutex_rlock_(m)
#define rn_rwmutex_runlock(m) rn_rwmutex_runlock_(m)
#endif

/* -- Cond: waits for something that is guarded by a mutex. No wake-ups but by signal and broadcast;
 * still, another may be faster and change what was waited for: wait in a loop -- */

/* Unlocks m, waits for a signal or a broadcast and locks m again; none that comes after the unlock
 * is missed. m: locked by the caller.
 * Errors: fatal if m is not locked.
 * Context: goroutine or thread. Parks: always.
 * Orders: the signal or broadcast happens before its return. */
RN_API void rn_cond_wait(rn_cond *c, rn_mutex *m);

/* The same, but until t at most.
 * Returns 0, or -ETIMEDOUT; m is locked either way. A time that is past: at once, without unlocking
 * m.
 * Errors: fatal if m is not locked.
 * Context: goroutine or thread. Parks: always, unless t has passed.
 * Orders: when 0, as rn_cond_wait. */
RN_API int rn_cond_wait_until(rn_cond *c, rn_mutex *m, rn_time t);

/* Wakes the one who has waited longest, if anybody waits. With or without the mutex.
 * Context: goroutine or thread. Parks: never. Orders: as rn_cond_wait. */
RN_API void rn_cond_signal(rn_cond *c);

/* Wakes all who wait. With or without the mutex.
 * Context: goroutine or thread. Parks: never. Orders: as rn_cond_wait. */
RN_API void rn_cond_broadcast(rn_cond *c);

/* -- Once: one call, whoever comes first -- */

/* Makes the captured call if it is the first; returns when the first one's call is complete. A call
 * that panics or exits is complete too, and that reaches its caller alone; from within its own call
 * a once waits for ever. Behind rn_once_do. call: copied, dropped when complete.
 * Errors: panics if the function is NULL.
 * Context: goroutine or thread. Parks: may.
 * Orders: the call's end happens before the return of each. */
RN_API void rn_once_call(rn_once *o, const struct rn_call *call);

/* Is the call complete?
 * Context: goroutine or thread. Parks: never. Orders: when true, as rn_once_call. */
RN_API bool rn_once_done(const rn_once *o);

/* All of it. */
#ifndef RN_CALLS_ONLY_
static inline bool rn_once_done_(const rn_once *o)
{
        typedef const uint32_t __attribute__((__may_alias__)) word;

        /* pairs with the release of the call's end */
        return (__atomic_load_n((word *)(const void *)o, __ATOMIC_ACQUIRE) & 4) != 0;
}
#define rn_once_done(o) rn_once_done_(o)
#endif

/* -- Semaphore: a number of permits, any of them at a time. First come, first served, however many
 * are wanted -- */

/* Makes s a semaphore of n permits.
 * Errors: panics if n < 0.
 * Context: goroutine or thread, before s is used. Parks: never. */
RN_API void rn_sem_init(rn_sem *s, int64_t n);

/* Waits until n permits are left and nobody is before us, and takes them; for ever, and in nobody's
 * way, if s has not so many.
 * Errors: panics if n < 0.
 * Context: goroutine or thread. Parks: may.
 * Orders: the releases that made room happen before its return. */
RN_API void rn_sem_acquire(rn_sem *s, int64_t n);

/* The same, but until t at most; a time that is past: only if they can be had at once.
 * Returns 0, -ETIMEDOUT with nothing taken, or at once -EDOM if s has not so many.
 * Errors: panics if n < 0.
 * Context: goroutine or thread. Parks: may. Orders: when 0, as rn_sem_acquire. */
RN_API int rn_sem_acquire_until(rn_sem *s, int64_t n, rn_time t);

/* Takes n permits if they are left and nobody waits: true.
 * Errors: panics if n < 0.
 * Context: goroutine or thread. Parks: never. Orders: when true, as rn_sem_acquire. */
RN_API bool rn_sem_tryacquire(rn_sem *s, int64_t n);

/* Gives n permits back. Any goroutine may, not only who took them. s is touched no more once others
 * have got them.
 * Errors: panics if n < 0 or more than are taken.
 * Context: goroutine or thread. Parks: never. Orders: as rn_sem_acquire. */
RN_API void rn_sem_release(rn_sem *s, int64_t n);

/* -- Deterministic runs (<runnel/sim.h>): with -DRN_SIM, others may run before and after each call
 * that would be over without the scheduler -- */

#ifdef RN_SIM
RN_API void rn_sim_point_(const char *at);
#define RN_SIM_DO_(f, ...) (rn_sim_point_(#f), (f)(__VA_ARGS__), rn_sim_point_(#f))
#define RN_SIM_ASK_(f, ...) __extension__({ \
                bool rn_answer_ = (rn_sim_point_(#f), (f)(__VA_ARGS__)); \
                rn_sim_point_(#f); \
                rn_answer_; })
#define rn_wg_add(wg, n)           RN_SIM_DO_(rn_wg_add, (wg), (n))
#define rn_wg_done(wg)             RN_SIM_DO_(rn_wg_done, wg)
#define rn_wg_wait(wg)             RN_SIM_DO_(rn_wg_wait, wg)
#define rn_mutex_lock(m)           RN_SIM_DO_(rn_mutex_lock, m)
#define rn_mutex_trylock(m)        RN_SIM_ASK_(rn_mutex_trylock, m)
#define rn_mutex_unlock(m)         RN_SIM_DO_(rn_mutex_unlock, m)
#define rn_rwmutex_lock(m)         RN_SIM_DO_(rn_rwmutex_lock, m)
#define rn_rwmutex_trylock(m)      RN_SIM_ASK_(rn_rwmutex_trylock, m)
#define rn_rwmutex_unlock(m)       RN_SIM_DO_(rn_rwmutex_unlock, m)
#define rn_rwmutex_rlock(m)        RN_SIM_DO_(rn_rwmutex_rlock, m)
#define rn_rwmutex_tryrlock(m)     RN_SIM_ASK_(rn_rwmutex_tryrlock, m)
#define rn_rwmutex_runlock(m)      RN_SIM_DO_(rn_rwmutex_runlock, m)
#define rn_cond_signal(c)          RN_SIM_DO_(rn_cond_signal, c)
#define rn_cond_broadcast(c)       RN_SIM_DO_(rn_cond_broadcast, c)
#define rn_once_done(o)            RN_SIM_ASK_(rn_once_done, o)
#define rn_sem_acquire(s, n)       RN_SIM_DO_(rn_sem_acquire, (s), (n))
#define rn_sem_tryacquire(s, n)    RN_SIM_ASK_(rn_sem_tryacquire, (s), (n))
#define rn_sem_release(s, n)       RN_SIM_DO_(rn_sem_release, (s), (n))
#endif

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus

/* rn_wg_go(wg, f, ...): starts f(...) as a goroutine that wg counts, as rn_wg_spawn. Parks:
 * never. */
#define rn_wg_go(wg, ...) rn_wg_spawn((wg), RN_CALL_(__VA_ARGS__))

/* rn_once_do(o, f, ...): f(...) if it is the first, as rn_once_call. The arguments are evaluated
 * each time. Parks: may. */
#define rn_once_do(o, ...) __extension__({ \
                rn_once *rn_todo_ = (o); \
                if (!rn_once_done(rn_todo_)) \
                        rn_once_call(rn_todo_, RN_CALL_(__VA_ARGS__)); \
                else \
                        RN_CAT(RN_CAT(RN_EVAL, RN_NARG_(__VA_ARGS__)), _)(__VA_ARGS__); })
#define RN_EVAL0_(a)      ((void)(a))
#define RN_EVAL1_(a, ...) ((void)(a), RN_EVAL0_(__VA_ARGS__))
#define RN_EVAL2_(a, ...) ((void)(a), RN_EVAL1_(__VA_ARGS__))
#define RN_EVAL3_(a, ...) ((void)(a), RN_EVAL2_(__VA_ARGS__))
#define RN_EVAL4_(a, ...) ((void)(a), RN_EVAL3_(__VA_ARGS__))
#define RN_EVAL5_(a, ...) ((void)(a), RN_EVAL4_(__VA_ARGS__))
#define RN_EVAL6_(a, ...) ((void)(a), RN_EVAL5_(__VA_ARGS__))
#define RN_EVALMANY_(...) ((void)0)   /* RN_CALL_ says what is wrong */

#endif
#endif
