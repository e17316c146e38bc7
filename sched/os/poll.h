/* SPDX-License-Identifier: MIT
 * The kernel's readiness queue (epoll) and the word that ends a wait on it (an eventfd). Results
 * are 0, a count, or -errno. Callers: core/netpoll, core/polldesc. */
#ifndef RNI_OS_POLL_H
#define RNI_OS_POLL_H

#include "sched/base/cc.h"

/* struct epoll_event, which only sched/os may name; poll.c compares the two. */
struct rni_event {
        uint32_t what;              /* enum rni_ev */
        uint64_t data;
#ifdef __x86_64__
} __attribute__((packed));
#else
};
#endif

enum rni_ev {
        RNI_EV_IN = 1,
        RNI_EV_PRI = 2,
        RNI_EV_OUT = 4,
        RNI_EV_ERR = 8,
        RNI_EV_HUP = 16,
        RNI_EV_RDHUP = 0x2000
};

int rni_poller_new(void);                                  /* a set; close-on-exec */
/* both directions, edge-triggered. -EPERM: fd is nothing that can be waited for */
int rni_poller_add(int set, int fd, uint64_t data);
/* the same for one that is in the set: reports it anew if it is ready. -ENOENT: it is not */
int rni_poller_again(int set, int fd, uint64_t data);
int rni_poller_remove(int set, int fd);
/* until: monotonic ns; 0: does not wait; INT64_MAX: for ever. 0: the time is up, or -EINTR */
int rni_poller_wait(int set, struct rni_event *ev, int n, int64_t until);

/* An eventfd in the set, level-triggered: stays ready from a poke until it is drained. */
int  rni_poke_new(int set, uint64_t data);
void rni_poke(int fd);
void rni_poke_drain(int fd);

#endif
