/* SPDX-License-Identifier: MIT
 * Two connected descriptors, and somebody who reads from one: what the tests of descriptors share. Included after behave.h. */
#ifndef ENDS_H
#define ENDS_H

#include <sys/socket.h>

struct ends {
        int r, w;
};

static inline struct ends new_pipe(void)
{
        int p[2];

        if (pipe(p) < 0)
                abort();
        return (struct ends){ p[0], p[1] };
}

static inline struct ends new_pair(void)
{
        int p[2];

        if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) < 0)
                abort();
        return (struct ends){ p[0], p[1] };
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
