/* SPDX-License-Identifier: MIT
 * Waiting for child processes without a thread for each: a goroutine parks on the process itself
 * (pidfd_open), so no SIGCHLD is needed and none is consumed. Start children with posix_spawn or
 * fork and exec; in the child of a fork no call of this library may be made. */
#ifndef RUNNEL_PROCESS_H
#define RUNNEL_PROCESS_H

#include <runnel/types.h>

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Waits until the child pid has ended, and takes its status as waitpid does. pid: of a child of
 * this process, > 0, that nobody else waits for. status: as waitpid sets it; may be NULL. Returns
 * 0; -ECHILD if it is no child, or was waited for by another; -ESRCH if there is no such process;
 * -EINVAL if pid < 1; -EMFILE, -ENFILE or -ENOMEM if a descriptor cannot be had.
 * Context: goroutine or thread. Parks: may. Orders: nothing. */
RN_API int rn_process_wait(pid_t pid, int *status);

/* The same, but until t at most: -ETIMEDOUT, and the child is as before. A time that is past: only
 * if it has ended.
 * Context: goroutine or thread. Parks: may. */
RN_API int rn_process_wait_until(pid_t pid, int *status, rn_time t);

#ifdef __cplusplus
}
#endif

#endif
