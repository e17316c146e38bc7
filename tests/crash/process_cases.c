/* SPDX-License-Identifier: MIT
 * The life of the process: what is left in the child of a fork, ends while others run, and the
 * processors it may use. */
#define _GNU_SOURCE
#include "tests/crash/cases.h"

#include <sched.h>

#include <errno.h>
#include <stdatomic.h>
#include <sys/wait.h>

static int status_of(pid_t pid)
{
        int status = 0;

        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                continue;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void computes(atomic_bool *over)
{
        while (!atomic_load(over))
                rn_yield();
}

/* Ms run and others wait while the process forks. */
static void with_company(void)
{
        static atomic_bool never;

        rn_maxprocs(4);
        for (int i = 0; i < 4; i++)
                rn_go(computes, &never);
        rn_go(blocked_in_receive, rn_make(int, 0));
        rn_yield();
}

CASE(child_calls)
{
        rn_chan(int) c = rn_make(int, 0);
        pid_t pid;

        with_company();
        pid = fork();
        if (pid == 0)
                rn_send(c, 1);
        result = status_of(pid);
}

CASE(child_spawns)
{
        pid_t pid;

        with_company();
        pid = fork();
        if (pid == 0)
                rn_go(sleeps_long);
        result = status_of(pid);
}

static void forks(rn_chan(int) status)
{
        pid_t pid = fork();

        if (pid == 0)
                return; /* as if nothing had happened: the goroutine ends, there is nobody to go
                         * on */
        rn_send(status, status_of(pid));
}

CASE(child_of_a_goroutine_returns)
{
        rn_chan(int) status = rn_make(int, 0);

        rn_go(forks, status);
        result = rn_get(status);
}

CASE(child_execs)
{
        pid_t pid;

        with_company();
        pid = fork();
        if (pid == 0) {
                execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
                _exit(99);
        }
        result = status_of(pid) == 7 ? 0 : 1;
}

CASE(child_exits)
{
        pid_t pid;

        with_company();
        pid = fork();
        if (pid == 0)
                exit(8); /* with the handlers of exit */
        result = status_of(pid) == 8 ? 0 : 1;
}

CASE(child_of_a_watcher_dies_of_a_signal)
{
        rn_chan(int) c = rn_make(int, 1);
        pid_t pid;

        rn_signal_notify(c, SIGTERM);
        pid = fork();
        if (pid == 0) {
                raise(SIGTERM);
                _exit(99);
        }
        result = status_of(pid) == 128 + SIGTERM ? 0 : 1;
}

/* -- ends, to be met many times -- */

static void uses_channels_at_exit(void)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_send(c, 1);
        if (rn_get(c) == 1)
                say("at exit\n");
        rn_unref(c);
}

static void ends(void)
{
        exit(3);
}

static void *ends_thread(void *arg)
{
        (void)arg;
        exit(3);
}

static void crowd(void)
{
        rn_chan(int) c = rn_make(int, 0);

        with_company();
        for (int i = 0; i < 100; i++)
                rn_go(blocked_in_receive, c);
        for (int i = 0; i < 10; i++)
                rn_go(sleeps_long);
        atexit(uses_channels_at_exit);
}

CASE(exit_of_main)
{
        crowd();
        exit(3);
}

CASE(exit_of_a_goroutine)
{
        crowd();
        rn_go(ends);
        rn_forever();
}

CASE(exit_of_a_thread)
{
        crowd();
        plain_thread(ends_thread, NULL);
        rn_forever();
}

CASE(return_of_main)
{
        crowd();
        result = 3;
}

CASE(exits_of_many)
{
        crowd();
        for (int i = 0; i < 4; i++)
                rn_go(ends);
        exit(3);
}

/* -- the processors this process may use -- */

/* The last one it may use, and no other from now on. */
CASE(one_processor_allowed)
{
        cpu_set_t may, one;

        if (sched_getaffinity(0, sizeof may, &may) != 0)
                _exit(95);
        CPU_ZERO(&one);
        for (size_t i = CPU_SETSIZE; i-- > 0 && CPU_COUNT(&one) == 0;)
                if (CPU_ISSET(i, &may))
                        CPU_SET(i, &one);
        if (sched_setaffinity(0, sizeof one, &one) != 0)
                _exit(95);
        printf("%d %d\n", rn_numcpu(), rn_maxprocs(0));
}

CASE(processors_asked_for)
{
        printf("%d\n", rn_maxprocs(0));
}

/* -- the first P is no longer the only one -- */

static atomic_int turns, others_stop;

/* Its turn is its own: nobody else runs it at the same time. */
static void takes_turns(atomic_int *mine, rn_chan(int) c, rn_wg *wg)
{
        int v;

        while (atomic_load(&others_stop) == 0) {
                if (atomic_exchange(mine, 1) != 0)
                        _exit(96);
                atomic_fetch_add(&turns, 1);
                atomic_store(mine, 0);
                if (rn_try_select(rn_on_recv(c, &v), rn_on_send(c, 1)) == RN_DEFAULT)
                        rn_yield();
        }
        rn_wg_done(wg);
}

/* Each puts back what it takes out, once in a while by a select over both. */
static void pass_on(rn_chan(long) a, rn_chan(long) b, int rounds)
{
        for (int i = 0; i < rounds; i++) {
                int from = i % 2;
                long v;

                if (i % 4 == 3)
                        from = rn_select(rn_on_recv(a, &v), rn_on_recv(b, &v));
                else
                        v = rn_get(from ? b : a);
                rn_send(from ? b : a, v);
        }
}

struct passing {
        rn_chan(long) a, b;
};

static void *passes_on(void *p)
{
        pass_on(((struct passing *)p)->a, ((struct passing *)p)->b, 3000);
        return NULL;
}

/* The first thread that uses channels locks none of them as long as it is alone (core/lone.h). */
CASE(threads_come_while_one_uses_channels)
{
        enum { VALUES = 8 };
        struct passing p = { rn_make(long, VALUES), rn_make(long, VALUES) };
        const char *spin = getenv("CRASH_SPIN");
        pthread_t t[2];
        long sum = 0;

        for (long i = 0; i < VALUES / 2; i++) {
                rn_send(p.a, 1L << 2 * i);
                rn_send(p.b, 2L << 2 * i);
        }
        pass_on(p.a, p.b, spin ? atoi(spin) : 0);
        for (int i = 0; i < 2; i++)
                if (pthread_create(&t[i], NULL, passes_on, &p))
                        abort();
        pass_on(p.a, p.b, 20000);
        for (int i = 0; i < 2; i++)
                pthread_join(t[i], NULL);
        while (rn_len(p.a) > 0)
                sum += rn_get(p.a);
        while (rn_len(p.b) > 0)
                sum += rn_get(p.b);
        printf("%ld\n", sum);
}

CASE(processors_come_while_all_take_turns)
{
        enum { N = 300, TURNS = 20000 };   /* more than a run queue holds */
        static atomic_int running[N];
        const char *spin = getenv("CRASH_SPIN");
        rn_chan(int) c = rn_make(int, 0);
        rn_wg wg = { { 0 } };

        rn_wg_add(&wg, N);
        for (int i = 0; i < N; i++)
                rn_go(takes_turns, &running[i], c, &wg);
        while (atomic_load(&turns) < (spin ? atoi(spin) : 0))
                rn_yield();
        rn_maxprocs(4);
        for (int end = atomic_load(&turns) + TURNS; atomic_load(&turns) < end;)
                rn_yield();
        atomic_store(&others_stop, 1);
        rn_wg_wait(&wg);
        printf("%d\n", rn_maxprocs(0));
}
