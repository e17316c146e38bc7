/* SPDX-License-Identifier: MIT
 * Panics that nobody catches, fatal errors, stack overflow, faults and signals. */
#define _GNU_SOURCE
#include "tests/crash/cases.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>

static const volatile bool always = true;   /* a compiler that knew that nothing returns would
                                             * object */

/* -- panics -- */

CASE(close_nil)
{
        rn_chan(int) c = NULL;

        rn_close(c);
}

CASE(close_twice)
{
        rn_chan(int) c = rn_make(int, 0);

        rn_close(c);
        rn_close(c);
}

VISIBLE(void, sends_on_closed, (rn_chan(int) c))
{
        rn_send(c, 1);
        AFTERWARDS();
}

CASE(send_on_closed)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_close(c);
        sends_on_closed(c);
}

CASE(try_send_on_closed)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_close(c);
        rn_try_send(c, 1);
}

CASE(select_send_on_closed)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_close(c);
        rn_select(rn_on_send(c, 1));
}

CASE(try_select_send_on_closed)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_close(c);
        rn_try_select(rn_on_send(c, 1));
}

CASE(close_wakes_a_sender)
{
        rn_chan(int) c = rn_make(int, 0);

        rn_go(sends_on_closed, c);
        rn_yield();
        rn_close(c);
        rn_forever();
}

CASE(make_negative)
{
        rn_wait(rn_make(int, -1));
}

CASE(make_too_big)
{
        rn_wait(rn_make(int64_t, PTRDIFF_MAX / 4));
}

CASE(wait_group_negative)
{
        rn_wg wg = { { 0 } };

        rn_wg_done(&wg);
}

VISIBLE(void, panics_by_itself, (const char *text))
{
        if (always)
                rn_panic("%s, number %d", text, 7);
}

CASE(panic_in_main)
{
        panics_by_itself("boom");
}

CASE(panic_in_a_goroutine)
{
        rn_go(panics_by_itself, "boom");
        rn_forever();
}

static void *panics_on_thread(void *arg)
{
        (void)arg;
        panics_by_itself("on a thread");
        return NULL;
}

CASE(panic_on_a_thread)
{
        plain_thread(panics_on_thread, NULL);
        rn_forever();
}

CASE(exit_on_a_thread)
{
        rn_main_foreign();
        rn_exit();
}

CASE(deferred_runs_before_the_crash)
{
        rn_defer(says_deferred);
        rn_panic("boom");
}

static void panics_second(void)
{
        rn_panic("second");
}

CASE(panic_in_a_deferred_call)
{
        rn_defer(says_deferred);
        rn_defer(panics_second);
        rn_panic("first");
}

static void panics_third(void)
{
        rn_panic("third");
}

static void panics_second_and_third(void)
{
        rn_defer(panics_third);
        rn_panic("second");
}

CASE(three_nested_panics)
{
        rn_defer(panics_second_and_third);
        rn_panic("first");
}

CASE(repanic)
{
        struct rn_recovered p;

        if (!rn_pcall(&p, panics_by_itself, "boom"))
                rn_repanic(&p);
}

CASE(panic_after_a_caught_one)
{
        rn_pcall(NULL, panics_by_itself, "caught");
        panics_by_itself("not caught");
}

static void exits_over_a_panic(void)
{
        rn_defer(panics_second);
        rn_exit();
}

CASE(panic_while_exiting)
{
        rn_go(exits_over_a_panic);
        rn_forever();
}

CASE(pcall_of_null)
{
        void (*volatile f)(void) = NULL;

        rn_pcall(NULL, f);
}

static atomic_int ready;

static void panics_together(int n)
{
        atomic_fetch_add(&ready, 1);
        while (atomic_load(&ready) < n)
                rn_yield();
        rn_panic("together");
}

CASE(two_panics_at_once)
{
        rn_maxprocs(4);
        rn_go(panics_together, 2);
        rn_go(panics_together, 2);
        rn_forever();
}

/* Main returns about when the other panics: never more than both or neither. */
static void panics_racing(atomic_int *on)
{
        rn_defer(panics_second);
        atomic_store(on, 1);
        rn_panic("first");
}

