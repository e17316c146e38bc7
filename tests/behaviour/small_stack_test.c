/* SPDX-License-Identifier: MIT
 * Goroutines on stacks of less than a page: whatever a leaf does with the library fits, whatever
 * the library does there for others. Overrunning one is in tests/crash. CHECK prints only when it
 * fails, and then the stack is too small for it: so failures are counted, and main looks. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include <runnel/sim.h>

enum { LEAF = 512, ROUNDS = 100 };
static const rn_attr leaf = { .stack = LEAF };
static atomic_int wrong;

static void expect(bool ok)
{
        if (!ok)
                atomic_fetch_add(&wrong, 1);
}

static void all_was_right(void)
{
        CHECK_EQ(atomic_exchange(&wrong, 0), 0);
}

#define START(...) CHECK_EQ(rn_go_attr(&leaf, __VA_ARGS__), 0)

/* -- channels and select -- */

static void sends(rn_chan(int) c, int n, rn_wg *wg)
{
        for (int i = 0; i < n; i++)
                rn_send(c, 1);
        rn_wg_done(wg);
}

static void receives(rn_chan(int) c, int n, atomic_int *sum, rn_wg *wg)
{
        for (int i = 0; i < n; i++)
                atomic_fetch_add(sum, rn_get(c));
        rn_wg_done(wg);
}

static void values_pass_between_small_stacks(void)
{
        enum { PAIRS = 40 };
        atomic_int sum = 0;
        rn_wg wg = { { 0 } };

        for (int cap = 0; cap < 3; cap++) {
                rn_chan(int) c = rn_make(int, cap);

                rn_wg_add(&wg, 2 * PAIRS);
                for (int i = 0; i < PAIRS; i++) {
                        START(sends, c, BEHAVE_SCALE(ROUNDS), &wg);
                        START(receives, c, BEHAVE_SCALE(ROUNDS), &sum, &wg);
                }
                rn_wg_wait(&wg);
                rn_unref(c);
        }
        CHECK_EQ(sum, 3 * PAIRS * BEHAVE_SCALE(ROUNDS));
}

static void selects(rn_chan(int) a, rn_chan(int) b, rn_chan(rn_nothing) quit, rn_wg *wg)
{
        int v;

        for (;;) {
                int which = rn_select(rn_on_recv(a, &v), rn_on_send(b, 1), rn_on_recv(b, &v),
                                      rn_on_signal(quit));

                if (which == 3)
                        break;
        }
        rn_wg_done(wg);
}

static void select_of_four_cases_fits(void)
{
        rn_chan(int) a = rn_make(int, 0), b = rn_make(int, 1);
        rn_chan(rn_nothing) quit = rn_make(rn_nothing, 0);
        rn_wg wg = { { 0 } };

        rn_wg_add(&wg, 30);
        for (int i = 0; i < 30; i++)
                START(selects, a, b, quit, &wg);
        for (int i = 0; i < 30; i++)   /* a time slice each: they wake each other all the time */
                rn_send(a, i);
        rn_close(quit);
        rn_wg_wait(&wg);
        rn_unref(quit);
        rn_unref(b);
        rn_unref(a);
}

/* -- what else waits -- */

static void waits_in_many_ways(rn_mutex *m, rn_rwmutex *rw, int *n, rn_wg *wg)
{
        for (int i = 0; i < BEHAVE_SCALE(ROUNDS); i++) {
                rn_mutex_lock(m);
                ++*n;
                if (i % 16 == 0)
                        rn_yield();
                rn_mutex_unlock(m);
                rn_rwmutex_rlock(rw);
                rn_rwmutex_runlock(rw);
                rn_rwmutex_lock(rw);
                rn_rwmutex_unlock(rw);
                if (i % 64 == 0)
                        rn_sleep(1000);
        }
        rn_wg_done(wg);
}

static void locks_and_sleeps_fit(void)
{
        enum { N = 50 };
        rn_mutex m = { 0 };
        rn_rwmutex rw = { 0 };
        rn_wg wg = { { 0 } };
        int n = 0;

        rn_wg_add(&wg, N);
        for (int i = 0; i < N; i++)
                START(waits_in_many_ways, &m, &rw, &n, &wg);
        rn_wg_wait(&wg);
        CHECK_EQ(n, N * BEHAVE_SCALE(ROUNDS));
}

static void waits_for_an_end(rn_ctx *parent, rn_wg *wg)
{
        rn_ctx *ctx = rn_ctx_with_timeout(parent, 1000000);
        rn_timer *t = rn_timer_new(1000);

        rn_wait(rn_timer_chan(t));
        rn_unref(t);
        rn_wait(rn_ctx_done(ctx));
        expect(rn_ctx_err(ctx) != 0);
        rn_ctx_release(ctx);
        rn_wg_done(wg);
}

static void timers_and_contexts_fit(void)
{
        rn_ctx *ctx = rn_ctx_with_cancel(rn_ctx_background());
        rn_wg wg = { { 0 } };

        rn_wg_add(&wg, 100);
        for (int i = 0; i < 100; i++)
                START(waits_for_an_end, ctx, &wg);
        rn_wg_wait(&wg);
        rn_ctx_release(ctx);
        all_was_right();
}

/* -- starting and ending -- */

static void is_counted(rn_wg *wg)
{
        rn_wg_done(wg);
}

static void starts_many(int n, rn_wg *wg)
{
        for (int i = 0; i < n; i++)
                rn_go(is_counted, wg);
        rn_wg_done(wg);
}

/* More than there are descriptors for: new ones are made, and the system asked for how many. */
static void a_small_stack_can_start_many(void)
{
        enum { STARTERS = 4 };
        int n = BEHAVE_LIVE(3000);
        rn_wg wg = { { 0 } };

        rn_wg_add(&wg, STARTERS * (n + 1));
        for (int i = 0; i < STARTERS; i++)
                START(starts_many, n, &wg);
        rn_wg_wait(&wg);
}

