/* SPDX-License-Identifier: MIT
 * Deterministic runs: how they end, what is left of those that do not finish, that the same seed
 * makes the same run, and exploring. The clock and who belongs to a run: sim_test.c. */
#define _GNU_SOURCE
#define RN_SIM
#define RUNS_GIVE_UP
#include <errno.h>
#include <fcntl.h>

#include "tests/support/behave.h"
#include "tests/sim/runs.h"

enum { TEXT = 1 << 20 };

/* -- outcomes -- */

static void never(void)
{
        rn_chan(int) c = NULL;

        rn_wait(c);
}

static void child_never(void)
{
        rn_go(never);
}

static void a_deadlock_is_an_outcome(void)
{
        struct rn_sim_result r;

        CHECK_EQ(rn_sim_run(&quiet, &r, never), -EDEADLK);
        CHECK_EQ(r.outcome, -EDEADLK);
        CHECK(r.steps > 0);
        CHECK_EQ(rn_sim_run(&quiet, NULL, child_never), -EDEADLK);
}

static void tick_for_nobody(void)
{
        rn_ticker *t = rn_ticker_new(SECOND);

        never();
        rn_unref(t);
}

static void a_ticker_that_nobody_listens_to_does_not_hide_it(void)
{
        CHECK_EQ(rn_sim_run(&quiet, NULL, tick_for_nobody), -EDEADLK);
}

static void panic_in_child(int depth)
{
        if (depth == 0)
                rn_panic("at depth %d", depth);
        rn_go(panic_in_child, depth - 1);
        rn_sleep(HOUR);
}

static void close_twice(void)
{
        rn_chan(int) c = rn_make(int, 0);

        rn_close(c);
        rn_unref(c);
        rn_close((rn_chan(int))NULL);
}

static void a_panic_is_an_outcome(void)
{
        struct rn_sim_result r;

        CHECK_EQ(rn_sim_run(&quiet, &r, panic_in_child, 3), -ECANCELED);
        CHECK(strcmp(r.panic.text, "at depth 0") == 0 && !r.panic.runtime);
        CHECK_EQ(rn_sim_run(&quiet, &r, close_twice), -ECANCELED);
        CHECK(strcmp(r.panic.text, "close of nil channel") == 0 && r.panic.runtime);
}

static void catches(void)
{
        CHECK(!rn_pcall(NULL, panic_in_child, 0));
        rn_sleep(HOUR);
}

static void a_panic_that_is_caught_is_none(void)
{
        FINISHES(catches);
}

static void spin(void)
{
        for (;;)
                rn_yield();
}

static void poll_time(void)
{
        rn_time t = rn_deadline(SECOND);

        while (rn_now() < t)
                ;
}

static void poll_ctx(void)
{
        rn_ctx *ctx = rn_ctx_with_cancel(rn_ctx_background());

        while (rn_ctx_err(ctx) == 0)
                ;
}

static void poll_lock(rn_mutex *mu)
{
        while (!rn_mutex_trylock(mu))
                ;
}

static void tick_for_ever(void)
{
        rn_ticker *t = rn_ticker_new(SECOND);

        for (;;)
                rn_wait(rn_ticker_chan(t));
}

static void what_does_not_end_is_an_outcome(void)
{
        struct rn_sim_opts o = { .report = -1, .max_steps = 10000 };
        struct rn_sim_result r;
        rn_mutex mu = { 0 };

        CHECK_EQ(rn_sim_run(&o, &r, spin), -ETIME);
        CHECK(r.steps >= 10000 && r.steps < 10010);
        CHECK_EQ(rn_sim_run(&o, NULL, poll_time), -ETIME);
        CHECK_EQ(rn_sim_run(&o, NULL, poll_ctx), -ETIME);
        CHECK_EQ(rn_sim_run(&o, NULL, tick_for_ever), -ETIME);
        rn_mutex_lock(&mu);
        CHECK_EQ(rn_sim_run(&o, NULL, poll_lock, &mu), -ETIME);
}

