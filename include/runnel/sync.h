/* SPDX-License-Identifier: MIT
 * WaitGroup: counts goroutines and waits for the last. {0} is ready, static or not; never copy one in use. The last done
 * touches the object no more once the waiter may return, so it may live on the waiter's stack. */
#ifndef RUNNEL_SYNC_H
#define RUNNEL_SYNC_H

#include <runnel/call.h>

typedef struct rn_wg {
        uint64_t w_[2];
} rn_wg;

#ifdef __cplusplus
extern "C" {
#endif

/* Adds n, which may be negative, to the counter; at 0 all waiters return.
 * Errors: panics when the counter falls below 0.
 * Context: goroutine or thread. Parks: never.
 * Orders: an add from 0 must happen before the wait that is to see it. */
RN_API void rn_wg_add(rn_wg *wg, int n);

/* Takes 1 from the counter; at 0 all waiters return.
 * Errors: panics when the counter falls below 0.
 * Context: goroutine or thread. Parks: never.
 * Orders: all before a done happens before the return of a wait that it ends. */
RN_API void rn_wg_done(rn_wg *wg);

/* Waits until the counter is 0.
 * Context: goroutine or thread. Parks: may. Orders: as rn_wg_done. */
RN_API void rn_wg_wait(rn_wg *wg);

/* Adds 1, starts a goroutine that makes the captured call, and takes the 1 back when it returns or ends by rn_exit.
 * Behind rn_wg_go. wg: borrowed until then; call: copied before this returns.
 * Errors: panics when memory is out; a NULL function is fatal.
 * Context: goroutine or thread. Parks: never. Orders: as rn_spawn and rn_wg_done. */
RN_API void rn_wg_spawn(rn_wg *wg, const struct rn_call *call);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus

/* rn_wg_go(wg, f, ...): starts f(...) as a goroutine that wg counts, as rn_wg_spawn. Parks: never. */
#define rn_wg_go(wg, ...) rn_wg_spawn((wg), RN_CALL_(__VA_ARGS__))

#endif
#endif
