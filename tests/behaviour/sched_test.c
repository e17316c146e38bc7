/* SPDX-License-Identifier: MIT
 * Who runs when: yielding, taking turns, stealing, running in parallel, and changing the number of
 * processors meanwhile. Nothing here measures; a goroutine that should come to run and does not
 * hangs its test. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static bool parallel(void)
{
        return rn_maxprocs(0) > 1;
}

/* -- yielding -- */

static void yield_until(atomic_int *turn, int mine, int rounds)
{
        for (int i = 0; i < rounds; i++) {
                while (atomic_load(turn) % 2 != mine)
                        rn_yield();
                atomic_fetch_add(turn, 1);
        }
}

static void yield_lets_another_goroutine_make_progress(void)
{
        int rounds = BEHAVE_SCALE(1000);
        atomic_int turn = 0;
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, yield_until, &turn, 0, rounds);
        rn_wg_go(&wg, yield_until, &turn, 1, rounds);
        rn_wg_wait(&wg);
        CHECK_EQ(turn, 2 * rounds);
}

static void count_turns(int *n, atomic_bool *stop)
{
        while (!atomic_load(stop)) {
                (*n)++;
                rn_yield();
        }
}

enum { CROWD = 12 };

struct crowd {
        atomic_int turns[CROWD];
        atomic_int entered, met;
        atomic_bool alone, stop;
};

static void meet_others(struct crowd *c, int i)
{
        while (!atomic_load(&c->stop)) {
                bool alone = atomic_load(&c->alone);
                int me = atomic_fetch_add(&c->entered, 1) + 1;

                for (volatile int k = 0; k < 200; k++)
                        continue;
                if (alone && atomic_load(&c->entered) != me)
                        atomic_fetch_add(&c->met, 1);
                atomic_fetch_add(&c->turns[i], 1);
                rn_yield();
        }
}

/* n more of each: whoever has lost its processor in the middle of one is waited for. */
static void await_turns(struct crowd *c, int n)
{
        for (int i = 0; i < CROWD; i++)
                for (int enough = atomic_load(&c->turns[i]) + n;
                     atomic_load(&c->turns[i]) < enough;)
                        rn_yield();
}

/* A processor too many goes although those on it always have work: then nobody else comes between
 * two yields. But for whom the machine stops there, and whose processor is retaken, a few times in
 * 10 ms. */
static void a_busy_processor_retires_when_their_number_falls(void)
{
        enum { TURNS = 1000, A_FEW = 4 };
        int was = rn_maxprocs(4);
        struct crowd c;
        rn_time begun;
        rn_wg wg = { { 0 } };

        memset(&c, 0, sizeof c);
        for (int i = 0; i < CROWD; i++)
                rn_wg_go(&wg, meet_others, &c, i);
        await_turns(&c, TURNS);
        rn_maxprocs(1);
        await_turns(&c, TURNS);
        begun = rn_now();
        atomic_store(&c.alone, true);
        await_turns(&c, TURNS);
        atomic_store(&c.stop, true);
        rn_wg_wait(&wg);
        CHECK(atomic_load(&c.met) <= A_FEW * (1 + (rn_now() - begun) / (10 * RN_MSEC)));
        rn_maxprocs(was);
}

static void yielders_on_one_processor_take_equal_turns(void)
{
        enum { N = 10 };
        int n[N] = { 0 }, least, most;
        atomic_bool stop = false;
        rn_wg wg = { { 0 } };

        if (parallel())
                return;
        for (int i = 0; i < N; i++)
                rn_wg_go(&wg, count_turns, &n[i], &stop);
        for (int i = 0; i < 1000; i++)
                rn_yield();
        atomic_store(&stop, true);
        rn_wg_wait(&wg);
        least = most = n[0];
        for (int i = 1; i < N; i++) {
                least = n[i] < least ? n[i] : least;
                most = n[i] > most ? n[i] : most;
        }
        CHECK(least > 900);
        CHECK(most - least < 100);
}

static void poll_and_yield(rn_chan(int) c, rn_chan(int) got)
{
        int v;

        while (rn_try_select(rn_on_recv(c, &v)) == RN_DEFAULT)
                rn_yield();
        rn_send(got, v);
}

