/* SPDX-License-Identifier: MIT
 * Private to sched/os: system calls that leave errno alone, small reads of /proc files, and the
 * parts of rni_os_init. */
#ifndef RNI_OS_SYS_H
#define RNI_OS_SYS_H

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sched/os/os.h"

/* Asked anew each time: errno.c. */
#undef errno
#define errno (*rni_thread_errno())

/* A system call: its result, or -errno with errno as it was. */
static inline long rni_sys(long nr, long a, long b, long c, long d, long e, long f)
{
        int keep = errno;
        long r = syscall(nr, a, b, c, d, e, f);
        if (unlikely(r < 0)) {
                r = -errno;
                errno = keep;
        }
        return r;
}

static inline long rni_ptr(const volatile void *p)
{
        return (long)(intptr_t)p;
}

void rni_vm_init(void);
void rni_fence_init(void);
void rni_thread_init(void);

/* What sched_getattr and sched_setattr exchange, as of Linux 3.14; libc and the kernel's headers
 * disagree on who declares it. */
struct rni_rank {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t turn, deadline, period;
};

/* -- text.c: files of the kernel, read without stdio or malloc, into room that the caller has: a
 * goroutine's stack may be too small for it. root is put before every path: "" but in tests. -- */
struct rni_lines {
        int fd;
        unsigned n, pos;
        char buf[1024];
};
/* longer paths and lines count as not there */
enum { RNI_PATH = 512 };
_Static_assert(sizeof((struct rni_lines *)NULL)->buf == 2 * RNI_PATH,
               "a path is put together there before there are lines");
bool rni_lines_open(struct rni_lines *l, const char *root, const char *path);
/* without the newline; cut off at cap - 1 */
bool rni_lines_next(struct rni_lines *l, char *line, size_t cap);
void rni_lines_close(struct rni_lines *l);
/* what one read brings of a short file; needs no room but that */
bool rni_text_head(const char *path, char *text, size_t cap);
/* the first line */
bool rni_text_line(struct rni_lines *l, const char *root, const char *path, char *line, size_t cap);
/* a decimal number, blanks before it; false for "max", "-1" */
bool rni_text_u64(const char *s, uint64_t *v);
bool rni_text_join(char *out, size_t cap, const char *a, const char *b);

/* -- cgroup.c -- */
/* Where this process stands in one hierarchy. */
struct rni_place {
        char path[RNI_PATH];            /* its group, as seen from the hierarchy's root */
        char dir[2 * RNI_PATH];         /* that group's directory; later its ancestors' */
        size_t base;                    /* length of the mount point in dir; 0 = hierarchy not
                                         * found */
        bool grouped;
};
/* What looking takes: 6 KiB. */
struct rni_groups {
        struct rni_lines lines;
        char line[2 * RNI_PATH], path[2 * RNI_PATH];
        struct rni_place at[2];
};
/* "key number" or "key: number" lines; text.c */
bool rni_text_key(struct rni_groups *room, const char *root, const char *path, const char *key,
                  uint64_t *v);
/* ceil of the smallest quota on the way up; 0 = none */
int      rni_cgroup_cpus(struct rni_groups *room, const char *root);
/* bytes left under the tightest limit, UINT64_MAX = none; *limit: the smallest limit */
uint64_t rni_cgroup_memory(struct rni_groups *room, const char *root, uint64_t *limit);
uint64_t rni_vm_available_at(const char *root);

#endif
