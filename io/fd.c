/* SPDX-License-Identifier: MIT
 * Reading, writing and waiting as <runnel/fd.h> declares them: each is a call (core/fdop.h) around
 * one system call that is tried until it does not say -EAGAIN. Nothing here allocates.
 *
 * TSan does not see the kernel pass bytes on: as it does itself for all sockets, every write is
 * ordered before every read that got something, through one address. */
#include <runnel/fd.h>

#include <errno.h>

#include "io/block.h"
#include "io/io.h"

const char rni_io_order;

int rn_fd_open(int fd)
{
        return rni_pd_open(fd);
}

int rn_fd_close(int fd)
{
        return rni_pd_close(fd);
}

static bool known(int events)
{
        return events != 0 && (events & ~(RN_READ | RN_WRITE)) == 0;
}

int rn_fd_deadline(int fd, int events, rn_time t)
{
        return known(events) ? rni_pd_deadline(fd, (unsigned)events, t) : -EINVAL;
}

/* -- in place: regular files -- */

struct file_call {
        int fd;
        void *buf;
        size_t n;
};

static intptr_t file_read(void *arg)
{
        struct file_call *c = arg;

        return rni_os_read(RNI_FD_OTHER, c->fd, c->buf, c->n);
}

static intptr_t file_write(void *arg)
{
        struct file_call *c = arg;

        return rni_os_write(RNI_FD_OTHER, c->fd, c->buf, c->n);
}

/* -- reading -- */

static ssize_t read_once(struct fdop *op, void *buf, size_t n)
{
        struct file_call c = { op->fd, buf, n };
        ssize_t r;

        if (unlikely(op->pd->blocking))
                return rni_block_run(file_read, &c);
        r = rni_os_read(op->pd->kind, op->fd, buf, n);
        if (unlikely(r == -ENOTSOCK) && rni_fdop_renew(op) == 0)   /* the number was a socket's
                                                                    * once */
                r = rni_os_read(op->pd->kind, op->fd, buf, n);
        return r;
}

ssize_t rni_fd_read(int fd, void *buf, size_t n, rn_time t, struct fdop_end *end)
{
        struct fdop op;
        ssize_t r = rni_fdop_begin(&op, fd, FD_READ, t, end);

        if (r < 0 || n == 0) {
                rni_fdop_end(&op);
                return r;
        }
        n = n < RNI_IO_MOST ? n : RNI_IO_MOST;
        do {
                r = op.drained ? -EAGAIN : read_once(&op, buf, n);
        } while (r == -EAGAIN && (r = rni_fdop_wait(&op)) == 0);
        op.came_short = r > 0 && (size_t)r < n;
        rni_fdop_end(&op);
        if (r > 0) {
                san_acquire(&rni_io_order);
                san_write(buf, (size_t)r);
        }
        return r;
}

ssize_t rn_fd_read_until(int fd, void *buf, size_t n, rn_time t)
{
        ssize_t r = rni_fd_read(fd, buf, n, t, NULL);

        rni_compiler_barrier();   /* no tail call: a frame for the dump */
        return r;
}

ssize_t rn_fd_read(int fd, void *buf, size_t n)
{
        ssize_t r = rni_fd_read(fd, buf, n, RN_NEVER, NULL);

        rni_compiler_barrier();   /* no tail call: a frame for the dump */
        return r;
}

ssize_t rni_fd_recvfrom(int fd, void *buf, size_t n, struct sockaddr *from, socklen_t *len,
                        rn_time t, struct fdop_end *end)
{
        struct fdop op;
        ssize_t r = rni_fdop_begin(&op, fd, FD_READ, t, end);

        if (r < 0)
                return r;
        do {
                r = rni_os_recvfrom(fd, buf, n, from, len);
        } while (r == -EAGAIN && (r = rni_fdop_wait(&op)) == 0);
        rni_fdop_end(&op);
        if (r >= 0) {
                san_acquire(&rni_io_order);
                san_write(buf, (size_t)r < n ? (size_t)r : n);
        }
        return r;
}

ssize_t rn_fd_recvfrom_until(int fd, void *buf, size_t n, struct sockaddr *from, socklen_t *len,
                             rn_time t)
{
        ssize_t r = rni_fd_recvfrom(fd, buf, n, from, len, t, NULL);

        rni_compiler_barrier();   /* no tail call: a frame for the dump */
        return r;
}

