/* SPDX-License-Identifier: MIT
 * Failures to order: see fault.h, by which all other files of the library come here. Only what the
 * kernel or the C library can really answer is injected, and where a call that fails has had its
 * effect all the same (connect and close, interrupted) it has it here too. What cannot fail is not
 * touched: a futex wake is only late, the eventfd is always written. Not part of a library without
 * --enable-faults. Callers: the library, as if they called the C library. */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sched/base/atomic.h"

#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* What can fail, and how; the first error is the usual one. EAI_... are getaddrinfo's own, LATE is
 * no failure. */
#define KINDS(X) \
        X(MALLOC, "malloc", "ENOMEM") \
        X(MMAP, "mmap", "ENOMEM") \
        X(MUNMAP, "munmap", "ENOMEM") \
        X(MPROTECT, "mprotect", "ENOMEM") \
        X(GUARD, "madvise_guard", "EINVAL ENOMEM EPERM") \
        X(DROP, "madvise_drop", "EINVAL EPERM") \
        X(ADVICE, "madvise", "EINVAL") \
        X(THREAD, "thread", "EAGAIN") \
        X(THREAD_STACK, "thread_stack", "ENOMEM") \
        X(KEY, "thread_key", "EAGAIN ENOMEM") \
        X(SPECIFIC, "thread_value", "ENOMEM") \
        X(ATFORK, "atfork", "ENOMEM") \
        X(WAIT, "futex_wait", "EINTR EAGAIN") \
        X(WAKE, "futex_wake", "LATE") \
        X(BARRIER_ASK, "membarrier_ask", "ENOSYS EPERM") \
        X(BARRIER, "membarrier", "ENOMEM") \
        X(EPOLL_CREATE, "epoll_create", "EMFILE ENFILE ENOMEM") \
        X(EPOLL_ADD, "epoll_add", "ENOMEM ENOSPC") \
        X(EPOLL_WAIT, "epoll_wait", "EINTR") \
        X(EPOLL_WAIT2, "epoll_pwait2", "ENOSYS EPERM EINTR") \
        X(EVENTFD, "eventfd", "EMFILE ENFILE ENOMEM") \
        X(OPEN, "open", "EMFILE ENFILE ENOENT") \
        X(READ, "read", "EINTR EIO ENOMEM") \
        X(GETDENTS, "getdents", "ENOMEM") \
        X(STAT, "stat", "ENOENT") \
        X(WRITE, "write", "EINTR ENOSPC EIO") \
        X(PRINT, "print", "EINTR") \
        X(PWRITEV2, "pwritev2", "EINTR EOPNOTSUPP ENOSYS") \
        X(CLOSE, "close", "EINTR") \
        X(POLL, "poll", "EINTR ENOMEM") \
        X(SOCKET, "socket", "EMFILE ENFILE ENOBUFS") \
        X(BIND, "bind", "EADDRINUSE") \
        X(LISTEN, "listen", "EADDRINUSE") \
        X(ACCEPT, "accept", "EMFILE ENFILE ECONNABORTED EINTR ENOMEM") \
        X(CONNECT, "connect", "EINTR EADDRNOTAVAIL ECONNREFUSED") \
        X(RECV, "recv", "EINTR ECONNRESET ENOMEM") \
        X(SEND, "send", "EINTR EPIPE ENOBUFS") \
        X(SETSOCKOPT, "setsockopt", "ENOBUFS") \
        X(RESOLVE, "getaddrinfo", "EAI_AGAIN EAI_MEMORY EAI_SYSTEM") \
        X(PIDFD, "pidfd_open", "EMFILE ENFILE ENOMEM ENOSYS EPERM") \
        X(WAITPID, "waitpid", "EINTR") \
        X(AFFINITY, "getaffinity", "EPERM")

#define KIND_NAME(k, name, errors) k,
enum kind { KINDS(KIND_NAME) NKINDS, NONE = NKINDS };

/* One line of the table; the table of RUNNEL_FAULT_COUNTS is an array of these. */
struct fault_count {
        char name[24], errors[56];
        aword calls, failed;
};
#define KIND_COUNT(k, name, errors) { name, errors, 0, 0 },
static struct fault_count own[NKINDS] = { KINDS(KIND_COUNT) }, *count = own;

