/* SPDX-License-Identifier: MIT
 * The fault sweep: every scenario is run once to see how many calls of each kind it makes, then
 * again and again with the n-th of them failing, n = 1, 2, ..., and once with all from the n-th on.
 * A run must end within its time with success, with an error that the scenario knows, or with a
 * panic or fatal error that says so; nothing else.
 *
 *     tests/faults/sweep [full] [SCENARIO | KIND]...
 *
 * In the top build folder; prints TAP, a test for each scenario.
 * Without "full": n is 1, 2, 4, 8, ... with one error each, in turn; "full": each n up to 200, half
 * more each time from there, and every error. The number of calls differs from run to run where
 * threads meet, so a count is where to stop, not a promise that the call comes. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* As sched/os/fault.c writes it. */
struct fault_count {
        char name[24], errors[56];
        uintptr_t calls, failed;
};

enum { KINDS = 64, SECONDS = 30, EVERY = 200 };

struct run {
        int status;             /* as waitpid says; -1: it did not end */
        char text[20000];       /* what it printed */
};

struct tally { unsigned runs, absorbed, refused, ended, wrong; };

static const char *program;
static char table_path[64];
static struct fault_count *table;
static size_t kinds;
static bool full;

static int64_t now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static _Noreturn void give_up(const char *what)
{
        printf("Bail out! %s: %s\n", what, strerror(errno));
        exit(99);
}

/* What the scenario prints, at most until `until`. Whoever it has started has the pipe too and may
 * outlive it: so its own end is looked for, not only that of the pipe. False: it has not ended. */
static bool read_until(pid_t pid, int fd, struct run *r, size_t *n, int64_t until)
{
        bool ended = false;

        while (now() < until) {
                struct pollfd p = { .fd = fd, .events = POLLIN };
                char rest[512];
                ssize_t k;

                if (poll(&p, 1, ended ? 0 : 50) == 0) {
                        if (ended)
                                return true;
                        /* and what it wrote last is read yet */
                        ended = waitpid(pid, &r->status, WNOHANG) == pid;
                        continue;
                }
                k = *n < sizeof r->text - 1 ? read(fd, r->text + *n, sizeof r->text - 1 - *n)
                                            : read(fd, rest, sizeof rest);
                if (k <= 0)
                        return ended || waitpid(pid, &r->status, 0) == pid;
                if (*n < sizeof r->text - 1)
                        *n += (size_t)k;
        }
        return false;
}

static pid_t start(const char *scenario, const char *order, int out)
{
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        setpgid(0, 0);
        setenv("RUNNEL_FAULT", order, 1);
        setenv("RUNNEL_FAULT_COUNTS", table_path, 1);
        dup2(out, 1);
        dup2(out, 2);
        execl(program, program, scenario, (char *)NULL);
        _exit(127);
}

/* One that does not end says with SIGQUIT where it is. */
static void run(const char *scenario, const char *order, struct run *r)
{
        size_t n = 0;
        int p[2];
        pid_t pid;

        if (pipe2(p, O_CLOEXEC) != 0)
                give_up("pipe");
        pid = start(scenario, order, p[1]);
        if (pid < 0)
                give_up("fork");
        close(p[1]);
        if (!read_until(pid, p[0], r, &n, now() + SECONDS * 1000)) {
                kill(pid, SIGQUIT);
                if (!read_until(pid, p[0], r, &n, now() + 3000)) {
                        kill(pid, SIGKILL);
                        waitpid(pid, &r->status, 0);
                }
                r->status = -1;
        }
        kill(-pid, SIGKILL);
        close(p[0]);
        r->text[n] = 0;
}

static bool says(const struct run *r, const char *what)
{
        return strstr(r->text, what) != NULL;
}

/* Is this an end that is allowed? */
static bool judge(const struct run *r, bool lasts, struct tally *t)
{
        int code = r->status >= 0 && WIFEXITED(r->status) ? WEXITSTATUS(r->status) : -1;

        t->runs++;
        if (code == 0)
                t->absorbed++;
        else if ((code == 3 || (code == 4 && lasts)) && (says(r, "error: ") || says(r, "panic: ")))
                t->refused++;
        else if (code == 2 && (says(r, "fatal error: ") || says(r, "panic: ")))
                t->ended++;
        else {
                t->wrong++;
                return false;
        }
        return true;
}

static void show(const char *scenario, const char *order, const struct run *r)
{
        if (r->status < 0)
                printf("# %s, %s: did not end in %d s\n", scenario, order, SECONDS);
        else if (WIFSIGNALED(r->status))
                printf("# %s, %s: killed by signal %d\n", scenario, order, WTERMSIG(r->status));
        else
                printf("# %s, %s: exit status %d\n", scenario, order, WEXITSTATUS(r->status));
        for (const char *p = r->text; *p;) {
                size_t n = strcspn(p, "\n");

                printf("#   %.*s\n", (int)n, p);
                p += n + (p[n] == '\n');
        }
        fflush(stdout);
}

