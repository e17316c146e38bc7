/* SPDX-License-Identifier: MIT
 * Scenarios of the fault sweep with descriptors, signals, processes and dumps. Whoever serves says
 * what went wrong on his side, and closes his end, so that the other does not wait for ever.
 * scenario.h says what a scenario is; scenarios.c runs them. */
#include "tests/faults/scenario.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The first error of all sides. */
struct link {
        rn_wg wg;
        atomic_int err;
        atomic_long bytes;
        atomic_bool closed;
        int fd;
        char path[64];
};

static bool note(struct link *l, long r)
{
        int none = 0;

        if (r < 0)
                atomic_compare_exchange_strong(&l->err, &none, (int)r);
        return r >= 0;
}

/* -- sockets -- */

enum { MESSAGE = 3000, ROUNDS = 8 };

static void serve(struct link *l, int fd)
{
        char buf[700];
        ssize_t n;

        while ((n = rn_fd_read(fd, buf, sizeof buf)) > 0 &&
               note(l, rn_fd_write(fd, buf, (size_t)n)))
                continue;
        note(l, n);
        rn_fd_close(fd);
        rn_wg_done(&l->wg);
}

/* By whoever comes first: closed twice it may be another's. */
static void close_listener(struct link *l)
{
        if (!atomic_exchange(&l->closed, true))
                rn_fd_close(l->fd);
}

static void server(struct link *l, int n)
{
        for (int i = 0; i < n; i++) {
                /* while there is no descriptor to be had it tries again and again */
                int fd = rn_fd_accept_until(l->fd, NULL, NULL, rn_deadline(700 * RN_MSEC));

                if (!note(l, fd))
                        break;
                rn_wg_add(&l->wg, 1);
                if (!note(l, rn_try_go(serve, l, fd))) {
                        rn_fd_close(fd);
                        rn_wg_done(&l->wg);
                }
        }
        close_listener(l);
        rn_wg_done(&l->wg);
}

/* What comes back is what was sent. */
static int echo(struct link *l, int fd)
{
        unsigned char out[MESSAGE], in[MESSAGE];

        for (int k = 0; k < ROUNDS; k++) {
                size_t have = 0;
                ssize_t n;

                for (size_t i = 0; i < MESSAGE; i++)
                        out[i] = (unsigned char)(i * 7 + (size_t)k);
                if (!note(l, n = rn_fd_write(fd, out, MESSAGE)))
                        return (int)n;
                SAME(n, MESSAGE);
                while (have < MESSAGE) {
                        n = rn_fd_read(fd, in + have, MESSAGE - have);
                        if (!note(l, n == 0 ? -EPIPE : n))
                                return (int)n;
                        have += (size_t)n;
                }
                SAME(memcmp(in, out, MESSAGE), 0);
                atomic_fetch_add(&l->bytes, MESSAGE);
        }
        return 0;
}

static void client(struct link *l, const char *addr)
{
        int fd = rn_dial(addr, rn_deadline(10 * RN_SEC));

        if (note(l, fd)) {
                echo(l, fd);
                rn_fd_close(fd);
        }
        rn_wg_done(&l->wg);
}

static int port_of(int fd)
{
        struct sockaddr_in at;
        socklen_t len = sizeof at;

        SAME(getsockname(fd, (struct sockaddr *)&at, &len), 0);
        return ntohs(at.sin_port);
}

/* If some client could not connect the server would wait for it: then it is closed. */
static int run_link(struct link *l, const char *addr, int clients)
{
        rn_wg_add(&l->wg, 1);
        if (!note(l, rn_try_go(server, l, clients))) {
                rn_wg_done(&l->wg);
                close_listener(l);
                return atomic_load(&l->err);
        }
        for (int i = 0; i < clients; i++) {
                rn_wg_add(&l->wg, 1);
                if (!note(l, rn_try_go(client, l, addr)))
                        rn_wg_done(&l->wg);
        }
        while (rn_numgoroutine() > 1 && atomic_load(&l->err) == 0)
                rn_sleep(RN_MSEC / 4);
        if (atomic_load(&l->err))
                close_listener(l);
        rn_wg_wait(&l->wg);
        if (atomic_load(&l->err) == 0)
                SAME(atomic_load(&l->bytes), clients * MESSAGE * ROUNDS);
        return atomic_load(&l->err);
}

