/* SPDX-License-Identifier: MIT
 * System calls on descriptors. SIGPIPE: sockets take MSG_NOSIGNAL, pipes RWF_NOSIGNAL (Linux 6.18);
 * where the kernel has none, the signal is blocked in this thread around the write and taken back
 * if the write made it. The process's disposition is never touched, nor a signal that was pending
 * before. */
#include "sched/os/fdio.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "sched/os/sys.h"

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x100
#endif

enum { MOST = 1 << 30 };            /* bytes of one call: below what the kernel cuts off itself */

static a32 no_nosignal;

/* Again when interrupted. */
static long sys_again(long nr, long a, long b, long c, long d, long e, long f)
{
        long r;

        do {
                r = rni_sys(nr, a, b, c, d, e, f);
        } while (r == -EINTR);
        return r;
}

int rni_fd_kind(int fd)
{
        struct stat st;
        int protocol = 0, keep = errno, kind = RNI_FD_OTHER;
        socklen_t len = sizeof protocol;

        if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0)
                kind = protocol == IPPROTO_TCP ? RNI_FD_TCP : RNI_FD_SOCKET;
        else if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
                kind = RNI_FD_PIPE;
        errno = keep;
        return kind;
}

int rni_fd_nonblock(int fd)
{
        long flags = rni_sys(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);

        if (flags < 0)
                return (int)flags;
        if (flags & O_NONBLOCK)
                return 1;
        return (int)rni_sys(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK, 0, 0, 0);
}

/* By libc, so that a tool that keeps book of descriptors sees it. */
int rni_fd_shut(int fd)
{
        int keep = errno, r = close(fd) == 0 || errno == EINTR ? 0 : -errno;

        errno = keep;
        return r;
}

ssize_t rni_os_read(enum rni_fd_kind kind, int fd, void *buf, size_t n)
{
        if (kind >= RNI_FD_SOCKET)
                return sys_again(SYS_recvfrom, fd, rni_ptr(buf), (long)(n < MOST ? n : MOST),
                                 MSG_DONTWAIT, 0, 0);
        return sys_again(SYS_read, fd, rni_ptr(buf), (long)(n < MOST ? n : MOST), 0, 0, 0);
}

static bool pending_sigpipe(void)
{
        sigset_t set;

        return sigpending(&set) == 0 && sigismember(&set, SIGPIPE) == 1;
}

/* A signal that a write raises is this thread's alone, and it is there when the call returns. */
static ssize_t write_blocking_sigpipe(int fd, const void *buf, size_t n)
{
        struct timespec at_once = { 0, 0 };
        bool before;
        sigset_t pipe, mask;
        ssize_t r;
        int keep = errno;

        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        before = pending_sigpipe();
        pthread_sigmask(SIG_BLOCK, &pipe, &mask);
        r = sys_again(SYS_write, fd, rni_ptr(buf), (long)n, 0, 0, 0);
        if (r == -EPIPE && !before)
                while (sigtimedwait(&pipe, NULL, &at_once) < 0 && errno == EINTR)
                        continue;
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
        errno = keep;
        return r;
}

static ssize_t write_pipe(int fd, const void *buf, size_t n)
{
        struct iovec v = { .iov_base = (void *)(uintptr_t)buf, .iov_len = n };
        long r;

        if (load_rlx(&no_nosignal))   /* rlx: at worst it is tried again */
                return write_blocking_sigpipe(fd, buf, n);
        /* -1: at the current position */
        r = sys_again(SYS_pwritev2, fd, rni_ptr(&v), 1, -1, -1, RWF_NOSIGNAL);
        if (r != -EOPNOTSUPP && r != -ENOSYS)
                return r;
        store_rlx(&no_nosignal, 1);   /* rlx: as above */
        return write_blocking_sigpipe(fd, buf, n);
}

ssize_t rni_os_write(enum rni_fd_kind kind, int fd, const void *buf, size_t n)
{
        if (n > MOST)
                n = MOST;
        if (kind >= RNI_FD_SOCKET)
                return sys_again(SYS_sendto, fd, rni_ptr(buf), (long)n,
                                 MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
        if (kind == RNI_FD_PIPE)
                return write_pipe(fd, buf, n);
        return sys_again(SYS_write, fd, rni_ptr(buf), (long)n, 0, 0, 0);
}

int rni_os_poll(int fd, bool in, bool out)
{
        struct pollfd p = {
                .fd = fd, .events = (short)((in ? POLLIN | POLLRDHUP : 0) | (out ? POLLOUT : 0))
        };
        struct timespec at_once = { 0, 0 };
        long r = sys_again(SYS_ppoll, rni_ptr(&p), 1, rni_ptr(&at_once), 0, 0, 0);

        if (r <= 0)
                return (int)r;
        if (p.revents & POLLNVAL)
                return -EBADF;
        if (p.revents & (POLLERR | POLLHUP))
                return in + 2 * out;
        return (p.revents & (POLLIN | POLLRDHUP) ? 1 : 0) + (p.revents & POLLOUT ? 2 : 0);
}

ssize_t rni_os_recvfrom(int fd, void *buf, size_t n, struct sockaddr *from, socklen_t *len)
{
        return sys_again(SYS_recvfrom, fd, rni_ptr(buf), (long)n, MSG_DONTWAIT, rni_ptr(from),
                         rni_ptr(len));
}

ssize_t rni_os_sendto(int fd, const void *buf, size_t n, const struct sockaddr *to, socklen_t len)
{
        return sys_again(SYS_sendto, fd, rni_ptr(buf), (long)n, MSG_NOSIGNAL | MSG_DONTWAIT,
                         rni_ptr(to), (long)len);
}

int rni_os_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
        return (int)sys_again(SYS_accept4, fd, rni_ptr(addr), rni_ptr(len),
                              SOCK_NONBLOCK | SOCK_CLOEXEC, 0, 0);
}

int rni_os_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
        return (int)rni_sys(SYS_connect, fd, rni_ptr(addr), (long)len, 0, 0, 0);
}

/* Ready does not mean connected: a socket that was never asked to connect is ready too. */
int rni_os_connect_error(int fd)
{
        struct sockaddr_storage peer;
        int err = 0, keep = errno, r = 0;
        socklen_t len = sizeof err, peer_len = sizeof peer;

        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
                r = -errno;
        else if (err != 0)
                r = -err;
        else if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0)
                r = errno == ENOTCONN ? -EINPROGRESS : -errno;
        errno = keep;
        return r;
}

int rni_os_socket(int family, int type, int protocol)
{
        return (int)rni_sys(SYS_socket, family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol,
                            0, 0, 0);
}

int rni_os_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
        return (int)rni_sys(SYS_bind, fd, rni_ptr(addr), (long)len, 0, 0, 0);
}

int rni_os_listen(int fd, int backlog)
{
        return (int)rni_sys(SYS_listen, fd, backlog, 0, 0, 0, 0);
}

int rni_os_option(int fd, int level, int option, int value)
{
        return (int)rni_sys(SYS_setsockopt, fd, level, option, rni_ptr(&value), sizeof value, 0);
}
