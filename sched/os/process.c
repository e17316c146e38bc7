/* SPDX-License-Identifier: MIT
 * Child processes. Callers: io/process. */
#include "sched/os/sys.h"

#include <sys/wait.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

int rni_pidfd_open(int pid)
{
        return (int)rni_sys(SYS_pidfd_open, pid, 0, 0, 0, 0, 0);
}

int rni_child_take(int pid, int *status, bool wait)
{
        int keep = errno, r;

        do
                r = waitpid(pid, status, wait ? 0 : WNOHANG);
        while (r < 0 && errno == EINTR);
        r = r == pid ? 0 : r < 0 ? -errno : -EAGAIN;
        errno = keep;
        return r;
}
