/* SPDX-License-Identifier: MIT
 * Programs that signals end, or do not. */
#define _GNU_SOURCE
#include "tests/crash/cases.h"

CASE(watch_holds_a_deadlock_off)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_signal_notify(c, SIGUSR1);
        say("ready\n");
        if (rn_get(c) == SIGUSR1)
                say("got it\n");
}

CASE(deadlock_after_stop)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_signal_notify(c, SIGUSR1);
        rn_signal_stop(c);
        blocked_in_receive(c);
}

CASE(killed_after_stop)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_signal_notify(c, SIGUSR1);
        raise(SIGUSR1);
        rn_wait(c);
        rn_signal_stop(c);
        say("stopped\n");
        raise(SIGUSR1);
        rn_forever();
}

CASE(blocked_everywhere_and_watched)
{
        rn_chan(int) c;
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_BLOCK, &set, NULL); /* before the first thread: all of them inherit it */
        c = rn_make(int, 1);
        rn_signal_notify(c, SIGUSR1);
        kill(getpid(), SIGUSR1);
        if (rn_get(c) == SIGUSR1)
                say("got it\n");
        rn_signal_stop(c);
        kill(getpid(), SIGUSR1); /* stays pending, as it would have without us */
        say("lives\n");
}

CASE(closed_while_watched)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_signal_notify(c, SIGUSR1);
        rn_close(c);
        raise(SIGUSR1);
        rn_forever();
}

CASE(quit_is_watched)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_signal_notify(c, SIGQUIT);
        raise(SIGQUIT);
        if (rn_get(c) == SIGQUIT)
                say("no dump\n");
        rn_signal_stop(c);
        raise(SIGQUIT);
        rn_forever();
}