static void select_and_yield_loops_make_progress(void)
{
        rn_chan(int) c = rn_make(int, 1), got = rn_make(int, 0);

        for (int i = 0; i < BEHAVE_SCALE(500); i++) {
                rn_go(poll_and_yield, c, got);
                while (!rn_try_send(c, i))
                        rn_yield();
                CHECK_EQ(rn_get(got), i);
        }
        rn_unref(c);
        rn_unref(got);
}

/* -- at the same time -- */

/* What never leaves its processor loses it after some milliseconds to those who wait. So that
 * others ran meanwhile proves something only if no processor was taken; on a machine that is busy
 * with something else that may need some tries. */
enum { TRIES = 200 };

/* Others want the processors as well: whoever should come at once may come later than sysmon, which
 * then helps in each round. */
static bool machine_is_busy(void)
{
        double load;

        return getloadavg(&load, 1) != 1 || load > (double)sysconf(_SC_NPROCESSORS_ONLN) / 2;
}

/* Have i rounds been too few, if least are due and what is looked for was seen so often? */
static bool once_more(int i, int least, int seen)
{
        return i < least || (seen == 0 && i < TRIES && !machine_is_busy());
}

static struct rn_stats stats(void)
{
        struct rn_stats s;

        rn_stats_get(&s, sizeof s);
        return s;
}

/* More than that cannot run at the same time. */
static int at_once(void)
{
        return rn_maxprocs(0) < rn_numcpu() ? rn_maxprocs(0) : rn_numcpu();
}

static void spin_in_ring(atomic_int *at, int mine, int n, int rounds)
{
        for (int i = 0; i < rounds; i++) {
                while (atomic_load(at) != n * i + mine)
                        continue;
                atomic_store(at, n * i + mine + 1);
        }
}

/* Each waits for another's writes without a single call: all must have a processor. */
static void as_many_goroutines_as_processors_run_at_the_same_time(void)
{
        int n = at_once(), rounds = BEHAVE_SCALE(100), untaken = 0;

        if (n < 2)
                return;
        for (int i = 0; once_more(i, 20, untaken); i++) {
                uint64_t before = stats().retakes;
                atomic_int at = 0;
                rn_wg wg = { { 0 } };

                for (int k = 0; k < n; k++)
                        rn_wg_go(&wg, spin_in_ring, &at, k, n, rounds);
                rn_wg_wait(&wg);
                CHECK_EQ(at, n * rounds);
                untaken += stats().retakes == before;
        }
        CHECK(untaken > 0 || machine_is_busy());
}

static void all_must_run(atomic_int *running, int n)
{
        atomic_fetch_add(running, 1);
        while (atomic_load(running) < n)
                continue;
}

static void start_the_rest(rn_wg *wg, atomic_int *running, int n, int left)
{
        if (left > 1)
                rn_wg_go(wg, start_the_rest, wg, running, n, left - 1);
        all_must_run(running, n);
}

/* The others' threads are about to sleep when the children are started, and each starts the
 * next. */
static void nested_children_run_at_the_same_time_while_threads_go_to_sleep(void)
{
        int n = at_once(), untaken = 0;

        for (int i = 0; once_more(i, BEHAVE_SCALE(200), untaken); i++) {
                uint64_t before = stats().retakes;
                atomic_int running = 0;
                rn_wg wg = { { 0 } };

                if (i % 10 == 0)
                        rn_sleep(RN_MSEC);
                rn_wg_go(&wg, start_the_rest, &wg, &running, n, n);
                rn_wg_wait(&wg);
                untaken += stats().retakes == before;
        }
        CHECK(untaken > 0 || machine_is_busy());
}

static void note_run(atomic_int *n)
{
        atomic_fetch_add(n, 1);
}

/* The starter never leaves its processor, so each goroutine in its queue has to be stolen. */
static void work_in_a_local_queue_is_stolen(void)
{
        static const int lengths[] = { 1, 2, 3, 10, 100, 1000 };

        if (at_once() < 2)
                return;
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                int stolen = 0;

                for (int k = 0; once_more(k, BEHAVE_SCALE(20), stolen); k++) {
                        struct rn_stats before = stats(), after;
                        atomic_int n = 0;

                        for (int g = 0; g < lengths[i]; g++)
                                rn_go(note_run, &n);
                        while (atomic_load(&n) < lengths[i])
                                continue;
                        after = stats();
                        stolen += after.retakes == before.retakes && after.steals > before.steals;
                }
                CHECK(stolen > 0 || machine_is_busy());
        }
}

