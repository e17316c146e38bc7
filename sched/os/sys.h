/* SPDX-License-Identifier: MIT
 * Private to sched/os: system calls that leave errno alone, small reads of /proc files, and the
 * parts of rni_os_init. */
#ifndef RNI_OS_SYS_H
#define RNI_OS_SYS_H

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sched/os/os.h"

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

/* -- text.c: files of the kernel, read without stdio or malloc. root is put before every path: ""
 * but in tests. -- */
struct rni_lines {
        int fd;
        unsigned n, pos;
        char buf[1024];
};
/* longer paths and lines count as not there */
enum { RNI_PATH = 512 };
bool rni_lines_open(struct rni_lines *l, const char *root, const char *path);
/* without the newline; cut off at cap - 1 */
bool rni_lines_next(struct rni_lines *l, char *line, size_t cap);
void rni_lines_close(struct rni_lines *l);
/* the first line */
bool rni_text_line(const char *root, const char *path, char *line, size_t cap);
/* a decimal number, blanks before it; false for "max", "-1" */
bool rni_text_u64(const char *s, uint64_t *v);
/* "key number" or "key: number" lines */
bool rni_text_key(const char *root, const char *path, const char *key, uint64_t *v);
bool rni_text_join(char *out, size_t cap, const char *a, const char *b);

/* -- cgroup.c -- */
/* ceil of the smallest quota on the way up; 0 = none */
int      rni_cgroup_cpus(const char *root);
/* bytes left under the tightest limit, UINT64_MAX = none; *limit: the smallest limit */
uint64_t rni_cgroup_memory(const char *root, uint64_t *limit);
uint64_t rni_vm_available_at(const char *root);

#endif