static void waits_at(rn_chan(rn_nothing) gate, atomic_int *n, rn_wg *wg)
{
        atomic_fetch_add(n, 1);
        rn_wait(gate);
        rn_wg_done(wg);
}

static void yields_until(atomic_int *n, int all, rn_wg *wg)
{
        rn_chan(int) never = rn_make(int, 0);
        int v;

        while (atomic_load(n) < all) {
                rn_timer *t = rn_timer_new(RN_USEC);

                rn_yield();
                rn_select(rn_on_recv(never, &v), rn_on_signal(rn_timer_chan(t)));
                rn_unref(t);
        }
        rn_unref(never);
        rn_wg_done(wg);
}

/* Whose turn it is when a timer is due starts its goroutine, for which a descriptor is made, and
 * the system asked. */
static void a_small_stacks_turn_has_room_for_timers_that_start_goroutines(void)
{
        int n = BEHAVE_LIVE(3000);
        rn_chan(rn_nothing) gate = rn_make(rn_nothing, 0);
        atomic_int begun = 0;
        rn_wg wg = { { 0 } };

        rn_wg_add(&wg, n + 8);
        for (int i = 0; i < n; i++)
                rn_unref(rn_after_func(i * RN_USEC, waits_at, gate, &begun, &wg));
        for (int i = 0; i < 8; i++)
                START(yields_until, &begun, n, &wg);
        BEHAVE_UNTIL(atomic_load(&begun) == n);
        rn_close(gate);
        rn_wg_wait(&wg);
        rn_unref(gate);
}

static void fills_it(int n, rn_chan(rn_nothing) gate, rn_wg *wg)
{
        volatile unsigned char mine[LEAF - 200];
        unsigned wanted = 0, sum = 0;

        for (size_t i = 0; i < sizeof mine; i++)
                wanted += mine[i] = (unsigned char)((size_t)n + i);
        rn_wait(gate);
        for (size_t i = 0; i < sizeof mine; i++)
                sum += mine[i];
        expect(sum == wanted);
        rn_wg_done(wg);
}

static uint64_t stack_bytes(void)
{
        struct rn_stats s;

        rn_stats_get(&s, sizeof s);
        return s.stack_bytes;
}

static void each_has_its_stack_for_itself_and_gives_it_back(void)
{
        int n = BEHAVE_LIVE(5000);
        bool small = !BEHAVE_ASAN && !BEHAVE_TSAN;
        uint64_t before = 0;

        for (int round = 0; round < 3; round++) {
                rn_chan(rn_nothing) gate = rn_make(rn_nothing, 0);
                rn_wg wg = { { 0 } };

                rn_wg_add(&wg, n);
                before = round == 1 ? stack_bytes() : before;
                for (int i = 0; i < n; i++)
                        START(fills_it, i, gate, &wg);
                if (small && round == 1)
                        CHECK(stack_bytes() - before < (uint64_t)n * 8192);
                rn_close(gate);
                rn_wg_wait(&wg);
                BEHAVE_UNTIL(rn_numgoroutine() == 1);
                rn_unref(gate);
        }
        all_was_right();
        CHECK(stack_bytes() <= before + (1 << 20));
}

static void names_itself_and_waits(rn_chan(rn_nothing) gate)
{
        rn_set_name("leaf");
        rn_wait(gate);
        __asm__ volatile("");   /* no tail call */
}

static void the_dump_walks_a_small_stack(void)
{
        rn_chan(rn_nothing) gate = rn_make(rn_nothing, 0);
        static char dump[1 << 16];
        int fd = memfd_create("dump", MFD_CLOEXEC);

        START(names_itself_and_waits, gate);
        BEHAVE_UNTIL(behave_parked("leaf", "chan receive") == 1);
        rn_dump(fd);
        CHECK(pread(fd, dump, sizeof dump - 1, 0) > 0);
        close(fd);
        CHECK(strstr(dump, "started as names_itself_and_waits") != NULL);
        /* the latter with ucontext only */
        CHECK(strstr(dump, "rn_chan_recv(...)") ||
              strstr(dump, "(too little stack left to walk it)"));
        rn_close(gate);
        BEHAVE_UNTIL(rn_numgoroutine() == 1);
        rn_unref(gate);
}

static void sleeps_an_hour(int *n)
{
        rn_sleep(3600 * RN_SEC);
        ++*n;
}

static void simulates(int *n, rn_wg *wg)
{
        expect(rn_sim_run(NULL, NULL, sleeps_an_hour, n) == 0);
        rn_wg_done(wg);
}

/* It runs on the stack of who asks for it, if that has room. */
static void a_small_stack_can_ask_for_a_simulation(void)
{
        rn_wg wg = { { 0 } };
        int n = 0;

        rn_wg_add(&wg, 1);
        START(simulates, &n, &wg);
        rn_wg_wait(&wg);
        CHECK_EQ(n, 1);
        all_was_right();
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(values_pass_between_small_stacks),
        BEHAVE_BOTH(select_of_four_cases_fits),
        BEHAVE(locks_and_sleeps_fit),
        BEHAVE(timers_and_contexts_fit),
        BEHAVE_BOTH(a_small_stack_can_start_many),
        BEHAVE(a_small_stacks_turn_has_room_for_timers_that_start_goroutines),
        BEHAVE(each_has_its_stack_for_itself_and_gives_it_back),
        BEHAVE(the_dump_walks_a_small_stack),
        BEHAVE(a_small_stack_can_ask_for_a_simulation),
};

BEHAVE_MAIN(tests)
