/* SPDX-License-Identifier: MIT
 * Turns: for how long at a time a thread asks the system for a processor. Linux lets the one run
 * next whose turn would end first, of those that have had no more than their share; so who asks for
 * short turns comes soon after it wakes, and gets no more for it. An M asks for short ones, and so
 * does sysmon: goroutines wait for them. A loop in C code that has lost its P gets the turns that
 * its thread was born with, until it comes back: otherwise it would stand in the way of the M that
 * has its P now. Called by who starts a thread (m.c, boot.c, sysmon.c), by retake.c and by idle.c.
 *
 *            retaken while it computes: sysmon, under sched.lock
 *    SHORT ------------------------------------------------------> LONG
 *      ^                                                            |
 *      '------------------------------------------------------------'
 *            the M itself, as it gets a P or goes to sleep for one
 *
 * The bug would be that sysmon's change comes after the M's: an M that holds a P would keep long
 * turns until it loses it. But an M that finds its P gone takes sched.lock before it takes another
 * or sleeps (rule 4 of retake.c), and sysmon has that lock from the retake to the end of the
 * change. So m->turn_is_long has no other guard, and the thread of m->tid is there.
 *
 * Measured, with turns of 100 us, the shortest that Linux grants, on two processors: retake.md and
 * limits.md. The system may have no turns to ask for (Linux before 6.12): m->turn is 0, and nothing
 * is asked again. */
#include "sched/core/sched.h"

#define SHORT INT64_C(100000)

/* This thread's turns become short: what they were. */
int64_t rni_turn_begin(void)
{
        return rni_thread_turn(0, SHORT);
}

void rni_turn_lengthen(struct m *m)
{
        if (m->turn == 0)
                return;
        rni_thread_turn(m->tid, m->turn);
        m->turn_is_long = true;
}

void rni_turn_shorten(struct m *m)
{
        if (likely(!m->turn_is_long))
                return;
        rni_thread_turn(0, SHORT);
        m->turn_is_long = false;
}
