/* SPDX-License-Identifier: MIT
 * Looking into a running program: where every goroutine is stuck, what the scheduler has done, what
 * a goroutine is called. */
#ifndef RUNNEL_DEBUG_H
#define RUNNEL_DEBUG_H

#include <runnel/call.h>

/* Counters since the start, except where it says now. */
struct rn_stats {
        uint64_t goroutines;  /* not ended, now */
        uint64_t spawned;     /* goroutines started */
        uint64_t switches;    /* switches to a goroutine */
        uint64_t steals;      /* goroutines taken from another processor's queue */
        uint64_t parks;       /* waits */
        uint64_t handoffs;    /* processors given up before a blocking call */
        uint64_t retakes;     /* processors taken from threads that blocked or computed for long */
        uint64_t stack_bytes; /* address space of stacks in use, now */
        uint64_t guard_kind;  /* how stacks are guarded, now */
};

#ifdef __cplusplus
extern "C" {
#endif

/* Writes every goroutine to fd: state, wait reason and backtrace.
 * fd: borrowed; what it refuses is lost.
 * Context: goroutine or thread. Parks: never. */
RN_API void rn_dump(int fd);

/* Fills in the counters. s: size bytes, size = sizeof *s, so that the struct may grow; what the
 * library does not know is zero.
 * Context: goroutine or thread. Parks: never. */
RN_API void rn_stats_get(struct rn_stats *s, size_t size);

/* Names this goroutine in dumps; without effect on a plain thread.
 * name: kept, not copied; NULL: none.
 * Context: goroutine or thread. Parks: never. */
RN_API void rn_set_name(const char *name);

/* The version of the library in use, as "1.2.3"; a static string.
 * Context: goroutine or thread. Parks: never. */
RN_API const char *rn_version(void);

#ifdef __cplusplus
}
#endif
#endif
