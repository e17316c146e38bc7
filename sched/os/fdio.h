/* SPDX-License-Identifier: MIT
 * Descriptors and sockets: one system call each, errno left alone, results 0, a count or -errno.
 * None of them raises SIGPIPE. Those that can be interrupted before anything happened start again
 * by themselves. Callers: core/polldesc, io. */
#ifndef RNI_OS_FDIO_H
#define RNI_OS_FDIO_H

#include <sys/socket.h>
#include <sys/types.h>

#include "sched/base/cc.h"

enum rni_fd_kind { RNI_FD_OTHER, RNI_FD_PIPE, RNI_FD_SOCKET, RNI_FD_TCP };

int     rni_fd_kind(int fd);                       /* enum rni_fd_kind */
int     rni_fd_nonblock(int fd);                   /* sets O_NONBLOCK; 1: it was set; -EBADF */
int     rni_fd_shut(int fd);                       /* close(2); interrupted counts as done */
/* a socket does not wait, non-blocking or not */
ssize_t rni_os_read(enum rni_fd_kind kind, int fd, void *buf, size_t n);
ssize_t rni_os_write(enum rni_fd_kind kind, int fd, const void *buf, size_t n);   /* likewise */
int     rni_os_poll(int fd, bool in, bool out);    /* now: bit 0 a read, bit 1 a write would not
                                                    * wait */

ssize_t rni_os_recvfrom(int fd, void *buf, size_t n, struct sockaddr *from, socklen_t *len);
ssize_t rni_os_sendto(int fd, const void *buf, size_t n, const struct sockaddr *to, socklen_t len);
/* non-blocking, close-on-exec */
int     rni_os_accept(int fd, struct sockaddr *addr, socklen_t *len);
/* -EINTR: goes on by itself */
int     rni_os_connect(int fd, const struct sockaddr *addr, socklen_t len);
int     rni_os_connect_error(int fd);              /* how it went; -EINPROGRESS: it is not over */
int     rni_os_socket(int family, int type, int protocol);   /* non-blocking, close-on-exec */
int     rni_os_bind(int fd, const struct sockaddr *addr, socklen_t len);
int     rni_os_listen(int fd, int backlog);
int     rni_os_option(int fd, int level, int option, int value);

#endif
