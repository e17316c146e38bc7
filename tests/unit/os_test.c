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
                signal(SIGSEGV, SIG_DFL);               /* cmocka's handlers would go on with the
                                                         * next test */
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
                fprintf(stderr,
                        "%s: skipped: no MADV_GUARD_INSTALL (Linux 6.13; emulators have none)\n",
                        __func__);
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
        sp[0] = rni_thread_altstack() == 0 && sigaltstack(NULL, &now) == 0 && now.ss_sp == own.ss_sp
                        ? sp
                        : NULL;
        sigaltstack(&off, NULL);
        free(own.ss_sp);
        sp[1] = rni_thread_altstack() == 0 && sigaltstack(NULL, &now) == 0 && now.ss_flags == 0
                        ? now.ss_sp
                        : NULL;
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
        assert_true((char *)lo < (char *)__builtin_frame_address(0) &&
                    (char *)__builtin_frame_address(0) < (char *)hi);
        assert_non_null(f);
        assert_int_equal(getrlimit(RLIMIT_STACK, &limit), 0);
        while (fgets(line, sizeof line, f))
                if (strstr(line, "[stack]") && !RNI_ASAN && limit.rlim_cur != RLIM_INFINITY) {
                        /* Else it is the C library's answer. */
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
        rni_fence_heavy();              /* pairs with nothing: aborts if registration was claimed
                                         * but not made */
        assert_int_equal(run_child(fence_off_child), 0);
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reserved_memory_is_zero_and_zero_again_after_drop),
                cmocka_unit_test(impossible_reservation_is_null_and_leaves_errno_alone),
                cmocka_unit_test(many_regions_are_guarded_and_dropped_at_once),
                cmocka_unit_test(timed_wait_ends_at_its_time),
                cmocka_unit_test(started_thread_wakes_a_waiter),
                cmocka_unit_test(
                        helper_threads_block_all_signals_and_others_none_but_the_first_threads),
                cmocka_unit_test(a_sleeping_thread_can_be_told_from_a_running_one),
                cmocka_unit_test(who_waits_long_for_another_thread_sleeps),
                cmocka_unit_test(task_count_counts_threads),
                cmocka_unit_test(exit_notes_run_newest_first_and_may_add_more),
                cmocka_unit_test(altstack_is_guarded_respects_others_and_ends_with_its_thread),
                cmocka_unit_test(thread_knows_its_stack),
                cmocka_unit_test(membarrier_can_be_turned_off),
                cmocka_unit_test(asking_for_memory_needs_little_stack),
                cmocka_unit_test(chained_handler_runs_under_its_own_mask),
                cmocka_unit_test(chained_default_does_what_the_default_does),
        };

        rni_os_init();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
