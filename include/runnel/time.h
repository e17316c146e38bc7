/* SPDX-License-Identifier: MIT
 * Time: 64-bit nanoseconds of the monotonic clock, points and lengths, sleeping, timers and
 * tickers. A deadline is a point; RN_NEVER is none, and any point that has passed means "do not
 * wait". */
#ifndef RUNNEL_TIME_H
#define RUNNEL_TIME_H

#include <runnel/types.h>

typedef struct rn_timer rn_timer;   /* counted */
typedef struct rn_ticker rn_ticker; /* counted */

#ifdef __cplusplus
extern "C" {
#endif

/* The current time.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_time rn_now(void);

/* The deadline d from now, saturating: now for d < 0, RN_NEVER where the sum would overflow.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_time rn_deadline(rn_dur d);

/* Sleeps for at least d; d <= 0 returns at once.
 * Context: goroutine or thread. Parks: always, unless d <= 0. */
RN_API void rn_sleep(rn_dur d);

/* Sleeps until t; a point that has passed returns at once, RN_NEVER never does.
 * Context: goroutine or thread. Parks: always, unless t has passed. */
RN_API void rn_sleep_until(rn_time t);

/* Makes a timer that sends the time at which it fires on its channel, once, d from now. Returns it
 * with one reference, the caller's; it is a counted object (rn_ref, rn_unref), and the last unref
 * stops it.
 * Errors: panics when memory is out.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_timer *rn_timer_new(rn_dur d);

/* Stops t: true if it was pending, or if it had fired and nobody had received the value yet, which
 * nobody will now: after stop returns no value of an earlier firing can be received. For a timer
 * made with a call: true if the call will not be made; false if it has been or is being started.
 * Errors: panics on NULL.
 * Context: goroutine or thread. Parks: never. */
RN_API bool rn_timer_stop(rn_timer *t);

/* Starts t anew, d from now, whether or not it was pending; the result and what holds after it are
 * those of rn_timer_stop.
 * Errors: panics on NULL.
 * Context: goroutine or thread. Parks: never. */
RN_API bool rn_timer_reset(rn_timer *t, rn_dur d);

/* Makes a timer that makes the captured call in a new goroutine, d from now. Behind rn_after_func.
 * call: copied before this returns. Returns the timer with one reference, the caller's; while it is
 * pending the timer holds itself, so rn_unref at once is how to say "fire and forget".
 * Errors: panics when memory is out; a NULL function is fatal.
 * Context: goroutine or thread. Parks: never.
 * Orders: all before rn_timer_call or rn_timer_reset happens before the call. */
RN_API rn_timer *rn_timer_call(rn_dur d, const struct rn_call *call);

/* The channel of t, for one value; NULL for a timer made with a call. Borrowed from t; a reference
 * of one's own (rn_ref) keeps the timer too.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_recv_chan(rn_time) rn_timer_chan(rn_timer *t);

/* Makes a ticker, which sends the time on its channel every d; who does not receive a tick in time
 * loses it: at most one is kept. Returns it with one reference, the caller's; it is a counted
 * object, and the last unref stops it.
 * Errors: panics when d <= 0 ("non-positive interval for NewTicker") and when memory is out.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_ticker *rn_ticker_new(rn_dur d);

/* Stops t; its channel is empty then and stays open. NULL: nothing.
 * Context: goroutine or thread. Parks: never. */
RN_API void rn_ticker_stop(rn_ticker *t);

/* Starts t anew with the period d, the first tick d from now; an unread tick is dropped.
 * Errors: panics when d <= 0 ("non-positive interval for Ticker.Reset") and on NULL.
 * Context: goroutine or thread. Parks: never. */
RN_API void rn_ticker_reset(rn_ticker *t, rn_dur d);

/* The channel of t. Borrowed from t; a reference of one's own (rn_ref) keeps the ticker too.
 * Context: goroutine or thread. Parks: never. */
RN_API rn_recv_chan(rn_time) rn_ticker_chan(rn_ticker *t);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus

/* rn_after_func(d, f, ...): rn_timer *, calls f(...) in a new goroutine d from now, as
 * rn_timer_call. Parks: never. */
#define rn_after_func(d, ...) rn_timer_call((d), RN_CALL_(__VA_ARGS__))

#endif
#endif