static void one(const char *scenario, const struct fault_count *k, unsigned long n,
                const char *error, bool lasts, struct tally *t)
{
        static struct run r;
        char order[160];

        snprintf(order, sizeof order, "%s:%lu%s:%.*s", k->name, n, lasts ? "+" : "",
                 (int)strcspn(error, " "), error);
        run(scenario, order, &r);
        if (!judge(&r, lasts, t) && t->wrong <= 5)
                show(scenario, order, &r);
}

static const char *next_error(const struct fault_count *k, const char *error)
{
        const char *next = strchr(error, ' ');

        return next ? next + 1 : k->errors;
}

/* The n after this one. */
static unsigned long after(unsigned long n)
{
        return !full ? 2 * n : n < EVERY ? n + 1 : n + n / 2;
}

static void sweep_kind(const char *scenario, const struct fault_count *k, struct tally *t)
{
        const char *error = k->errors;

        for (unsigned long n = 1; n <= k->calls; n = after(n)) {
                do {
                        one(scenario, k, n, error, false, t);
                        error = next_error(k, error);
                } while (full && error != k->errors);
        }
        error = k->errors;
        do {
                one(scenario, k, 1, error, true, t);
                error = next_error(k, error);
        } while (full && error != k->errors);
        one(scenario, k, k->calls / 2 + 1, error, true, t);
}

static bool wanted(const char *name, char **names, int n)
{
        for (int i = 0; i < n; i++)
                if (strcmp(names[i], name) == 0)
                        return true;
        return n == 0;
}

static bool names_a_kind(char **names, int n)
{
        for (size_t k = 0; k < kinds; k++)
                if (n > 0 && wanted(table[k].name, names, n))
                        return true;
        return false;
}

/* Counts the calls; they are kept, for the table is written anew by each run. */
static bool count(const char *scenario, struct fault_count *k, struct run *r)
{
        memset(table, 0, sizeof *table * KINDS);
        run(scenario, "", r);
        for (kinds = 0; kinds < KINDS && table[kinds].name[0]; kinds++)
                k[kinds] = table[kinds];
        return r->status == 0 && kinds > 0;
}

static bool sweep(const char *scenario, char **names, int n, int number)
{
        static struct fault_count k[KINDS];
        static struct run r;
        struct tally t = { 0 };
        int64_t begun = now();
        unsigned used = 0;
        bool some;

        if (!count(scenario, k, &r)) {
                show(scenario, "no fault", &r);
                printf("not ok %d - %s: without any fault\n", number, scenario);
                return false;
        }
        some = names_a_kind(names, n);
        printf("# %s calls:", scenario);
        for (size_t i = 0; i < kinds; i++)
                if (k[i].calls)
                        printf(" %s %lu", k[i].name, (unsigned long)k[i].calls);
        putchar('\n');
        for (size_t i = 0; i < kinds; i++)
                if (k[i].calls && (!some || wanted(k[i].name, names, n))) {
                        used++;
                        sweep_kind(scenario, &k[i], &t);
                }
        printf("%s %d - %s: %u kinds, %u runs in %ld ms: "
               "%u absorbed, %u refused, %u ended, %u wrong\n",
               t.wrong ? "not ok" : "ok", number, scenario, used, t.runs, (long)(now() - begun),
               t.absorbed, t.refused, t.ended, t.wrong);
        fflush(stdout);
        return t.wrong == 0;
}

/* The scenarios' names, as the program tells them. */
static int list(char **names, int most)
{
        static char text[4096];
        int n = 0;
        FILE *f = popen(program, "r");
        size_t len = f ? fread(text, 1, sizeof text - 1, f) : 0;

        if (!f || pclose(f) != 0)
                give_up(program);
        text[len] = 0;
        for (char *p = strtok(text, "\n"); p && n < most; p = strtok(NULL, "\n"))
                names[n++] = p;
        return n;
}

static void make_table(void)
{
        int fd;

        snprintf(table_path, sizeof table_path, "%s", "/tmp/runnel-faults.XXXXXX");
        fd = mkstemp(table_path);
        if (fd < 0 || ftruncate(fd, (off_t)(sizeof *table * KINDS)) != 0)
                give_up(table_path);
        table = mmap(NULL, sizeof *table * KINDS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (table == MAP_FAILED)
                give_up("mmap");
        close(fd);
}

int main(int argc, char **argv)
{
        char *names[64];
        int n, number = 0, asked = 0;
        bool good = true;

        program = getenv("FAULT_SCENARIOS") ? getenv("FAULT_SCENARIOS") : "tests/faults/scenarios";
        argc--, argv++;
        if (argc > 0 && strcmp(argv[0], "full") == 0) {
                full = true;
                argc--, argv++;
        }
        make_table();
        n = list(names, 64);
        for (int i = 0; i < n; i++)
                asked += argc > 0 && wanted(names[i], argv, argc);
        for (int i = 0; i < n; i++)
                if (asked == 0 || wanted(names[i], argv, argc))
                        good &= sweep(names[i], argv, argc, ++number);
        unlink(table_path);
        printf("1..%d\n", number);
        return good ? 0 : 1;
}