/* What is asked for; written before main. */
static struct order { uint64_t from, to; int error; } order[NKINDS];
static a32 poke = (unsigned)-1;         /* the eventfd, which is never full */

/* -- the error numbers by name -- */

#define ERROR(e) { #e, e }
static const struct { const char *name; int value; } errors[] = {
        ERROR(ENOMEM), ERROR(EINVAL), ERROR(EPERM), ERROR(EAGAIN), ERROR(EINTR), ERROR(ENOSYS),
        ERROR(EMFILE), ERROR(ENFILE), ERROR(ENOSPC), ERROR(ENOENT), ERROR(EIO), ERROR(EOPNOTSUPP),
        ERROR(ENOBUFS), ERROR(EADDRINUSE), ERROR(ECONNABORTED),
        ERROR(EADDRNOTAVAIL), ERROR(ECONNREFUSED), ERROR(ECONNRESET), ERROR(EPIPE),
        ERROR(EAI_AGAIN), ERROR(EAI_MEMORY), ERROR(EAI_SYSTEM), { "LATE", 1 },
};

/* Of the n characters at name; 0: there is none. */
static int error_of(const char *name, size_t n)
{
        for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
                if (strlen(errors[i].name) == n && strncmp(errors[i].name, name, n) == 0)
                        return errors[i].value;
        return 0;
}

/* -- orders and reports -- */

static __attribute__((format(printf, 1, 2))) void say(const char *fmt, ...)
{
        char line[200];
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(line, sizeof line, fmt, ap);
        va_end(ap);
        if (n > 0 && write(2, line, (size_t)n) < 0)
                return;         /* nobody to tell */
}

static _Noreturn void bad_order(const char *text)
{
        say("RUNNEL_FAULT: cannot read \"%s\"; the kinds are\n", text);
        for (int k = 0; k < NKINDS; k++)
                say("  %s: %s\n", own[k].name, own[k].errors);
        _exit(64);
}

/* "mmap:7+:ENOMEM", up to the next comma. */
static const char *take_order(const char *text)
{
        size_t len = strcspn(text, ","), n = strcspn(text, ":,");
        const char *errs, *p = text + n;
        char *end;
        int k = 0;

        while (k < NKINDS && (strlen(own[k].name) != n || strncmp(own[k].name, text, n) != 0))
                k++;
        if (k == NKINDS || *p != ':')
                bad_order(text);
        errs = own[k].errors;
        order[k].from = order[k].to = strtoull(p + 1, &end, 10);
        if (*end == '+') {
                order[k].to = UINT64_MAX;
                end++;
        }
        if (*end == ':')
                errs = end + 1;
        else if (end != text + len)
                bad_order(text);
        order[k].error = error_of(errs, strcspn(errs, " ,"));
        if (order[k].from == 0 || order[k].error == 0)
                bad_order(text);
        return text + len + (text[len] == ',');
}

static void share_counts(const char *file)
{
        int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        struct stat st;
        void *p;

        if (fd < 0 || fstat(fd, &st) != 0 ||
            (st.st_size < (off_t)sizeof own && ftruncate(fd, sizeof own) != 0))
                bad_order(file);
        p = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (p == MAP_FAILED)
                bad_order(file);
        count = memcpy(p, own, sizeof own);
}

/* Before other constructors, which may call the library. */
static __attribute__((constructor(101))) void read_orders(void)
{
        const char *text = secure_getenv("RUNNEL_FAULT"),
                   *file = secure_getenv("RUNNEL_FAULT_COUNTS");

        while (text && *text)
                text = take_order(text);
        if (file && *file)
                share_counts(file);
}

static __attribute__((destructor)) void report(void)
{
        for (int k = 0; k < NKINDS; k++)
                if (order[k].from)
                        say("runnel fault: %s: %lu calls, %lu failed\n", own[k].name,
                            (unsigned long)load_rlx(&count[k].calls),    /* rlx: a number to tell */
                            (unsigned long)load_rlx(&count[k].failed));  /* rlx: a number to tell */
}