/* -- writing -- */

static ssize_t write_once(struct fdop *op, const void *buf, size_t n)
{
        struct file_call c = { op->fd, (void *)(uintptr_t)buf, n };
        ssize_t r;

        if (unlikely(op->pd->blocking))
                return rni_block_run(file_write, &c);
        r = rni_os_write(op->pd->kind, op->fd, buf, n);
        if (unlikely(r == -ENOTSOCK) && rni_fdop_renew(op) == 0)   /* as above */
                r = rni_os_write(op->pd->kind, op->fd, buf, n);
        return r;
}

static ssize_t write_all(struct fdop *op, const char *buf, size_t n, size_t *done)
{
        ssize_t r = 0;

        while (*done < n && r >= 0) {
                r = write_once(op, buf + *done, n - *done);
                if (r > 0)
                        *done += (size_t)r;
                else if (r == -EAGAIN)
                        r = rni_fdop_wait(op);
                else if (r == 0)
                        r = -EIO;   /* and so for ever */
        }
        return r;
}

ssize_t rni_fd_write(int fd, const void *buf, size_t n, size_t *done, rn_time t,
                     struct fdop_end *end)
{
        struct fdop op;
        size_t out = 0;
        ssize_t r = rni_fdop_begin(&op, fd, FD_WRITE, t, end);

        if (r == 0) {
                san_read(buf, n);
                san_release(&rni_io_order);
                r = write_all(&op, buf, n, &out);
                rni_fdop_end(&op);
        }
        if (done)
                *done = out;
        return r < 0 ? r : (ssize_t)n;
}

ssize_t rn_fd_write_until(int fd, const void *buf, size_t n, size_t *done, rn_time t)
{
        ssize_t r = rni_fd_write(fd, buf, n, done, t, NULL);

        rni_compiler_barrier();   /* no tail call: a frame for the dump */
        return r;
}

ssize_t rn_fd_write(int fd, const void *buf, size_t n)
{
        ssize_t r = rni_fd_write(fd, buf, n, NULL, RN_NEVER, NULL);

        rni_compiler_barrier();   /* no tail call: a frame for the dump */
        return r;
}

ssize_t rni_fd_sendto(int fd, const void *buf, size_t n, const struct sockaddr *to, socklen_t len,
                      rn_time t, struct fdop_end *end)
{
        struct fdop op;
        ssize_t r = rni_fdop_begin(&op, fd, FD_WRITE, t, end);

        if (r < 0)
                return r;
        san_read(buf, n);
        san_release(&rni_io_order);
        do {
                r = rni_os_sendto(fd, buf, n, to, len);
        } while (r == -EAGAIN && (r = rni_fdop_wait(&op)) == 0);
        rni_fdop_end(&op);
        return r;
}

ssize_t rn_fd_sendto_until(int fd, const void *buf, size_t n, const struct sockaddr *to,
                           socklen_t len, rn_time t)
{
        ssize_t r = rni_fd_sendto(fd, buf, n, to, len, t, NULL);

        rni_compiler_barrier();   /* no tail call: a frame for the dump */
        return r;
}

/* -- waiting -- */

/* Asking first, then making sure that a change will be told, then asking again: see polldesc.h.
 * Whoever else uses fd does not read until -EAGAIN, so that an edge tells nothing about what there
 * is now, and may close it. */
int rni_fd_wait(int fd, int events, rn_time t, struct fdop_end *end)
{
        bool in = (events & RN_READ) != 0, out = (events & RN_WRITE) != 0;
        struct fdop op;
        int r;

        if (!known(events))
                return -EINVAL;
        r = rni_fdop_begin(&op, fd, (unsigned)events, t, end);
        if (r < 0)
                return r;
        r = rni_os_poll(fd, in, out);
        while (r == 0) {
                r = rni_fdop_rearm(&op);
                if (r == 0)
                        r = rni_os_poll(fd, in, out);
                if (r == 0)
                        r = rni_fdop_wait(&op);
                if (r == 0)
                        r = rni_os_poll(fd, in, out);
        }
        rni_fdop_end(&op);
        if (r > 0)
                san_acquire(&rni_io_order);
        return r;
}

int rn_fd_wait(int fd, int events, rn_time t)
{
        int r = rni_fd_wait(fd, events, t, NULL);

        rni_compiler_barrier();   /* no tail call: a frame for the dump */
        return r;
}
