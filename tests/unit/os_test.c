/* SPDX-License-Identifier: MIT
 * The system layer: what each call promises in sched/os/os.h. What needs another environment or
 * dies runs in a forked child. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sched/os/sys.h"

#define CHECK(x) ((x) ? (void)0 : (dprintf(2, "%s:%d: %s\n", __FILE__, __LINE__, #x), _exit(99)))

static int run_child(void (*fn)(void))
{
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                signal(SIGSEGV, SIG_DFL);               /* cmocka's handlers would go on with the next test */
                signal(SIGABRT, SIG_DFL);
                fn();
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

/* Would a read of this byte fault? */
static bool readable(const void *p)
{
        int fd[2];
        bool can;

        if (pipe(fd) != 0)
                abort();
        can = write(fd[1], p, 1) == 1;
        close(fd[0]);
        close(fd[1]);
        return can;
}

static void reserved_memory_is_zero_and_zero_again_after_drop(void **state)
{
        size_t n = 8 * rni_page;
        char *p = rni_vm_reserve(n);

        (void)state;
        assert_non_null(p);
        assert_int_equal(p[n - 1], 0);
        memset(p, 7, n);
        rni_vm_drop(p + rni_page, 2 * rni_page);
        assert_int_equal(p[0], 7);
        assert_int_equal(p[rni_page], 0);
        assert_int_equal(p[3 * rni_page - 1], 0);
        assert_int_equal(p[3 * rni_page], 7);
        rni_vm_free(p, n);
        assert_false(readable(p));
}

static struct rni_groups groups;

static void impossible_reservation_is_null_and_leaves_errno_alone(void **state)
{
        (void)state;
        errno = 12345;
        assert_null(rni_vm_reserve(SIZE_MAX - 65535));
        rni_vm_drop(rni_vm_reserve(rni_page), rni_page);
        assert_true(rni_vm_guard_mprotect((void *)1, rni_page) < 0);
        assert_true(rni_vm_guard_light((void *)1, rni_page) < 0);
        assert_int_equal(rni_cgroup_cpus(&groups, "/no/such/root"), 0);
        rni_vm_available();
        rni_cpu_count();
        rni_task_count();
        assert_int_equal(errno, 12345);
        errno = 0;
}

static void many_regions_are_guarded_and_dropped_at_once(void **state)
{
        enum { N = 300 };
        size_t stride = 4 * rni_page;
        char *p = rni_vm_reserve(N * stride);
        void *at[N];

        (void)state;
        for (size_t i = 0; i < N; i++) {
                at[i] = p + i * stride;
                memset(at[i], 1, stride);
        }
        if (rni_vm_guard_light_many(at, N, rni_page) != 0) {
                fprintf(stderr, "%s: skipped: no MADV_GUARD_INSTALL (Linux 6.13; emulators have none)\n", __func__);
                skip();
        }
        for (size_t i = 0; i < N; i++) {
                assert_false(readable(at[i]));
                assert_int_equal(p[i * stride + rni_page], 1);
        }
        rni_vm_drop_many(at, N, stride);        /* neighbours: one range */
        rni_vm_drop_many(at, N, 2 * rni_page);  /* not neighbours */
        for (size_t i = 0; i < N; i++) {
                assert_false(readable(at[i]));
                assert_int_equal(p[i * stride + rni_page], 0);
                assert_int_equal(p[(i + 1) * stride - 1], 0);
        }
        rni_vm_free(p, N * stride);
}

static void timed_wait_ends_at_its_time(void **state)
{
        a32 w = 1;
        int64_t t = rni_clock() + 20000000;

        (void)state;
        while (rni_futex_wait_until(&w, 1, t))
                ;
        assert_true(rni_clock() >= t);
        assert_false(rni_futex_wait_until(&w, 1, t));
        assert_false(rni_futex_wait_until(&w, 1, 0));
        assert_false(rni_futex_wait_until(&w, 1, -1));
        assert_false(rni_futex_wait_until(&w, 1, INT64_MIN));
        assert_true(rni_futex_wait_until(&w, 2, INT64_MAX));    /* changed already */
        assert_true(rni_futex_wait_until(&w, 2, rni_clock() + 1000000000));
        rni_futex_wait(&w, 2);
}