static int net(void)
{
        struct link *l = lasting(sizeof *l);

        l->fd = rn_listen("127.0.0.1:0", 0);
        if (l->fd < 0)
                return l->fd;
        snprintf(l->path, sizeof l->path, "127.0.0.1:%d", port_of(l->fd));
        return run_link(l, l->path, 4);
}

static int net_unix(void)
{
        struct link *l = lasting(sizeof *l);
        static int n;

        snprintf(l->path, sizeof l->path, "unix:@runnel-faults-%d-%d", (int)getpid(), n++);
        l->fd = rn_listen(l->path, 0);
        return l->fd < 0 ? l->fd : run_link(l, l->path, 2);
}

static int deadlines(void)
{
        int fd = owned(rn_listen("127.0.0.1:0", 0)), r;
        struct link *l = lasting(sizeof *l);

        if (fd < 0)
                return fd;
        r = rn_fd_accept_until(fd, NULL, NULL, rn_deadline(RN_MSEC));
        if (r != -ETIMEDOUT)
                return r;
        r = rn_fd_deadline(fd, RN_READ, rn_deadline(RN_MSEC));
        if (r < 0)
                return r;
        r = rn_fd_accept(fd, NULL, NULL);
        if (r != -ETIMEDOUT)
                return r;
        r = rn_fd_wait(fd, RN_READ, rn_deadline(RN_MSEC));
        if (r != -ETIMEDOUT)
                return r;
        snprintf(l->path, sizeof l->path, "127.0.0.1:%d", port_of(fd));
        l->fd = owned(rn_dial(l->path, rn_deadline(RN_SEC)));
        if (l->fd < 0)
                return l->fd;
        r = (int)rn_fd_read_until(l->fd, l->path, 1, rn_deadline(RN_MSEC));
        return r == -ETIMEDOUT ? 0 : r;
}

static int datagrams(void)
{
        int p[2], v = 0;
        ssize_t r;

        SAME(socketpair(AF_UNIX, SOCK_DGRAM, 0, p), 0);
        owned(p[0]);
        owned(p[1]);
        for (int i = 1; i <= 5; i++) {
                r = rn_fd_sendto_until(p[0], &i, sizeof i, NULL, 0, RN_NEVER);
                if (r < 0)
                        return (int)r;
                r = rn_fd_recvfrom_until(p[1], &v, sizeof v, NULL, NULL, RN_NEVER);
                if (r < 0)
                        return (int)r;
                SAME(v, i);
        }
        return 0;
}

/* -- pipes and files -- */

static void fill(struct link *l, int fd)
{
        char buf[5000];

        memset(buf, 'p', sizeof buf);
        for (int i = 0; i < 30; i++)
                if (!note(l, rn_fd_write(fd, buf, sizeof buf)))
                        break;
        rn_fd_close(fd);
        rn_wg_done(&l->wg);
}

static int pipes(void)
{
        struct link *l = lasting(sizeof *l);
        char buf[4096];
        ssize_t n;
        int p[2];

        SAME(pipe(p), 0);
        rn_wg_add(&l->wg, 1);
        rn_go(fill, l, p[1]);
        while ((n = rn_fd_read(p[0], buf, sizeof buf)) > 0)
                for (ssize_t i = 0; i < n; i++)
                        l->bytes += buf[i] == 'p';
        note(l, n);
        rn_fd_close(p[0]);
        rn_wg_wait(&l->wg);
        if (l->err == 0)
                SAME(l->bytes, 150000);
        return l->err;
}

static int files(void)
{
        int fd = owned(memfd_create("faults", MFD_CLOEXEC));
        char buf[16];
        ssize_t n;

        SAME(fd >= 0, true);
        for (int i = 0; i < 3; i++) {
                n = rn_fd_write(fd, "0123456789", 10);
                if (n < 0)
                        return (int)n;
        }
        SAME(lseek(fd, 0, SEEK_SET), 0);
        for (int i = 0; i < 3; i++) {
                n = rn_fd_read(fd, buf, 10);
                if (n < 0)
                        return (int)n;
                SAME(n, 10);
                SAME(memcmp(buf, "0123456789", 10), 0);
        }
        return 0;
}

/* -- the rest of the system -- */

