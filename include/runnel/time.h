/* SPDX-License-Identifier: MIT
 * Time: 64-bit nanoseconds of the monotonic clock, points and lengths, and sleeping. A deadline is a point; RN_NEVER is
 * none, and any point that has passed means "do not wait". */
#ifndef RUNNEL_TIME_H
#define RUNNEL_TIME_H

#include <runnel/call.h>

typedef int64_t rn_time; /* a point, ns of the monotonic clock */
typedef int64_t rn_dur;  /* a length, ns */

#define RN_NSEC  INT64_C(1)
#define RN_USEC  INT64_C(1000)
#define RN_MSEC  INT64_C(1000000)
#define RN_SEC   INT64_C(1000000000)
#define RN_NEVER INT64_MAX

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

#ifdef __cplusplus
}
#endif
#endif
