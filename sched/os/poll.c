/* SPDX-License-Identifier: MIT
 * epoll and eventfd. A wait takes its deadline in nanoseconds where the kernel can (epoll_pwait2,
 * Linux 5.11); elsewhere it is rounded up to milliseconds, so that no wait ends early. */
#include "sched/os/poll.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "sched/os/sys.h"

_Static_assert(sizeof(struct rni_event) == sizeof(struct epoll_event), "ours is the kernel's");
_Static_assert(offsetof(struct rni_event, data) == offsetof(struct epoll_event, data),
               "ours is the kernel's");
_Static_assert((int)RNI_EV_IN == EPOLLIN && (int)RNI_EV_PRI == EPOLLPRI &&
               (int)RNI_EV_OUT == EPOLLOUT && (int)RNI_EV_ERR == EPOLLERR &&
               (int)RNI_EV_HUP == EPOLLHUP && (int)RNI_EV_RDHUP == EPOLLRDHUP,
               "ours are the kernel's");

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

static a32 no_pwait2;

static int control(int set, int op, int fd, uint32_t events, uint64_t data)
{
        struct epoll_event ev = { .events = events, .data.u64 = data };

        return (int)rni_sys(SYS_epoll_ctl, set, op, fd, rni_ptr(&ev), 0, 0);
}

int rni_poller_new(void)
{
        return (int)rni_sys(SYS_epoll_create1, EPOLL_CLOEXEC, 0, 0, 0, 0, 0);
}

enum { BOTH = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP };

int rni_poller_add(int set, int fd, uint64_t data)
{
        return control(set, EPOLL_CTL_ADD, fd, BOTH | EPOLLET, data);
}

int rni_poller_again(int set, int fd, uint64_t data)
{
        return control(set, EPOLL_CTL_MOD, fd, BOTH | EPOLLET, data);
}

int rni_poller_remove(int set, int fd)
{
        return control(set, EPOLL_CTL_DEL, fd, 0, 0);
}

static int wait_ms(int set, struct rni_event *ev, int n, int64_t ns)
{
        int64_t ms = ns < 0 ? -1 : ns / 1000000 + (ns % 1000000 != 0);

        if (ms > INT32_MAX)
                ms = INT32_MAX;
        return (int)rni_sys(SYS_epoll_pwait, set, rni_ptr(ev), n, (long)ms, 0, 0);
}

int rni_poller_wait(int set, struct rni_event *ev, int n, int64_t until)
{
        int64_t ns = until == INT64_MAX ? -1 : 0;
        struct { int64_t sec, nsec; } ts;    /* this call's, whatever the C library's is */
        long r;

        if (until != 0 && until != INT64_MAX) {
                ns = until - rni_clock();
                if (ns < 0)
                        ns = 0;
        }
        if (ns <= 0 || load_rlx(&no_pwait2))   /* rlx: at worst it is tried again */
                return wait_ms(set, ev, n, ns);
        ts.sec = ns / 1000000000;
        ts.nsec = ns % 1000000000;
        r = rni_sys(SYS_epoll_pwait2, set, rni_ptr(ev), n, rni_ptr(&ts), 0, 0);
        if (r != -ENOSYS && r != -EPERM)        /* older seccomp filters say so to what they do not
                                                 * know; epoll itself never does here */
                return (int)r;
        store_rlx(&no_pwait2, 1);   /* rlx: as above */
        return wait_ms(set, ev, n, ns);
}

int rni_poke_new(int set, uint64_t data)
{
        int fd = (int)rni_sys(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK, 0, 0, 0, 0), r;

        if (fd < 0)
                return fd;
        r = control(set, EPOLL_CTL_ADD, fd, EPOLLIN, data);
        if (r == 0)
                return fd;
        rni_sys(SYS_close, fd, 0, 0, 0, 0, 0);
        return r;
}

void rni_poke(int fd)
{
        uint64_t one = 1;

        rni_sys(SYS_write, fd, rni_ptr(&one), sizeof one, 0, 0, 0);
}

void rni_poke_drain(int fd)
{
        uint64_t count = 0;

        rni_sys(SYS_read, fd, rni_ptr(&count), sizeof count, 0, 0, 0);
}
