/* SPDX-License-Identifier: MIT
 * How programs end: each test runs one case of a program beside this one as a child and looks at
 * its exit status and its last words. In the texts # stands for digits. This program itself does
 * not use the library. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#endif
#ifndef TSAN
#define TSAN 0
#endif
#ifndef ASAN
#define ASAN 0
#endif

/* Children run again and again to meet a race. */
enum { ROUNDS = TSAN ? 20 : 100 };
enum { LIMIT_MS = 60000, TEXT_MOST = 1 << 20, SHOWS = 10 };

/* What is expected of one case; what is left out is not looked at, except the exit status. */
struct crash {
        const char *name;          /* the behaviour */
        const char *program, *what;
        const char *env;           /* NAME=value */
        int status;                /* exit status */
        int killed;                /* or the signal that killed it */
        int send;                  /* signal to send once it says "ready" */
        int late_ms;               /* its stderr is read only so long after it says "ready" */
        const char *begins;        /* stderr begins like this */
        const char *shows[SHOWS];  /* and has these in this order */
        const char *lacks;
        int headings;              /* lines "goroutine N ..."; -1: none */
        const char *out;           /* the whole of stdout */
        int least_ms, most_ms;
        bool only_tsan, not_tsan, only_asan, not_asan;
};

/* -- running a child -- */

struct run {
        char err[TEXT_MOST], out[4096];
        size_t err_n, out_n;
        int status;
        int64_t ms;
        bool late;
};

static int64_t now_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void set_env(const char *pair)
{
        char name[64];
        const char *eq = strchr(pair, '=');

        snprintf(name, sizeof name, "%.*s", (int)(eq - pair), pair);
        setenv(name, eq + 1, 1);
}

static _Noreturn void child(const struct crash *c, const int out[2], const int err[2])
{
        char path[512];
        ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
        /* what runs programs for this processor, if the machine does not */
        char *slash, *argv[4], *emulator = getenv("RUNNEL_EMULATOR");
        bool emulated = emulator && emulator[0];

        if (n <= 0)
                _exit(97);
        path[n] = '\0';
        slash = strrchr(path, '/');
        snprintf(slash, sizeof path - (size_t)(slash - path), "/%s", c->program);
        signal(SIGINT, SIG_DFL);   /* a shell lets what it starts in the background ignore both */
        signal(SIGQUIT, SIG_DFL);
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        setenv("ASAN_OPTIONS", "detect_leaks=0", 1);   /* who crashes on purpose frees nothing */
        setenv("TSAN_OPTIONS", "atexit_sleep_ms=0", 1);
        if (c->env)
                set_env(c->env);
        dup2(out[1], 1);
        dup2(err[1], 2);
        close(out[0]);
        close(out[1]);
        close(err[0]);
        close(err[1]);
        argv[0] = emulator;
        argv[1] = path;
        argv[2] = (char *)(uintptr_t)c->what;
        argv[3] = NULL;
        execvp(emulated ? emulator : path, emulated ? argv : argv + 1);
        _exit(97);
}

/* False: the end of it. */
static bool take(int fd, char *text, size_t size, size_t *n)
{
        char rest[512];
        ssize_t got = *n < size - 1 ? read(fd, text + *n, size - 1 - *n)
                                    : read(fd, rest, sizeof rest);

        if (got < 0)
                return errno == EINTR;
        if (*n < size - 1)
                *n += (size_t)got;
        text[*n] = '\0';
        return got > 0;
}

static void on_ready(const struct crash *c, pid_t pid, int64_t *err_from)
{
        if (c->send)
                kill(pid, c->send);
        *err_from = now_ms() + c->late_ms;
}

