/* SPDX-License-Identifier: MIT
 * <runnel/process.h> alone: it needs no other header before it. */
#include <runnel/process.h>

int status_of(pid_t pid, rn_time t);

int status_of(pid_t pid, rn_time t)
{
        int status = 0, err = rn_process_wait_until(pid, &status, t);

        return err ? rn_process_wait(pid, NULL) : status;
}
