/* SPDX-License-Identifier: MIT
 * Signal handlers of the runtime, and passing a signal on to whoever had it before. rni_sig_chain
 * runs inside a handler: nothing here allocates or locks. Callers: core/panic (faults), sysmon,
 * chan/signal. */
#include "sched/os/sys.h"

#include <signal.h>
#include <string.h>

#if RNI_TSAN
/* TSan's sigaction has a handler wait until its thread calls a function that it intercepts, which
 * an idle M never does. Ours touch nothing that it watches, so they go past it: to what glibc
 * exports besides. */
int __sigaction(int sig, const struct sigaction *sa, struct sigaction *old);
#define set_action __sigaction
#else
#define set_action sigaction
#endif

bool rni_sig_is_default(int sig)
{
        struct sigaction now;
        int keep = errno;
        bool is = set_action(sig, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
                  now.sa_handler == SIG_DFL;

        errno = keep;
        return is;
}

int rni_sig_install(int sig, void (*fn)(int, siginfo_t *, void *), struct sigaction *old)
{
        struct sigaction sa;
        int keep = errno, r;

        memset(&sa, 0, sizeof sa);
        sa.sa_sigaction = fn;
        sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
        sigemptyset(&sa.sa_mask);
        r = set_action(sig, &sa, old) == 0 ? 0 : -errno;
        errno = keep;
        return r;
}

void rni_sig_restore(int sig, const struct sigaction *old)
{
        int keep = errno;

        set_action(sig, old, NULL);
        errno = keep;
}

void rni_sig_ignore(int sig, struct sigaction *old)
{
        struct sigaction sa;
        int keep = errno;

        memset(&sa, 0, sizeof sa);
        sa.sa_handler = SIG_IGN;
        set_action(sig, &sa, old);
        errno = keep;
}

void rni_sig_listen(uint64_t set)
{
        sigset_t mask;

        sigfillset(&mask);
        for (int sig = 1; sig <= 64; sig++)
                if (set >> (sig - 1) & 1)
                        sigdelset(&mask, sig);
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

/* Did this very instruction cause it? Then it can be neither ignored nor raised again: it comes
 * back by itself. */
static bool is_fault(int sig, const siginfo_t *si)
{
        return si->si_code > 0 && (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE ||
                                   sig == SIGILL || sig == SIGTRAP);
}

/* The default action. Some signals only stop the process or do nothing: then our handler is put
 * back. */
static void default_action(int sig, const siginfo_t *si)
{
        struct sigaction dfl, ours;
        sigset_t one, mask;

        memset(&dfl, 0, sizeof dfl);
        dfl.sa_handler = SIG_DFL;
        set_action(sig, &dfl, &ours);
        if (is_fault(sig, si))
                return;
        sigemptyset(&one);
        sigaddset(&one, sig);
        rni_sys(SYS_tgkill, getpid(), rni_thread_id(), sig, 0, 0, 0);
        pthread_sigmask(SIG_UNBLOCK, &one, &mask);
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
        set_action(sig, &ours, NULL);
}

/* Calls the old handler under the mask that it asked for. */
static void call_old(const struct sigaction *old, int sig, siginfo_t *si, void *uc)
{
        sigset_t more = old->sa_mask, mask, one;

        pthread_sigmask(SIG_BLOCK, &more, &mask);
        if (old->sa_flags & SA_NODEFER) {
                sigemptyset(&one);
                sigaddset(&one, sig);
                pthread_sigmask(SIG_UNBLOCK, &one, NULL);
        }
        if (old->sa_flags & SA_SIGINFO)
                old->sa_sigaction(sig, si, uc);
        else
                old->sa_handler(sig);
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

void rni_sig_chain(const struct sigaction *old, int sig, siginfo_t *si, void *uc)
{
        int keep = errno;
        bool plain = (old->sa_flags & SA_SIGINFO) == 0;

        if (plain && old->sa_handler == SIG_IGN && !is_fault(sig, si))
                return;
        if (plain && (old->sa_handler == SIG_DFL || old->sa_handler == SIG_IGN))
                default_action(sig, si);
        else
                call_old(old, sig, si, uc);
        errno = keep;
}
