/* SPDX-License-Identifier: MIT
 * Address space: regions, guards, and how much memory is left. Everything is private anonymous
 * memory that costs nothing until it is touched. The batch calls hand the kernel many regions at
 * once through process_madvise on ourselves and fall back to one call each. Callers: sched/mem. */
#include "sched/os/sys.h"
#include "sched/os/tools.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>

/* Newer than the headers we may be built with. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
enum { PIDFD_OF_SELF = -10000, PIDFD_NONE = -1, BATCH = 128 };

size_t rni_page = 4096;

/* What names this process to process_madvise: PIDFD_OF_SELF, a descriptor where the kernel does not
 * know that one, or PIDFD_NONE: no batches. Any thread may move it on, always to something that
 * works. */
static a32 self_pidfd = (unsigned)PIDFD_OF_SELF;

/* An emulator may take every advice for a hint, ignore it and say that it was followed, even one
 * that no kernel has. Then only advice that it does know, MADV_DONTNEED, is believed. */
static bool advice_counts = true;       /* set once, by rni_vm_init */

void rni_vm_init(void)
{
        int keep = errno;

        rni_page = (size_t)sysconf(_SC_PAGESIZE);
        advice_counts = madvise(NULL, 0, -1) != 0;
        errno = keep;
        if (rni_tool_on_valgrind())   /* it warns about a system call that it does not know */
                store_rlx(&self_pidfd, (unsigned)PIDFD_NONE);   /* before there is a second
                                                                 * thread */
}

void *rni_vm_reserve(size_t size)
{
        int keep = errno;
        void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (p == MAP_FAILED)
                p = NULL;
        else
                madvise(p, size, MADV_NOHUGEPAGE);      /* a huge page would make 2 MiB resident for
                                                         * the first byte */
        errno = keep;
        return p;
}

/* Unmapping the middle of a mapping needs one more of them; when there are none left at least the
 * memory goes. */
void rni_vm_free(void *p, size_t size)
{
        int keep = errno;

        if (munmap(p, size) != 0)
                madvise(p, size, MADV_DONTNEED);
        errno = keep;
}

void rni_vm_drop(void *p, size_t size)
{
        int keep = errno;

        if (madvise(p, size, MADV_DONTNEED) != 0 &&
            (!advice_counts || madvise(p, size, MADV_DONTNEED_LOCKED) != 0))
                memset(p, 0, size);             /* mlocked on an old kernel: the pages stay, but
                                                 * read as zero */
        errno = keep;
}

int rni_vm_guard_light(void *p, size_t size)
{
        long r = -EINVAL;

        if (advice_counts)
                r = rni_sys(SYS_madvise, rni_ptr(p), (long)size, MADV_GUARD_INSTALL, 0, 0, 0);
        return (int)r;
}

int rni_vm_guard_mprotect(void *p, size_t size)
{
        long r = rni_sys(SYS_mprotect, rni_ptr(p), (long)size, PROT_NONE, 0, 0, 0);

        return (int)r;
}

/* The kernel did not accept the name we have for ourselves: try the next one. False when there is
 * none. */
static bool next_pidfd(unsigned refused)
{
        if (refused == (unsigned)PIDFD_OF_SELF) {
                /* close-on-exec by itself */
                long fd = rni_sys(SYS_pidfd_open, getpid(), 0, 0, 0, 0, 0);
                unsigned next = fd >= 0 ? (unsigned)fd : (unsigned)PIDFD_NONE;
                if (!cas(&self_pidfd, refused, next) && fd >= 0)
                        rni_sys(SYS_close, fd, 0, 0, 0, 0, 0);
                return load_rlx(&self_pidfd) != (unsigned)PIDFD_NONE;   /* any value serves: it only
                                                                         * names us */
        }
        return false;
}

/* Gives advice on all vectors in few calls. Returns how many bytes were done before the kernel
 * refused. */
