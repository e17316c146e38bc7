/* SPDX-License-Identifier: MIT
 * The end of main, and deadlocks: of main alone, of several, with timers, and with plain threads
 * that could still come. The synchronisation objects have their own in sync_cases.c, contexts and
 * groups in ctx_cases.c. */
#define _GNU_SOURCE
#include "tests/crash/cases.h"

/* -- the end of main -- */

CASE(return_while_others_wait)
{
        rn_chan(int) never = rn_make(int, 0);

        rn_go(rn_chan_recv, never, NULL);
        rn_go(sleeps_long);
        rn_yield();
}

CASE(return_while_others_run)
{
        rn_maxprocs(4);
        for (int i = 0; i < 3; i++)
                rn_go(spins);
}

CASE(return_a_status)
{
        rn_go(sleeps_long);
        rn_yield();
        result = 3;
}

static void exits_the_process(void)
{
        exit(4);
}

CASE(exit_from_a_goroutine)
{
        rn_go(exits_the_process);
        rn_forever();
}

static void at_the_end(void)
{
        say("at the end\n");
}

CASE(atexit_with_goroutines_alive)
{
        rn_maxprocs(4);
        atexit(at_the_end);
        for (int i = 0; i < 3; i++)
                rn_go(sleeps_long);
        rn_go(spins);
}

CASE(count_and_number_of_main)
{
        printf("%d %d\n", rn_numgoroutine(), (int)rn_goid());
}

CASE(main_foreign_by_environment)
{
        printf("%d %d\n", rn_numgoroutine(), (int)rn_goid());
}

/* -- deadlocks of main alone -- */

VISIBLE(void, blocked_in_send, (rn_chan(int) c))
{
        rn_send(c, 1);
        AFTERWARDS();
}

VISIBLE(void, called_in_between, (rn_chan(int) c))
{
        blocked_in_receive(c);
        AFTERWARDS();
}

CASE(receive)
{
        called_in_between(rn_make(int, 0));
}

CASE(receive_buffered)
{
        blocked_in_receive(rn_make(int, 5));
}

CASE(send)
{
        blocked_in_send(rn_make(int, 0));
}

CASE(send_full)
{
        rn_chan(int) c = rn_make(int, 2);

        rn_send(c, 1);
        rn_send(c, 2);
        blocked_in_send(c);
}

CASE(receive_nil)
{
        blocked_in_receive(NULL);
}

CASE(send_nil)
{
        blocked_in_send(NULL);
}

CASE(select_no_cases)
{
        rn_forever();
}

VISIBLE(void, blocked_in_select, (rn_chan(int) a, rn_chan(int) b))
{
        rn_select(rn_on_signal(a), rn_on_send(b, 1));
        AFTERWARDS();
}

CASE(select_blocked)
{
        blocked_in_select(rn_make(int, 0), rn_make(int, 0));
}

CASE(select_one)
{
        rn_select(rn_on_signal(rn_make(int, 0)));
}

CASE(select_nil)
{
        blocked_in_select(NULL, NULL);
}

CASE(select_itself)
{
        rn_chan(int) c = rn_make(int, 0);

        blocked_in_select(c, c);
}

CASE(range)
{
        rn_chan(int) c = rn_make(int, 3);

        rn_send(c, 1);
        rn_range(v, c)
                say("got one\n");
}

CASE(wait_group)
{
        static rn_wg wg;

        rn_wg_add(&wg, 1);
        rn_wg_wait(&wg);
        AFTERWARDS();
}

CASE(sleep_without_end)
{
        rn_sleep(RN_NEVER);
}

/* -- deadlocks of several -- */

CASE(two)
{
        rn_chan(int) c = rn_make(int, 0);

        rn_go(waits_for_a_value, c);
        blocked_in_receive(c);
}

CASE(many)
{
        rn_chan(int) c = rn_make(int, 0);

        rn_maxprocs(4);
        for (int i = 0; i < 50; i++)
                rn_go(waits_for_a_value, c);
        blocked_in_receive(c);
}

CASE(named)
{
        rn_chan(int) c = rn_make(int, 0);
        rn_attr attr = { .name = "the reader" };

        if (rn_go_attr(&attr, waits_for_a_value, c) != 0)
                abort();
        blocked_in_select(c, NULL);
}

VISIBLE(void, waits_for_the_group, (rn_wg *wg))
{
        rn_wg_wait(wg);
        AFTERWARDS();
}

CASE(every_reason)
{
        static rn_wg wg;
        rn_chan(int) c = rn_make(int, 0), d = rn_make(int, 0);

        rn_wg_add(&wg, 1);
        rn_go(waits_for_a_value, c);
        rn_go(waits_for_a_value, (rn_chan(int))NULL);
        rn_go(blocked_in_send, d);
        rn_go(blocked_in_send, (rn_chan(int))NULL);
        rn_go(blocked_in_select, (rn_chan(int))NULL, (rn_chan(int))NULL);
        rn_go(rn_forever);
        rn_go(waits_for_the_group, &wg);
        rn_go(rn_sleep, RN_NEVER);
        rn_forever();
}

