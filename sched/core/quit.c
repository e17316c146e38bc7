/* SPDX-License-Identifier: MIT
 * SIGQUIT: every goroutine's state and backtrace, then exit status 2, as a Go program does. Done in the handler itself, wherever it lands: the dump allocates nothing and
 * takes no lock, and the thread that it interrupted resumes no goroutine meanwhile. Only installed where SIGQUIT has its default action. */
#include "sched/core/boot.h"
#include "sched/core/hook.h"
#include "sched/core/sched.h"

static void on_quit(int sig, siginfo_t *si, void *uc)
{
        struct rni_out o;

        (void)sig;
        (void)si;
        (void)uc;
        rni_die_begin();
        rni_out_init(&o, 2);
        rni_out_fmt(&o, "SIGQUIT: quit\n");
        rni_hook_dump(&o, 1);
        rni_out_flush(&o);
        rni_die_end();
}

void rni_quit_init(void)
{
        struct sigaction was_default;

        if (rni_sig_is_default(SIGQUIT))
                rni_sig_install(SIGQUIT, on_quit, &was_default);
}