static void listen_to(const struct crash *c, struct run *r, pid_t pid, int out, int err)
{
        struct pollfd fd[2] = { { .fd = out, .events = POLLIN }, { .fd = err, .events = POLLIN } };
        int64_t begun = now_ms(), err_from = c->late_ms ? INT64_MAX : 0;
        bool ready = false;

        while (fd[0].fd >= 0 || fd[1].fd >= 0) {
                bool deaf = now_ms() < err_from;
                struct pollfd now[2] = { fd[0], { .fd = deaf ? -1 : fd[1].fd, .events = POLLIN } };

                poll(now, 2, deaf ? 5 : 1000);
                if (now[0].revents && !take(out, r->out, sizeof r->out, &r->out_n))
                        fd[0].fd = -1;
                if (now[1].revents && !take(err, r->err, sizeof r->err, &r->err_n))
                        fd[1].fd = -1;
                if (!ready && strstr(r->out, "ready\n")) {
                        ready = true;
                        on_ready(c, pid, &err_from);
                }
                if (!r->late && now_ms() - begun > LIMIT_MS) {
                        r->late = true;
                        kill(pid, SIGKILL);
                }
        }
}

static void run(const struct crash *c, struct run *r)
{
        int out[2], err[2];
        int64_t begun = now_ms();
        pid_t pid;

        r->err_n = r->out_n = 0;
        r->err[0] = r->out[0] = '\0';
        r->late = false;
        assert_int_equal(pipe(out), 0);
        assert_int_equal(pipe(err), 0);
        fflush(NULL);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                child(c, out, err);
        close(out[1]);
        close(err[1]);
        listen_to(c, r, pid, out[0], err[0]);
        close(out[0]);
        close(err[0]);
        while (waitpid(pid, &r->status, 0) < 0 && errno == EINTR)
                continue;
        r->ms = now_ms() - begun;
}

/* -- looking at the text -- */

/* Where the pattern's match at text ends; NULL: it does not match. */
static const char *match(const char *text, const char *pattern)
{
        for (; *pattern; pattern++) {
                if (*pattern != '#') {
                        if (*text++ != *pattern)
                                return NULL;
                        continue;
                }
                if (!isdigit((unsigned char)*text))
                        return NULL;
                while (isdigit((unsigned char)*text))
                        text++;
        }
        return text;
}

static const char *find(const char *text, const char *pattern)
{
        for (; *text; text++) {
                const char *end = match(text, pattern);

                if (end)
                        return end;
        }
        return NULL;
}

static int count(const char *text, const char *pattern)
{
        int n = 0;

        while ((text = find(text, pattern)) != NULL)
                n++;
        return n;
}

static _Noreturn void wrong(const struct crash *c, const struct run *r, const char *what,
                            const char *detail)
{
        print_error("%s %s: %s%s\n", c->program, c->what, what, detail);
        print_error("-- status 0x%x after %d ms, stdout:\n%s-- stderr:\n%.3000s\n--\n",
                    (unsigned)r->status, (int)r->ms, r->out, r->err);
        fail();
        abort();
}

static void look_at_status(const struct crash *c, const struct run *r)
{
        if (r->late)
                wrong(c, r, "hung", "");
        if (c->killed ? !WIFSIGNALED(r->status) || WTERMSIG(r->status) != c->killed
                      : !WIFEXITED(r->status) || WEXITSTATUS(r->status) != c->status)
                wrong(c, r, "wrong exit status", "");
        if (r->ms < c->least_ms || (c->most_ms && r->ms > c->most_ms))
                wrong(c, r, "ended too early or too late", "");
}

static void look_at_text(const struct crash *c, const struct run *r)
{
        const char *at = r->err;

        if (c->begins && !match(r->err, c->begins))
                wrong(c, r, "does not begin with: ", c->begins);
        for (int i = 0; i < SHOWS && c->shows[i]; i++) {
                at = find(at, c->shows[i]);
                if (!at)
                        wrong(c, r, "does not show (in this place): ", c->shows[i]);
        }
        if (c->lacks && find(r->err, c->lacks))
                wrong(c, r, "shows: ", c->lacks);
        if (c->headings && count(r->err, "\ngoroutine # ") != (c->headings < 0 ? 0 : c->headings))
                wrong(c, r, "shows another number of goroutines", "");
        if (c->out && strcmp(r->out, c->out) != 0)
                wrong(c, r, "stdout is not: ", c->out);
}

