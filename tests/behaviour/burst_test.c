/* SPDX-License-Identifier: MIT
 * A burst of goroutines ends: its memory goes back to the system without anybody asking,
 * descriptors and caches of idle processors too, and the next burst runs as the first one did. How
 * soon is for the benchmarks; here somebody waits until it has. */
#define _GNU_SOURCE
#include "tests/support/behave.h"
#include "tests/support/machine.h"

static size_t resident(void)
{
        FILE *f = fopen("/proc/self/statm", "r");
        size_t n = 0;

        if (!f || fscanf(f, "%*u %zu", &n) != 1)
                abort();
        fclose(f);
        return n * (size_t)sysconf(_SC_PAGESIZE);
}

struct burst {
        rn_chan(rn_nothing) gate;
        rn_wg here, gone;
        atomic_int slept;
        bool deep;
};

enum { DEEP = 40 << 10 };

/* So that a stack that somebody keeps is seen. */
static __attribute__((noinline)) void use_stack(void)
{
        volatile char room[DEEP];
        int sum = 0;

        for (int i = 0; i < DEEP; i += 1024)
                room[i] = 1;
        for (int i = 0; i < DEEP; i += 1024)
                sum += room[i];
        CHECK_EQ(sum, DEEP / 1024);
}

static void comes_and_goes(struct burst *b, int i)
{
        rn_nothing none;

        if (b->deep)
                use_stack();
        rn_wg_done(&b->here);
        /* leaves a stale timer now and then */
        if (i % 8 == 0 && rn_recv_until(rn_deadline(100000), b->gate, &none) != 0)
                atomic_fetch_add(&b->slept, 1);
        rn_wait(b->gate);
        rn_wg_done(&b->gone);
}

static void run(int n, const rn_attr *attr, bool deep)
{
        struct burst b = { .gate = rn_make(rn_nothing, 0), .deep = deep };

        rn_wg_add(&b.here, n);
        rn_wg_add(&b.gone, n);
        for (int i = 0; i < n; i++)
                CHECK_EQ(rn_go_attr(attr, comes_and_goes, &b, i), 0);
        rn_wg_wait(&b.here);
        rn_close(b.gate);
        rn_wg_wait(&b.gone);
        BEHAVE_UNTIL(rn_numgoroutine() == 1);
        rn_unref(b.gate);
}

static void goes_down_after(int n, const rn_attr *attr, bool deep)
{
        static size_t before;   /* of them all: the last burst of one is not yet gone when the next
                                 * begins */

        if (!before)
                before = resident();
        run(n, attr, deep);
        run(n, attr, deep);
        if (rn_maxprocs(0) != 2 || emulated())   /* it takes seconds; and an emulator's own tables
                                                  * grow */
                return;
        while (resident() > before + before / 5 + (512 << 10))
                rn_sleep(20 * RN_MSEC);
        run(n, attr, deep);
}

static void memory_of_a_burst_goes_back(void)
{
        static const rn_attr none;

        if (BEHAVE_ASAN || BEHAVE_TSAN) {
                run(2000, &none, false);   /* both keep shadow memory */
                return;
        }
        goes_down_after(BEHAVE_LIVE(30000), &none, false);
}

static void memory_of_a_burst_of_small_stacks_goes_back(void)
{
        static const rn_attr leaf = { .stack = 700 };

        if (BEHAVE_ASAN || BEHAVE_TSAN) {
                run(2000, &leaf, false);
                return;
        }
        goes_down_after(BEHAVE_LIVE(30000), &leaf, false);
}

/* Of few: what lies in the caches of idle processors is most of it. */
static void memory_of_deep_stacks_goes_back(void)
{
        static const rn_attr none;

        if (BEHAVE_ASAN || BEHAVE_TSAN) {
                run(200, &none, true);
                return;
        }
        goes_down_after(BEHAVE_LIVE(500), &none, true);
}

static const struct behave_test tests[] = {
        BEHAVE(memory_of_a_burst_goes_back),
        BEHAVE(memory_of_a_burst_of_small_stacks_goes_back),
        BEHAVE(memory_of_deep_stacks_goes_back),
};

BEHAVE_MAIN(tests)
