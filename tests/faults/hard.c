/* SPDX-License-Identifier: MIT
 * A hard life: one processor for eight, half a processor by quota, the whole process stopped for a
 * second, one thread of it stopped for a second. A child does rounds of work with channels, locks,
 * timers, descriptors and blocking calls, and checks each round's sums; the parent, which does not
 * use the library, makes its life hard in the middle and then says when it is enough. A round whose
 * sums are wrong, or that does not end, is what these tests are for. Prints TAP. */
#include <errno.h>
#include <runnel.h>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SECONDS = 100 };

/* Both sides see it. */
static struct shared {
        atomic_long rounds;
        atomic_int enough;
        int processors, cpus;
} *shared;

/* -- the child -- */

#define SAME(got, want) do { \
                long got_ = (long)(got), want_ = (long)(want); \
                if (got_ != want_) { \
                        fprintf(stderr, "# %s:%d: %s is %ld, not %ld\n", __FILE__, __LINE__, #got, \
                                got_, want_); \
                        _exit(1); \
                } \
        } while (0)

struct round {
        rn_wg senders, wg;
        rn_chan(long) c;
        rn_mutex mutex;
        long locked;
        atomic_long got, slept, echoed, blocked;
};

static void sender(struct round *r, long from)
{
        for (long i = 0; i < 200; i++)
                rn_send(r->c, from + i);
        rn_wg_done(&r->senders);
}

static void receiver(struct round *r)
{
        rn_range(v, r->c) {
                atomic_fetch_add(&r->got, v);
                rn_mutex_lock(&r->mutex);
                r->locked++;
                rn_mutex_unlock(&r->mutex);
        }
        rn_wg_done(&r->wg);
}

static void sleeper(struct round *r, long us)
{
        rn_sleep(us * RN_USEC);
        atomic_fetch_add(&r->slept, 1);
        rn_wg_done(&r->wg);
}

static void echo(struct round *r, int fd)
{
        char buf[100];
        ssize_t n;

        while ((n = rn_fd_read(fd, buf, sizeof buf)) > 0)
                SAME(rn_fd_write(fd, buf, (size_t)n), n);
        SAME(n, 0);
        SAME(rn_fd_close(fd), 0);
        rn_wg_done(&r->wg);
}

static void talk(struct round *r, int fd)
{
        char buf[100] = "";

        for (int i = 0; i < 20; i++) {
                size_t have = 0;

                SAME(rn_fd_write(fd, buf, sizeof buf), sizeof buf);
                while (have < sizeof buf) {
                        ssize_t n = rn_fd_read(fd, buf + have, sizeof buf - have);

                        SAME(n > 0, 1);
                        have += (size_t)n;
                }
                atomic_fetch_add(&r->echoed, 1);
        }
        SAME(rn_fd_close(fd), 0);
        rn_wg_done(&r->wg);
}

static void sit(void)
{
        usleep(500);
}

static void blocker(struct round *r, int told)
{
        if (told)
                rn_blocking(sit);
        else
                sit();
        atomic_fetch_add(&r->blocked, 1);
        rn_wg_done(&r->wg);
}

static void work(void)
{
        struct round r = { .c = rn_make(long, 2) };
        int p[2];

        rn_wg_add(&r.senders, 4);
        rn_wg_add(&r.wg, 4 + 20 + 2 + 4);
        for (int i = 0; i < 4; i++) {
                rn_go(sender, &r, i * 1000L);
                rn_go(receiver, &r);
                rn_go(blocker, &r, i % 2);
        }
        for (long i = 0; i < 20; i++)
                rn_go(sleeper, &r, i * 100);
        SAME(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
        rn_go(echo, &r, p[0]);
        rn_go(talk, &r, p[1]);
        rn_wg_wait(&r.senders);
        rn_close(r.c);
        rn_wg_wait(&r.wg);
        rn_unref(r.c);
        SAME(atomic_load(&r.got), 4 * (199 * 200 / 2) + 200L * (0 + 1000 + 2000 + 3000));
        SAME(r.locked, 800);
        SAME(atomic_load(&r.slept), 20);
        SAME(atomic_load(&r.echoed), 20);
        SAME(atomic_load(&r.blocked), 4);
}

static _Noreturn void child(const char *processors)
{
        setenv("RUNNEL_MAXPROCS", processors, 1);
        alarm(SECONDS);
        shared->processors = rn_maxprocs(0);
        shared->cpus = rn_numcpu();
        while (!atomic_load(&shared->enough)) {
                work();
                atomic_fetch_add(&shared->rounds, 1);
        }
        while (rn_numgoroutine() > 1)   /* the last have said that they are done, and end */
                rn_yield();
        _exit(0);
}

/* -- the parent -- */

static int number, failed;

static void result(bool good, const char *what)
{
        printf("%s %d - %s (%ld rounds)\n", good ? "ok" : "not ok", ++number, what,
               atomic_load(&shared->rounds));
        failed += !good;
        fflush(stdout);
}

static void skip(const char *what, const char *why)
{
        printf("ok %d - %s # SKIP %s\n", ++number, what, why);
        fflush(stdout);
}

static void pause_ms(long ms)
{
        nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static pid_t begin(const char *processors)
{
        pid_t pid;

        fflush(stdout);
        memset(shared, 0, sizeof *shared);
        pid = fork();
        if (pid == 0)
                child(processors);
        return pid;
}

/* Until the child has done n rounds more, or has died. */
static void rounds(pid_t pid, long n)
{
        long until = atomic_load(&shared->rounds) + n;
        siginfo_t si = { 0 };

        while (atomic_load(&shared->rounds) < until &&
               waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid == 0)
                pause_ms(2);
}

static bool end(pid_t pid)
{
        int status = -1;

        atomic_store(&shared->enough, 1);
        return waitpid(pid, &status, 0) == pid && status == 0;
}

static void oversubscribed(void)
{
        const char *what = "eight processors' worth on one, by affinity";
        cpu_set_t before, one;
        pid_t pid;
        bool good;

        if (sched_getaffinity(0, sizeof before, &before) != 0) {
                skip(what, "no affinity");
                return;
        }
        CPU_ZERO(&one);
        for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
                if (CPU_ISSET(i, &before))
                        CPU_SET(i, &one);
        sched_setaffinity(0, sizeof one, &one);
        pid = begin("8");
        rounds(pid, 60);
        good = end(pid) && shared->processors == 8 && shared->cpus == 1;
        sched_setaffinity(0, sizeof before, &before);
        result(good, what);
}

/* -- a quota -- */

static bool put(const char *dir, const char *file, const char *text)
{
        char path[200];
        int fd;
        bool ok;

        snprintf(path, sizeof path, "%s/%s", dir, file);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
        if (fd >= 0)
                close(fd);
        return ok;
}

/* Was anybody in it made to wait? */
static bool throttled(const char *dir)
{
        char path[200], line[100];
        FILE *f;
        long n = 0;

        snprintf(path, sizeof path, "%s/cpu.stat", dir);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof line, f))
                if (sscanf(line, "nr_throttled %ld", &n) == 1)
                        break;
        if (f)
                fclose(f);
        return n > 0;
}

