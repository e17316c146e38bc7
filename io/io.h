/* SPDX-License-Identifier: MIT
 * What the files of io/ share. */
#ifndef RNI_IO_IO_H
#define RNI_IO_IO_H

#include <runnel/fd.h>
#include <runnel/time.h>
#include <sys/socket.h>

#include "sched/core/fdop.h"

_Static_assert(_Generic((rn_socklen)0, socklen_t: 1, default: 0), "rn_socklen is socklen_t");
_Static_assert((int)RN_READ == (int)FD_READ && (int)RN_WRITE == (int)FD_WRITE,
               "one set of names outside, one inside");

#define RNI_IO_MOST ((size_t)1 << 30)   /* bytes of one system call: one that moves fewer came
                                         * short */

extern const char rni_io_order;         /* fd.c: its address is for TSan */

/* The calls of <runnel/fd.h> with both a deadline and an end, which may be NULL; the public ones
 * are these with one of them. */
ssize_t rni_fd_read(int fd, void *buf, size_t n, rn_time t, struct fdop_end *end);
ssize_t rni_fd_write(int fd, const void *buf, size_t n, size_t *done, rn_time t,
                     struct fdop_end *end);
ssize_t rni_fd_recvfrom(int fd, void *buf, size_t n, struct sockaddr *from, socklen_t *len,
                        rn_time t, struct fdop_end *end);
ssize_t rni_fd_sendto(int fd, const void *buf, size_t n, const struct sockaddr *to, socklen_t len,
                      rn_time t, struct fdop_end *end);
int rni_fd_wait(int fd, int events, rn_time t, struct fdop_end *end);
int rni_fd_accept(int fd, struct sockaddr *addr, socklen_t *len, rn_time t, struct fdop_end *end);
int rni_fd_connect(int fd, const struct sockaddr *addr, socklen_t len, rn_time t,
                   struct fdop_end *end);
int rni_dial(const char *addr, rn_time t, struct fdop_end *end);

/* Connects a non-blocking socket that op owns the writing side of. */
int rni_io_connect(struct fdop *op, const struct sockaddr *addr, socklen_t len);

#endif
