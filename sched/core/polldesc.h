/* SPDX-License-Identifier: MIT
 * Poll descriptors: what the runtime knows of each descriptor number, and the calls that wait for
 * one. After Go's internal/poll and runtime/netpoll, with one lock for each descriptor in place of
 * atomic words: a call locks it twice, and nothing of what follows needs an argument beyond "under
 * the lock".
 *
 * A struct pd belongs to a number for ever, in blocks that are never unmapped: found without a lock
 * by whoever has the number.
 *
 *              first use: open              close, no call uses it: the end
 *   not open -----------------> open ----------------------------------------------> not open
 *                                | close, calls use it                                  ^
 *                                '-----> closing --- the last of them ends: the end ----'
 *
 *   the end: remove from the set, gen + 1, close(2)
 *
 * A generation is from open to close. An event carries the number and the generation; one that
 * comes late finds another and is dropped. close(2) runs under the lock: a call that comes between
 * the two halves would take a dying descriptor for a new one, put it into the set, and what the
 * kernel hands out next under that number would be taken for registered and never wake.
 *
 * A call (struct fdop, fdop.h) owns one direction, or both, from begin to end; later ones queue in
 * order. It *uses* the descriptor, which close(2) waits for, while it runs; parked it does not, and
 * finds at its return by closing or by the generation that it is dead: it then owns nothing and
 * touches nothing more. Waiting for an edge:
 *
 *        call                                    event
 *        resets ready (begin)                    locks
 *        tries: -EAGAIN                          a waiter? readies it : ready = true
 *        locks
 *        ready? resets it and tries again
 *             : parks, the commit unlocks
 *
 * The bug would be an edge between the last try and the park. It is delivered either before the
 * call has locked, and ready is set, or after the commit has unlocked, and the waiter is there. An
 * edge that comes before the reset is older than the try, which sees what it was for.
 *
 * Who wakes a waiter takes it out under the lock and must win its claim, against the timer of its
 * own deadline. It is the present wait that is claimed: one whose timer won goes through the lock
 * to take itself out before it does anything else.
 *
 * `drained`: a TCP read came back short and no edge has come since the call began, so there is
 * nothing to read, and the next call parks without asking the kernel. What can follow data without
 * an edge of its own (the end, an error, urgent data: reported together with the data) sets
 * `always`, and this is not done. */
#ifndef RNI_CORE_POLLDESC_H
#define RNI_CORE_POLLDESC_H

#include "sched/core/sched.h"
#include "sched/os/fdio.h"

enum {
        FD_READ = 1, FD_WRITE = 2,   /* directions, and masks of them: RN_READ, RN_WRITE */
        FD_STRICT = 4,               /* the system call would wait if fd were not non-blocking,
                                      * although it is a socket */
        FD_ANEW = 8                  /* fd is likely to be a new one, whatever is known of its
                                      * number */
};

struct fd_side {
        struct g *waiter;              /* parked for an edge; of a call that owns the side */
        struct waiter *first, *last;   /* calls that wait to own it */
        bool busy;                     /* owned */
        bool ready;                    /* an edge has come that nobody was parked for */
        bool paused;                   /* the waiter does not want to know */
        bool drained;
        uint8_t which;                 /* its place in pd->side */
        int64_t deadline;              /* rn_fd_deadline's; TIMER_NEVER: none */
        struct timer timer;            /* for it */
};

struct pd {
        struct lock lock;              /* RANK_SYNC: all that follows */
        a32 gen;                       /* read without it to drop late events */
        uint8_t kind;                  /* enum rni_fd_kind */
        bool open, closing;
        bool blocking;                 /* epoll refuses it: calls are made in place */
        bool polled;                   /* in the set */
        bool kept;                     /* to be closed by rn_fd_close and nobody else: a call that
                                        * parks need not see whether it is still in the set */
        bool always;                   /* see above */
        unsigned users;                /* running calls */
        struct fd_side side[2];
} rni_aligned(RNI_LINE);

/* waiter.ok: why a call goes on */
enum fd_wake { WAKE_EVENT, WAKE_TIMEOUT, WAKE_CLOSED, WAKE_OWNER };

static inline void pd_lock(struct pd *pd)
{
        lock_acquire(&pd->lock, RANK_SYNC);
}

static inline void pd_unlock(struct pd *pd)
{
        lock_release(&pd->lock, RANK_SYNC);
}

/* The kernel has just handed fd out, and it is non-blocking. kind: enum rni_fd_kind. 0 or
 * -errno. */
int rni_pd_new(int fd, unsigned kind);
/* What rn_fd_open, rn_fd_close and rn_fd_deadline do. Not entered. */
int rni_pd_open(int fd);
int rni_pd_close(int fd);
int rni_pd_deadline(int fd, unsigned sides, int64_t t);

/* -- for fdop.c -- */
int  rni_pd_start(void);                           /* the poller. 0 or -errno. Not entered */
int  rni_pd_get(int fd, struct pd **pd);           /* 0, -EBADF, -EMFILE, -ENOMEM */
bool rni_pd_passed(int64_t t);
void rni_pd_ready(struct g_list *l);               /* no lock held, not entered */
/* Locked: */
int  rni_pd_open_locked(struct pd *pd, int fd);    /* 0 or -errno */
int  rni_pd_close_locked(struct pd *pd, int fd);   /* no call uses it */
/* Somebody has closed fd, and its number has been handed out again: all who waited for the old one
 * go home, and the new one is opened. 1 or -errno. */
int  rni_pd_renew(struct pd *pd, int fd, struct g_list *out);
/* May a system call be tried on fd, which anybody may have closed? 0, or as rni_pd_renew. */
int  rni_pd_refresh(struct pd *pd, int fd, struct g_list *out);
/* Is fd in the set? Puts it there, or finds that it is a new one. 0, or as rni_pd_renew. */
int  rni_pd_look_after(struct pd *pd, int fd, struct g_list *out);
/* The side is nobody's: the first who waits for it has it. */
void rni_pd_pass_on(struct fd_side *s, struct g_list *out);

/* -- from the poller -- */
/* Adds whom the event is for to out. */
void rni_pd_event(uint64_t data, uint32_t what, struct g_list *out);
/* The same if it is for nobody who waits: true. */
bool rni_pd_note(uint64_t data, uint32_t what);

#endif
