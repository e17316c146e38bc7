/* SPDX-License-Identifier: MIT
 * Two connected descriptors, and somebody who reads from one: what the tests of descriptors share.
 * Included after behave.h. */
#ifndef ENDS_H
#define ENDS_H

#include <fcntl.h>
#include <sys/socket.h>

struct ends {
        int r, w;
};

/* The lowest numbers are anyone's: sysmon and a sanitizer open files at any time, so a number that
 * was just closed may be in use. These are the tests' own. */
enum { ENDS_FIRST = 300 };

static inline struct ends ends_move(int p[2])
{
        struct ends e = { fcntl(p[0], F_DUPFD, ENDS_FIRST), fcntl(p[1], F_DUPFD, ENDS_FIRST) };

        if (e.r < 0 || e.w < 0)
                abort();
        close(p[0]);
        close(p[1]);
        return e;
}

static inline struct ends new_pipe(void)
{
        int p[2];

        if (pipe(p) < 0)
                abort();
        return ends_move(p);
}

static inline struct ends new_pair(void)
{
        int p[2];

        if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) < 0)
                abort();
        return ends_move(p);
}

static inline void close_both(struct ends e)
{
        CHECK_EQ(rn_fd_close(e.r), 0);
        CHECK_EQ(rn_fd_close(e.w), 0);
}

/* EACH_KIND(m) { struct ends e = makers[m](); ... } */
static struct ends (*const makers[])(void) = { new_pipe, new_pair };
#define EACH_KIND(m) for (size_t m = 0; m < sizeof makers / sizeof *makers; m++)

struct reading {
        int fd;
        size_t want;
        char buf[64];
        ssize_t got;
};

static inline void read_it(void *arg)
{
        struct reading *r = arg;

        rn_set_name("reader");
        r->got = rn_fd_read(r->fd, r->buf, r->want);
}

static inline void until_reader_waits(void)
{
        BEHAVE_UNTIL(behave_parked("reader", "IO wait") == 1);
}

#endif
