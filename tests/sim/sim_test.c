/* SPDX-License-Identifier: MIT
 * Deterministic runs: the clock and who belongs to a run. How runs end is in outcome_test.c, which
 * bugs they find in bugs_test.c; runs that end the process are in tests/crash. */
#define _GNU_SOURCE
#define RN_SIM
#include <errno.h>
#include <fcntl.h>

#include "tests/support/behave.h"
#include "tests/sim/runs.h"

enum { TEXT = 1 << 20 };

/* -- the clock -- */

static void sleeps(rn_dur d)
{
        rn_time t = rn_now();

        rn_sleep(d);
        CHECK_EQ(rn_now() - t, d > 0 ? d : 0);
}

static void a_sleep_is_exact_and_takes_no_time(void)
{
        FINISHES(sleeps, HOUR);
        FINISHES(sleeps, INT64_C(1));
        FINISHES(sleeps, INT64_C(0));
        FINISHES(sleeps, INT64_C(-1));
}

static void the_clock_stands_while_anybody_runs(void)
{
        FINISHES(yields);
}

static void note_time(rn_time *t)
{
        *t = rn_now();
        rn_sleep(HOUR);
}

static void each_run_begins_at_the_same_time(void)
{
        rn_time at[2] = { 0, 0 };

        rn_sim_run(&quiet, NULL, note_time, &at[0]);
        rn_sim_run(&quiet, NULL, note_time, &at[1]);
        CHECK_EQ(at[0], at[1]);
        CHECK(at[0] > 0);
}

static void sleep_and_note(rn_dur d, int *order, atomic_int *n, int who)
{
        rn_sleep(d);
        order[atomic_fetch_add(n, 1)] = who;
}

static void three_sleepers(const rn_dur *d, int *order)
{
        rn_wg wg = { 0 };
        atomic_int n = 0;

        for (int i = 0; i < 3; i++)
                rn_wg_go(&wg, sleep_and_note, d[i], order, &n, i);
        rn_wg_wait(&wg);
}

static void sleepers_wake_in_the_order_of_their_times(void)
{
        static const rn_dur d[3] = { 3 * HOUR, HOUR, 2 * HOUR };
        int order[3];

        for (uint64_t seed = 1; seed < 100; seed++) {
                struct rn_sim_opts o = { .seed = seed };

                CHECK_EQ(rn_sim_run(&o, NULL, three_sleepers, d, order), 0);
                CHECK(order[0] == 1 && order[1] == 2 && order[2] == 0);
        }
}

static void sleepers_of_one_instant_wake_in_any_order(void)
{
        static const rn_dur d[3] = { HOUR, HOUR, HOUR };
        int seen[3] = { 0, 0, 0 }, order[3];

        for (uint64_t seed = 1; seed < 1000; seed++) {
                struct rn_sim_opts o = { .seed = seed };

                CHECK_EQ(rn_sim_run(&o, NULL, three_sleepers, d, order), 0);
                seen[order[0]]++;
        }
        CHECK(seen[0] > 100 && seen[1] > 100 && seen[2] > 100);
}

static void uses_timers(void)
{
        rn_time t = rn_now(), v;
        rn_timer *timer = rn_timer_new(HOUR), *now = rn_timer_new(0);
        rn_ticker *ticker;

        v = rn_get(rn_timer_chan(now));
        CHECK_EQ(v, t);
        rn_sleep(HOUR / 2);
        CHECK(rn_timer_stop(timer));
        CHECK(!rn_timer_reset(timer, HOUR));
        v = rn_get(rn_timer_chan(timer));
        CHECK_EQ(v - t, HOUR / 2 + HOUR);
        CHECK(!rn_timer_stop(timer));
        ticker = rn_ticker_new(SECOND);
        for (int i = 1; i <= 5; i++) {
                v = rn_get(rn_ticker_chan(ticker));
                CHECK_EQ(v - t, HOUR / 2 + HOUR + i * SECOND);
        }
        rn_unref(ticker);
        rn_unref(timer);
        rn_unref(now);
}

static void timers_and_tickers_are_exact(void)
{
        FINISHES(uses_timers);
}

static void reset_to_zero(void)
{
        rn_timer *timer = rn_timer_new(HOUR);
        rn_time t = rn_now();

        rn_timer_reset(timer, 0);
        rn_sim_wait();
        CHECK_EQ(rn_get(rn_timer_chan(timer)), t);
        rn_unref(timer);
}

static void a_timer_reset_to_zero_fires_at_once(void)
{
        FINISHES(reset_to_zero);
}

