/* SPDX-License-Identifier: MIT
 * The types that several headers speak of: times, channels and their views. */
#ifndef RUNNEL_TYPES_H
#define RUNNEL_TYPES_H

#include <runnel/call.h>

typedef int64_t rn_time; /* a point, ns of the monotonic clock */
typedef int64_t rn_dur;  /* a length, ns */

#define RN_NSEC  INT64_C(1)
#define RN_USEC  INT64_C(1000)
#define RN_MSEC  INT64_C(1000000)
#define RN_SEC   INT64_C(1000000000)
#define RN_NEVER INT64_MAX

typedef const volatile void *rn_anychan;                /* any view of any channel; rn_unref: any
                                                         * counted object */
typedef struct rn_nothing { char unused_; } rn_nothing; /* the element type of a channel of
                                                         * signals */

/* A channel of T is a pointer to a pointer to an array of 77 T *, which nothing else matches and
 * nobody dereferences. The view is a qualifier one level down: const = receive-only, volatile =
 * send-only. A channel converts to both views implicitly, a view to nothing. Equal T give
 * compatible types in all files. */
#define rn_chan(T)      __typeof__(__typeof__(T) *(**)[77])
#define rn_recv_chan(T) __typeof__(__typeof__(T) *(*const *)[77])
#define rn_send_chan(T) __typeof__(__typeof__(T) *(*volatile *)[77])
#define rn_elem(c)      __typeof__(*(**(c))[0])

#endif
