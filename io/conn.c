/* SPDX-License-Identifier: MIT
 * Accepting and connecting, as <runnel/fd.h> declares them. */
#include <errno.h>

#include "io/io.h"

#define FIRST_PAUSE (5 * RN_MSEC)
#define LAST_PAUSE  RN_SEC

static rn_dur longer(rn_dur pause)
{
        return pause == 0 ? FIRST_PAUSE : pause < LAST_PAUSE / 2 ? pause * 2 : LAST_PAUSE;
}

/* -- accept -- */

static bool no_room(int r)
{
        return r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM;
}

/* The new descriptor, or what ends the waiting. The kernel keeps the connection while there is no
 * room for it, and says so at each try: hence the pause. */
static int accept_one(struct fdop *op, struct sockaddr *addr, socklen_t *len)
{
        socklen_t room = len ? *len : 0;
        rn_dur pause = 0;
        int r, waited = 0;

        do {
                if (len)
                        *len = room;
                r = rni_os_accept(op->fd, addr, len);
                if (r == -EAGAIN)
                        waited = rni_fdop_wait(op);
                else if (no_room(r) && op->until != 0)
                        waited = rni_fdop_pause(op, pause = longer(pause));
                else if (r != -ECONNABORTED)
                        return r;
        } while (waited == 0);
        return waited;
}

int rni_fd_accept(int fd, struct sockaddr *addr, socklen_t *len, rn_time t, struct fdop_end *end)
{
        struct fdop op;
        int r = rni_fdop_begin(&op, fd, FD_READ | FD_STRICT, t, end), err;
        unsigned kind;

        if (r < 0)
                return r;
        r = accept_one(&op, addr, len);
        kind = op.pd->kind;
        rni_fdop_end(&op);
        if (r < 0)
                return r;
        san_acquire(&rni_io_order);
        err = rni_pd_new(r, kind);
        if (err < 0) {
                rni_fd_shut(r);
                return err;
        }
        return r;
}

int rn_fd_accept_until(int fd, struct sockaddr *addr, socklen_t *len, rn_time t)
{
        int r = rni_fd_accept(fd, addr, len, t, NULL);

        rni_compiler_barrier();   /* no tail call: a frame for the dump */
        return r;
}

int rn_fd_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
        int r = rni_fd_accept(fd, addr, len, RN_NEVER, NULL);

        rni_compiler_barrier();   /* no tail call: a frame for the dump */
        return r;
}

/* -- connect -- */

static int wait_connected(struct fdop *op)
{
        int r;

        do {
                r = rni_fdop_wait(op);
                if (r == 0)
                        r = rni_os_connect_error(op->fd);
        } while (r == -EINPROGRESS);
        return r;
}

/* A unix socket whose listener's backlog is full says -EAGAIN, and nothing tells when there is
 * room. */
int rni_io_connect(struct fdop *op, const struct sockaddr *addr, socklen_t len)
{
        rn_dur pause = 0;
        int r;

        san_release(&rni_io_order);
        for (;;) {
                r = rni_os_connect(op->fd, addr, len);
                if (r == -EINPROGRESS || r == -EINTR || r == -EALREADY)
                        return wait_connected(op);
                if (r != -EAGAIN || addr->sa_family != AF_UNIX)
                        return r;
                r = rni_fdop_pause(op, pause = longer(pause));
                if (r < 0)
                        return r;
        }
}

/* The number may be that of a descriptor which something else closed: rni_pd_open sees whether it
 * is in the set. */
int rni_fd_connect(int fd, const struct sockaddr *addr, socklen_t len, rn_time t,
                   struct fdop_end *end)
{
        struct fdop op;
        int r = rni_fdop_begin(&op, fd, FD_WRITE | FD_STRICT | FD_ANEW, t, end);

        if (r < 0)
                return r;
        r = rni_io_connect(&op, addr, len);
        rni_fdop_end(&op);
        return r == 0 ? rni_pd_open(fd) : r;
}

int rn_fd_connect_until(int fd, const struct sockaddr *addr, socklen_t len, rn_time t)
{
        int r = rni_fd_connect(fd, addr, len, t, NULL);

        rni_compiler_barrier();   /* no tail call: a frame for the dump */
        return r;
}

int rn_fd_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
        int r = rni_fd_connect(fd, addr, len, RN_NEVER, NULL);

        rni_compiler_barrier();   /* no tail call: a frame for the dump */
        return r;
}