/* Counts a call of kind k. 0, or the error that it has to fail with; errno is set to it. */
static int fails(enum kind k)
{
        uint64_t n;

        if (k == NONE)
                return 0;
        n = fetch_add(&count[k].calls, 1) + 1;
        if (n < order[k].from || n > order[k].to)
                return 0;
        /* nobody is interrupted for ever: every other call */
        if ((order[k].error == EINTR || k == WAIT) && (n - order[k].from) % 2 == 1)
                return 0;
        if (fetch_add(&count[k].failed, 1) == 0)
                say("runnel fault: %s: call %lu fails with error %d\n", own[k].name,
                    (unsigned long)n, order[k].error);
        errno = order[k].error;
        return order[k].error;
}

/* -- memory -- */

void *rni_fault_malloc(size_t n);
void *rni_fault_calloc(size_t n, size_t size);
void *rni_fault_realloc(void *p, size_t n);
void *rni_fault_aligned_alloc(size_t align, size_t n);
void *rni_fault_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at);
int rni_fault_munmap(void *p, size_t n);
int rni_fault_madvise(void *p, size_t n, int advice);

void *rni_fault_malloc(size_t n)
{
        return fails(MALLOC) ? NULL : malloc(n);
}

void *rni_fault_calloc(size_t n, size_t size)
{
        return fails(MALLOC) ? NULL : calloc(n, size);
}

void *rni_fault_realloc(void *p, size_t n)
{
        return fails(MALLOC) ? NULL : realloc(p, n);
}

void *rni_fault_aligned_alloc(size_t align, size_t n)
{
        return fails(MALLOC) ? NULL : aligned_alloc(align, n);
}

void *rni_fault_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
        return fails(MMAP) ? MAP_FAILED : mmap(p, n, prot, flags, fd, at);
}

/* To unmap the middle of a mapping takes one more. */
int rni_fault_munmap(void *p, size_t n)
{
        return fails(MUNMAP) ? -1 : munmap(p, n);
}

static enum kind kind_of_advice(long advice)
{
        /* MADV_GUARD_INSTALL, MADV_DONTNEED_LOCKED */
        return advice == 102 ? GUARD : advice == MADV_DONTNEED || advice == 24 ? DROP : ADVICE;
}

int rni_fault_madvise(void *p, size_t n, int advice)
{
        return fails(kind_of_advice(advice)) ? -1 : madvise(p, n, advice);
}

/* -- files and names -- */

int rni_fault_open(const char *path, int flags, ...);
int rni_fault_close(int fd);
int rni_fault_stat(const char *path, struct stat *st);
pid_t rni_fault_waitpid(pid_t pid, int *status, int options);
int rni_fault_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                          struct addrinfo **list);

int rni_fault_open(const char *path, int flags, ...)
{
        return fails(OPEN) ? -1 : open(path, flags);    /* the library makes no files */
}

int rni_fault_close(int fd)
{
        int r = close(fd);

        return r == 0 && fails(CLOSE) ? -1 : r;
}

int rni_fault_stat(const char *path, struct stat *st)
{
        return fails(STAT) ? -1 : stat(path, st);
}

pid_t rni_fault_waitpid(pid_t pid, int *status, int options)
{
        return fails(WAITPID) ? -1 : waitpid(pid, status, options);
}

int rni_fault_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                          struct addrinfo **list)
{
        int err = fails(RESOLVE);

        if (err)
                errno = EMFILE;         /* for EAI_SYSTEM */
        return err ? err : getaddrinfo(host, port, hints, list);
}

/* -- threads: these return the error -- */

int rni_fault_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *),
                             void *arg);
int rni_fault_pthread_getattr_np(pthread_t t, pthread_attr_t *attr);
int rni_fault_pthread_key_create(pthread_key_t *key, void (*fn)(void *));
int rni_fault_pthread_setspecific(pthread_key_t key, const void *value);
int rni_fault_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

int rni_fault_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *),
                             void *arg)
{
        int err = fails(THREAD);

        return err ? err : pthread_create(t, attr, fn, arg);
}

