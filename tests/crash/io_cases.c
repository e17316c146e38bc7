/* SPDX-License-Identifier: MIT
 * Deadlocks and descriptors: who waits for one holds the report off, one that is merely open does
 * not. What would go on for ever is ended by an alarm. */
#define _GNU_SOURCE
#include "tests/crash/cases.h"

#include <errno.h>
#include <sys/time.h>

static void alarm_in_300_ms(void)
{
        setitimer(ITIMER_REAL, &(struct itimerval){ .it_value = { 0, 300000 } }, NULL);
}

static int listener(void)
{
        int l = rn_listen("127.0.0.1:0", 0);

        if (l < 0)
                exit(96);
        return l;
}

static void accepts(int l)
{
        rn_fd_accept(l, NULL, NULL);
        AFTERWARDS();
}

CASE(listener_in_accept)
{
        alarm_in_300_ms();
        accepts(listener());
}

CASE(goroutine_in_accept)
{
        alarm_in_300_ms();
        rn_go(accepts, listener());
        blocked_in_receive(rn_make(int, 0));
}

CASE(idle_listener)
{
        listener();
        blocked_in_receive(rn_make(int, 0));
}

static void *waits_for_a_descriptor(void *l)
{
        rn_fd_wait((int)(intptr_t)l, RN_READ, RN_NEVER);
        return NULL;
}

CASE(thread_in_wait)
{
        alarm_in_300_ms();
        plain_thread(waits_for_a_descriptor, (void *)(intptr_t)listener());
        blocked_in_receive(rn_make(int, 0));
}

CASE(read_with_a_deadline)
{
        int p[2];
        char c;

        if (pipe(p) < 0)
                exit(96);
        rn_go(rn_fd_read_until, p[0], &c, (size_t)1, rn_deadline(200 * RN_MSEC));
        rn_yield();
        blocked_in_receive(rn_make(int, 0));
}

static void ends_badly(int l, rn_chan(int) done)
{
        if (rn_fd_accept(l, NULL, NULL) == -EBADF)
                say("closed\n");
        rn_send(done, 1);
}

/* Nobody is counted as waiting any more. */
CASE(listener_closed_under_accept)
{
        rn_chan(int) done = rn_make(int, 0);
        int l = listener();

        for (int i = 0; i < 3; i++)
                rn_go(ends_badly, l, done);
        rn_sleep(20 * RN_MSEC);
        rn_fd_close(l);
        for (int i = 0; i < 3; i++)
                rn_wait(done);
        blocked_in_receive(done);
}

CASE(dump_of_io_wait)
{
        rn_go(accepts, listener());
        until_dump_shows("[IO wait]");
        rn_dump(2);
}
