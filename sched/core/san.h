/* SPDX-License-Identifier: MIT
 * What the sanitizers are told. TSan: the library is not instrumented; each goroutine is a fiber,
 * switched to without an implied order, and every happens-before edge is said where it is made
 * (san_release at the earlier end, san_acquire at the later). ASan: each switch is bracketed, so
 * that it knows the stack. Everything is nothing in an ordinary build. */
#ifndef RNI_CORE_SAN_H
#define RNI_CORE_SAN_H

#include "sched/core/g.h"
#include "sched/core/m.h"

/* Is a dying goroutine's stack handed over to the next without a switch? Not where a tool wants to
 * see each goroutine. */
#if !RNI_ASAN && !RNI_TSAN && !defined(RNI_SWITCH_UCONTEXT)
#define RNI_EXIT_DIRECT 1
#else
#define RNI_EXIT_DIRECT 0
#endif

#if RNI_TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_set_fiber_name(void *fiber, const char *name);
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
void __tsan_read_range(void *addr, unsigned long size);
void __tsan_write_range(void *addr, unsigned long size);
__attribute__((weak)) void AnnotateBenignRaceSized(const char *file, int line,
                                                   const volatile void *addr, unsigned long size,
                                                   const char *what);
enum { TSAN_NO_SYNC = 1 };
void *rni_fiber_new(void);   /* san.c */
#endif
#if RNI_ASAN
void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake, const void **bottom_old, size_t *size_old);
void __asan_handle_no_return(void);
void __asan_unpoison_memory_region(void const volatile *addr, size_t size);
#endif

static inline void san_acquire(const volatile void *addr)
{
#if RNI_TSAN
        __tsan_acquire((void *)(uintptr_t)addr);
#else
        (void)addr;
#endif
}

static inline void san_release(const volatile void *addr)
{
#if RNI_TSAN
        __tsan_release((void *)(uintptr_t)addr);
#else
        (void)addr;
#endif
}

/* Where this thread's errno is. Goroutines use it one after another without any order between them,
 * as they do no other memory. */
static inline void san_errno(const int *errnop)
{
#if RNI_TSAN
        if (AnnotateBenignRaceSized)
                AnnotateBenignRaceSized(__FILE__, __LINE__, errnop, sizeof *errnop, "errno");
#else
        (void)errnop;
#endif
}

/* The running goroutine reads or writes user memory in the library's name. */
static inline void san_read(const void *p, size_t n)
{
#if RNI_TSAN
        if (n)
                __tsan_read_range((void *)(uintptr_t)p, n);
#else
        (void)p;
        (void)n;
#endif
}

static inline void san_write(void *p, size_t n)
{
#if RNI_TSAN
        if (n)
                __tsan_write_range(p, n);
#else
        (void)p;
        (void)n;
#endif
}

/* A stack is used by one goroutine after another. TSan cannot be told to forget what the earlier
 * one wrote there, so its end is ordered before the later one's start: a race between just these
 * two is not seen. */
static inline void san_g_enters(struct g *g)
{
        san_acquire(g->stack);   /* released in san_switch */
}

static inline void san_g_born(struct g *g)
{
#if RNI_TSAN
        g->stack->san_fiber = rni_fiber_new();
#else
        (void)g;
#endif
}

/* After the last switch away from g. */
static inline void san_g_dead(struct g *g)
{
#if RNI_TSAN
        __tsan_destroy_fiber(g->stack->san_fiber);
        g->stack->san_fiber = NULL;
#else
        (void)g;
#endif
}

/* What stands on s is left as it is and never run again. */
static inline void san_forget(struct stack *s)
{
#if RNI_ASAN
        __asan_unpoison_memory_region(s->floor, (size_t)((char *)s->hi - s->floor));
#else
        (void)s;
#endif
}

/* Around every switch: `from` and `to` are the stack headers of the two sides (an M's g0_stack for
 * the scheduler loop). dies: nothing comes back to `from`. */
static inline void san_switch(struct stack *from, struct stack *to, bool dies)
{
#if RNI_ASAN
        __sanitizer_start_switch_fiber(dies ? NULL : &from->san_fake, to->floor,
                                       (size_t)((char *)to->hi - to->floor));
#endif
#if RNI_TSAN
        if (dies)
                san_release(from);   /* acquired in san_g_enters */
        __tsan_switch_to_fiber(to->san_fiber, TSAN_NO_SYNC);
#endif
        (void)from;
        (void)to;
        (void)dies;
}

/* First thing after a switch, on the side that was resumed; me: its stack header. */
static inline void san_switched(struct stack *me)
{
#if RNI_ASAN
        const void *bottom;
        size_t size;

        __sanitizer_finish_switch_fiber(me->san_fake, &bottom, &size);
        me->san_fake = NULL;
#else
        (void)me;
#endif
}

#endif
