/* SPDX-License-Identifier: MIT
 * Descriptors: reading, writing, accepting and connecting so that the goroutine waits and not its
 * thread. Any descriptor that poll(2) can wait for will do: sockets, pipes, terminals, eventfds and
 * the like. Regular files, which it cannot, are read and written in place.
 *
 * The first call on a descriptor makes it non-blocking (O_NONBLOCK, which everyone shares who has
 * the same open file: a terminal's other users, a child's standard output). rn_fd_close closes it:
 * that ends the calls under way, and whatever gets the number next is a stranger to them. A
 * descriptor that came from rn_fd_accept, rn_fd_connect, rn_dial or rn_listen, or was given to
 * rn_fd_open, is closed by rn_fd_close and by nothing else; any other may also be closed by
 * close(2), by somebody who knows that no call is under way.
 *
 * On each descriptor one call reads (or accepts) and one writes (or connects) at a time; others
 * wait for their turn, first come first served. Deadlines: a point t that has passed fails the call
 * with -ETIMEDOUT, also if it would not have to wait; RN_NEVER is none; 0 means to try once and not
 * to wait, and -ETIMEDOUT says that it would have to. The same for a deadline that rn_fd_deadline
 * has set, but that 0 there has passed like any other. No call raises SIGPIPE: -EPIPE says it.
 *
 * Errors are those of the system call, and: -EBADF, no descriptor, or closed by rn_fd_close before
 * or during the call; -EMFILE for a number above 2^26; -ENOMEM and -ENOSPC, the kernel or the
 * library has no room to wait for it. */
#ifndef RUNNEL_FD_H
#define RUNNEL_FD_H

#include <sys/types.h>

#include <runnel/ctx.h>
#include <runnel/types.h>

/* <sys/socket.h> is for who calls it: names like listen and connect are a program's own until
 * then. */
struct sockaddr;
typedef unsigned rn_socklen; /* the same type as socklen_t */

enum { RN_READ = 1, RN_WRITE = 2 };