static void hand_over(rn_mutex *mu)
{
        rn_sleep(HOUR);
        rn_mutex_unlock(mu);
}

/* Even the highest priority, and the one whose turn it is, lets others go on. */
static void spin_for_another(void)
{
        rn_mutex mu = { 0 };

        rn_mutex_lock(&mu);
        rn_go(hand_over, &mu);
        rn_sleep(HOUR);
        poll_lock(&mu);
}

static void a_spinning_goroutine_does_not_stop_the_run(void)
{
        FINISHES(spin_for_another);
}

static void start_with(const struct rn_sim_opts *o)
{
        rn_sim_run(o, NULL, yields);
}

static void start_run(void)
{
        rn_sim_run(&quiet, NULL, yields);
}

static void open_descriptor(void)
{
        rn_fd_open(0);
}

static void want_signal(void)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_signal_notify(c, SIGUSR1);
}

static void want_process(void)
{
        rn_process_wait(getpid(), NULL);
}

static void what_has_no_place_in_a_run_panics(void)
{
        static const struct {
                void (*f)(void);
                const char *text;
        } bad[] = { { start_run, "a simulation in a simulation" },
                    { open_descriptor, "a descriptor in a simulation" },
                    { want_signal, "a signal in a simulation" },
                    { want_process, "a process in a simulation" } };
        struct rn_sim_opts unknown = { .strategy = 9 }, deep = { .depth = 9 };
        struct rn_sim_result r;

        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                CHECK_EQ(rn_sim_run(&quiet, &r, bad[i].f), -ECANCELED);
                CHECK(strcmp(r.panic.text, bad[i].text) == 0);
        }
        CHECK_PANICS("simulation: strategy 9, depth 3: not known", start_with, &unknown);
        CHECK_PANICS("simulation: strategy 0, depth 9: not known", start_with, &deep);
}

/* -- after a run that did not finish -- */

static rn_mutex shared;

static void lock_shared(void)
{
        rn_mutex_lock(&shared);
        for (int i = 0; i < 5; i++)
                rn_go(lock_shared);
        rn_mutex_lock(&shared);
}

static void lock_for_real(rn_wg *wg, int *n)
{
        for (int i = 0; i < 100; i++) {
                rn_mutex_lock(&shared);
                ++*n;
                rn_mutex_unlock(&shared);
        }
        rn_wg_done(wg);
}

/* Who waited for it is gone, and not in the library's tables either: the same address is a new
 * mutex. */
static void a_mutex_address_is_free_again(void)
{
        rn_wg wg = { 0 };
        int n = 0;

        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct rn_sim_opts o = { .seed = seed, .report = -1 };

                memset(&shared, 0, sizeof shared);
                CHECK_EQ(rn_sim_run(&o, NULL, lock_shared), -EDEADLK);
        }
        memset(&shared, 0, sizeof shared);
        rn_wg_add(&wg, 8);
        for (int i = 0; i < 8; i++)
                rn_go(lock_for_real, &wg, &n);
        rn_wg_wait(&wg);
        CHECK_EQ(n, 800);
}

struct big {
        char room[200];
};

static void take_big(struct big *b)
{
        CHECK_EQ(b->room[0], 1);
        never();
}

static void wait_in_all_ways(void)
{
        rn_chan(int) a = rn_make(int, 0), b = rn_make(int, 1);
        rn_attr attr = { .stack = 64 * 1024 };
        int v;

        for (int i = 0; i < 10; i++) {
                rn_go(never);
                rn_go_copy(take_big, struct big, { .room = { 1 } });
                rn_go_attr(&attr, never);
                rn_go(rn_sleep, i * HOUR);
                rn_unref(rn_after_func(i * HOUR, never));
        }
        rn_sleep(5 * HOUR);
        v = 0;
        rn_select(rn_on_send(b, 1), rn_on_recv(a, &v));
        rn_panic("enough");
}

