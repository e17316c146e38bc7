/* SPDX-License-Identifier: MIT
 * C code that ends when another goroutine says so: what the tests of blocking calls share. Included
 * after behave.h. */
#ifndef GATE_H
#define GATE_H

#include <errno.h>
#include <fcntl.h>
#include <time.h>

struct gate {
        int fd[2];
        atomic_int inside;
};

static inline void gate_make(struct gate *g)
{
        if (pipe2(g->fd, O_CLOEXEC) != 0)
                abort();
        atomic_store(&g->inside, 0);
}

static inline void gate_end(struct gate *g)
{
        close(g->fd[0]);
        close(g->fd[1]);
}

/* Blocks the thread. */
static inline void gate_pass(struct gate *g)
{
        char c;

        atomic_fetch_add(&g->inside, 1);
        while (read(g->fd[0], &c, 1) < 0 && errno == EINTR)
                continue;
}

static inline void gate_open(struct gate *g, int n)
{
        while (n-- > 0)
                if (write(g->fd[1], "x", 1) != 1)
                        abort();
}

static inline void gate_opener(struct gate *g)
{
        gate_open(g, 1);
}

/* Waits in C for a goroutine that does not run yet: on one processor it has lost the processor
 * afterwards. */
static inline void lose_the_processor(void)
{
        struct gate g;

        gate_make(&g);
        rn_go(gate_opener, &g);
        gate_pass(&g);
        gate_end(&g);
}

static inline void nap(unsigned us)
{
        struct timespec t = { 0, (long)us * 1000 };

        nanosleep(&t, NULL);
}

#endif
