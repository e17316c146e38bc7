/* SPDX-License-Identifier: MIT
 * A burst of goroutines ends: its memory goes back to the system without anybody asking, descriptors and caches of idle processors too, and the next burst runs as the
 * first one did. How soon is for the benchmarks; here somebody waits until it has. */
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
};

static void comes_and_goes(struct burst *b, int i)
{
        rn_nothing none;

        rn_wg_done(&b->here);
        if (i % 8 == 0 && rn_recv_until(rn_deadline(100000), b->gate, &none) != 0)   /* leaves a stale timer now and then */
                atomic_fetch_add(&b->slept, 1);
        rn_wait(b->gate);
        rn_wg_done(&b->gone);
}

static void run(int n, const rn_attr *attr)
{
        struct burst b = { .gate = rn_make(rn_nothing, 0) };

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

static void goes_down_after(int n, const rn_attr *attr)
{
        size_t before = resident();

        run(n, attr);
        run(n, attr);
        if (rn_maxprocs(0) != 2 || emulated())   /* it takes seconds; and an emulator's own tables grow */
                return;
        while (resident() > before + before / 5 + (512 << 10))
                rn_sleep(20 * RN_MSEC);
        run(n, attr);
}

static void memory_of_a_burst_goes_back(void)
{
        static const rn_attr none;

        if (BEHAVE_ASAN || BEHAVE_TSAN) {
                run(2000, &none);   /* both keep shadow memory */
                return;
        }
        goes_down_after(BEHAVE_LIVE(30000), &none);
}

static void memory_of_a_burst_of_small_stacks_goes_back(void)
{
        static const rn_attr leaf = { .stack = 700 };

        if (BEHAVE_ASAN || BEHAVE_TSAN) {
                run(2000, &leaf);
                return;
        }
        goes_down_after(BEHAVE_LIVE(30000), &leaf);
}

static const struct behave_test tests[] = {
        BEHAVE(memory_of_a_burst_goes_back),
        BEHAVE(memory_of_a_burst_of_small_stacks_goes_back),
};

BEHAVE_MAIN(tests)
