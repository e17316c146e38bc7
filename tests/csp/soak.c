/* SPDX-License-Identifier: MIT
 * Random programs for as long as asked: `make fuzz`, with FUZZ_TIME=seconds (60) and FUZZ_SEED=n
 * (from the clock). Ends at the first program that fails, prints it, and the smallest that still
 * does. With files as arguments it runs the programs in them instead, as they were printed, again
 * and again. */
#include <stdlib.h>
#include <time.h>

#include "tests/csp/check.h"

static const uint8_t procs[] = { 1, 2, 8, 0 };
static const struct budget budget = {
        .procs = procs, .runs = 8, .blocked = 2, .states = 50000, .tries = 200
};

enum { AT_ONCE = 64, TEXT = 4096, SAY_SECONDS = 10 };

static void say(const struct tally *t)
{
        printf("%zu programs, %zu skipped, %zu runs (%zu with threads, %zu blocked at the end), "
               "%zu of %zu outcomes met\n",
               t->programs, t->skipped, t->runs, t->threads, t->blocked, t->seen, t->allowed);
        fflush(stdout);
}

static int failed(struct failure *f)
{
        unsigned cuts;

        failure_print(stdout, &budget, f);
        fflush(stdout);
        cuts = failure_shrink(&budget, f);
        printf("made smaller by %u cuts:\n", cuts);
        failure_print(stdout, &budget, f);
        failure_free(f);
        return 1;
}

static int seeds(uint64_t seed, time_t end)
{
        struct tally t = { 0 };
        struct failure f;
        time_t said = time(NULL);

        printf("FUZZ_SEED=%llu\n", (unsigned long long)seed);
        fflush(stdout);
        for (; time(NULL) < end; seed += AT_ONCE) {
                if (!check_seeds(&budget, seed, AT_ONCE, &t, &f)) {
                        say(&t);
                        return failed(&f);
                }
                if (time(NULL) >= said + SAY_SECONDS) {
                        said = time(NULL);
                        say(&t);
                }
        }
        say(&t);
        return t.programs == t.skipped;   /* nothing was tested */
}

static int kept(const char *name, time_t end)
{
        FILE *in = fopen(name, "r");
        char text[TEXT];
        struct program p;
        struct tally t = { 0 };
        struct failure f;

        if (!in) {
                perror(name);
                return 2;
        }
        text[fread(text, 1, sizeof text - 1, in)] = '\0';
        fclose(in);
        if (!program_parse(&p, text)) {
                fprintf(stderr, "%s: no program\n", name);
                return 2;
        }
        for (uint64_t i = 0; i == 0 || time(NULL) < end; i++)
                if (!check_program(&budget, &p, i, &t, &f))
                        return failed(&f);
        say(&t);
        return 0;
}

int main(int argc, char **argv)
{
        const char *seconds = getenv("FUZZ_TIME"), *seed = getenv("FUZZ_SEED");
        time_t now = time(NULL), some = seconds ? (time_t)strtol(seconds, NULL, 10) : 60;

        if (argc < 2)
                return seeds(seed && *seed ? strtoull(seed, NULL, 10) : (uint64_t)now << 20,
                             now + some);
        for (int i = 1; i < argc; i++) {
                int status = kept(argv[i], time(NULL) + some / (argc - 1));

                if (status)
                        return status;
        }
        return 0;
}