CASE(panic_races_with_the_end_of_main)
{
        static atomic_int on;
        const char *spin = getenv("CRASH_SPIN");

        rn_maxprocs(2);
        rn_go(panics_racing, &on);
        while (!atomic_load(&on))   /* without a call, which would not return once somebody dies */
                AFTERWARDS();
        for (int i = spin ? atoi(spin) : 0; i > 0; i--)
                AFTERWARDS();
}

static void panics_counted(void)
{
        rn_panic("counted");
}

CASE(wait_group_goroutine_panics)
{
        rn_wg wg = { { 0 } };

        rn_maxprocs(2);
        rn_wg_go(&wg, panics_counted);
        rn_wg_wait(&wg);
        say("wait has returned\n");
}

/* Everybody sleeps while the panic is printed into a pipe that is full. */
CASE(panic_while_all_others_sleep)
{
        static char dots[512];
        int flags = fcntl(2, F_GETFL);

        memset(dots, '.', sizeof dots);
        dots[sizeof dots - 1] = '\n';
        fcntl(2, F_SETFL, flags | O_NONBLOCK);
        while (write(2, dots, sizeof dots) > 0)
                continue;
        fcntl(2, F_SETFL, flags);
        rn_maxprocs(2);
        rn_go(panics_by_itself, "slowly");
        say("ready\n");
        rn_forever();
}

CASE(ticker_of_zero)
{
        rn_ticker_new(0);
}

CASE(ticker_of_less)
{
        rn_ticker_new(-RN_SEC);
}

CASE(ticker_reset_to_zero)
{
        rn_ticker_reset(rn_ticker_new(RN_SEC), 0);
}

CASE(ticker_reset_to_less)
{
        rn_ticker_reset(rn_ticker_new(RN_SEC), INT64_MIN);
}

CASE(timer_stop_nil)
{
        rn_timer_stop(NULL);
}

CASE(timer_reset_nil)
{
        rn_timer_reset(NULL, RN_SEC);
}

CASE(panic_in_an_after_func)
{
        rn_unref(rn_after_func(RN_MSEC, panics_by_itself, "boom"));
        rn_forever();
}

/* -- fatal -- */

static void (*volatile null_function)(void);

CASE(go_nil)
{
        rn_go(null_function);
}

static void goes_nil(void)
{
        rn_go(null_function);
}

CASE(go_nil_is_not_caught)
{
        rn_pcall(NULL, goes_nil);
        say("caught\n");
}

CASE(try_go_nil)
{
        if (rn_try_go(null_function) != 0)
                say("refused\n");
}

CASE(after_func_nil)
{
        rn_after_func(RN_SEC, null_function);
}

CASE(wg_go_nil)
{
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, null_function);
}

CASE(go_copy_nil)
{
        void (*volatile f)(int *) = NULL;

        rn_go_copy(f, int, 1);
}

/* -- too many -- */

CASE(try_go_at_the_limit)
{
        rn_chan(rn_nothing) c = rn_make(rn_nothing, 0);
        int n = 0, r;

        while ((r = rn_try_go(rn_chan_recv, c, NULL)) == 0 && n < 100000)
                n++;
        printf("%d %d\n", n > 0 && n < 100000, r == -EAGAIN);
        rn_close(c);
        while (rn_numgoroutine() > 1)
                rn_yield();
        printf("%d\n", rn_try_go(sleeps_long));
}

CASE(go_at_the_limit)
{
        rn_chan(rn_nothing) c = rn_make(rn_nothing, 0);

        for (int i = 0; i < 100000; i++)
                rn_go(rn_chan_recv, c, NULL);
}

/* -- stacks -- */

static __attribute__((noinline)) void touch(volatile char *p)
{
        *p = 1;
}

VISIBLE(int, recurses_for_ever, (int depth))
{
        volatile char b[256];

        touch(b);
        if (always)
                depth = recurses_for_ever(depth + 1);
        return depth + b[0];
}

static void overflows(void)
{
        result = recurses_for_ever(0);
}

CASE(overflow)
{
        rn_go(overflows);
        rn_forever();
}