static int signals(void)
{
        rn_chan(int) c = rn_make(int, 4);
        rn_ctx *ctx;

        rn_signal_notify(c, SIGUSR1, SIGUSR2);
        for (int i = 0; i < 3; i++) {
                SAME(kill(getpid(), i % 2 ? SIGUSR2 : SIGUSR1), 0);
                SAME(rn_get(c), i % 2 ? SIGUSR2 : SIGUSR1);
        }
        rn_signal_stop(c);
        rn_unref(c);
        ctx = rn_signal_ctx(rn_ctx_background(), SIGUSR1);
        SAME(kill(getpid(), SIGUSR1), 0);
        (void)rn_wait(rn_ctx_done(ctx));
        SAME(rn_ctx_cause(ctx), -EINTR);
        rn_ctx_release(ctx);
        rn_signal_reset(SIGUSR1);
        rn_signal_reset(SIGUSR2);
        return 0;
}

/* A refused wait has not taken the status: waitpid can. */
static int processes(void)
{
        char *const quick[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                                (char *)(uintptr_t) "exit 7", NULL };
        char *const slow[] = { (char *)(uintptr_t)"sleep", (char *)(uintptr_t)"100", NULL };
        int status = 0, r, late;
        pid_t pid;

        SAME(posix_spawn(&pid, "/bin/sh", NULL, NULL, quick, environ), 0);
        r = rn_process_wait(pid, &status);
        if (r < 0)
                SAME(waitpid(pid, &status, 0), pid);
        SAME(WEXITSTATUS(status), 7);
        if (r < 0)
                return r;
        SAME(posix_spawnp(&pid, "sleep", NULL, NULL, slow, environ), 0);
        late = rn_process_wait_until(pid, &status, rn_deadline(RN_MSEC));
        SAME(kill(pid, SIGKILL), 0);
        r = rn_process_wait(pid, &status);
        if (r < 0)
                SAME(waitpid(pid, &status, 0), pid);
        SAME(WTERMSIG(status), SIGKILL);
        return r < 0 ? r : late == -ETIMEDOUT ? 0 : late;
}

static void hang_around(struct link *l, rn_chan(int) c)
{
        rn_set_name("dumped");
        atomic_fetch_add(&l->bytes, 1);
        (void)rn_wait(c);
        rn_wg_done(&l->wg);
}

/* What a dump writes to a file is all there, whatever it was refused. */
static int dumps(void)
{
        struct link *l = lasting(sizeof *l);
        rn_chan(int) c = rn_make(int, 0);
        int fd = owned(memfd_create("dump", MFD_CLOEXEC)), seen = 0;
        static char text[65536];
        ssize_t n;

        rn_wg_add(&l->wg, 5);
        for (int i = 0; i < 5; i++)
                rn_go(hang_around, l, c);
        while (atomic_load(&l->bytes) < 5)
                rn_yield();
        rn_dump(fd);
        rn_close(c);
        rn_wg_wait(&l->wg);
        rn_unref(c);
        n = pread(fd, text, sizeof text - 1, 0);
        if (n <= 0)
                return -EIO;
        text[n] = 0;
        for (const char *p = text; (p = strstr(p, "\"dumped\"")) != NULL; p++)
                seen++;
        if (seen != 5 || !strstr(text, "goroutine 1 "))
                return -EIO;
        return 0;
}

#define NET_ERRORS \
        -ETIMEDOUT, -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS, -EADDRINUSE, -ECONNRESET, -EPIPE, \
                -ENOSPC, -EAGAIN, -EADDRNOTAVAIL, -ECONNREFUSED

const struct scenario io_scenarios[] = {
        { "net", net, { NET_ERRORS } },
        { "net_unix", net_unix, { NET_ERRORS } },
        { "deadlines", deadlines, { NET_ERRORS } },
        { "datagrams", datagrams,
          { -ECONNRESET, -ENOMEM, -EPIPE, -ENOBUFS, -EMFILE, -ENFILE, -ENOSPC } },
        { "pipes", pipes, { -EIO, -ENOSPC, -ENOMEM, -EMFILE, -ENFILE, -EBADF } },
        { "files", files, { -EIO, -ENOSPC, -ENOMEM, -EMFILE, -ENFILE } },
        { "signals", signals, { 0 } },
        { "processes", processes, { -EMFILE, -ENFILE, -ENOMEM, -ENOSYS, -EPERM, -ENOSPC } },
        { "dumps", dumps, { -EIO } },
        { NULL, NULL, { 0 } },
};
