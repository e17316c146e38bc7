/* SPDX-License-Identifier: MIT
 * A call on a descriptor: begin, try, wait and try again while it is -EAGAIN, end. polldesc.h has
 * the protocol. */
#ifndef RNI_CORE_FDOP_H
#define RNI_CORE_FDOP_H

#include "sched/core/polldesc.h"

/* Something besides time and close that ends the waits of a call: the end of a context (io/ctx.c).
 * Its lock ranks before a descriptor's and is held from its last look until the G has parked, so
 * that it cannot come unseen. */
struct fdop_end {
        bool (*lock)(struct fdop_end *e);              /* false: it has come, and is not locked */
        void (*queue)(struct fdop_end *e, struct g *g);   /* locked: from now on it claims g's
                                                           * present wait */
        void (*unlock)(struct fdop_end *e);
        void (*leave)(struct fdop_end *e);             /* the wait is over, whatever ended it. No
                                                        * lock held, not entered */
};

/* A call under way: on its caller's stack. */
struct fdop {
        struct pd *pd;
        struct fdop_end *end;          /* NULL: none */
        int64_t until;                 /* TIMER_NEVER: none; 0: does not wait */
        int fd;
        unsigned gen;
        unsigned sides;                /* FD_READ | FD_WRITE */
        bool live;                     /* between begin and end, and the descriptor was not
                                        * closed */
        bool drained;                  /* nothing to read: wait first */
        bool came_short;               /* a read did; set by the caller */
};

/* Opens fd if need be and takes the sides, waiting for them. 0; -ETIMEDOUT: a deadline has passed,
 * ready or not; -EBADF: no descriptor, or closed meanwhile; -ECANCELED: end has come; other -errno:
 * cannot be opened. Not entered. */
int rni_fdop_begin(struct fdop *op, int fd, unsigned sides, int64_t until, struct fdop_end *end);
/* After -EAGAIN: waits until it is worth another try: 0. -ETIMEDOUT, -EBADF, -ECANCELED as above,
 * other -errno: no memory to wait. */
int rni_fdop_wait(struct fdop *op);
/* Waits for d, edge or not: 0, or as rni_fdop_wait. */
int rni_fdop_pause(struct fdop *op, int64_t d);
/* Before the caller looks by itself whether it must wait: what has come so far counts as nothing.
 * Also sees whether fd is still in the set, whoever may have closed it, and puts it there. 0 or
 * -errno. */
int rni_fdop_rearm(struct fdop *op);
/* fd turns out to be another one than it was, under the same number. 0 or -errno. */
int rni_fdop_renew(struct fdop *op);
void rni_fdop_end(struct fdop *op);

#endif