/* Only the lowest byte of each frame is touched, so that a frame steps over what lies between. */
VISIBLE(int, recurses_with_a_path, (int depth))
{
        volatile char path[PATH_MAX + 64];

        touch(path);
        if (always)
                depth = recurses_with_a_path(depth + 1);
        return depth + path[0];
}

static void overflows_with_a_path(void)
{
        result = recurses_with_a_path(0);
}

CASE(overflow_by_a_path_max_buffer)
{
        rn_go(overflows_with_a_path);
        rn_forever();
}

VISIBLE(int, recurses_with_60_kib, (int depth))
{
        volatile char b[60 * 1024];

        touch(b);
        if (always)
                depth = recurses_with_60_kib(depth + 1);
        return depth + b[0];
}

static void overflows_with_60_kib(void)
{
        result = recurses_with_60_kib(0);
}

CASE(overflow_by_a_frame_of_60_kib)
{
        rn_go(overflows_with_60_kib);
        rn_forever();
}

CASE(overflow_of_a_sized_stack)
{
        rn_attr attr = { .stack = 512 * 1024 };

        if (rn_go_attr(&attr, overflows) != 0)
                abort();
        rn_forever();
}

CASE(overflow_while_others_run)
{
        rn_maxprocs(4);
        rn_go(spins);
        rn_go(overflows);
        rn_forever();
}

/* -- faults and signals -- */

static char *volatile nowhere;   /* no constant, so that no compiler knows that it is null */

static void faults(void)
{
        nowhere[16] = 1;
}

CASE(fault)
{
        rn_go(faults);
        rn_forever();
}

static void says_mine(int sig)
{
        (void)sig;
        say("mine\n");
        _exit(7);
}

CASE(fault_with_a_handler)
{
        sigaction(SIGSEGV, &(struct sigaction){ .sa_handler = says_mine, .sa_flags = SA_ONSTACK },
                  NULL);
        rn_go(faults);
        rn_forever();
}

static void checks_address(int sig, siginfo_t *si, void *uc)
{
        (void)sig;
        (void)uc;
        say("mine\n");
        _exit((char *)si->si_addr == nowhere + 16 ? 8 : 9);
}

CASE(fault_with_an_informed_handler)
{
        sigaction(SIGSEGV,
                  &(struct sigaction){ .sa_sigaction = checks_address,
                                       .sa_flags = SA_ONSTACK | SA_SIGINFO },
                  NULL);
        rn_go(faults);
        rn_forever();
}

CASE(overflow_with_a_handler)
{
        sigaction(SIGSEGV, &(struct sigaction){ .sa_handler = says_mine, .sa_flags = SA_ONSTACK },
                  NULL);
        rn_go(overflows);
        rn_forever();
}

static void says_ready(void)
{
        say("ready\n");
        rn_sleep(1000 * RN_SEC);
}

CASE(waits_for_a_signal)
{
        rn_chan(int) c = rn_make(int, 0);

        rn_go(waits_for_a_value, c);
        rn_go(waits_for_a_value, c);
        rn_yield();
        rn_go(says_ready);
        blocked_in_receive(c);
}

static void ready_and_spins(void)
{
        say("ready\n");
        spins();
}

CASE(waits_for_a_signal_spinning)
{
        rn_maxprocs(3);
        rn_go(waits_for_a_value, rn_make(int, 0));
        rn_go(spins);
        rn_yield();
        rn_go(ready_and_spins);
        rn_forever();
}

CASE(quit_with_a_handler)
{
        sigaction(SIGQUIT, &(struct sigaction){ .sa_handler = says_mine, .sa_flags = SA_ONSTACK },
                  NULL);
        rn_go(says_ready);
        rn_forever();
}

/* -- what a race detector should say -- */

static int raced_for;

VISIBLE(void, race_writer, (rn_wg *wg))
{
        raced_for++;
        rn_wg_done(wg);
}

VISIBLE(void, race_too, (rn_wg *wg))
{
        raced_for += 2;
        rn_wg_done(wg);
}

CASE(data_race)
{
        rn_wg wg = { { 0 } };

        rn_wg_add(&wg, 2);
        rn_go(race_writer, &wg);
        rn_go(race_too, &wg);
        rn_wg_wait(&wg);
}
