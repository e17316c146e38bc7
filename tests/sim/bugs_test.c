/* SPDX-License-Identifier: MIT
 * What exploration finds: each mistake of bugs.h within a stated number of seeds, by either
 * strategy, and nothing where it is put right. Most of them pass when they are run for real, again
 * and again. */
#define _GNU_SOURCE
#define RN_SIM
#define RUNS_GIVE_UP
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "tests/support/behave.h"
#include "tests/support/machine.h"
#include "tests/sim/bugs.h"
#include "tests/sim/runs.h"

enum { PLAIN_RUNS = BEHAVE_ASAN || BEHAVE_TSAN ? 2 : 20, CLEAN_SEEDS = 300 };

/* -- what finds them -- */

static const struct bug {
        const char *name;
        void (*fn)(bool right);
        int outcome;
        uint64_t random, pct;   /* seeds that find it, with room to spare */
        bool always;            /* running it for real, on one P, shows it every time */
} bugs[] = {
        { "lock order", lock_order, -EDEADLK, 20, 250, false },
        { "missed close", missed_close, -EDEADLK, 20, 250, false },
        { "double-checked flag", double_checked, -ECANCELED, 20, 250, false },
        { "leaked result", leaked_result, -EDEADLK, 20, 250, true },
        { "add inside", add_inside, -ECANCELED, 20, 250, true },
        { "lost stop", lost_stop, -EDEADLK, 20, 250, false },
        { "double close", double_close, -ECANCELED, 20, 250, false },
        { "send on closed", send_on_closed, -ECANCELED, 60, 250, false },
        { "lost signal", lost_signal, -EDEADLK, 20, 250, false },
        { "nested rlock", nested_rlock, -EDEADLK, 20, 400, false },
        { "lock across send", lock_across_send, -EDEADLK, 300, 400, false },
        { "check then act", check_then_act, -ECANCELED, 20, 250, false },
        { "started too early", started_too_early, -ECANCELED, 40, 250, false },
        { "lost permit", lost_permit, -EDEADLK, 20, 250, false },
        { "stop and tick", stop_and_tick, -ECANCELED, 20, 250, false },
        { "full both ways", full_both_ways, -EDEADLK, 20, 250, true },
};
enum { BUGS = sizeof bugs / sizeof *bugs };

/* How many seeds it takes; 0: more than `most`. */
static uint64_t seeds_for(const struct bug *b, bool right, int strategy, int depth, uint64_t first,
                          uint64_t most)
{
        struct rn_sim_opts o = { .seed = first,
                                 .strategy = strategy,
                                 .depth = depth,
                                 .schedules = most,
                                 .max_steps = 100000,
                                 .report = -1 };
        struct rn_sim_result r;
        int outcome = rn_sim_explore(&o, &r, b->fn, right);

        rooms_free();
        if (outcome == 0)
                return 0;
        if (!right && !CHECK_EQ(outcome, b->outcome))
                fprintf(stderr, "%s: seed %" PRIu64 " ends otherwise\n", b->name, r.seed);
        return r.seed - first + 1;
}

/* From five places in the sequence of seeds, so that it is not one lucky number. */
static void find_all(int strategy, int depth)
{
        for (int i = 0; i < BUGS; i++) {
                uint64_t most = strategy == RN_SIM_PCT ? bugs[i].pct : bugs[i].random;

                for (uint64_t first = 1; first <= 5000; first += 1000) {
                        uint64_t n = seeds_for(&bugs[i], false, strategy, depth, first, most);
                        if (n == 0)
                                behave_fail(__FILE__, __LINE__,
                                            "%s: not found from seed %" PRIu64 " on", bugs[i].name,
                                            first);
                }
        }
}

static void random_walk_finds_each(void)
{
        find_all(RN_SIM_RANDOM, 0);
}

static void pct_finds_each(void)
{
        find_all(RN_SIM_PCT, 2);
        find_all(RN_SIM_PCT, 3);
        find_all(RN_SIM_PCT, 4);
}

static void nothing_is_found_where_nothing_is_wrong(void)
{
        for (int i = 0; i < BUGS; i++)
                for (int strategy = RN_SIM_RANDOM; strategy <= RN_SIM_FIFO; strategy++) {
                        uint64_t n = seeds_for(&bugs[i], true, strategy, 0, 1,
                                               (uint64_t)BEHAVE_SCALE(CLEAN_SEEDS));

                        if (n != 0)
                                behave_fail(__FILE__, __LINE__,
                                            "%s, corrected: seed %" PRIu64 ", strategy %d",
                                            bugs[i].name, n, strategy);
                }
}

/* -- running them for real: a child process each, with one P, so that nothing is up to chance -- */

/* What main does in the child. */
static int run_plainly(int i)
{
        bugs[i].fn(false);
        rn_exit();
}

/* How the child ends: by the report of a run in which all have ended, or otherwise. */
static bool fails_plainly(int i)
{
        char which[12], text[200] = "";
        int out[2], status;
        pid_t pid;

        snprintf(which, sizeof which, "%d", i);
        if (pipe2(out, O_CLOEXEC) != 0 || (pid = fork()) < 0)
                abort();
        if (pid == 0) {
                dup2(out[1], 2);
                setenv("RUNNEL_MAXPROCS", "1", 1);
                execl("/proc/self/exe", "bugs_test", "plainly", which, (char *)NULL);
                _exit(99);
        }
        close(out[1]);
        for (size_t n = 0; n < sizeof text - 1;) {
                ssize_t got = read(out[0], text + n, sizeof text - 1 - n);

                if (got <= 0)
                        break;
                n += (size_t)got;
        }
        close(out[0]);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK(WIFEXITED(status) || WIFSIGNALED(status));
        return strncmp(text, "fatal error: no goroutines (main called rn_exit)", 48) != 0;
}

static void running_them_shows_few(void)
{
        int shown = 0, runs = 0;

        if (behave_procs != 1 ||
            not_emulated(__func__, "it starts itself, which the kernel does not know"))
                return;
        for (int i = 0; i < BUGS; i++) {
                int n = 0;

                for (int run = 0; run < PLAIN_RUNS; run++)
                        n += fails_plainly(i);
                if (bugs[i].always)
                        CHECK(n > 0);
                shown += n;
                runs += PLAIN_RUNS;
        }
        print_message("[          ] run for real: %d failures in %d runs\n", shown, runs);
        CHECK(shown < runs / 2);
}

static const struct behave_test tests[] = {
        BEHAVE(random_walk_finds_each),
        BEHAVE(pct_finds_each),
        BEHAVE(nothing_is_found_where_nothing_is_wrong),
        BEHAVE_THREAD(running_them_shows_few),
};

int main(int argc, char **argv)
{
        if (argc == 3 && strcmp(argv[1], "plainly") == 0)
                return run_plainly(atoi(argv[2]));
        return behave_main(tests, sizeof tests / sizeof *tests);
}
