/* SPDX-License-Identifier: MIT
 * The global run queue: what overflows a P's ring, and what is readied without a P. It holds
 * addresses in blocks, so that a batch of Gs changes hands without anybody looking at the Gs: a
 * list linked through them would cost its consumer a cache miss for each, with the lock held. Gs
 * that were started one after the other are neighbours, and queued as one run: a million that have
 * not run yet cost their descriptors and next to nothing here.
 *
 * Invariant, under sched.lock: gq_n is the number of Gs in all blocks and links; each block but the
 * last is full up to its end, and none is empty. Blocks that came free are kept until a trim. When
 * no memory is to be had for another, the Gs are linked after all; those go first, so that they do
 * not wait for ever behind the blocks. */
#ifndef RNI_CORE_GQ_H
#define RNI_CORE_GQ_H

#include "sched/core/g.h"

/* a page: malloc would keep it */
enum { GQ_BLOCK = (4096 - 2 * sizeof(void *)) / sizeof(void *) };
/* longest run: what the low bits of a slot's address can count */
enum { GQ_RUN = RNI_GSLOT_ALIGN };

struct gq_block {
        struct gq_block *next;
        unsigned first, end;           /* run[first..end-1] are queued */
        uintptr_t run[GQ_BLOCK];       /* the first one's address, which is a multiple of GQ_RUN,
                                        * and how many descriptors follow it */
};

struct gq {
        struct gq_block *head, *tail, *spare;
        struct g_list links;
};

struct p;

/* n RUNNABLE Gs to the end of the queue. No lock held; the caller then calls rni_wake_p. */
void rni_gq_put(struct g *const *g, unsigned n);
/* The same with a list, which is empty afterwards. */
void rni_gq_put_list(struct g_list *l);
/* The same with sched.lock held: ahead of the others. For few, and seldom. */
void rni_gq_put_locked(struct g_list *l);
/* One to run, p's share of the others into its ring; NULL: empty. */
struct g *rni_gq_get(struct p *p);
/* The same for a P with work of its own, every so often: a few, so that a long global queue does
 * not starve behind local work that never ends; with a small frame, because it is called on
 * goroutines' stacks. */
struct g *rni_gq_get_few(struct p *p);
/* Frees the blocks that are not in use. */
void rni_gq_trim(void);

#endif
