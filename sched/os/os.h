/* SPDX-License-Identifier: MIT
 * The operating system, as far as the runtime needs it: the only layer with system calls, mmap,
 * futex, clock and pthread. Functions that can fail return 0 or -errno and leave errno alone (the
 * caller's errno belongs to a goroutine). One .c for each group. */
#ifndef RNI_OS_H
#define RNI_OS_H

#include <signal.h>

#include "sched/base/atomic.h"

/* -- vm.c: address space -- */
extern size_t rni_page;                            /* the page size; set by rni_os_init */
/* read-write, private, no reserve, never huge; NULL when refused. Zero until touched. */
void *rni_vm_reserve(size_t size);
void  rni_vm_free(void *p, size_t size);
void  rni_vm_drop(void *p, size_t size);           /* gives pages back; they read as zero next */
enum { RNI_GUARD_NONE, RNI_GUARD_LIGHT, RNI_GUARD_MPROTECT, RNI_GUARD_CANARY };
/* MADV_GUARD_INSTALL: 0, or -EINVAL where the kernel has none (or memory is mlocked) */
int   rni_vm_guard_light(void *p, size_t size);
/* the same for n regions of one size, in as few system calls as the kernel allows */
int   rni_vm_guard_light_many(void *const *p, size_t n, size_t size);
int   rni_vm_guard_mprotect(void *p, size_t size); /* PROT_NONE: costs VMAs */
size_t rni_vm_max_maps(void);                      /* vm.max_map_count */
/* rni_vm_drop for n regions of one size; ascending addresses are cheaper */
void  rni_vm_drop_many(void *const *p, size_t n, size_t size);
/* These two read the kernel's files into room of their own, as a goroutine's stack may be small:
 * one caller at a time. */
/* bytes that can still be made resident: min of MemAvailable, cgroup v1/v2 limits minus usage */
uint64_t rni_vm_available(void);
/* bytes of memory this process may ever have: the machine's, or the tightest cgroup limit */
uint64_t rni_vm_total(void);
/* bytes of addresses that RLIMIT_AS still allows, less a reserve for who needs some besides us: an
 * eighth of it, at most 64 MiB; UINT64_MAX = no limit */
uint64_t rni_vm_room(void);

/* -- futex.c -- */
/* returns when woken, changed or interrupted: look again */
void rni_futex_wait(const a32 *w, unsigned expect);
/* t: absolute CLOCK_MONOTONIC ns; false = time is up */
bool rni_futex_wait_until(const a32 *w, unsigned expect, int64_t t);
void rni_futex_wake(const a32 *w, int n);                            /* safe in a signal handler */

/* -- clock.c -- */
int64_t rni_clock(void);                           /* CLOCK_MONOTONIC in ns */

/* -- fence.c: asymmetric fences. The side that runs often pays a compiler barrier, the side that
 * runs seldom a membarrier. Where the kernel has none, or RUNNEL_MEMBARRIER=0, both are full
 * fences. -- */
extern bool rni_membarrier_on;                     /* set once by rni_os_init */
void rni_fence_heavy(void);
static inline void rni_fence_light(void)
{
        if (likely(rni_membarrier_on))
                rni_compiler_barrier();
        else
                fence_full();   /* pairs with the one in rni_fence_heavy */
}

/* -- cpu.c -- */
/* affinity and ceil(cgroup quota), the minimum over all ancestors, at least 1 */
int  rni_cpu_count(void);
void rni_cpu_yield(void);                          /* sched_yield */
/* for the tries-th try (from 1) to see another thread do a few instructions, which may have lost
 * its processor */
void rni_cpu_wait(unsigned tries);

/* -- thread.c -- */
/* detached; 0 or -errno (-EAGAIN: no more threads, and none came free in 0.2 s). mask_all: all
 * signals blocked (helpers); otherwise the mask of the thread that called rni_os_init */
int  rni_thread_start(void *(*fn)(void *), void *arg, size_t stack, bool mask_all);
int  rni_thread_id(void);                          /* gettid */
/* is this the thread that main() was called on? */
bool rni_thread_initial(void);
/* fn(arg) when this thread ends (pthread key); 0 or -errno: it will not be called */
int  rni_thread_on_exit(void (*fn)(void *), void *arg);
void rni_thread_stack(void **lo, void **hi);       /* this thread's stack */
/* this thread's errno; fetched anew at every call */
int *rni_thread_errno(void);
/* timer slack of this thread to 1 ns: short sleeps are short */
void rni_thread_slack(void);
/* for how long at a time this process's thread tid (0: this one) asks for a processor, in ns:
 * becomes turn, was the result. 0: nothing has changed, and is not to be, for the system knows no
 * such thing, the user has chosen how the thread ranks, a filter of system calls may not let us
 * ask, or RUNNEL_TURNS=0. Threads and processes that it starts have the system's turns */
int64_t rni_thread_turn(int tid, int64_t turn);
/* gives this thread a guarded alternate signal stack unless it has one; 0 or -errno */
int  rni_thread_altstack(void);
/* threads of this process; SIZE_MAX where /proc cannot tell */
size_t rni_task_count(void);
/* processor time that a thread of this process has had, in ns; -1 if it cannot be told */
int64_t rni_thread_cpu(int tid);
/* does it sleep in the kernel, rather than run or wait for a processor? */
bool rni_thread_asleep(int tid);

/* fn() in the child of each fork from now on, on the one thread that is left there; 0 or -errno */
int rni_thread_on_fork(void (*fn)(void));

/* -- process.c -- */
/* a descriptor that is readable when the process has ended; close-on-exec */
int rni_pidfd_open(int pid);
/* takes the status of a child that has ended. 0; -EAGAIN: it has not, unless wait; -ECHILD */
int rni_child_take(int pid, int *status, bool wait);

/* -- load.c -- */
/* was this library there before main, or loaded later? */
bool rni_loaded_at_start(void);

/* -- sig.c -- */
/* SA_SIGINFO|SA_ONSTACK|SA_RESTART */
bool rni_sig_is_default(int sig);                  /* has it its default action? */
int rni_sig_install(int sig, void (*fn)(int, siginfo_t *, void *), struct sigaction *old);
void rni_sig_restore(int sig, const struct sigaction *old);
void rni_sig_ignore(int sig, struct sigaction *old);   /* old may be NULL */
/* this thread's mask: all but these (bit sig - 1) */
void rni_sig_listen(uint64_t set);
/* does what would have been done before us */
void rni_sig_chain(const struct sigaction *old, int sig, siginfo_t *si, void *uc);

/* -- out.c: text to a descriptor without stdio, malloc or locks; safe in a signal handler -- */
struct rni_out { int fd; size_t n; char buf[1000]; };
void rni_out_init(struct rni_out *o, int fd);
/* %s %d %u %ld %lu %zu %x %lx %p %c %% with widths none */
void rni_out_fmt(struct rni_out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void rni_out_flush(struct rni_out *o);             /* all bytes, EINTR and partial writes handled */
_Noreturn void rni_os_exit(int status);            /* _exit: no handlers */

void rni_os_init(void);                            /* once, before any other call */
const char *rni_os_env(const char *name);          /* getenv, NULL in a set-uid program */

#endif
