/* SPDX-License-Identifier: MIT
 * What the benchmark programs share. A program is called `PROGRAM WORK [-OPTION N]...` and prints
 * KEY=VALUE lines, the unit first in the key (ns_, us_, ms_, bytes_, kib_) and less always better.
 * go/PROGRAM.go takes the same words, does the same work the same number of times and prints the
 * same keys; run compares the two. Nothing here judges a time: a program fails only if the work
 * itself came out wrong. */
#ifndef BENCH_H
#define BENCH_H

#include <runnel.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct work {
        const char *name;
        void (*run)(void);
};

static char **bench_options; /* what follows the work's name, up to a NULL */

/* The number after -name, or what it is without that. */
static inline long option(const char *name, long otherwise)
{
        for (char **o = bench_options; o[0] && o[1]; o += 2) {
                if (strcmp(o[0], name) == 0)
                        return strtol(o[1], NULL, 10);
        }
        return otherwise;
}

static inline void print_value(const char *key, double value)
{
        printf("%s=%.2f\n", key, value);
}

static inline void print_ns(const char *key, rn_time start, long n)
{
        print_value(key, (double)(rn_now() - start) / (double)n);
}

static inline void print_ms(const char *key, rn_time start)
{
        print_value(key, (double)(rn_now() - start) / (double)RN_MSEC);
}

static inline void must(bool right, const char *what)
{
        if (!right) {
                fprintf(stderr, "wrong result: %s\n", what);
                exit(1);
        }
}

/* KiB of this process by a name in a file of /proc/self. */
static inline double proc_kib(const char *file, const char *name)
{
        FILE *f = fopen(file, "r");
        size_t length = strlen(name);
        char line[256];
        double kib = 0;

        while (f && fgets(line, sizeof(line), f)) {
                if (strncmp(line, name, length) == 0 && line[length] == ':')
                        kib = strtod(line + length + 1, NULL);
        }
        if (f)
                fclose(f);
        return kib;
}

static inline double status_kib(const char *name)
{
        return proc_kib("/proc/self/status", name);
}

static inline int bench_main(char **argv, const struct work *works, size_t n)
{
        bench_options = argv[0] && argv[1] ? argv + 2 : argv;
        for (size_t i = 0; argv[0] && argv[1] && i < n; i++) {
                if (strcmp(works[i].name, argv[1]) == 0) {
                        works[i].run();
                        return 0;
                }
        }
        fprintf(stderr, "usage: PROGRAM WORK [-OPTION N]..., WORK one of:\n");
        for (size_t i = 0; i < n; i++)
                fprintf(stderr, "  %s\n", works[i].name);
        return 2;
}

#endif
