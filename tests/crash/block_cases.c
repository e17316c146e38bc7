/* SPDX-License-Identifier: MIT
 * How programs end whose goroutines sit in C code. */
#define _GNU_SOURCE
#include "tests/crash/cases.h"

#include <stdatomic.h>

static void passes(const int *fd, rn_chan(int) c)
{
        char b;

        if (read(fd[0], &b, 1) != 1)
                abort();
        rn_wait(c);
        AFTERWARDS();
}

static void fills(const int *fd)
{
        if (write(fd[1], "x", 1) != 1)
                abort();
}

/* On one processor it has been taken before the pipe is filled. */
CASE(deadlock_after_c)
{
        static int fd[2];

        if (pipe(fd))
                abort();
        rn_maxprocs(1);
        rn_go(passes, fd, rn_make(int, 0));
        rn_go(fills, fd);
        blocked_in_receive(rn_make(int, 0));
}

static void sends_late(rn_chan(int) c)
{
        usleep(300 * 1000);
        rn_send(c, 5);
}

CASE(c_code_holds_it_off)
{
        rn_chan(int) c = rn_make(int, 0);

        rn_maxprocs(1);
        rn_go(sends_late, c);
        printf("%d\n", rn_get(c));
}

static void blocks_for_good(void)
{
        rn_blocking(pause);
}

CASE(too_many_threads)
{
        for (int i = 0; i < 100; i++) {
                rn_go(blocks_for_good);
                rn_yield();
        }
        rn_forever();
}

static atomic_int in_c;

static void in_c_for_good(void)
{
        atomic_fetch_add(&in_c, 1);
        for (;;)
                pause();
}

CASE(quit_while_in_c)
{
        rn_maxprocs(1);
        rn_go(in_c_for_good);
        rn_go(in_c_for_good);
        while (atomic_load(&in_c) < 2)
                rn_yield();
        say("ready\n");
        rn_forever();
}
