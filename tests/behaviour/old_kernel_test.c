/* SPDX-License-Identifier: MIT
 * On a kernel that lacks what the library would rather have: a filter refuses epoll_pwait2,
 * RWF_NOSIGNAL and MADV_GUARD_INSTALL as older ones do. What callers see is the same, but that
 * sleeps beside a descriptor are late by up to a millisecond. */
#define _GNU_SOURCE
#include "tests/support/behave.h"
#include "tests/support/ends.h"
#include "tests/support/machine.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
enum { GUARD_INSTALL = 102 };

static bool old;

#define WORD_AT(member)   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define UNLESS(k, n)      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (n))
#define REFUSE(error)     BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))

/* Before there is a second thread, whom it would not bind. */
__attribute__((constructor)) static void become_old(void)
{
        struct sock_filter code[] = {
                WORD_AT(nr),
                UNLESS(SYS_epoll_pwait2, 1), REFUSE(ENOSYS),
                UNLESS(SYS_pwritev2, 1), REFUSE(EOPNOTSUPP),
                UNLESS(SYS_madvise, 3), WORD_AT(args[2]),
                UNLESS(GUARD_INSTALL, 1), REFUSE(EINVAL),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { .len = sizeof code / sizeof *code, .filter = code };

        old = !emulated() && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
              prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
              syscall(SYS_epoll_pwait2, -1, NULL, 0, NULL, NULL, 0) < 0 && errno == ENOSYS;
}

static bool not_old(const char *test)
{
        if (not_emulated(test, "a filter for system calls"))
                return true;
        CHECK(old);
        return false;
}

static void a_pipe_that_nobody_reads_is_told_without_a_signal(void)
{
        if (not_old(__func__))
                return;
        for (int i = 0; i < 3; i++) {
                struct ends e = new_pipe();
                char c;

                CHECK_EQ(rn_fd_write(e.w, "x", 1), 1);
                CHECK_EQ(rn_fd_read(e.r, &c, 1), 1);
                CHECK_EQ(rn_fd_close(e.r), 0);
                CHECK_EQ(rn_fd_write(e.w, "x", 1), -EPIPE);
                CHECK_EQ(rn_fd_close(e.w), 0);
        }
}

static void sleeps_beside_a_descriptor_are_not_too_short(void)
{
        struct ends e = new_pipe();
        struct reading r = { .fd = e.r, .want = 1 };
        rn_wg wg = { { 0 } };

        if (!not_old(__func__)) {
                rn_wg_go(&wg, read_it, &r);
                until_reader_waits();
                for (rn_dur d = 1; d < 5 * RN_MSEC; d *= 3) {
                        rn_time start = rn_now();

                        rn_sleep(d);
                        CHECK(rn_now() - start >= d);
                }
                CHECK_EQ(rn_fd_write(e.w, "x", 1), 1);
                rn_wg_wait(&wg);
                CHECK_EQ(r.got, 1);
        }
        close_both(e);
}

static void add_and_wait(rn_recv_chan(int) gate, atomic_int *n)
{
        atomic_fetch_add(n, 1);
        rn_wait(gate);
}

static void goroutines_have_guards_of_another_kind(void)
{
        rn_chan(int) gate = rn_make(int, 0);
        rn_wg wg = { { 0 } };
        atomic_int n = 0;

        if (!not_old(__func__))
                for (int i = 0; i < 2000; i++)
                        rn_wg_go(&wg, add_and_wait, gate, &n);
        rn_close(gate);
        rn_wg_wait(&wg);
        CHECK(!old || n == 2000);
        rn_unref(gate);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(a_pipe_that_nobody_reads_is_told_without_a_signal),
        BEHAVE_BOTH(sleeps_beside_a_descriptor_are_not_too_short),
        BEHAVE_BOTH(goroutines_have_guards_of_another_kind),
};

BEHAVE_MAIN(tests)