static void note_each(rn_recv_chan(rn_nothing) c, atomic_int *n)
{
        rn_range(v, c) {
                (void)v;
                atomic_fetch_add(n, 1);
        }
}

/* Who readies it computes on and calls nobody: a thief must see it, whether it is still looking for
 * more, gives its P back or has gone to sleep. */
static void what_is_readied_while_a_thief_gives_up_is_run(void)
{
        rn_chan(rn_nothing) c;
        atomic_int n = 0;

        if (at_once() < 2)
                return;
        c = rn_make(rn_nothing, 0);
        rn_go(note_each, c, &n);
        for (int i = 0; i < BEHAVE_SCALE(300000); i++) {
                rn_send(c, (rn_nothing){ 0 });
                while (atomic_load(&n) <= i)
                        continue;
                for (volatile int wait = i * 7 % 1000; wait > 0; wait--)
                        continue;
        }
        rn_close(c);
        BEHAVE_UNTIL(rn_numgoroutine() == 1);
        rn_unref(c);
}

static void wait_then_note(rn_chan(rn_nothing) c, atomic_int *n)
{
        rn_wait(c);
        atomic_fetch_add(n, 1);
}

static void goroutines_woken_by_one_that_goes_on_are_taken_by_others(void)
{
        int untaken = 0;

        if (at_once() < 2)
                return;
        for (int k = 0; once_more(k, BEHAVE_SCALE(100), untaken); k++) {
                rn_chan(rn_nothing) c = rn_make(rn_nothing, 0);
                uint64_t before;
                rn_wg wg = { { 0 } };
                atomic_int n = 0;

                for (int i = 0; i < 5; i++)
                        rn_wg_go(&wg, wait_then_note, c, &n);
                if (k % 2)
                        rn_yield();
                before = stats().retakes;
                rn_close(c);
                while (atomic_load(&n) < 5)
                        continue;
                untaken += stats().retakes == before;
                rn_wg_wait(&wg);
                rn_unref(c);
        }
        CHECK(untaken > 0 || machine_is_busy());
}

static void relay(rn_chan(long) in, rn_chan(long) out)
{
        rn_range(v, in)
                rn_send(out, v + 1);
        rn_close(out);
}

static void long_queues_lose_and_repeat_nothing(void)
{
        enum { N = 2000 };
        int n = BEHAVE_LIVE(N);
        rn_chan(long) first = rn_make(long, 0), c = first;
        rn_chan(long) all[N + 1] = { first };
        rn_wg wg = { { 0 } };

        for (int i = 0; i < n; i++) {
                all[i + 1] = rn_make(long, 0);
                rn_wg_go(&wg, relay, c, all[i + 1]);
                c = all[i + 1];
        }
        for (long v = 0; v < 3; v++) {
                rn_send(first, v * 10000);
                CHECK_EQ(rn_get(c), v * 10000 + n);
        }
        rn_close(first);
        CHECK(!rn_wait(c));
        rn_wg_wait(&wg);
        for (int i = 0; i <= n; i++)
                rn_unref(all[i]);
}

/* -- the number of processors -- */

static void maxprocs_returns_the_old_value_and_only_asks_below_1(void)
{
        int was = rn_maxprocs(0);

        CHECK_EQ(rn_maxprocs(-5), was);
        CHECK_EQ(rn_maxprocs(was + 1), was);
        CHECK_EQ(rn_maxprocs(0), was + 1);
        CHECK_EQ(rn_maxprocs(was), was + 1);
        CHECK_EQ(rn_maxprocs(was), was);
        CHECK(rn_numcpu() >= 1);
}

static void very_large_maxprocs_does_not_crash(void)
{
        int was = rn_maxprocs(INT32_MAX);
        atomic_int n = 0;
        rn_wg wg = { { 0 } };

        CHECK(rn_maxprocs(0) >= 8);
        for (int i = 0; i < 100; i++)
                rn_wg_go(&wg, note_run, &n);
        rn_wg_wait(&wg);
        CHECK_EQ(n, 100);
        rn_maxprocs(was);
        CHECK_EQ(rn_maxprocs(0), was);
}