static void has_time_outs(void)
{
        rn_time t = rn_now();
        rn_ctx *ctx = rn_ctx_with_timeout(rn_ctx_background(), 100 * HOUR),
               *child = rn_ctx_with_timeout(ctx, 200 * HOUR);
        rn_chan(int) c = rn_make(int, 0);
        rn_mutex mu = { 0 };
        rn_cond cond = { 0 };
        rn_sem sem = RN_SEM(1);
        int v;

        rn_wait(rn_ctx_done(child));
        CHECK_EQ(rn_now() - t, 100 * HOUR);
        CHECK_EQ(rn_ctx_err(child), -ETIMEDOUT);
        CHECK_EQ(rn_recv_for(HOUR, c, &v), -ETIMEDOUT);
        rn_mutex_lock(&mu);
        CHECK_EQ(rn_cond_wait_until(&cond, &mu, rn_deadline(HOUR)), -ETIMEDOUT);
        rn_mutex_unlock(&mu);
        rn_sem_acquire(&sem, 1);
        CHECK_EQ(rn_sem_acquire_until(&sem, 1, rn_deadline(HOUR)), -ETIMEDOUT);
        CHECK_EQ(rn_now() - t, 103 * HOUR);
        rn_ctx_release(child);
        rn_ctx_release(ctx);
        rn_unref(c);
}

static void every_kind_of_time_out_goes_by_it(void)
{
        FINISHES(has_time_outs);
}

/* -- rn_sim_wait -- */

static void sleep_and_set(rn_dur d, atomic_int *flag)
{
        *flag = 1;
        rn_sleep(d);
        *flag = 2;
}

static void waits_for_others(void)
{
        atomic_int flag = 0;
        rn_time t = rn_now();

        rn_sim_wait();   /* no others */
        rn_go(sleep_and_set, HOUR, &flag);
        rn_sim_wait();
        CHECK_EQ(flag, 1);
        CHECK_EQ(rn_now(), t);
        rn_sleep(HOUR);
        rn_sim_wait();
        CHECK_EQ(flag, 2);
        CHECK_EQ(rn_now() - t, HOUR);
        rn_sim_wait();
        CHECK_EQ(rn_numgoroutine(), 1);
}

static void wait_returns_when_all_others_wait_or_have_ended(void)
{
        FINISHES(waits_for_others);
}

static void wait_twice(void)
{
        rn_go(rn_sim_wait);
        rn_sim_wait();
}

static void wait_is_for_one_at_a_time_and_inside_only(void)
{
        struct rn_sim_result r;

        CHECK_PANICS("rn_sim_wait outside a simulation", rn_sim_wait);
        CHECK_EQ(rn_sim_run(&quiet, &r, wait_twice), -ECANCELED);
        CHECK(r.panic.runtime && strstr(r.panic.text, "waits so already"));
}

/* -- who belongs to the run, and its end -- */

static void end_late(int depth, atomic_int *ended)
{
        rn_sleep(HOUR);
        if (depth > 0)
                rn_go(end_late, depth - 1, ended);
        rn_sleep(HOUR);
        ++*ended;
}

static void a_run_ends_with_the_last_of_its_goroutines(void)
{
        for (uint64_t seed = 1; seed <= 50; seed++) {
                struct rn_sim_opts o = { .seed = seed };
                atomic_int ended = 0;
                int before = rn_numgoroutine();

                CHECK_EQ(rn_sim_run(&o, NULL, end_late, 10, &ended), 0);
                CHECK_EQ(ended, 11);
                CHECK_EQ(rn_numgoroutine(), before);
        }
}

static void set(atomic_int *flag)
{
        ++*flag;
}

static void leave_timers(atomic_int *fired)
{
        rn_unref(rn_after_func(SECOND, set, fired));
        rn_unref(rn_after_func(10 * HOUR, set, fired));
        rn_sleep(HOUR);
        CHECK_EQ(*fired, 1);
}

static void timers_that_are_left_do_not_fire(void)
{
        for (uint64_t seed = 1; seed <= 50; seed++) {
                struct rn_sim_opts o = { .seed = seed };
                atomic_int fired = 0;

                CHECK_EQ(rn_sim_run(&o, NULL, leave_timers, &fired), 0);
                CHECK_EQ(fired, 1);
        }
}

static void counts(uint64_t seed)
{
        CHECK_EQ(rn_sim_seed(), seed);
        CHECK_EQ(rn_goid(), 1);
        CHECK_EQ(rn_numgoroutine(), 1);
        rn_go(rn_sleep, HOUR);
        CHECK_EQ(rn_numgoroutine(), 2);
        rn_sleep(2 * HOUR);
        CHECK_EQ(rn_numgoroutine(), 1);
}