static void goroutines_that_are_left_go_with_their_stacks(void)
{
        struct rn_stats before, after;

        for (uint64_t seed = 1; seed <= 200; seed++) {
                struct rn_sim_opts o = { .seed = seed,
                                         .report = -1,
                                         .max_steps = seed % 3 == 0 ? seed : 0 };

                if (seed == 20)
                        rn_stats_get(&before, sizeof before);
                CHECK(rn_sim_run(&o, NULL, wait_in_all_ways) != 0);
        }
        rn_stats_get(&after, sizeof after);
        CHECK(after.goroutines <= before.goroutines);   /* fewer: the one of the test before was
                                                         * still ending */
        /* Each P keeps some 64 of 256 KiB, and slabs are of 64 MiB: 512 MiB is a quarter of what
         * 200 runs of 40 would leave. */
        CHECK(after.stack_bytes <= before.stack_bytes + (512 << 20));
}

/* -- the same seed, the same run -- */

static void talk(rn_chan(int) in, rn_chan(int) out, int n)
{
        for (int i = 0; i < n; i++) {
                int v = i;

                switch (rn_select_for(SECOND, rn_on_recv(in, &v), rn_on_send(out, i))) {
                case 0:
                        rn_yield();
                        break;
                default:
                        break;
                }
        }
}

static void busy(bool ends)
{
        rn_chan(int) c[3] = { rn_make(int, 0), rn_make(int, 2), rn_make(int, 1) };
        rn_mutex mu = { 0 };
        rn_wg wg = { 0 };

        for (int i = 0; i < 6; i++)
                rn_wg_go(&wg, talk, c[i % 3], c[(i + 1) % 3], 8);
        rn_wg_wait(&wg);
        rn_mutex_lock(&mu);
        for (int i = 0; i < 3; i++)
                rn_unref(c[i]);
        if (!ends)
                rn_mutex_lock(&mu);
}

/* What a run reports. */
static char *text_of(uint64_t seed, int strategy, struct rn_sim_result *r)
{
        int fd = memfd_create("report", MFD_CLOEXEC);
        struct rn_sim_opts o = { .seed = seed, .strategy = strategy, .report = fd };
        char *text = calloc(1, TEXT);

        if (fd < 0 || !text)
                abort();
        CHECK_EQ(rn_sim_run(&o, r, busy, false), -EDEADLK);
        CHECK(pread(fd, text, TEXT - 1, 0) > 0);
        close(fd);
        return text;
}

static void a_seed_makes_the_same_schedule_again(void)
{
        for (int strategy = RN_SIM_RANDOM; strategy <= RN_SIM_FIFO; strategy++)
                for (uint64_t seed = 1; seed <= (uint64_t)BEHAVE_SCALE(20); seed++) {
                        struct rn_sim_result a, b;
                        char *first = text_of(seed, strategy, &a),
                             *second = text_of(seed, strategy, &b);

                        CHECK(strcmp(first, second) == 0);
                        CHECK_EQ(a.steps, b.steps);
                        CHECK(strstr(first, "deadlock") && strstr(first, "[sync.Mutex.Lock]:"));
                        CHECK(strategy == RN_SIM_FIFO || strstr(first, "called by talk"));
                        free(first);
                        free(second);
                }
}

static void another_seed_makes_another(void)
{
        struct rn_sim_result r;
        char *first = text_of(1, RN_SIM_RANDOM, &r);
        int same = 0;

        for (uint64_t seed = 2; seed <= 11; seed++) {
                char *other = text_of(seed, RN_SIM_RANDOM, &r);

                same += strcmp(strchr(first, '\n') + 1, strchr(other, '\n') + 1) == 0;
                free(other);
        }
        CHECK_EQ(same, 0);
        free(first);
}

