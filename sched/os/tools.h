/* SPDX-License-Identifier: MIT
 * What valgrind and the address sanitizer have to be told about memory that is a stack. All of it
 * compiles to nothing, or to a few instructions without effect, when the tool is not there.
 * Callers: sched/os, sched/mem. */
#ifndef RNI_OS_TOOLS_H
#define RNI_OS_TOOLS_H

#include "sched/base/cc.h"

#if !defined(RNI_VALGRIND) && defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#define RNI_VALGRIND 1
#endif
#endif
#ifndef RNI_VALGRIND
#define RNI_VALGRIND 0
#endif

#if RNI_VALGRIND
#include <valgrind/memcheck.h>
#endif
#if RNI_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

static inline bool rni_tool_on_valgrind(void)
{
#if RNI_VALGRIND
        return RUNNING_ON_VALGRIND != 0;
#else
        return false;
#endif
}

/* [lo, hi) is a stack from now on, and for as long as it is mapped. The result is for
 * rni_tool_stack_gone. */
static inline unsigned rni_tool_stack(const void *lo, const void *hi)
{
        (void)lo, (void)hi;             /* on some processors valgrind's macros look at nothing */
#if RNI_VALGRIND
        return (unsigned)VALGRIND_STACK_REGISTER(lo, hi);
#else
        return 0;
#endif
}

static inline void rni_tool_stack_gone(unsigned id)
{
        (void)id;
#if RNI_VALGRIND
        VALGRIND_STACK_DEREGISTER(id);
#endif
}

/* A goroutine gets the stack [lo, hi): nothing in it is poisoned by frames of the last one, and
 * pointers in it count as reachable. */
static inline void rni_tool_bind(void *lo, void *hi)
{
#if RNI_ASAN
        __asan_unpoison_memory_region(lo, (size_t)((char *)hi - (char *)lo));
        __lsan_register_root_region(lo, (size_t)((char *)hi - (char *)lo));
#else
        (void)lo, (void)hi;
#endif
}

/* [lo, hi) is in a stack that nobody runs on, and is used for something else. */
static inline void rni_tool_reuse(void *lo, void *hi)
{
        (void)lo, (void)hi;
#if RNI_VALGRIND
        (void)VALGRIND_MAKE_MEM_UNDEFINED(lo, (size_t)((char *)hi - (char *)lo));
#endif
#if RNI_ASAN
        __asan_unpoison_memory_region(lo, (size_t)((char *)hi - (char *)lo));
#endif
}

static inline void rni_tool_unbind(void *lo, void *hi)
{
#if RNI_ASAN
        __lsan_unregister_root_region(lo, (size_t)((char *)hi - (char *)lo));
#else
        (void)lo, (void)hi;
#endif
}

#endif