static a32 turn;

static void *wake_main(void *arg)
{
        (void)arg;
        store_rel(&turn, 1);            /* rel: pairs with acq in wait_for_turn */
        rni_futex_wake(&turn, 1);
        return NULL;
}

static void wait_for_turn(unsigned not)
{
        while (load_acq(&turn) == not)  /* acq: pairs with rel in wake_main */
                rni_futex_wait_until(&turn, not, INT64_MAX);
}

static void started_thread_wakes_a_waiter(void **state)
{
        (void)state;
        store_rel(&turn, 0);            /* rel: before the thread starts */
        assert_int_equal(rni_thread_start(wake_main, NULL, 0, false), 0);
        wait_for_turn(0);
}

static sigset_t seen_mask;
static bool seen_initial;

static void *note_mask(void *arg)
{
        pthread_sigmask(SIG_BLOCK, NULL, &seen_mask);
        seen_initial = rni_thread_initial();
        return wake_main(arg);
}

static void helper_threads_block_all_signals_and_others_none_but_the_first_threads(void **state)
{
        sigset_t mine, one;

        (void)state;
        assert_true(rni_thread_initial());
        sigemptyset(&one);
        sigaddset(&one, SIGUSR1);
        pthread_sigmask(SIG_BLOCK, &one, NULL);   /* the creator's own affair */
        for (int all = 0; all < 2; all++) {
                store_rel(&turn, 0);    /* rel: before the thread starts */
                assert_int_equal(rni_thread_start(note_mask, NULL, 100000, all), 0);
                wait_for_turn(0);
                assert_int_equal(sigismember(&seen_mask, SIGTERM), all);
                assert_int_equal(sigismember(&seen_mask, SIGUSR1), all);
                assert_false(seen_initial);
        }
        pthread_sigmask(SIG_BLOCK, NULL, &mine);
        assert_int_equal(sigismember(&mine, SIGTERM), 0);
        assert_int_equal(sigismember(&mine, SIGUSR1), 1);
        pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

static int asleep_tid;

static void *sleep_until_told(void *arg)
{
        (void)arg;
        asleep_tid = rni_thread_id();
        wake_main(NULL);
        wait_for_turn(1);
        return NULL;
}

static void a_sleeping_thread_can_be_told_from_a_running_one(void **state)
{
        int64_t before, mine = rni_thread_cpu(rni_thread_id());

        (void)state;
        store_rel(&turn, 0);            /* rel: before the thread starts */
        assert_int_equal(rni_thread_start(sleep_until_told, NULL, 100000, true), 0);
        wait_for_turn(0);
        while (!rni_thread_asleep(asleep_tid))
                rni_cpu_yield();
        before = rni_thread_cpu(asleep_tid);
        assert_true(before >= 0);
        while (rni_thread_cpu(rni_thread_id()) < mine + 5000000)
                assert_false(rni_thread_asleep(rni_thread_id()));
        assert_true(rni_thread_cpu(asleep_tid) == before);
        store_rel(&turn, 2);            /* rel: pairs with acq in wait_for_turn */
        rni_futex_wake(&turn, 1);
        assert_int_equal(rni_thread_cpu(0x3ffffff), -1);
}

/* A yield does not sleep, and lets none run whose priority is lower. */
static void who_waits_long_for_another_thread_sleeps(void **state)
{
        enum { TRIES = 100 };
        int64_t before = rni_clock();

        (void)state;
        for (unsigned i = 0; i < TRIES; i++)
                rni_cpu_wait(TRIES + i);
        assert_true(rni_clock() - before >= TRIES * INT64_C(50000));
}

static void *gate_thread(void *arg)
{
        pthread_barrier_t *b = arg;

        pthread_barrier_wait(b);
        pthread_barrier_wait(b);
        return NULL;
}

static void task_count_counts_threads(void **state)
{
        size_t before = rni_task_count();
        pthread_barrier_t b;
        pthread_t t[5];

        (void)state;
        pthread_barrier_init(&b, NULL, 6);
        for (int i = 0; i < 5; i++)
                pthread_create(&t[i], NULL, gate_thread, &b);
        pthread_barrier_wait(&b);
        /* Threads of earlier tests may just be ending. */
        assert_in_range(rni_task_count(), 6, before + 5);
        pthread_barrier_wait(&b);
        for (int i = 0; i < 5; i++)
                pthread_join(t[i], NULL);
}

static char order[8];

static void append(void *arg)
{
        strcat(order, arg);
}

static void append_again(void *arg)
{
        append(arg);
        rni_thread_on_exit(append, "d");
}

static void *make_notes(void *arg)
{
        (void)arg;
        rni_thread_on_exit(append_again, "a");
        rni_thread_on_exit(append, "b");
        rni_thread_on_exit(append, "c");
        return NULL;
}

static void exit_notes_run_newest_first_and_may_add_more(void **state)
{
        pthread_t t;

        (void)state;
        pthread_create(&t, NULL, make_notes, NULL);
        pthread_join(t, NULL);
        assert_string_equal(order, "cbad");
}

static void *altstack_thread(void *arg)
{
        stack_t off = { .ss_flags = SS_DISABLE }, own = { .ss_size = 65536 }, now;
        void **sp = arg;

        own.ss_sp = malloc(own.ss_size);
        sigaltstack(&own, &now);                        /* somebody was first */
        sp[0] = rni_thread_altstack() == 0 && sigaltstack(NULL, &now) == 0 && now.ss_sp == own.ss_sp ? sp : NULL;
        sigaltstack(&off, NULL);
        free(own.ss_sp);
        sp[1] = rni_thread_altstack() == 0 && sigaltstack(NULL, &now) == 0 && now.ss_flags == 0 ? now.ss_sp : NULL;
        sp[2] = readable(now.ss_sp) && !readable((char *)now.ss_sp - 1) ? sp : NULL;
        return NULL;
}

static void altstack_is_guarded_respects_others_and_ends_with_its_thread(void **state)
{
        void *sp[3] = { 0 };
        pthread_t t;

        (void)state;
        pthread_create(&t, NULL, altstack_thread, sp);
        pthread_join(t, NULL);
        assert_non_null(sp[0]);
        assert_non_null(sp[1]);
        assert_non_null(sp[2]);
        assert_false(readable(sp[1]));
}

static void *other_threads_stack(void *arg)
{
        void *lo, *hi;

        rni_thread_stack(&lo, &hi);
        return (char *)lo < (char *)&hi && (char *)&hi < (char *)hi ? arg : NULL;
}

static void thread_knows_its_stack(void **state)
{
        FILE *f = fopen("/proc/self/maps", "r");
        unsigned long long from, to;
        struct rlimit limit;
        char line[256];
        void *lo, *hi;
        pthread_t t;

        (void)state;
        rni_thread_stack(&lo, &hi);
        assert_true((char *)lo < (char *)__builtin_frame_address(0) && (char *)__builtin_frame_address(0) < (char *)hi);
        assert_non_null(f);
        assert_int_equal(getrlimit(RLIMIT_STACK, &limit), 0);
        while (fgets(line, sizeof line, f))
                if (strstr(line, "[stack]") && !RNI_ASAN && limit.rlim_cur != RLIM_INFINITY) {   /* else it is the C library's answer */
                        assert_int_equal(sscanf(line, "%llx-%llx", &from, &to), 2);
                        assert_true((uintptr_t)hi == to && (uintptr_t)lo <= from);
                }
        fclose(f);
        assert_int_equal(pthread_create(&t, NULL, other_threads_stack, line), 0);
        pthread_join(t, &lo);
        assert_ptr_equal(lo, line);
        assert_ptr_equal(rni_thread_errno(), &errno);
}

static void fence_off_child(void)
{
        setenv("RUNNEL_MEMBARRIER", "0", 1);
        rni_membarrier_on = false;
        rni_os_init();
        CHECK(!rni_membarrier_on);
        rni_fence_heavy();              /* pairs with nothing: must return */
        rni_fence_light();              /* pairs with nothing: must return */
}

static void membarrier_can_be_turned_off(void **state)
{
        (void)state;
        rni_fence_heavy();              /* pairs with nothing: aborts if registration was claimed but not made */
        assert_int_equal(run_child(fence_off_child), 0);
}

/* -- a tree of /proc and cgroup files -- */

static char root[64];

static void put_file(const char *path, const char *text)
{
        char full[512];
        FILE *f;

        snprintf(full, sizeof full, "%s%s", root, path);
        for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
                *p = 0;
                mkdir(full, 0700);
                *p = '/';
        }
        f = fopen(full, "w");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

static int new_root(void **state)
{
        (void)state;
        strcpy(root, "/tmp/runnel-os-XXXXXX");
        return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
        char command[128];

        (void)state;
        snprintf(command, sizeof command, "rm -rf %s", root);
        return system(command) == 0 ? 0 : -1;
}

static void quota_is_the_least_of_all_ancestors(void **state)
{
        (void)state;
        assert_int_equal(rni_cgroup_cpus(&groups, root), 0);
        put_file("/proc/self/mountinfo",
                 "22 1 0:5 / /proc rw - proc proc rw\n"
                 "31 23 0:28 / /sys/fs/cg\\040x rw,nosuid shared:9 master:2 - cgroup2 cgroup2 rw,nsdelegate\n");
        put_file("/proc/self/cgroup", "0::/parent/leaf\n");
        put_file("/sys/fs/cg x/parent/leaf/cpu.max", "max 100000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 0);
        put_file("/sys/fs/cg x/parent/cpu.max", "200000 100000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 2);
        put_file("/sys/fs/cg x/parent/leaf/cpu.max", "350000 100000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 2);
        put_file("/sys/fs/cg x/parent/leaf/cpu.max", "150000 100000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 2);     /* 1.5 rounded up */
        put_file("/sys/fs/cg x/parent/leaf/cpu.max", "1000 100000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 1);
        put_file("/sys/fs/cg x/cpu.max", "50000 100000\n");
        put_file("/sys/fs/cg x/parent/leaf/cpu.max", "max 100000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 1);     /* the mount point itself counts */
}

static void quota_of_version_1_and_of_a_mounted_subtree(void **state)
{
        (void)state;
        put_file("/proc/self/mountinfo",
                 "33 31 0:31 / /cg/cpuacct rw - cgroup cgroup rw,cpuacct\n"
                 "32 31 0:30 /docker/abc /cg/cpu rw - cgroup cgroup rw,cpuset,cpu\n"
                 "34 31 0:37 / /cg/unified rw - cgroup2 cgroup2 rw\n");
        put_file("/proc/self/cgroup", "5:cpuacct:/x\n3:cpuset,cpu:/docker/abc/leaf\n0::/\n");
        put_file("/cg/cpu/cpu.cfs_period_us", "100000\n");
        put_file("/cg/cpu/cpu.cfs_quota_us", "-1\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 0);
        put_file("/cg/cpu/leaf/cpu.cfs_period_us", "50000\n");
        put_file("/cg/cpu/leaf/cpu.cfs_quota_us", "130000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 3);
        put_file("/cg/unified/cpu.max", "100000 100000\n");
        assert_int_equal(rni_cgroup_cpus(&groups, root), 1);     /* the tighter hierarchy */
}

static void available_memory_is_the_least_of_machine_and_groups(void **state)
{
        uint64_t limit;

        (void)state;
        put_file("/proc/meminfo", "MemTotal:       9000 kB\nMemFree:  1 kB\nMemAvailable:   8000 kB\n");
        assert_int_equal(rni_vm_available_at(root), 8000 * 1024);
        put_file("/proc/self/mountinfo",
                 "31 23 0:28 / /cg2 rw - cgroup2 cgroup2 rw\n32 23 0:29 / /cg1 rw - cgroup cgroup rw,memory\n");
        put_file("/proc/self/cgroup", "4:memory:/j\n0::/a/b\n");
        put_file("/cg2/a/b/memory.max", "max\n");
        put_file("/cg2/a/b/memory.current", "5000\n");
        assert_int_equal(rni_vm_available_at(root), 8000 * 1024);
        put_file("/cg2/a/memory.max", "1000000\n");
        put_file("/cg2/a/memory.current", "400000\n");
        assert_int_equal(rni_vm_available_at(root), 600000);
        put_file("/cg2/a/memory.stat", "anon 1\nfile 2\ninactive_file 100000\n");
        assert_int_equal(rni_vm_available_at(root), 700000);
        put_file("/cg1/j/memory.limit_in_bytes", "500000\n");
        put_file("/cg1/j/memory.usage_in_bytes", "600000\n");
        assert_int_equal(rni_vm_available_at(root), 0);
        assert_int_equal(rni_cgroup_memory(&groups, root, &limit), 0);
        assert_int_equal(limit, 500000);
}

static void this_machine_has_processors_and_memory(void **state)
{
        (void)state;
        assert_in_range(rni_cpu_count(), 1, sysconf(_SC_NPROCESSORS_CONF));
        assert_true(rni_vm_available() > 0);
        assert_true(rni_vm_total() >= rni_vm_available());
        assert_true(rni_vm_max_maps() > 1000);
}

/* -- signals -- */

static struct sigaction old_action;
static a32 ran_ours, ran_old;

static void ours(int sig, siginfo_t *si, void *uc)
{
        fetch_add(&ran_ours, 1);
        rni_sig_chain(&old_action, sig, si, uc);
}

static void theirs(int sig)
{
        sigset_t now;

        pthread_sigmask(SIG_BLOCK, NULL, &now);
        if (sigismember(&now, SIGUSR2) && sigismember(&now, sig))
                fetch_add(&ran_old, 1);
        errno = 77;
}

static void *asks(void *of)
{
        if (of)
                rni_vm_available();
        return NULL;
}

/* How far down a thread got. */
static size_t stack_used(void *of)
{
        static _Alignas(4096) unsigned char stack[1 << 18];
        size_t least = 0;
        pthread_attr_t attr;
        pthread_t t;

        memset(stack, 0xaa, sizeof stack);
        pthread_attr_init(&attr);
        assert_int_equal(pthread_attr_setstack(&attr, stack, sizeof stack), 0);
        assert_int_equal(pthread_create(&t, &attr, asks, of), 0);
        pthread_join(t, NULL);
        pthread_attr_destroy(&attr);
        while (least < sizeof stack && stack[least] == 0xaa)
                least++;
        return sizeof stack - least;
}

/* A goroutine's stack may be smaller than a page. */
static void asking_for_memory_needs_little_stack(void **state)
{
        size_t none = stack_used(NULL), some = stack_used(&groups);

        (void)state;
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
        assert_in_range(some, 0, none + 1024);
#else
        assert_in_range(some, 0, none + 5120);
#endif
}

static void chained_handler_runs_under_its_own_mask(void **state)
{
        struct sigaction sa = { .sa_handler = theirs };
        sigset_t now;

        (void)state;
        sigemptyset(&sa.sa_mask);
        sigaddset(&sa.sa_mask, SIGUSR2);
        sigaction(SIGUSR1, &sa, NULL);
        assert_int_equal(rni_sig_install(SIGUSR1, ours, &old_action), 0);
        errno = 5;
        raise(SIGUSR1);
        assert_int_equal(errno, 5);
        assert_int_equal(load_rlx(&ran_ours), 1);       /* same thread */
        assert_int_equal(load_rlx(&ran_old), 1);        /* same thread */
        pthread_sigmask(SIG_BLOCK, NULL, &now);
        assert_false(sigismember(&now, SIGUSR2));
        assert_int_equal(rni_sig_install(SIGKILL, ours, NULL), -EINVAL);
        signal(SIGUSR1, SIG_DFL);
}

static void default_child(void)
{
        rni_sig_install(SIGTERM, ours, &old_action);
        raise(SIGTERM);
}

static void ignored_child(void)
{
        signal(SIGTERM, SIG_IGN);
        default_child();
        rni_sig_install(SIGCHLD, ours, &old_action);    /* ignored by default: our handler stays */
        raise(SIGCHLD);
        raise(SIGCHLD);
        CHECK(load_rlx(&ran_ours) == 3);                /* same thread */
}

static void fault_child(void)
{
        signal(SIGSEGV, SIG_IGN);       /* cannot be ignored when it is a fault */
        rni_sig_install(SIGSEGV, ours, &old_action);
        *(volatile char *)rni_page = 1;
}

static void chained_default_does_what_the_default_does(void **state)
{
        int status = run_child(default_child);

        (void)state;
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        store_rlx(&ran_ours, 0);                        /* before the fork */
        assert_int_equal(run_child(ignored_child), 0);
        status = run_child(fault_child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* -- output -- */

static void formats(void **state)
{
        struct rni_out o;
        const char *volatile null_text = NULL;
        char got[256], want[256];
        int fd[2];
        ssize_t n;

        (void)state;
        assert_int_equal(pipe(fd), 0);
        rni_out_init(&o, fd[1]);
        rni_out_fmt(&o, "%s|%s|%d|%d|%u|%c|100%%|", "text", null_text, -5, INT32_MIN, 4000000000u, 'x');
        rni_out_fmt(&o, "%ld|%lu|%zu|%x|%lx|%p|%p", LONG_MIN, ULONG_MAX, (size_t)0, 0xbeefu, 0xdeadbeeful,
                    (void *)0x1234abcd, NULL);
        rni_out_flush(&o);
        n = read(fd[0], got, sizeof got - 1);
        assert_true(n > 0);
        got[n] = 0;
        snprintf(want, sizeof want, "text|(null)|-5|-2147483648|4000000000|x|100%%|%ld|%lu|0|beef|deadbeef|0x1234abcd|0x0",
                 LONG_MIN, ULONG_MAX);
        assert_string_equal(got, want);
        close(fd[0]);
        close(fd[1]);
}

enum { LINES = 20000 };

static void *drain(void *arg)
{
        char buf[777];
        size_t sum = 0;
        ssize_t n;

        while ((n = read(*(int *)arg, buf, sizeof buf)) > 0)
                sum += (size_t)n;
        return (void *)sum;
}

/* More than the buffer and more than the pipe holds, to a descriptor that does not block. */
static void long_output_arrives_whole(void **state)
{
        struct rni_out o;
        pthread_t t;
        void *sum;
        int fd[2];

        (void)state;
        assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
        fcntl(fd[1], F_SETFL, O_NONBLOCK);
        pthread_create(&t, NULL, drain, &fd[0]);
        rni_out_init(&o, fd[1]);
        for (int i = 0; i < LINES; i++)
                rni_out_fmt(&o, "line %s\n", "of eighteen.");
        rni_out_flush(&o);
        close(fd[1]);
        pthread_join(t, &sum);
        assert_int_equal((size_t)sum, LINES * 18);
        close(fd[0]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reserved_memory_is_zero_and_zero_again_after_drop),
                cmocka_unit_test(impossible_reservation_is_null_and_leaves_errno_alone),
                cmocka_unit_test(many_regions_are_guarded_and_dropped_at_once),
                cmocka_unit_test(timed_wait_ends_at_its_time),
                cmocka_unit_test(started_thread_wakes_a_waiter),
                cmocka_unit_test(helper_threads_block_all_signals_and_others_none_but_the_first_threads),
                cmocka_unit_test(a_sleeping_thread_can_be_told_from_a_running_one),
                cmocka_unit_test(who_waits_long_for_another_thread_sleeps),
                cmocka_unit_test(task_count_counts_threads),
                cmocka_unit_test(exit_notes_run_newest_first_and_may_add_more),
                cmocka_unit_test(altstack_is_guarded_respects_others_and_ends_with_its_thread),
                cmocka_unit_test(thread_knows_its_stack),
                cmocka_unit_test(membarrier_can_be_turned_off),
                cmocka_unit_test_setup_teardown(quota_is_the_least_of_all_ancestors, new_root, remove_root),
                cmocka_unit_test_setup_teardown(quota_of_version_1_and_of_a_mounted_subtree, new_root, remove_root),
                cmocka_unit_test_setup_teardown(available_memory_is_the_least_of_machine_and_groups, new_root, remove_root),
                cmocka_unit_test(this_machine_has_processors_and_memory),
                cmocka_unit_test(asking_for_memory_needs_little_stack),
                cmocka_unit_test(chained_handler_runs_under_its_own_mask),
                cmocka_unit_test(chained_default_does_what_the_default_does),
                cmocka_unit_test(formats),
                cmocka_unit_test(long_output_arrives_whole),
        };

        rni_os_init();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
