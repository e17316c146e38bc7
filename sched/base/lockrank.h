/* SPDX-License-Identifier: MIT
 * The order of all locks: whoever holds a lock may take only locks of a higher rank. Two
 * exceptions, in ascending address order: select locks several hchans, a retiring P's timers move
 * with both heaps locked. Checked at run time under --enable-debug (sched/core/lock.h).
 *
 *   SIGNAL  who watches signals              a signal is sent to channels, and contexts are held,
 *                                            inside
 *   CTX     one context                      cancel closes its done channel and takes semaphores
 *                                            inside; never two at once
 *   HCHAN   one channel                      taken by channel operations; a timer channel starts
 *                                            and stops its timer inside
 *   SYNC    one synchronisation object       as HCHAN; a WaitGroup's is a bit, not a struct lock.
 *                                            Also one descriptor, which starts and stops its
 *                                            timers inside
 *   SCHED   global queue, idle Ms and Ps     taken by ready, find_runnable, maxprocs
 *   TIMERS  one P's timer heap               taken under SCHED by the deadlock check
 *   LEAF    slabs, stack lists, free lists   nothing is taken inside */
#ifndef RNI_BASE_LOCKRANK_H
#define RNI_BASE_LOCKRANK_H

enum lock_rank {
        RANK_NONE,
        RANK_SIGNAL,
        RANK_CTX,
        RANK_HCHAN,
        RANK_SYNC,
        RANK_SCHED,
        RANK_TIMERS,
        RANK_LEAF
};

#endif
