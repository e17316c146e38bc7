/* SPDX-License-Identifier: MIT
 * Child processes as <runnel/process.h> declares them: a pidfd becomes readable when its process
 * has ended; then taking the status does not block. A kernel without them has the thread wait
 * instead, with its P handed off. */
#include <runnel/process.h>

#include <errno.h>
#include <runnel/fd.h>
#include <runnel/time.h>

#include "io/block.h"
#include "sched/core/sched.h"
#include "sched/os/os.h"

struct child {
        pid_t pid;
        int status;
};

static intptr_t wait_in_place(void *arg)
{
        struct child *c = arg;

        return rni_child_take(c->pid, &c->status, true);
}

/* 0: it has ended. */
static int wait_for_end(int pidfd, rn_time t)
{
        int r = rn_fd_wait(pidfd, RN_READ, t);

        return r > 0 ? 0 : r;
}

static int take(struct child *c, int pidfd, rn_time t)
{
        int r = (int)rni_child_take(c->pid, &c->status, false);

        if (r != -EAGAIN)
                return r;
        if (t != RN_NEVER && t <= rn_now())
                return -ETIMEDOUT;
        r = wait_for_end(pidfd, t);
        if (r == 0)
                r = (int)rni_child_take(c->pid, &c->status, false);
        return r == -EAGAIN ? -ECHILD : r;
}

int rn_process_wait_until(pid_t pid, int *status, rn_time t)
{
        struct child c = { pid, 0 };
        int fd, r;

        if (pid < 1)
                return -EINVAL;
        rni_sim_refuse("a process");
        fd = rni_pidfd_open(pid);
        if (fd >= 0) {
                r = take(&c, fd, t);
                rn_fd_close(fd);
        } else if (fd == -ENOSYS && t == RN_NEVER) {
                r = (int)rni_block_run(wait_in_place, &c);
        } else {
                r = fd;
        }
        if (r == 0 && status)
                *status = c.status;
        return r;
}

int rn_process_wait(pid_t pid, int *status)
{
        return rn_process_wait_until(pid, status, RN_NEVER);
}
