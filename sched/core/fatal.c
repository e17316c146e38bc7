/* SPDX-License-Identifier: MIT
 * The end of the process by the library's own decision. One thread dies for all: who comes second
 * stands still, so that nothing cuts the report short, not even main returning meanwhile
 * (rni_exit_guard). Text goes straight to descriptor 2. */
#include "sched/core/fatal.h"

#include <stdarg.h>
#include <stdio.h>

#include "sched/core/boot.h"
#include "sched/core/hook.h"
#include "sched/core/sched.h"

/* Who ends the process; 0: nobody yet. EXITING | thread: exit() has come so far that a report could
 * not be finished any more, so none begins. */
static a32 dying;
#define EXITING 0x80000000u

static _Noreturn void stand_aside(void)
{
        static a32 never;

        for (;;)
                rni_futex_wait(&never, 0);
}

void rni_die_begin(void)
{
        unsigned self = (unsigned)rni_thread_id();

        /* the exiting thread itself may die */
        if (!cas(&dying, 0, self) && !cas(&dying, EXITING | self, self)) {
                if (load_rlx(&dying) == self)   /* rlx: our own store */
                        rni_os_exit(2);   /* dying went wrong: what was printed has to do */
                stand_aside();
        }
        if (rni_self())
                rni_freeze(true);
}

void rni_die_end(void)
{
        rni_os_exit(2);
}

void rni_exit_guard(void)
{
        unsigned self = (unsigned)rni_thread_id();

        if (!cas(&dying, 0, EXITING | self) && load_rlx(&dying) != self)   /* rlx: our own store */
                stand_aside();
}

void rni_fatal_who(struct rni_out *o)
{
        struct m *m = rni_self();

        if (m && m->g && !m->foreign)
                rni_out_fmt(o, "goroutine %lu [running]:\n", (unsigned long)m->g->id);
        else
                rni_out_fmt(o, "thread %d [running]:\n", rni_thread_id());
}

static _Noreturn rni_noinline void die(const char *prefix, const char *fmt, va_list ap,
                                       bool everybody)
{
        struct rni_out o;
        char text[300];

        rni_die_begin();   /* first: on a small stack the rest is written over its neighbours, who
                            * are not to run any more */
        vsnprintf(text, sizeof text, fmt, ap);
        rni_out_init(&o, 2);
        rni_out_fmt(&o, "fatal error: %s%s\n\n", prefix, text);
        rni_fatal_who(&o);
        rni_hook_trace(&o);
        if (rni_self() && rni_self()->sim)
                rni_hook_schedule(&o, rni_self()->sim);
        if (everybody)
                rni_hook_dump(&o, 0);
        rni_out_flush(&o);
        rni_die_end();
}

void rni_fatal(const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        die("", fmt, ap, false);
}

void rni_throw(const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        die("runnel: ", fmt, ap, true);
}