static void many(uint64_t steps, rn_wg *wg, int *bad)
{
        struct rn_sim_result r;
        struct rn_sim_opts o = { .seed = 5 };

        for (int i = 0; i < BEHAVE_SCALE(40); i++)
                if (rn_sim_run(&o, &r, busy, true) != 0 || r.steps != steps)
                        __atomic_fetch_add(bad, 1, __ATOMIC_RELAXED);
        rn_wg_done(wg);
}

static void many_runs_at_once_do_not_touch_each_other(void)
{
        struct rn_sim_opts o = { .seed = 5 };
        struct rn_sim_result r;
        rn_wg wg = { 0 };
        int bad = 0;

        CHECK_EQ(rn_sim_run(&o, &r, busy, true), 0);
        rn_wg_add(&wg, 8);
        for (int i = 0; i < 8; i++)
                rn_go(many, r.steps, &wg, &bad);
        rn_wg_wait(&wg);
        CHECK_EQ(bad, 0);
}

/* -- exploring -- */

static void fail_sometimes(int *runs, int of)
{
        int n = ++*runs;

        if (n == of)
                rn_panic("run %d", n);
}

static void exploring_stops_at_the_first_failure(void)
{
        struct rn_sim_opts o = { .seed = 100, .schedules = 50, .report = -1 };
        struct rn_sim_result r;
        int runs = 0;

        CHECK_EQ(rn_sim_explore(&o, &r, fail_sometimes, &runs, 7), -ECANCELED);
        CHECK_EQ(runs, 7);
        CHECK_EQ(r.seed, 106);
        CHECK(strcmp(r.panic.text, "run 7") == 0);
        runs = 0;
        CHECK_EQ(rn_sim_explore(&o, &r, fail_sometimes, &runs, 1000), 0);
        CHECK_EQ(runs, 50);
        CHECK_EQ(r.outcome, 0);
        CHECK_EQ(r.seed, 149);
        runs = 0;
        CHECK_EQ(rn_sim_explore(NULL, NULL, fail_sometimes, &runs, -1), 0);
        CHECK_EQ(runs, 1000);
}

static void the_environment_names_a_seed(void)
{
        struct rn_sim_opts o = { .report = open("/dev/null", O_WRONLY | O_CLOEXEC) };
        struct rn_sim_result r;
        int runs = 0;

        setenv("RUNNEL_SEED", "4711", 1);
        CHECK_EQ(rn_sim_explore(&o, &r, fail_sometimes, &runs, -1), 0);
        CHECK_EQ(runs, 1);
        CHECK_EQ(r.seed, 4711);
        CHECK_EQ(rn_sim_run(&o, &r, fail_sometimes, &runs, -1), 0);
        CHECK_EQ(r.seed, 4711);
        unsetenv("RUNNEL_SEED");
        CHECK_EQ(rn_sim_run(&o, &r, fail_sometimes, &runs, -1), 0);
        CHECK_EQ(r.seed, 1);
        close(o.report);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(a_deadlock_is_an_outcome),
        BEHAVE_BOTH(a_ticker_that_nobody_listens_to_does_not_hide_it),
        BEHAVE_BOTH(a_panic_is_an_outcome),
        BEHAVE_BOTH(a_panic_that_is_caught_is_none),
        BEHAVE_BOTH(what_does_not_end_is_an_outcome),
        BEHAVE_BOTH(a_spinning_goroutine_does_not_stop_the_run),
        BEHAVE_BOTH(what_has_no_place_in_a_run_panics),
        BEHAVE_BOTH(a_mutex_address_is_free_again),
        BEHAVE_BOTH(goroutines_that_are_left_go_with_their_stacks),
        BEHAVE_BOTH(a_seed_makes_the_same_schedule_again),
        BEHAVE_BOTH(another_seed_makes_another),
        BEHAVE_BOTH(many_runs_at_once_do_not_touch_each_other),
        BEHAVE_BOTH(exploring_stops_at_the_first_failure),
        BEHAVE_BOTH(the_environment_names_a_seed),
};

BEHAVE_MAIN(tests)
