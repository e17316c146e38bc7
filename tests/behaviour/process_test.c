/* SPDX-License-Identifier: MIT
 * Waiting for children: their status, many at a time, deadlines, and who cannot be waited for. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static pid_t shell_from(const char *script, int input)
{
        char sh[] = "sh", option[] = "-c", *text = strdup(script);
        char *argv[] = { sh, option, text, NULL };
        posix_spawn_file_actions_t files;
        pid_t pid = -1;

        posix_spawn_file_actions_init(&files);
        if (input >= 0)
                posix_spawn_file_actions_adddup2(&files, input, 0);
        CHECK_EQ(posix_spawn(&pid, "/bin/sh", &files, NULL, argv, environ), 0);
        posix_spawn_file_actions_destroy(&files);
        free(text);
        return pid;
}

static pid_t shell(const char *script)
{
        return shell_from(script, -1);
}

static void the_exit_status_is_taken(void)
{
        int status = -1;

        CHECK_EQ(rn_process_wait(shell("exit 7"), &status), 0);
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), 7);
        CHECK_EQ(rn_process_wait(shell("exit 0"), NULL), 0);
}

static void a_child_that_a_signal_kills_says_so(void)
{
        int status = 0;

        CHECK_EQ(rn_process_wait(shell("kill -TERM $$"), &status), 0);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), SIGTERM);
}

/* The child ends when it is told, so the wait is one. */
struct child {
        pid_t pid;
        int pipe[2];
};

static void start_reader(struct child *c)
{
        CHECK_EQ(pipe2(c->pipe, O_CLOEXEC), 0);
        c->pid = shell_from("read x; exit 3", c->pipe[0]);
}

static void let_go(struct child *c)
{
        CHECK_EQ(write(c->pipe[1], "x\n", 2), 2);
        close(c->pipe[0]);
        close(c->pipe[1]);
}

static void waits(void *arg)
{
        struct child *c = arg;
        int status = 0;

        rn_set_name("waits for a child");
        CHECK_EQ(rn_process_wait(c->pid, &status), 0);
        CHECK_EQ(WEXITSTATUS(status), 3);
}

static void others_run_while_one_waits(void)
{
        struct child c;
        rn_wg wg = { { 0 } };

        start_reader(&c);
        behave_go(GOROUTINE, &wg, waits, &c);
        behave_until_parked("waits for a child", 1);
        let_go(&c);
        rn_wg_wait(&wg);
}

static void many_wait_each_for_its_own(void)
{
        enum { CHILDREN = 20 };
        struct child c[CHILDREN];
        rn_wg wg = { { 0 } };

        for (int i = 0; i < CHILDREN; i++) {
                start_reader(&c[i]);
                behave_go(i % 2 ? THREAD : GOROUTINE, &wg, waits, &c[i]);
        }
        for (int i = CHILDREN; i-- > 0;)
                let_go(&c[i]);
        rn_wg_wait(&wg);
}

static void a_deadline_leaves_the_child_as_it_is(void)
{
        struct child c;
        int status = 0;

        start_reader(&c);
        CHECK_EQ(rn_process_wait_until(c.pid, &status, 0), -ETIMEDOUT);
        CHECK_EQ(rn_process_wait_until(c.pid, &status, rn_deadline(5 * RN_MSEC)), -ETIMEDOUT);
        let_go(&c);
        CHECK_EQ(rn_process_wait_until(c.pid, &status, rn_deadline(3600 * RN_SEC)), 0);
        CHECK_EQ(WEXITSTATUS(status), 3);
}

static void who_is_no_child_is_refused(void)
{
        pid_t pid = shell("exit 0");

        CHECK_EQ(rn_process_wait(pid, NULL), 0);
        CHECK_EQ(rn_process_wait(pid, NULL), -ESRCH);
        CHECK_EQ(rn_process_wait(getppid(), NULL), -ECHILD);
        CHECK_EQ(rn_process_wait(0, NULL), -EINVAL);
        CHECK_EQ(rn_process_wait(-1, NULL), -EINVAL);
}

int main(void)
{
        static const struct behave_test tests[] = {
                BEHAVE_BOTH(the_exit_status_is_taken),
                BEHAVE_BOTH(a_child_that_a_signal_kills_says_so),
                BEHAVE_BOTH(others_run_while_one_waits),
                BEHAVE(many_wait_each_for_its_own),
                BEHAVE_BOTH(a_deadline_leaves_the_child_as_it_is),
                BEHAVE_BOTH(who_is_no_child_is_refused),
        };

        return behave_main(tests, sizeof tests / sizeof *tests);
}