/* Version 2, where it has the controller, else version 1. */
static bool make_quota(char *dir, size_t size)
{
        static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified",
                                             "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct" };

        for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
                snprintf(dir, size, "%s/runnel-hard-%d", roots[i], (int)getpid());
                if (mkdir(dir, 0700) != 0)
                        continue;
                if (put(dir, "cpu.max", "20000 40000") || (put(dir, "cpu.cfs_period_us", "40000") &&
                                                           put(dir, "cpu.cfs_quota_us", "20000")))
                        return true;
                rmdir(dir);
        }
        return false;
}

static void quota(void)
{
        const char *what = "half a processor, by quota";
        char dir[120], text[20];
        pid_t pid;
        bool good;

        if (!make_quota(dir, sizeof dir)) {
                skip(what, "no control group can be made here");
                return;
        }
        pid = begin("4");
        snprintf(text, sizeof text, "%d", (int)pid);
        good = put(dir, "cgroup.procs", text);
        rounds(pid, 60);
        good &= end(pid) && throttled(dir);
        rmdir(dir);
        result(good, what);
}

/* -- being stopped -- */

static void stopped(void)
{
        pid_t pid = begin("4");
        long before;
        int status = 0;
        bool good;

        rounds(pid, 10);
        kill(pid, SIGSTOP);
        good = waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status);
        before = atomic_load(&shared->rounds);
        pause_ms(1000);
        good &= atomic_load(&shared->rounds) == before;
        kill(pid, SIGCONT);
        rounds(pid, 10);
        good &= end(pid);
        result(good && atomic_load(&shared->rounds) >= before + 10,
               "the process stopped for a second");
}

/* Stops the thread for ms; -1: that is not allowed here; 0: it has ended meanwhile. */
static int stop_thread(pid_t tid, long ms)
{
        int status;

        if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0)
                return errno == ESRCH ? 0 : -1;
        if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0 ||
            waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
                return 0;
        pause_ms(ms);
        ptrace(PTRACE_DETACH, tid, NULL, NULL);
        return 1;
}

/* Each of them in turn: those that run goroutines, the keeper, sysmon. The first for a second. */
static void thread_stopped(void)
{
        const char *what = "each thread stopped, the first for a second";
        pid_t pid = begin("4");
        char path[64];
        int r = 0, n = 0;
        DIR *d;
        bool good;

        rounds(pid, 10);
        snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
        d = opendir(path);
        for (struct dirent *e; d && r >= 0 && n < 12 && (e = readdir(d)) != NULL;) {
                if (e->d_name[0] == '.')
                        continue;
                r = stop_thread((pid_t)atoi(e->d_name), n == 0 ? 1000 : 100);
                n += r > 0;
        }
        if (d)
                closedir(d);
        rounds(pid, 10);
        good = end(pid);
        if (good && r < 0)
                skip(what, "ptrace is not allowed here");
        else
                result(good && n >= 2, what);
}

int main(void)
{
        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                      0);
        if (shared == MAP_FAILED)
                return 99;
        oversubscribed();
        quota();
        stopped();
        thread_stopped();
        printf("1..%d\n", number);
        return failed != 0;
}