int rni_fault_pthread_getattr_np(pthread_t t, pthread_attr_t *attr)
{
        int err = fails(THREAD_STACK);

        return err ? err : pthread_getattr_np(t, attr);
}

int rni_fault_pthread_key_create(pthread_key_t *key, void (*fn)(void *))
{
        int err = fails(KEY);

        return err ? err : pthread_key_create(key, fn);
}

int rni_fault_pthread_setspecific(pthread_key_t key, const void *value)
{
        int err = fails(SPECIFIC);

        return err ? err : pthread_setspecific(key, value);
}

int rni_fault_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
        int err = fails(ATFORK);

        return err ? err : pthread_atfork(prepare, parent, child);
}

/* -- system calls -- */

static enum kind kind_of_futex(long op)
{
        switch (op & FUTEX_CMD_MASK) {
        case FUTEX_WAIT: case FUTEX_WAIT_BITSET: return WAIT;
        case FUTEX_WAKE: return WAKE;
        default: return NONE;
        }
}

/* A change of what is in the set needs no memory. */
static enum kind kind_of_ctl(long op)
{
        return op == 1 ? EPOLL_ADD : NONE;      /* EPOLL_CTL_ADD */
}

static enum kind kind_of_barrier(long command)
{
        return command == MEMBARRIER_CMD_PRIVATE_EXPEDITED ? BARRIER : BARRIER_ASK;
}

static enum kind kind_of_rw(long fd, enum kind k)
{
        if ((unsigned)fd == load_rlx(&poke))   /* rlx: alone */
                return NONE;
        return k == WRITE && fd == 2 ? PRINT : k;
}

static enum kind kind_of(long nr, const long *a)
{
        switch (nr) {
        case SYS_futex:              return kind_of_futex(a[1]);
        case SYS_membarrier:         return kind_of_barrier(a[0]);
        case SYS_madvise:            return kind_of_advice(a[2]);
        case SYS_process_madvise:    return kind_of_advice(a[3]);
        case SYS_mprotect:           return MPROTECT;
        case SYS_epoll_create1:      return EPOLL_CREATE;
        case SYS_epoll_ctl:          return kind_of_ctl(a[1]);
        case SYS_epoll_pwait:        return EPOLL_WAIT;
        case SYS_epoll_pwait2:       return EPOLL_WAIT2;
        case SYS_eventfd2:           return EVENTFD;
        case SYS_openat:             return OPEN;
        case SYS_getdents64:         return GETDENTS;
        case SYS_read:               return kind_of_rw(a[0], READ);
        case SYS_write:              return kind_of_rw(a[0], WRITE);
        case SYS_pwritev2:           return PWRITEV2;
        case SYS_ppoll:              return POLL;
        case SYS_socket:             return SOCKET;
        case SYS_bind:               return BIND;
        case SYS_listen:             return LISTEN;
        case SYS_accept4:            return ACCEPT;
        case SYS_connect:            return CONNECT;
        case SYS_recvfrom:           return RECV;
        case SYS_sendto:             return SEND;
        case SYS_setsockopt:         return SETSOCKOPT;
        case SYS_pidfd_open:         return PIDFD;
        case SYS_sched_getaffinity:  return AFFINITY;
        case SYS_exit_group:         report(); return NONE;
        default:                     return NONE;
        }
}

long rni_fault_syscall(long nr, ...);

/* By rni_sys alone, which passes six arguments always. An interrupted connect goes on by itself; a
 * late wake is not lost. */
long rni_fault_syscall(long nr, ...)
{
        long a[6], r;
        enum kind k;
        va_list ap;
        int err;

        va_start(ap, nr);
        for (int i = 0; i < 6; i++)
                a[i] = va_arg(ap, long);
        va_end(ap);
        k = kind_of(nr, a);
        err = fails(k);
        if (k == WAKE && err)
                usleep(2000);
        else if (err && !(k == CONNECT && err == EINTR))
                return -1;
        r = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (nr == SYS_eventfd2 && r >= 0)
                store_rlx(&poke, (unsigned)r);   /* rlx: before anybody can know it */
        if (k == CONNECT && err && r == 0) {
                errno = EINTR;
                r = -1;
        }
        return r;
}
