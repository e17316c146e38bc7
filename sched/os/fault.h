/* SPDX-License-Identifier: MIT
 * Put in front of every file of the library by --enable-faults, and by nothing else: what can fail
 * is called by way of fault.c, which can be told to have the n-th call of a kind fail. Each name
 * here is a macro with arguments, so that the C library's own declaration, which is read later,
 * becomes that of ours, and a struct or a member of the same name stays what it is. Invariant: no
 * file but fault.c calls one of them directly (tests/faults/complete.sh looks at the objects).
 *
 * RUNNEL_FAULT=KIND:N[+][:ERROR][,...]   the N-th call of KIND fails, or all from it on; ERROR is
 *                                        one of the kind's, otherwise its first (EINTR+: every
 *                                        other call)
 * RUNNEL_FAULT_COUNTS=FILE               FILE is made a table of struct fault_count, right at any
 *                                        time, however the process ends
 * At the end of the process the calls of each kind in RUNNEL_FAULT are told on descriptor 2. */
#ifndef RNI_OS_FAULT_H
#define RNI_OS_FAULT_H

#define malloc(...)              rni_fault_malloc(__VA_ARGS__)
#define calloc(...)              rni_fault_calloc(__VA_ARGS__)
#define realloc(...)             rni_fault_realloc(__VA_ARGS__)
#define aligned_alloc(...)       rni_fault_aligned_alloc(__VA_ARGS__)
#define mmap(...)                rni_fault_mmap(__VA_ARGS__)
#define munmap(...)              rni_fault_munmap(__VA_ARGS__)
#define madvise(...)             rni_fault_madvise(__VA_ARGS__)
#define syscall(...)             rni_fault_syscall(__VA_ARGS__)
#define open(...)                rni_fault_open(__VA_ARGS__)
#define close(...)               rni_fault_close(__VA_ARGS__)
#define stat(...)                rni_fault_stat(__VA_ARGS__)
#define waitpid(...)             rni_fault_waitpid(__VA_ARGS__)
#define getaddrinfo(...)         rni_fault_getaddrinfo(__VA_ARGS__)
#define pthread_create(...)      rni_fault_pthread_create(__VA_ARGS__)
#define pthread_getattr_np(...)  rni_fault_pthread_getattr_np(__VA_ARGS__)
#define pthread_key_create(...)  rni_fault_pthread_key_create(__VA_ARGS__)
#define pthread_setspecific(...) rni_fault_pthread_setspecific(__VA_ARGS__)
#define pthread_atfork(...)      rni_fault_pthread_atfork(__VA_ARGS__)

#endif
