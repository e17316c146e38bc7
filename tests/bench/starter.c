/* SPDX-License-Identifier: MIT
 * starter PROGRAM WORK: how long a process of it takes from its start to its end, in microseconds,
 * the median of many. Both sides are started by this one, so that what is compared is theirs alone.
 * `sched process` becomes it. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

enum { RUNS = 301 };
extern char **environ;

static double now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
        double took[RUNS];

        if (argc != 3)
                return 2;
        for (int i = 0; i < RUNS; i++) {
                double start = now();
                int status;
                pid_t pid;

                if (posix_spawn(&pid, argv[1], NULL, NULL, argv + 1, environ) != 0 ||
                    waitpid(pid, &status, 0) != pid || status != 0)
                        return 1;
                took[i] = now() - start;
        }
        qsort(took, RUNS, sizeof took[0], compare);
        printf("us_process=%.2f\n", took[RUNS / 2]);
        return 0;
}
