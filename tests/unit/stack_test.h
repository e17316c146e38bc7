/* SPDX-License-Identifier: MIT
 * How stack_test.c and gslab_test.c run each test in a child of its own, since the layer is set up
 * once per process, and how it looks at memory. Invariant: cmocka is called in the parent only; a
 * child says CHECK and ends by its status. */
#ifndef STACK_TEST_H
#define STACK_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sched/mem/gslab.h"
#include "sched/mem/stack.h"
#include "sched/os/os.h"
#include "sched/os/tools.h"
#include "tests/support/machine.h"

#define CHECK(x) ((x) ? (void)0 : (dprintf(2, "%s:%d: %s\n", __FILE__, __LINE__, #x), _exit(99)))

enum { SKIPPED = 77 };          /* a child's status */

/* Instrumented or simulated: everything is slower and takes more memory. */
static bool checked(void)
{
        return RNI_ASAN || RNI_TSAN || rni_tool_on_valgrind();
}

static void in_child(void (*fn)(void), const char *guard)
{
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                signal(SIGSEGV, SIG_DFL);               /* cmocka's handler would go on with the
                                                         * next test */
                signal(SIGBUS, SIG_DFL);
                if (guard)
                        setenv("RUNNEL_GUARD", guard, 1);
                rni_os_init();
                rni_stack_init();
                fn();
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
                skip();
        assert_int_equal(status, 0);
}

/* A test is a function for a child; guard is what RUNNEL_GUARD says there. */
#define CHILD_TEST(name, fn, guard) \
        static void name(void **state) \
        { \
                (void)state; \
                in_child(fn, guard); \
        }

__attribute__((unused)) static size_t resident(void)
{
        FILE *f = fopen("/proc/self/statm", "r");
        size_t n = 0;

        CHECK(fscanf(f, "%*u %zu", &n) == 1);
        fclose(f);
        return n * rni_page;
}

__attribute__((unused)) static bool readable(const void *p)
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

#endif