static void ends_later(rn_chan(int) c)
{
        rn_sleep(200 * RN_MSEC);
        say("slept\n");
        rn_try_send(c, 1);
}

CASE(sleeper_holds_it_off)
{
        rn_go(ends_later, (rn_chan(int))NULL);
        blocked_in_receive(rn_make(int, 0));
}

CASE(sleeper_saves_it)
{
        rn_chan(int) c = rn_make(int, 0);

        rn_go(ends_later, c);
        blocked_in_receive(c);
}

static void select_with_timeout(rn_dur d, rn_chan(int) c)
{
        if (rn_select_for(d, rn_on_signal(c)) == RN_TIMEOUT)
                say("timeout\n");
        else
                say("value\n");
}

CASE(timed_select_holds_it_off)
{
        rn_go(select_with_timeout, 200 * RN_MSEC, rn_make(int, 0));
        blocked_in_receive(rn_make(int, 0));
}

CASE(left_timer_does_not_hold_it_off)
{
        rn_chan(int) c = rn_make(int, 0);

        rn_go(select_with_timeout, 3600 * RN_SEC, c);
        rn_send(c, 1);
        rn_send_for(3600 * RN_SEC, rn_make(int, 1), 1);
        blocked_in_receive(c);
}

static void left_by_many(rn_chan(int) c)
{
        for (int i = 0; i < 100; i++)
                rn_recv_for(3600 * RN_SEC, c, &(int){ 0 });
}

CASE(left_timers_of_many_do_not_hold_it_off)
{
        rn_chan(int) c = rn_make(int, 0);

        rn_maxprocs(4);
        for (int i = 0; i < 20; i++)
                rn_go(left_by_many, c);
        for (int i = 0; i < 2000; i++)
                rn_send(c, i);
        blocked_in_receive(c);
}

static rn_chan(int) made_before_main;

__attribute__((constructor)) static void before_main(void)
{
        const char *what = getenv("CRASH_BEFORE_MAIN");

        if (!what)
                return;
        if (strcmp(what, "deadlock") == 0)
                blocked_in_receive(rn_make(int, 0));
        made_before_main = rn_make(int, 0);
        rn_go(blocked_in_send, made_before_main);
}

CASE(started_before_main)
{
        printf("%d\n", rn_get(made_before_main));
}

/* -- timers and tickers -- */

static void says_called(rn_send_chan(int) c)
{
        say("called\n");
        rn_try_send(c, 1);
}

CASE(after_func_holds_it_off)
{
        rn_unref(rn_after_func(200 * RN_MSEC, says_called, (rn_chan(int))NULL));
        blocked_in_receive(rn_make(int, 0));
}

CASE(after_func_saves_it)
{
        rn_chan(int) c = rn_make(int, 0);

        rn_unref(rn_after_func(200 * RN_MSEC, says_called, c));
        blocked_in_receive(c);
}

CASE(stopped_after_func_does_not_hold_it_off)
{
        rn_timer *t = rn_after_func(3600 * RN_SEC, says_called, (rn_chan(int))NULL);

        rn_timer_stop(t);
        blocked_in_receive(rn_make(int, 0));
}

VISIBLE(void, waits_for_a_tick, (rn_recv_chan(rn_time) ticks))
{
        rn_wait(ticks);
        say("tick\n");
        AFTERWARDS();
}

CASE(timer_waited_on_holds_it_off)
{
        rn_go(waits_for_a_tick, rn_timer_chan(rn_timer_new(200 * RN_MSEC)));
        blocked_in_receive(rn_make(int, 0));
}

CASE(timer_selected_on_holds_it_off)
{
        rn_timer *t = rn_timer_new(200 * RN_MSEC);
        rn_chan(int) c = rn_make(int, 0);

        if (rn_select(rn_on_signal(c), rn_on_signal(rn_timer_chan(t))) == 1)
                say("tick\n");
        blocked_in_receive(c);
}

static void sends_at_the_third_tick(rn_recv_chan(rn_time) ticks, rn_send_chan(int) c)
{
        for (int i = 0; i < 3; i++)
                waits_for_a_tick(ticks);
        rn_send(c, 1);
}

CASE(ticker_waited_on_saves_it)
{
        rn_chan(int) c = rn_make(int, 0);

        rn_go(sends_at_the_third_tick, rn_ticker_chan(rn_ticker_new(50 * RN_MSEC)), c);
        blocked_in_receive(c);
}

CASE(timer_nobody_waits_on)
{
        if (rn_timer_new(3600 * RN_SEC))
                blocked_in_receive(rn_make(int, 0));
}

CASE(ticker_nobody_waits_on)
{
        if (rn_ticker_new(3600 * RN_SEC))
                blocked_in_receive(rn_make(int, 0));
}

CASE(ticker_at_work_nobody_waits_on)
{
        rn_ticker *t = rn_ticker_new(RN_MSEC);

        rn_maxprocs(4);
        waits_for_a_tick(rn_ticker_chan(t));
        rn_go(waits_for_a_value, rn_make(int, 0));
        blocked_in_receive(rn_make(int, 0));
}

