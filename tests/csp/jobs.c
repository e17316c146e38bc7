/* SPDX-License-Identifier: MIT
 * The child that runs programs, and the parent that watches it. They share a page or two, in which
 * the child says which job it is at and each process writes down what it saw; what stands there
 * when the child is gone is the outcome. That somebody waits for ever is nothing that is guessed
 * from outside: the library itself says that all goroutines are asleep and ends the child with
 * status 2, and its dump is compared with what is missing in the outcome. The only clock here,
 * jobs_seconds, ends in a failure.
 *
 * Invariant: this process has one thread and does not use the library. */
#include "tests/csp/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif
#ifndef TSAN
#define TSAN 0
#endif

enum { BATCH = 256 };

struct shared {
        atomic_uint at;   /* the first job that is not over */
        unsigned n;
        struct {
                struct program program;
                struct how how;
                struct outcome outcome;
        } job[BATCH];
};

int jobs_seconds = 60;
static struct shared *shared;
static int shared_fd = -1, words = -1;   /* words: the child's stderr */
static size_t children;

/* Everything from here on is the child's. */
static _Noreturn void work(void)
{
        for (unsigned i; (i = atomic_load(&shared->at)) < shared->n;
             atomic_store(&shared->at, i + 1))
                run_program(&shared->job[i].program, &shared->job[i].how, &shared->job[i].outcome);
        _exit(0);
}

static void share(int fd)
{
        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (shared == MAP_FAILED)
                abort();
}

#if TSAN
/* A race is the end of the child: its report would otherwise come with an exit that is not made. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
        return "halt_on_error=1:atexit_sleep_ms=0";
}

/* A child of fork has one thread of TSan's more than a fresh process, and the library, which knows
 * of one, would think that somebody could still end the deadlock. So this program is started anew,
 * and comes no further than here. */
static void __attribute__((constructor)) began_as_child(void)
{
        const char *fd = getenv("CSP_CHILD");

        if (!fd)
                return;
        share((int)strtol(fd, NULL, 10));
        work();
}

static void start_anew(int alive)
{
        char fd[16];

        snprintf(fd, sizeof fd, "%d", shared_fd);
        setenv("CSP_CHILD", fd, 1);
        fcntl(shared_fd, F_SETFD, 0);
        fcntl(alive, F_SETFD, 0);
        execl("/proc/self/exe", "csp-child", (char *)NULL);
        _exit(97);
}
#endif

static void setup(void)
{
        if (shared)
                return;
        shared_fd = memfd_create("shared", MFD_CLOEXEC);
        words = memfd_create("words", MFD_CLOEXEC);
        if (shared_fd < 0 || words < 0 || ftruncate(shared_fd, sizeof *shared) != 0)
                abort();
        share(shared_fd);
}

static _Noreturn void child(pid_t parent, int alive)
{
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(97);
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        dup2(words, 2);
#if TSAN
        start_anew(alive);
#else
        (void)alive;   /* held open, so that the parent hears when we are gone */
#endif
        work();
}

/* Waits for the end of the child. False: it has stood still for jobs_seconds and was killed, after
 * a dump if it could make one. */
static bool watch(pid_t pid, int gone, int *status)
{
        struct pollfd p = { .fd = gone, .events = POLLIN };
        unsigned at = atomic_load(&shared->at);
        bool well = true;

        for (;;) {
                int r = poll(&p, 1, jobs_seconds * 1000);
                unsigned now = atomic_load(&shared->at);

                if (r < 0 && errno == EINTR)
                        continue;
                if (r != 0)
                        break;
                if (now == at) {
                        well = false;
                        kill(pid, SIGQUIT);
                        if (poll(&p, 1, 10000) == 0)
                                kill(pid, SIGKILL);
                        break;
                }
                at = now;
        }
        while (waitpid(pid, status, 0) < 0 && errno == EINTR)
                continue;
        return well;
}

/* -- the last words -- */