static void crash_test(void **state)
{
        static struct run r;
        const struct crash *c = *state;

        if ((c->only_tsan && !TSAN) || (c->not_tsan && TSAN) || (c->only_asan && !ASAN) ||
            (c->not_asan && ASAN))
                skip();
        run(c, &r);
        look_at_status(c, &r);
        look_at_text(c, &r);
}

/* -- races: the same many times -- */

static void two_panics_at_once_are_one(void **state)
{
        static struct run r;
        static const struct crash c = { .program = "panic_cases", .what = "two_panics_at_once",
                                        .begins = "panic: together\n\n"
                                                  "goroutine # [running]:\nrn_panic",
                                        .status = 2, .headings = 1 };

        (void)state;
        for (int i = 0; i < ROUNDS / 2; i++) {
                run(&c, &r);
                look_at_status(&c, &r);
                look_at_text(&c, &r);
                if (count(r.err, "panic: together") != 1)
                        wrong(&c, &r, "more than one report", "");
        }
}

/* The report is there as a whole, or main was faster and there is none. */
static void panic_is_not_cut_short_by_the_end_of_main(void **state)
{
        static struct run r;
        static const struct crash whole = { .program = "panic_cases", .status = 2,
                                            .what = "panic_races_with_the_end_of_main",
                                            .begins = "panic: first\n\tpanic: second\n\n"
                                                      "goroutine # [running]:\n",
                                            .shows = { "panics_second", "panics_racing",
                                                       "started as panics_racing\n" } };
        static const struct crash none = { .program = "panic_cases",
                                           .what = "panic_races_with_the_end_of_main" };
        int reports = 0;

        (void)state;
        for (int i = 0; i < ROUNDS; i++) {
                struct crash c = whole;
                char spin[32];

                snprintf(spin, sizeof spin, "CRASH_SPIN=%d", i * (2000000 / ROUNDS));
                c.env = spin;
                run(&c, &r);
                if (r.status == 0) {
                        if (r.err_n > 0)
                                wrong(&none, &r, "half a report", "");
                        continue;
                }
                look_at_status(&c, &r);
                look_at_text(&c, &r);
                reports++;
        }
        assert_true(reports > 0);
}

/* The change comes at another turn each time. */
static void at_any_time(const struct crash *come, int rounds)
{
        static struct run r;

        for (int i = 0; i < rounds; i++) {
                struct crash c = *come;
                char env[64];

                snprintf(env, sizeof env, "CRASH_SPIN=%d", i * 37);
                c.env = env;
                setenv("RUNNEL_MAXPROCS", "1", 1);
                run(&c, &r);
                unsetenv("RUNNEL_MAXPROCS");
                look_at_status(&c, &r);
                look_at_text(&c, &r);
        }
}

static void processors_come_at_any_time(void **state)
{
        (void)state;
        at_any_time(&(struct crash){ .program = "process_cases",
                                     .what = "processors_come_while_all_take_turns",
                                     .out = "4\n" },
                    ROUNDS / 2);
}

static void threads_come_at_any_time(void **state)
{
        (void)state;
        at_any_time(&(struct crash){ .program = "process_cases",
                                     .what = "threads_come_while_one_uses_channels",
                                     .out = "255\n" },
                    ROUNDS);
}

/* -- what is expected -- */

#include "tests/crash/expected.h"

enum { N = sizeof expected / sizeof *expected };

int main(void)
{
        static struct CMUnitTest tests[N + 4] = {
                [N] = cmocka_unit_test(two_panics_at_once_are_one),
                [N + 1] = cmocka_unit_test(panic_is_not_cut_short_by_the_end_of_main),
                [N + 2] = cmocka_unit_test(processors_come_at_any_time),
                [N + 3] = cmocka_unit_test(threads_come_at_any_time),
        };

        for (size_t i = 0; i < N; i++)
                tests[i] = (struct CMUnitTest){ .name = expected[i].name, .test_func = crash_test,
                                                .initial_state = (void *)(uintptr_t)&expected[i] };
        return _cmocka_run_group_tests("crash", tests, N + 4, NULL, NULL);
}