static void leaves_a_ticker(rn_recv_chan(rn_time) ticks, rn_recv_chan(int) c)
{
        if (rn_select(rn_on_signal(ticks), rn_on_signal(c)) == 1)
                say("value\n");
}

CASE(ticker_left_by_a_select)
{
        rn_ticker *t = rn_ticker_new(3600 * RN_SEC);
        rn_chan(int) c = rn_make(int, 0);

        rn_go(leaves_a_ticker, rn_ticker_chan(t), c);
        rn_yield();
        rn_send(c, 1);
        blocked_in_receive(c);
}

CASE(timer_fired_once)
{
        rn_timer *t = rn_timer_new(10 * RN_MSEC);

        waits_for_a_tick(rn_timer_chan(t));
        waits_for_a_tick(rn_timer_chan(t));
}

CASE(timer_stopped)
{
        rn_timer *t = rn_timer_new(3600 * RN_SEC);

        rn_timer_stop(t);
        waits_for_a_tick(rn_timer_chan(t));
}

static void stops(rn_ticker *t)
{
        rn_ticker_stop(t);
}

CASE(ticker_stopped_under_its_waiter)
{
        rn_ticker *t = rn_ticker_new(3600 * RN_SEC);

        rn_go(stops, t);
        waits_for_a_tick(rn_ticker_chan(t));
}

/* -- main exits -- */

CASE(main_exits)
{
        rn_exit();
}

static void background(void)
{
        rn_sleep(50 * RN_MSEC);
        say("bg done\n");
}

CASE(main_exits_others_go_on)
{
        rn_go(background);
        rn_exit();
}

CASE(main_exits_others_block)
{
        rn_go(waits_for_a_value, rn_make(int, 0));
        rn_exit();
}

CASE(main_exits_while_panicking)
{
        rn_defer(says_deferred);
        rn_defer(rn_exit);
        rn_panic("forgotten");
}

/* -- plain threads and deadlock -- */

static void *idle_then_sends(void *c)
{
        usleep(300 * 1000);
        rn_chan_send(c, &(int){ 5 });
        return NULL;
}

CASE(idle_thread_may_still_come)
{
        rn_chan(int) c = rn_make(int, 0);

        plain_thread(idle_then_sends, c);
        printf("%d\n", rn_get(c));
}

static void *idle_then_ends(void *arg)
{
        (void)arg;
        usleep(300 * 1000);
        return NULL;
}

CASE(idle_thread_ends)
{
        plain_thread(idle_then_ends, NULL);
        blocked_in_receive(rn_make(int, 0));
}

static void *idle_for_long(void *arg)
{
        (void)arg;
        for (;;)
                pause();
        return NULL;
}

CASE(idle_thread_stays)
{
        plain_thread(idle_for_long, NULL);
        rn_go(blocked_in_receive, rn_make(int, 0));
        if (alarm(3) == 0)
                blocked_in_receive(rn_make(int, 0));
}

static void *receives(void *c)
{
        rn_chan_recv(c, NULL);
        return NULL;
}

CASE(all_threads_parked)
{
        rn_chan(int) c = rn_make(int, 0);

        for (int i = 0; i < 3; i++)
                plain_thread(receives, c);
        rn_go(waits_for_a_value, c);
        blocked_in_receive(c);
}

CASE(plain_main_and_threads_parked)
{
        rn_chan(int) c;

        rn_main_foreign();
        c = rn_make(int, 0);
        plain_thread(receives, c);
        rn_go(waits_for_a_value, c);
        blocked_in_receive(c);
}

CASE(plain_main_alone)
{
        rn_main_foreign();
        blocked_in_receive(rn_make(int, 0));
}

static void *sleeps_then_sends(void *c)
{
        rn_sleep(300 * RN_MSEC);
        rn_chan_send(c, &(int){ 6 });
        return NULL;
}

CASE(thread_with_a_deadline_holds_it_off)
{
        rn_chan(int) c = rn_make(int, 0);

        plain_thread(sleeps_then_sends, c);
        printf("%d\n", rn_get(c));
}

static void *parks_first(void *c)
{
        rn_chan_recv(c, NULL);
        usleep(200 * 1000);
        return NULL;
}

CASE(thread_woken_then_ended)
{
        rn_chan(int) c = rn_make(int, 0);

        plain_thread(parks_first, c);
        rn_send(c, 1);
        blocked_in_receive(c);
}

static void *boots(void *out)
{
        rn_chan(int) c = rn_make(int, 0);

        rn_go(blocked_in_send, c);
        *(int *)out = rn_get(c);
        return NULL;
}

CASE(first_call_from_a_thread)
{
        pthread_t t;
        int v = 0;

        if (pthread_create(&t, NULL, boots, &v))
                abort();
        pthread_join(t, NULL);
        printf("%d %d\n", v, (int)rn_goid());
}
