/* SPDX-License-Identifier: MIT
 * The ways in which one value can be sent to or received from a channel of ints. What holds for
 * one holds for all; the tests of closing and of meeting go through every pair. Included after
 * behave.h. */
#ifndef FORMS_H
#define FORMS_H

enum form {
        PLAIN,
        TIMED,          /* with a deadline that does not come */
        ONE_CASE,
        DEAD_CASE,      /* select with a nil channel beside */
        MANY_CASES,     /* select with channels that never get ready, in both directions */
        TIMED_CASES,    /* the same with a deadline */
        POLLING,        /* try until it works */
        POLLING_CASES,  /* select with default until it works */
        FORMS
};

static inline void form_send(enum form form, rn_send_chan(int) c, int v)
{
        rn_chan(int) idle = form == MANY_CASES || form == TIMED_CASES ? rn_make(int, 0) : NULL,
                     nil = NULL;

        rn_defer(rn_unref, idle);       /* the send may panic */
        switch (form) {
        case PLAIN:
                rn_send(c, v);
                break;
        case TIMED:
                CHECK_EQ(rn_send_for(3600 * RN_SEC, c, v), 0);
                break;
        case ONE_CASE:
                CHECK_EQ(rn_select(rn_on_send(c, v)), 0);
                break;
        case DEAD_CASE:
                CHECK_EQ(rn_select(rn_on_signal(nil), rn_on_send(c, v)), 1);
                break;
        case MANY_CASES:
                CHECK_EQ(rn_select(rn_on_signal(idle), rn_on_send(idle, -1), rn_on_send(c, v)), 2);
                break;
        case TIMED_CASES:
                CHECK_EQ(rn_select_for(3600 * RN_SEC, rn_on_send(c, v), rn_on_signal(idle)), 0);
                break;
        case POLLING:
                BEHAVE_UNTIL(rn_try_send(c, v));
                break;
        default:
                BEHAVE_UNTIL(rn_try_select(rn_on_send(c, v)) == 0);
                break;
        }
}

/* Receives into *v: true for a value, false for closed. */
static inline bool form_recv(enum form form, rn_recv_chan(int) c, int *v)
{
        rn_chan(int) idle = NULL, nil = NULL;
        bool ok = false;
        int r;

        if (form == MANY_CASES || form == TIMED_CASES)
                idle = rn_make(int, 0);
        switch (form) {
        case PLAIN:
                ok = rn_recv(c, v);
                break;
        case TIMED:
                r = rn_recv_for(3600 * RN_SEC, c, v);
                CHECK(r == 0 || r == 1);
                ok = r == 1;
                break;
        case ONE_CASE:
                CHECK_EQ(rn_select(rn_on_recv_ok(c, v, &ok)), 0);
                break;
        case DEAD_CASE:
                CHECK_EQ(rn_select(rn_on_send(nil, 1), rn_on_recv_ok(c, v, &ok)), 1);
                break;
        case MANY_CASES:
                CHECK_EQ(rn_select(rn_on_signal(idle), rn_on_send(idle, -1),
                                   rn_on_recv_ok(c, v, &ok)),
                         2);
                break;
        case TIMED_CASES:
                CHECK_EQ(rn_select_for(3600 * RN_SEC, rn_on_recv_ok(c, v, &ok), rn_on_signal(idle)),
                         0);
                break;
        case POLLING:
                while ((r = rn_try_recv(c, v)) == -EAGAIN)
                        rn_yield();
                ok = r == 1;
                break;
        default:
                BEHAVE_UNTIL(rn_try_select(rn_on_recv_ok(c, v, &ok)) == 0);
                break;
        }
        rn_unref(idle);
        return ok;
}

#endif