static char *read_words(void)
{
        char *text = calloc(1, JOB_TEXT);
        ssize_t n;

        if (!text)
                abort();
        n = pread(words, text, JOB_TEXT - 1, 0);
        text[n > 0 ? n : 0] = '\0';
        return text;
}

/* What the dump says of a process that waits in this operation. */
static const char *waits_for(const struct op *o)
{
        bool nil = o->comm[0].chan == CHAN_NIL;

        if (op_is_select(o->kind))
                return "select";
        if (o->comm[0].send)
                return nil ? "chan send (nil chan)" : "chan send";
        return nil ? "chan receive (nil chan)" : "chan receive";
}

/* Who has not come to his end stands in the dump, with what he waits for, and nobody else does;
 * plain threads are never in it. */
static bool told_right(const char *text, const struct program *p, const struct how *how,
                       const struct outcome *o)
{
        char want[64];

        if (strncmp(text, "fatal error: all goroutines are asleep - deadlock!\n", 51) != 0)
                return false;
        for (unsigned i = 0; i < p->nprocs; i++) {
                unsigned k = 0;
                const char *at;

                while (k < p->proc[i].n && o->of[i][k].kind != R_NONE)
                        k++;
                snprintf(want, sizeof want, " \"p%u\" [", i);
                at = strstr(text, want);
                if (k == p->proc[i].n || how->threads >> i & 1) {
                        if (at)
                                return false;
                        continue;
                }
                snprintf(want, sizeof want, " \"p%u\" [%s]:\n", i, waits_for(&p->proc[i].op[k]));
                if (!at || strncmp(at, want, strlen(want)) != 0)
                        return false;
        }
        return true;
}

static void judge(struct job *j, bool well, int status)
{
        char *text = read_words();

        if (!well)
                j->verdict = HUNG;
        else if (!WIFEXITED(status) || WEXITSTATUS(status) != 2 ||
                 strncmp(text, "fatal error: all goroutines", 27) != 0)
                j->verdict = CRASHED;
        else
                j->verdict = told_right(text, &j->program, &j->how, &j->outcome) ? BLOCKED
                                                                                 : MISTOLD;
        if (j->verdict == BLOCKED)
                free(text);
        else
                j->text = text;
}

/* -- running -- */

static void batch(struct job *jobs, unsigned n)
{
        for (unsigned i = 0; i < n; i++) {
                shared->job[i].program = jobs[i].program;
                shared->job[i].how = jobs[i].how;
                memset(&shared->job[i].outcome, 0, sizeof shared->job[i].outcome);
                jobs[i].text = NULL;
                jobs[i].verdict = RAN;
        }
        shared->n = n;
        atomic_store(&shared->at, 0);
        while (atomic_load(&shared->at) < n) {
                pid_t parent = getpid(), pid;
                int gone[2], status = 0;
                unsigned at;
                bool well;

                if (ftruncate(words, 0) != 0 || lseek(words, 0, SEEK_SET) != 0 ||
                    pipe2(gone, O_CLOEXEC) != 0)
                        abort();
                pid = fork();
                if (pid < 0)
                        abort();
                if (pid == 0)
                        child(parent, gone[1]);
                children++;
                close(gone[1]);
                well = watch(pid, gone[0], &status);
                close(gone[0]);
                at = atomic_load(&shared->at);
                if (at == n && well && WIFEXITED(status) && WEXITSTATUS(status) == 0)
                        break;
                if (at == n)
                        at--;   /* it died in its last breath */
                jobs[at].outcome = shared->job[at].outcome;
                judge(&jobs[at], well, status);
                atomic_store(&shared->at, at + 1);
        }
        for (unsigned i = 0; i < n; i++)
                jobs[i].outcome = shared->job[i].outcome;
}

void jobs_run(struct job *jobs, size_t n)
{
        setup();
        for (size_t i = 0; i < n; i += BATCH)
                batch(jobs + i, (unsigned)(n - i < BATCH ? n - i : BATCH));
}

size_t jobs_children(void)
{
        return children;
}
