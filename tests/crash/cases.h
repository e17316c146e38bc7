/* SPDX-License-Identifier: MIT
 * What the programs of tests/crash share: each is a list of cases that end on purpose, most of them
 * badly; PROGRAM CASE runs one with main as goroutine 1, and crash_test looks at the last words.
 * The macro CASE(name) defines one and puts it on the list; VISIBLE defines a function that a trace
 * should name. */
#ifndef CRASH_CASES_H
#define CRASH_CASES_H

#include <runnel.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int result;   /* main's */

struct crash_case {
        const char *name;
        void (*fn)(void);
        const struct crash_case *next;
};
static const struct crash_case *cases;

#define CASE(name) \
        static void case_##name(void); \
        static struct crash_case list_##name = { #name, case_##name, NULL }; \
        __attribute__((constructor)) static void add_##name(void) \
        { \
                list_##name.next = cases; \
                cases = &list_##name; \
        } \
        static void case_##name(void)

#define VISIBLE(type, name, parameters) \
        type name parameters; \
        __attribute__((noinline)) type name parameters

/* Keeps a frame: what comes before is no tail call. */
#define AFTERWARDS() __asm__ volatile("" ::: "memory")

static inline void say(const char *text)
{
        if (write(1, text, strlen(text)) < 0)
                _exit(99);
}

static inline void plain_thread(void *(*fn)(void *), void *arg)
{
        pthread_t t;

        if (pthread_create(&t, NULL, fn, arg))
                abort();
        pthread_detach(t);
}

static inline void sleeps_long(void)
{
        rn_sleep(1000 * RN_SEC);
}

static inline void spins(void)
{
        for (;;)
                AFTERWARDS();
}

static inline void says_deferred(void)
{
        say("deferred\n");
}

/* Until somebody has come to where a dump shows this text. */
static inline void until_dump_shows(const char *text)
{
        static char dump[1 << 16];
        int fd = memfd_create("dump", MFD_CLOEXEC);

        do {
                rn_yield();
                memset(dump, 0, sizeof dump);
                if (fd < 0 || ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
                        abort();
                rn_dump(fd);
                if (pread(fd, dump, sizeof dump - 1, 0) < 0)
                        abort();
        } while (!strstr(dump, text));
        close(fd);
}

VISIBLE(void, blocked_in_receive, (rn_chan(int) c))
{
        rn_wait(c);
        AFTERWARDS();
}

/* Not the same code as the one above, which a linker could make one of. */
VISIBLE(void, waits_for_a_value, (rn_chan(int) c))
{
        rn_wait(c);
        __asm__ volatile("# waits for a value" ::: "memory");
}

int main(int argc, char **argv)
{
        for (const struct crash_case *c = cases; c; c = c->next)
                if (argc > 1 && strcmp(c->name, argv[1]) == 0) {
                        c->fn();
                        return result;
                }
        fprintf(stderr, "no such case\n");
        return 98;
}

#endif
