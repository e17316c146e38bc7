/* SPDX-License-Identifier: MIT
 * A million goroutines: that compute a sum, that are parked, that sleep. What they cost in time and
 * in memory. */
#include "tests/bench/bench.h"

#include <sys/resource.h>

/* A node adds up its ten children. Child and parent let go of the channel independently, so each
 * has a reference. */
static void node(rn_chan(long) up, long first, long size)
{
        rn_chan(long) down;
        long sum = 0;

        if (size == 1) {
                rn_send(up, first);
                rn_unref(up);
                return;
        }
        down = rn_make(long, 0);
        for (long i = 0; i < 10; i++)
                rn_go(node, rn_ref(down), first + i * (size / 10), size / 10);
        for (long i = 0; i < 10; i++)
                sum += rn_get(down);
        rn_send(up, sum);
        rn_unref(down);
        rn_unref(up);
}

/* A tree with a million leaves, 1,111,111 goroutines. */
static void skynet(void)
{
        rn_chan(long) c = rn_make(long, 0);
        rn_time start = rn_now();

        rn_go(node, rn_ref(c), 0, 1000000);
        must(rn_get(c) == 499999500000, "skynet");
        print_ms("ms_skynet", start);
        print_value("kib_peak", status_kib("VmHWM"));
        rn_unref(c);
}

static void wait_at(rn_recv_chan(long) gate, rn_wg *running, rn_wg *ended)
{
        rn_wg_done(running);
        rn_wait(gate);
        rn_wg_done(ended);
}

/* n goroutines wait on one channel: start to all running, memory of each, close to all ended; on
 * stacks of -stack bytes, if that is given. */
static void parked(void)
{
        const long n = option("-n", 1000000);
        const rn_attr attr = { .stack = (size_t)option("-stack", 0) };
        double rss = status_kib("VmRSS"), pte = status_kib("VmPTE");
        rn_chan(long) gate = rn_make(long, 0);
        rn_wg running = { 0 }, ended = { 0 };
        rn_time start = rn_now();

        rn_wg_add(&running, (int)n);
        rn_wg_add(&ended, (int)n);
        for (long i = 0; i < n; i++)
                must(rn_go_attr(&attr, wait_at, gate, &running, &ended) == 0, "start");
        rn_wg_wait(&running);
        print_ms("ms_spawn", start);
        print_value("bytes_resident", (status_kib("VmRSS") - rss) * 1024 / (double)n);
        print_value("bytes_tables", (status_kib("VmPTE") - pte) * 1024 / (double)n);
        start = rn_now();
        rn_close(gate);
        rn_wg_wait(&ended);
        print_ms("ms_wake", start);
        rn_unref(gate);
}

/* Page by page: status counts by dozens, which matters where there are few. */
static double resident_kib(void)
{
        return proc_kib("/proc/self/smaps_rollup", "Rss");
}

static long begun;

static void begin_at(rn_recv_chan(long) gate, rn_wg *running, rn_wg *ended)
{
        __atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED);
        wait_at(gate, running, ended);
}

/* What n goroutines cost: started and not yet run, parked, parked on stacks of less than a page;
 * and what is left of it some seconds after the last has ended. With one P few have begun when the
 * last is started, since that takes longer than a slice; what those take is known when all are
 * parked. */
static void memory(void)
{
        const long n = option("-n", 1000000);
        const rn_attr small = { .stack = 256 };
        rn_chan(long) gate = rn_make(long, 0);
        rn_wg running = { 0 }, ended = { 0 };
        double rss, pte, start_rss, started, parked;
        long begun_then;

        rn_close(gate);
        rn_wg_add(&running, 1);
        rn_wg_add(&ended, 1);
        rn_go(wait_at, gate, &running, &ended);   /* the runtime is there */
        rn_wg_wait(&ended);
        print_value("kib_start", resident_kib());   /* the pages of what prints are there, too */
        start_rss = resident_kib();
        rn_unref(gate);
        for (int round = 0; round < 2; round++) {
                gate = rn_make(long, 0);
                rss = status_kib("VmRSS");
                pte = status_kib("VmPTE");
                begun = 0;
                rn_wg_add(&running, (int)n);
                rn_wg_add(&ended, (int)n);
                for (long i = 0; i < n; i++)
                        must(rn_go_attr(round == 0 ? &small : &(rn_attr){ 0 }, begin_at, gate,
                                        &running, &ended) == 0,
                             "start");
                started = (status_kib("VmRSS") - rss) * 1024;
                begun_then = __atomic_load_n(&begun, __ATOMIC_RELAXED);
                rn_wg_wait(&running);
                parked = (status_kib("VmRSS") - rss) * 1024 / (double)n;
                if (round == 1 && rn_maxprocs(0) == 1 && begun_then < n / 2)
                        print_value("bytes_unrun", (started - (double)begun_then * parked) /
                                                           (double)(n - begun_then));
                print_value(round == 0 ? "bytes_small" : "bytes_parked",
                            parked + (status_kib("VmPTE") - pte) * 1024 / (double)n);
                rn_close(gate);
                rn_wg_wait(&ended);
                rn_unref(gate);
                if (round == 1)
                        break;
                for (int i = 0; i < 100 && resident_kib() > start_rss + 500; i++)
                        rn_sleep(100 * RN_MSEC);
        }
        rn_sleep(5 * RN_SEC);
        print_value("kib_after_5s", resident_kib());
}

static void sleeper(rn_dur length, rn_wg *ended)
{
        rn_sleep(length);
        rn_wg_done(ended);
}

static double cpu_ms(void)
{
        struct rusage used;

        getrusage(RUSAGE_SELF, &used);
        return 1e3 * (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               1e-3 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* n goroutines sleep s seconds each: processor time of it all, and how much later than s after the
 * start the last ends. */
static void sleepers(void)
{
        const long n = option("-n", 1000000);
        const rn_dur length = option("-s", 10) * RN_SEC;
        rn_wg ended = { 0 };
        rn_time start = rn_now();

        rn_wg_add(&ended, (int)n);
        for (long i = 0; i < n; i++)
                rn_go(sleeper, length, &ended);
        rn_wg_wait(&ended);
        print_ms("ms_late", start + length);
        print_value("ms_cpu", cpu_ms());
        print_value("kib_peak", status_kib("VmHWM"));
}

int main(int argc, char **argv)
{
        static const struct work works[] = {
                { "skynet", skynet },
                { "parked", parked },
                { "memory", memory },
                { "sleepers", sleepers },
        };

        (void)argc;
        return bench_main(argv, works, sizeof(works) / sizeof(works[0]));
}