#ifdef __cplusplus
extern "C" {
#endif

/* Makes fd non-blocking and gets ready to wait for it, which any other call does at its first use.
 * To be called when the number may have belonged to a descriptor that something else than
 * rn_fd_close closed.
 * Errors: 0 or -errno as above.
 * Context: goroutine or thread. Parks: never. */
RN_API int rn_fd_open(int fd);

/* Reads at most n bytes into buf, waiting until there are any. Returns how many, 0 for the end; n
 * == 0: 0 at once.
 * Context: goroutine or thread. Parks: may.
 * Orders: all before a write happens before the return of the read that got bytes of it. */
RN_API ssize_t rn_fd_read(int fd, void *buf, size_t n);

/* Writes n bytes from buf, all of them, waiting as often as need be. Returns n, or -errno if it
 * failed, whatever had been written until then.
 * Context: goroutine or thread. Parks: may. Orders: as rn_fd_read. */
RN_API ssize_t rn_fd_write(int fd, const void *buf, size_t n);

/* rn_fd_read with a deadline.
 * Errors: -ETIMEDOUT.
 * Context: goroutine or thread. Parks: may. Orders: as rn_fd_read. */
RN_API ssize_t rn_fd_read_until(int fd, void *buf, size_t n, rn_time t);

/* rn_fd_write with a deadline. done, which may be NULL, receives how many bytes went out, also on
 * error.
 * Errors: -ETIMEDOUT.
 * Context: goroutine or thread. Parks: may. Orders: as rn_fd_read. */
RN_API ssize_t rn_fd_write_until(int fd, const void *buf, size_t n, size_t *done, rn_time t);

/* recvfrom(2): one datagram, or what a stream has. from and len may be NULL, as there.
 * Errors: -ETIMEDOUT; -ENOTSOCK.
 * Context: goroutine or thread. Parks: may. Orders: as rn_fd_read. */
RN_API ssize_t rn_fd_recvfrom_until(int fd, void *buf, size_t n, struct sockaddr *from,
                                    rn_socklen *len, rn_time t);

/* sendto(2): one datagram, or as much of buf as a stream takes at once. to may be NULL.
 * Errors: -ETIMEDOUT; -ENOTSOCK.
 * Context: goroutine or thread. Parks: may. Orders: as rn_fd_read. */
RN_API ssize_t rn_fd_sendto_until(int fd, const void *buf, size_t n, const struct sockaddr *to,
                                  rn_socklen len, rn_time t);

/* Accepts a connection on fd. Returns its descriptor, the caller's: non-blocking and close-on-exec.
 * addr and len may be NULL, as for accept(2). A connection that its peer has given up already is
 * passed over. While the process or the machine has no descriptors or no memory left (EMFILE,
 * ENFILE, ENOBUFS, ENOMEM) it waits, 5 ms first, then longer up to 1 s, and tries again. Context:
 * goroutine or thread. Parks: may.
 * Orders: all before a connect happens before the return of the accept that got it. */
RN_API int rn_fd_accept(int fd, struct sockaddr *addr, rn_socklen *len);

/* rn_fd_accept with a deadline.
 * Errors: -ETIMEDOUT; with t == 0 also -EMFILE and its kind.
 * Context: goroutine or thread. Parks: may. Orders: as rn_fd_accept. */
RN_API int rn_fd_accept_until(int fd, struct sockaddr *addr, rn_socklen *len, rn_time t);

/* Connects the socket fd and waits until it is connected: 0.
 * Errors: -ECONNREFUSED and what else connect(2) and SO_ERROR tell.
 * Context: goroutine or thread. Parks: may. Orders: as rn_fd_accept. */
RN_API int rn_fd_connect(int fd, const struct sockaddr *addr, rn_socklen len);

/* rn_fd_connect with a deadline; the kernel goes on trying after it: close fd.
 * Errors: -ETIMEDOUT.
 * Context: goroutine or thread. Parks: may. Orders: as rn_fd_accept. */
RN_API int rn_fd_connect_until(int fd, const struct sockaddr *addr, rn_socklen len, rn_time t);

/* Waits until one of events (RN_READ, RN_WRITE or both) would not wait, as poll(2) sees it, and
 * returns those that would not: for libraries that do their own reading and writing. Who calls it
 * owns these sides of fd meanwhile, like a read, a write. A regular file never waits.
 * Errors: -ETIMEDOUT; -EINVAL for other events.
 * Context: goroutine or thread. Parks: may. */
RN_API int rn_fd_wait(int fd, int events, rn_time t);

/* Sets the deadline of all calls on fd, present and future, of the kind RN_READ, RN_WRITE or both:
 * calls that wait when it comes fail with -ETIMEDOUT, and so do later ones until it is moved.
 * RN_NEVER takes it away; 0 and any other point that has passed end the calls now. A call's own
 * deadline counts as well.
 * Errors: -EPERM for what cannot be waited for (a regular file); -EINVAL for other events.
 * Context: goroutine or thread. Parks: never.
 * Orders: happens before the return of a call that it ends. */
RN_API int rn_fd_deadline(int fd, int events, rn_time t);

/* Closes fd. Calls that wait on it return -EBADF, and so do those that begin before it is closed.
 * If one is in the middle of a system call, the descriptor is closed when that returns, maybe after
 * rn_fd_close did.
 * Errors: -EBADF, not open or closed already; as close(2).
 * Context: goroutine or thread. Parks: never (close(2) itself waits where SO_LINGER says so).
 * Orders: happens before the return of a call that it ends. */
RN_API int rn_fd_close(int fd);

/* The same calls, ended by the end of ctx instead of a deadline. Only when a call would have to
 * wait is it looked whether that comes; a context that has ended already fails it in any case. ctx
 * is borrowed for the call.
 * Errors: rn_ctx_err, that is -ECANCELED or -ETIMEDOUT; those of the calls above.
 * rn_fd_connect_ctx: the kernel goes on trying.
 * Context: goroutine or thread. Parks: may.
 * Orders: as those; what ends ctx happens before the return of a call that it ends. */
RN_API ssize_t rn_fd_read_ctx(int fd, void *buf, size_t n, const rn_ctx *ctx);
RN_API ssize_t rn_fd_write_ctx(int fd, const void *buf, size_t n, size_t *done, const rn_ctx *ctx);
RN_API ssize_t rn_fd_recvfrom_ctx(int fd, void *buf, size_t n, struct sockaddr *from,
                                  rn_socklen *len, const rn_ctx *ctx);
RN_API ssize_t rn_fd_sendto_ctx(int fd, const void *buf, size_t n, const struct sockaddr *to,
                                rn_socklen len, const rn_ctx *ctx);
RN_API int rn_fd_accept_ctx(int fd, struct sockaddr *addr, rn_socklen *len, const rn_ctx *ctx);
RN_API int rn_fd_connect_ctx(int fd, const struct sockaddr *addr, rn_socklen len,
                             const rn_ctx *ctx);
RN_API int rn_fd_wait_ctx(int fd, int events, const rn_ctx *ctx);

/* Connects to addr and returns a descriptor, the caller's: a stream socket, non-blocking,
 * close-on-exec, TCP_NODELAY. addr is
 *   "host:port"     host is a name, or an IPv4 address in numbers; port is a number, or the name of
 *                   a service
 *   "[::1]:port"    an IPv6 address, "[fe80::1%eth0]:port" with its scope
 *   ":port"         this machine
 *   "unix:/path"    a unix socket, "unix:@name" one in Linux's abstract space
 * A name may have several addresses: they are tried in turn, each for its share of the time that is
 * left but for no less than 2 s, and the error is that of the first. A name is looked up by
 * getaddrinfo(3), which no deadline cuts short. Errors: -EINVAL, addr has none of these forms;
 * -ENOENT, no such host or service; -EAGAIN, the name server does not answer at the moment; -EIO,
 * it has failed; -EAFNOSUPPORT, the host has no address of a family this machine knows;
 * -ENAMETOOLONG; -ETIMEDOUT; those of socket(2) and rn_fd_connect.
 * Context: goroutine or thread. Parks: may. Orders: as rn_fd_accept. */
RN_API int rn_dial(const char *addr, rn_time deadline);

/* The same, ended by the end of ctx; its deadline is shared out as above.
 * Errors: rn_ctx_err; as rn_dial.
 * Context: goroutine or thread. Parks: may. Orders: as rn_fd_accept. */
RN_API int rn_dial_ctx(const char *addr, const rn_ctx *ctx);

/* Listens on addr and returns a descriptor, the caller's: non-blocking, close-on-exec,
 * SO_REUSEADDR; TCP_NODELAY, which the accepted ones inherit. addr as for rn_dial; the port 0 takes
 * a free one (getsockname(2) tells which), ":port" listens on all addresses, IPv6 and IPv4 together
 * where the machine has both. Of several addresses the first that can be had is taken. A unix path
 * must not exist; who closes the listener removes it. backlog < 1: SOMAXCONN.
 * Errors: as rn_dial, but for connecting; those of bind(2) and listen(2).
 * Context: goroutine or thread. Parks: may, while a name is looked up. */
RN_API int rn_listen(const char *addr, int backlog);

#ifdef __cplusplus
}
#endif

#endif