static void a_run_counts_its_own_goroutines(void)
{
        struct rn_sim_opts o = { .seed = 77, .strategy = RN_SIM_FIFO };

        CHECK_EQ(rn_sim_seed(), 0);
        CHECK_EQ(rn_sim_run(&o, NULL, counts, UINT64_C(77)), 0);
}

static void add_up(rn_recv_chan(int) start, rn_wg *wg, atomic_int *sum)
{
        rn_wait(start);
        ++*sum;
        rn_wg_done(wg);
}

/* Wakes more at once than a run queue holds, and starts more. */
static void crowd(int n, atomic_int *sum)
{
        rn_chan(int) start = rn_make(int, 0);
        rn_wg wg = { 0 };

        rn_wg_add(&wg, n);
        for (int i = 0; i < n; i++)
                rn_go(add_up, start, &wg, sum);
        rn_sim_wait();
        rn_close(start);
        rn_wg_wait(&wg);
        rn_unref(start);
}

static void thousands_take_part(void)
{
        for (int strategy = RN_SIM_RANDOM; strategy <= RN_SIM_FIFO; strategy++) {
                struct rn_sim_opts o = { .strategy = strategy };
                atomic_int sum = 0;
                int n = strategy == RN_SIM_PCT ? 300 : BEHAVE_LIVE(5000);

                CHECK_EQ(rn_sim_run(&o, NULL, crowd, n, &sum), 0);
                CHECK_EQ(sum, n);
        }
}

static intptr_t forty_two(void)
{
        return 42;
}

static void block(void)
{
        CHECK_EQ(rn_blocking(forty_two), 42);
        rn_block_enter();
        rn_sleep(HOUR);
        rn_block_exit();
}

static void blocking_calls_are_made_in_place(void)
{
        FINISHES(block);
}

static void tell(rn_send_chan(int) c)
{
        rn_send(c, 1);
}

static void listen(rn_recv_chan(int) c, rn_wg *wg)
{
        rn_set_name("outside");
        CHECK_EQ(rn_get(c), 1);
        rn_wg_done(wg);
}

static void one_from_outside_can_be_woken_from_inside(void)
{
        rn_chan(int) c = rn_make(int, 0);
        rn_wg wg = { 0 };

        rn_wg_add(&wg, 1);
        rn_go(listen, c, &wg);
        BEHAVE_UNTIL(behave_parked("outside", "chan receive") == 1);
        CHECK_EQ(rn_sim_run(NULL, NULL, tell, c), 0);
        rn_wg_wait(&wg);
        rn_unref(c);
}

static atomic_int flag;

static void raise_flag(void)
{
        atomic_store(&flag, 1);
}

static void until_flag(void)
{
        while (!atomic_load(&flag))
                rn_yield();
}

/* With one P this ends only if that is free while the run goes on. */
static void a_run_keeps_nobody_else_from_running(void)
{
        struct rn_sim_opts o = { .max_steps = UINT64_MAX };

        atomic_store(&flag, 0);
        rn_go(raise_flag);
        CHECK_EQ(rn_sim_run(&o, NULL, until_flag), 0);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(a_sleep_is_exact_and_takes_no_time),
        BEHAVE_BOTH(the_clock_stands_while_anybody_runs),
        BEHAVE_BOTH(each_run_begins_at_the_same_time),
        BEHAVE_BOTH(sleepers_wake_in_the_order_of_their_times),
        BEHAVE_BOTH(sleepers_of_one_instant_wake_in_any_order),
        BEHAVE_BOTH(timers_and_tickers_are_exact),
        BEHAVE_BOTH(a_timer_reset_to_zero_fires_at_once),
        BEHAVE_BOTH(every_kind_of_time_out_goes_by_it),
        BEHAVE_BOTH(wait_returns_when_all_others_wait_or_have_ended),
        BEHAVE_BOTH(wait_is_for_one_at_a_time_and_inside_only),
        BEHAVE_BOTH(a_run_ends_with_the_last_of_its_goroutines),
        BEHAVE_BOTH(timers_that_are_left_do_not_fire),
        BEHAVE_BOTH(a_run_counts_its_own_goroutines),
        BEHAVE_BOTH(thousands_take_part),
        BEHAVE_BOTH(blocking_calls_are_made_in_place),
        BEHAVE_BOTH(one_from_outside_can_be_woken_from_inside),
        BEHAVE(a_run_keeps_nobody_else_from_running),
};

BEHAVE_MAIN(tests)