static size_t advise_vectors(struct iovec *v, size_t n, int advice)
{
        size_t done = 0;

        while (n > 0) {
                unsigned fd = load_rlx(&self_pidfd);   /* any value serves: it only names us */
                long r;
                if (fd == (unsigned)PIDFD_NONE)
                        return done;
                r = rni_sys(SYS_process_madvise, (int)fd, rni_ptr(v), (long)n, advice, 0, 0);
                if (r == -EINTR || (r == -EBADF && next_pidfd(fd)))
                        continue;
                if (r == -ENOSYS)
                        store_rlx(&self_pidfd, (unsigned)PIDFD_NONE);   /* any value serves */
                if (r <= 0)
                        return done;
                done += (size_t)r;
                while (n > 0 && (size_t)r >= v->iov_len) {
                        r -= (long)v->iov_len;
                        v++;
                        n--;
                }
                if (n > 0) {
                        v->iov_base = (char *)v->iov_base + r;
                        v->iov_len -= (size_t)r;
                }
        }
        return done;
}

/* Advice for regions p[0..n) of one size, neighbours taken together. Returns how many whole regions
 * were done. */
static size_t advise_many(void *const *p, size_t n, size_t size, int advice)
{
        struct iovec v[BATCH];
        size_t done = 0;

        while (done < n) {
                size_t i = done, k = 0, got;
                for (; i < n; i++) {
                        if (k > 0 && (char *)v[k - 1].iov_base + v[k - 1].iov_len == p[i])
                                v[k - 1].iov_len += size;
                        else if (k < BATCH)
                                v[k++] = (struct iovec){ p[i], size };
                        else
                                break;
                }
                got = advise_vectors(v, k, advice) / size;
                done += got;
                if (done < i)
                        break;
        }
        return done;
}

int rni_vm_guard_light_many(void *const *p, size_t n, size_t size)
{
        int r = 0;

        for (size_t i = advice_counts ? advise_many(p, n, size, MADV_GUARD_INSTALL) : 0;
             i < n && r == 0; i++)
                r = rni_vm_guard_light(p[i], size);
        return r;
}

void rni_vm_drop_many(void *const *p, size_t n, size_t size)
{
        for (size_t i = advise_many(p, n, size, MADV_DONTNEED); i < n; i++)
                rni_vm_drop(p[i], size);
}

size_t rni_vm_max_maps(void)
{
        char line[32];
        uint64_t n;

        if (rni_text_head("/proc/sys/vm/max_map_count", line, sizeof line) &&
            rni_text_u64(line, &n))
                return (size_t)n;
        return 65530;
}

static uint64_t least(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

/* One caller at a time, which the descriptors' lock sees to. */
static struct rni_groups groups;

uint64_t rni_vm_available_at(const char *root)
{
        uint64_t n = UINT64_MAX, limit;

        if (rni_text_key(&groups, root, "/proc/meminfo", "MemAvailable", &n))
                n *= 1024;
        return least(n, rni_cgroup_memory(&groups, root, &limit));
}

uint64_t rni_vm_available(void)
{
        return rni_vm_available_at("");
}

uint64_t rni_vm_total(void)
{
        uint64_t n = UINT64_MAX, limit;

        if (rni_text_key(&groups, "", "/proc/meminfo", "MemTotal", &n))
                n *= 1024;
        rni_cgroup_memory(&groups, "", &limit);
        return least(n, limit);
}

uint64_t rni_vm_room(void)
{
        struct rlimit r;
        char line[64];
        uint64_t used = 0;

        if (getrlimit(RLIMIT_AS, &r) != 0 || r.rlim_cur == RLIM_INFINITY)
                return UINT64_MAX;
        if (rni_text_head("/proc/self/statm", line, sizeof line))
                rni_text_u64(line, &used);
        used = used * rni_page + least(r.rlim_cur / 8, (uint64_t)64 << 20);
        return r.rlim_cur > used ? r.rlim_cur - used : 0;
}
