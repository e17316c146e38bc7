/* SPDX-License-Identifier: MIT
 * SIGQUIT: every goroutine's state and backtrace, then exit status 2, as a Go program does. Done in
 * the handler itself, wherever it lands: the dump allocates nothing and takes no lock, and the
 * thread that it interrupted resumes no goroutine meanwhile. Only installed where SIGQUIT has its
 * default action.
 *
 * Under TSan a thread of its own does it. The handler may have interrupted TSan's runtime, and the
 * trace enters it again: libgcc's unwinder calls pthread_once, for which TSan takes locks that the
 * interrupted thread may hold, or reads a state that it was just changing (1 of 100 dumps hung, 1
 * of 1,000 died of SIGSEGV). */
#include "sched/core/boot.h"
#include "sched/core/hook.h"
#include "sched/core/sched.h"

static _Noreturn void quit(void)
{
        struct rni_out o;

        rni_die_begin();
        rni_out_init(&o, 2);
        rni_out_fmt(&o, "SIGQUIT: quit\n");
        rni_hook_dump(&o, 1);
        rni_out_flush(&o);
        rni_die_end();
}

#if RNI_TSAN

enum { QUITTER_STACK = 64 * 1024 };
static a32 asked;        /* a futex */
static pid_t quitters;   /* the process that has the thread: the child of a fork has none */

/* Whoever it interrupted goes on and may be the last to go to sleep: that is no deadlock, the dump
 * is on its way. */
bool rni_quit_asked(void)
{
        return load_acq(&asked);   /* acq: pairs with rel in ask_quitter */
}

static void *quitter(void *arg)
{
        (void)arg;
        while (!load_acq(&asked))   /* acq: pairs with rel in ask_quitter */
                rni_futex_wait(&asked, 0);
        rni_m();   /* who freezes the world is known to it */
        quit();
}

/* In the handler. False: there is nobody. */
static bool ask_quitter(void)
{
        if (getpid() != quitters)
                return false;
        store_rel(&asked, 1);   /* rel: pairs with acq in quitter */
        rni_futex_wake(&asked, 1);
        return true;
}

static void start_quitter(void)
{
        int err = rni_thread_start(quitter, NULL, QUITTER_STACK, true);

        if (err != 0)
                rni_fatal("cannot start the thread that dumps at SIGQUIT: error %d", -err);
        fetch_add(&rni_boot_helpers, 1);
        quitters = getpid();
}

#else

bool rni_quit_asked(void)
{
        return false;   /* the handler does not return */
}

static bool ask_quitter(void)
{
        return false;
}

static void start_quitter(void)
{
}

#endif

static void on_quit(int sig, siginfo_t *si, void *uc)
{
        (void)sig;
        (void)si;
        (void)uc;
        if (!ask_quitter())
                quit();
}

void rni_quit_init(void)
{
        struct sigaction was_default;

        if (!rni_sig_is_default(SIGQUIT))
                return;
        start_quitter();
        rni_sig_install(SIGQUIT, on_quit, &was_default);
}
