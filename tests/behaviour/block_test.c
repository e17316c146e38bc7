/* SPDX-License-Identifier: MIT
 * C code that is said to block (<runnel/block.h>), and the threads that such calls need. */
#define _GNU_SOURCE
#include "tests/support/behave.h"
#include "tests/support/gate.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

static void panics(void)
{
        lose_the_processor();
        rn_panic("in C");
}

static int gives_back(struct gate *g, int v)
{
        gate_pass(g);
        return -v;
}

static int calls_the_library(rn_chan(int) c)
{
        lose_the_processor();
        return rn_get(c);
}

static void a_blocking_call_hands_the_processor_off_and_returns_its_result(void)
{
        rn_chan(int) c = rn_make(int, 1);
        struct rn_stats before, after;
        struct rn_recovered p;
        struct gate g;

        rn_stats_get(&before, sizeof before);
        gate_make(&g);
        rn_go(gate_opener, &g);
        CHECK_EQ(rn_blocking(gives_back, &g, 42), -42);
        rn_go(gate_opener, &g);
        rn_block_enter();
        gate_pass(&g);
        rn_block_exit();
        rn_send(c, 9);
        CHECK_EQ(rn_blocking(calls_the_library, c), 9);
        CHECK(!rn_pcall(&p, panics));
        gate_end(&g);
        rn_unref(c);
        rn_stats_get(&after, sizeof after);
        CHECK(rn_goid() == 0 || after.handoffs >= before.handoffs + 3);
}

static void blocks(struct gate *g, rn_wg *wg)
{
        rn_blocking(gate_pass, g);
        rn_wg_done(wg);
}

static int threads_now(void)
{
        DIR *d = opendir("/proc/self/task");
        int n = 0;

        while (readdir(d))
                n++;
        closedir(d);
        return n - 2;
}

/* Nothing but time ends them. */
static void many_block_at_once_and_their_threads_end_when_they_are_idle(void)
{
        int n = BEHAVE_SCALE(200);
        struct gate g;
        rn_wg wg = { { 0 } };

        gate_make(&g);
        rn_wg_add(&wg, n);
        for (int i = 0; i < n; i++)
                rn_go(blocks, &g, &wg);
        BEHAVE_UNTIL(atomic_load(&g.inside) == n);
        CHECK(threads_now() >= n);
        gate_open(&g, n);
        rn_wg_wait(&wg);
        gate_end(&g);
        while (threads_now() > behave_procs + 10)
                rn_sleep(50 * RN_MSEC);
        rn_yield();
}

/* A function of its own: where it stood beside a wait, the compiler would look for errno on the
 * thread from before. */
static __attribute__((noinline)) int why_it_fails(void)
{
        errno = 0;
        return close(-1) == 0 ? 0 : errno;
}

/* On one thread after another, each of which has one errno for all. */
static void fails(int times, rn_wg *wg)
{
        for (int i = 0; i < times; i++) {
                CHECK_EQ(why_it_fails(), EBADF);
                usleep(10);
                rn_yield();
        }
        rn_wg_done(wg);
}

static void calls_that_fail_say_why_in_errno(void)
{
        enum { N = 20 };
        rn_wg wg = { { 0 } };

        rn_wg_add(&wg, N);
        for (int i = 0; i < N; i++)
                rn_go(fails, BEHAVE_SCALE(50), &wg);
        rn_wg_wait(&wg);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(a_blocking_call_hands_the_processor_off_and_returns_its_result),
        BEHAVE_BOTH(calls_that_fail_say_why_in_errno),
        BEHAVE(many_block_at_once_and_their_threads_end_when_they_are_idle),
};

BEHAVE_MAIN(tests)
