/* SPDX-License-Identifier: MIT
 * The scheduler alone, without a channel: yielding, starting and ending. */
#include "tests/bench/bench.h"

#include <unistd.h>

static void yielder(rn_wg *wg, long n)
{
        for (long i = 0; i < n; i++)
                rn_yield();
        rn_wg_done(wg);
}

/* k goroutines yield 10 million times in all. */
static void yield(void)
{
        const long n = 10000000, k = option("-k", 2);
        rn_wg wg = { 0 };
        rn_time start = rn_now();

        for (long i = 0; i < k; i++) {
                rn_wg_add(&wg, 1);
                rn_go(yielder, &wg, n / k);
        }
        rn_wg_wait(&wg);
        print_ns("ns_yield", start, n);
}

static void report(rn_wg *wg)
{
        rn_wg_done(wg);
}

/* 10 million goroutines that only report, b at a time. */
static void spawn(void)
{
        const long n = 10000000, b = option("-b", 1000);
        rn_wg wg = { 0 };
        rn_time start = rn_now();

        for (long i = 0; i < n; i += b) {
                rn_wg_add(&wg, (int)b);
                for (long j = 0; j < b; j++)
                        rn_go(report, &wg);
                rn_wg_wait(&wg);
        }
        print_ns("ns_spawn", start, n);
}

/* The least program: one goroutine. */
static void nothing(void)
{
        rn_wg wg = { 0 };

        rn_wg_add(&wg, 1);
        rn_go(report, &wg);
        rn_wg_wait(&wg);
}

/* From its start to its end, as a process. */
static void process(void)
{
        char self[4096];
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        const char *starter = getenv("STARTER");

        must(n > 0 && starter, "STARTER names the program that measures");
        self[n] = '\0';
        execl(starter, starter, self, "nothing", (char *)NULL);
        must(false, "STARTER can be started");
}

int main(int argc, char **argv)
{
        static const struct work works[] = {
                { "yield", yield },
                { "spawn", spawn },
                { "nothing", nothing },
                { "process", process },
        };

        (void)argc;
        return bench_main(argv, works, sizeof(works) / sizeof(works[0]));
}
