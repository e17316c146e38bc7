/* SPDX-License-Identifier: MIT
 * The order of all locks: whoever holds a lock may take only locks of a higher rank. One exception: select locks several hchans, in
 * ascending address order. Checked at run time under --enable-debug (sched/core/lock.h).
 *
 *   HCHAN   one channel                      taken by channel operations; nothing but LEAF locks inside
 *   SYNC    the lock bit of a WaitGroup      as HCHAN; it is a bit, not a struct lock
 *   SCHED   global queue, idle Ms and Ps     taken by ready, find_runnable, maxprocs
 *   TIMERS  one P's timer heap               taken under SCHED by the deadlock check
 *   LEAF    slabs, stack lists, free lists   nothing is taken inside */
#ifndef RNI_BASE_LOCKRANK_H
#define RNI_BASE_LOCKRANK_H

enum lock_rank { RANK_NONE, RANK_HCHAN, RANK_SYNC, RANK_SCHED, RANK_TIMERS, RANK_LEAF };

#endif
