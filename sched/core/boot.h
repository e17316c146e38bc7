/* SPDX-License-Identifier: MIT
 * What boot leaves behind for others. */
#ifndef RNI_CORE_BOOT_H
#define RNI_CORE_BOOT_H

#include "sched/base/atomic.h"

struct rni_out;

extern a32 rni_boot_helpers;      /* threads of the process that belong to tools (a sanitizer's) or
                                   * are sysmon, not the program's */

void rni_exit_guard(void);        /* atexit: holds the exit back while another thread prints its
                                   * last words */
void rni_overflow_init(void);     /* overflow.c: the SIGSEGV handler */
void rni_quit_init(void);         /* quit.c: the SIGQUIT handler */
bool rni_quit_asked(void);        /* quit.c: a dump is about to end the process */

/* foreign.c: what each plain thread waits for. In a deadlock only: all of them wait, and none comes
 * or goes. */
void rni_foreign_report(struct rni_out *o);

#endif