static void sleep_and_send(rn_chan(int) c, int times)
{
        for (int i = 0; i < times; i++) {
                rn_send(c, i);
                if (i % 8 == 0)
                        rn_sleep(50 * RN_USEC);
        }
}

static void maxprocs_may_change_under_channels_timers_and_yields(void)
{
        enum { N = 8 };
        int was = rn_maxprocs(0), times = BEHAVE_SCALE(300), got = 0, v;
        rn_chan(int) c = rn_make(int, 3);
        rn_wg wg = { { 0 } };

        for (int i = 0; i < N; i++)
                rn_wg_go(&wg, sleep_and_send, c, times);
        for (int i = 0; got < N * times; i++) {
                if (i % 20 == 0)
                        rn_maxprocs(1 + i / 20 % 8);
                if (rn_recv_for(100 * RN_USEC, c, &v) == 1)
                        got++;
        }
        rn_wg_wait(&wg);
        CHECK_EQ(rn_len(c), 0);
        rn_maxprocs(was);
        rn_unref(c);
}

/* -- the threads below -- */

static void look_at_mask(sigset_t *of_starter)
{
        sigset_t mine;

        pthread_sigmask(SIG_SETMASK, NULL, &mine);
        for (int s = 1; s < 32; s++)
                CHECK_EQ(sigismember(&mine, s), sigismember(of_starter, s));
}

static void goroutines_have_the_signal_mask_of_the_program(void)
{
        sigset_t mask;
        rn_wg wg = { { 0 } };

        pthread_sigmask(SIG_SETMASK, NULL, &mask);
        CHECK(!sigismember(&mask, SIGTERM));
        for (int i = 0; i < 50; i++)
                rn_wg_go(&wg, look_at_mask, &mask);
        rn_wg_wait(&wg);
}

static void ignore(int sig)
{
        (void)sig;
}

static void start_a_process(void)
{
        static char name[] = "true";
        char *argv[] = { name, NULL };
        pid_t pid;
        int status = -1;

        CHECK_EQ(posix_spawnp(&pid, name, NULL, NULL, argv, environ), 0);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                kill(getpid(), SIGUSR1);
        CHECK_EQ(status, 0);
}

static void pester(atomic_bool *stop)
{
        while (!atomic_load(stop)) {
                kill(getpid(), SIGUSR1);
                rn_sleep(100 * RN_USEC);
        }
}

static void signals_while_processes_are_started_break_nothing(void)
{
        atomic_bool stop = false;
        rn_wg wg = { { 0 } }, pest = { { 0 } };

        /* It stays: the last signal may come late. */
        sigaction(SIGUSR1,
                  &(struct sigaction){ .sa_handler = ignore, .sa_flags = SA_ONSTACK | SA_RESTART },
                  NULL);
        rn_wg_go(&pest, pester, &stop);
        for (int i = 0; i < 10; i++)
                rn_wg_go(&wg, start_a_process);
        rn_wg_wait(&wg);
        atomic_store(&stop, true);
        rn_wg_wait(&pest);
}

static const struct behave_test tests[] = {
        /* The first: after a burst idle threads come by each second, to give memory back. */
        BEHAVE(what_is_readied_while_a_thief_gives_up_is_run),
        BEHAVE(yield_lets_another_goroutine_make_progress),
        BEHAVE(yielders_on_one_processor_take_equal_turns),
        BEHAVE(a_busy_processor_retires_when_their_number_falls),
        BEHAVE_BOTH(select_and_yield_loops_make_progress),
        BEHAVE(as_many_goroutines_as_processors_run_at_the_same_time),
        BEHAVE_BOTH(nested_children_run_at_the_same_time_while_threads_go_to_sleep),
        BEHAVE(work_in_a_local_queue_is_stolen),
        BEHAVE(goroutines_woken_by_one_that_goes_on_are_taken_by_others),
        BEHAVE_BOTH(long_queues_lose_and_repeat_nothing),
        BEHAVE_BOTH(maxprocs_returns_the_old_value_and_only_asks_below_1),
        BEHAVE_BOTH(very_large_maxprocs_does_not_crash),
        BEHAVE_BOTH(maxprocs_may_change_under_channels_timers_and_yields),
        BEHAVE(goroutines_have_the_signal_mask_of_the_program),
        BEHAVE(signals_while_processes_are_started_break_nothing),
};

BEHAVE_MAIN(tests)
