/* SPDX-License-Identifier: MIT
 * Goroutine stacks. Default-size stacks are slots of large slabs: 256 KiB of addresses each
 * (RUNNEL_STACK), of which the lowest 64 KiB are guard; only touched pages are resident. Freed ones
 * are cached per P, then in a global list; surplus ones stay resident until rni_stack_trim. A stack
 * of another size is a mapping of its own, one of less than a page a part of one. The header lies
 * at the very top of the stack, in the page that is resident anyway.
 *
 * Invariant: a stack is in exactly one place: bound to one goroutine, in one cache, or on the
 * global list. */
#ifndef RNI_MEM_STACK_H
#define RNI_MEM_STACK_H

#include "sched/arch/arch.h"
#include "sched/base/atomic.h"

struct stack {
        size_t index;             /* of the slot in its slab */
        union {
                struct slab *slab;        /* of which it is a slot */
                struct odd_node *node;    /* by which an odd one is found */
                struct chunk *chunk;      /* of a small one */
        };
        char *lo;                 /* lowest address, where the guard begins */
        char *floor;              /* lowest usable address: lo + guard */
        /* where frames begin: at or below this header; differs from slot to slot by a few cache
         * lines so that hot frames of many goroutines do not all fall into the same sets of the
         * first-level cache */
        char *hi;
        size_t size;              /* usable bytes plus guard, as mapped */
        unsigned guard;           /* RNI_GUARD_* */
        void *san_fiber;          /* TSan's fiber, ASan's fake stack: owned by core */
        void *san_fake;
        struct rn_call scratch;   /* what rni_capture_stub writes while this stack runs */
};
enum { RNI_STACK_LEAST = 16 * 1024 };    /* no smaller usable size, but for small ones */

/* Too small for what is not an ordinary call: a dump, a report. */
static inline bool rni_stack_small(const struct stack *s)
{
        return s->size > 0 && s->size < RNI_STACK_LEAST;   /* 0: the process's own */
}

_Static_assert(sizeof(void *) == 4 || offsetof(struct stack, scratch) == 72,
               "assembly knows it as RNI_STACK_SCRATCH_OFF");

/* Fresh slots set aside for one taker: guarded, never touched. */
struct stack_run { struct slab *slab; size_t at, end; };

/* One per P, owner only. An array of addresses, so that a stack that is moved on is not touched. */
enum { RNI_STACK_CACHED = 64 };
struct stack_cache {
        unsigned n;
        struct stack_run run;
        struct stack *s[RNI_STACK_CACHED];        /* newest last */
};

/* reads RUNNEL_STACK, finds which guard the kernel has */
void rni_stack_init(void);
/* usable bytes of a default stack, without the guard (196,608) */
size_t rni_stack_default(void);
/* fast path: NULL when the cache is empty */
struct stack *rni_stack_get_cached(struct stack_cache *c);
/* slow path: size 0 = default, otherwise usable bytes, and less than 4,096 are the caller's own:
 * what the library puts on it comes on top; NULL when memory or addresses are out. c may be NULL.
 * Refills c. */
struct stack *rni_stack_get(struct stack_cache *c, size_t size);
/* s is no longer run on. It is the newest in c; surplus leaves from the oldest. No system call for
 * a default stack; one of another size is unmapped. c may be NULL. */
void rni_stack_put(struct stack_cache *c, struct stack *s);
/* Gives the pages of some surplus stacks, at most 512, back to the system; false: nothing more to
 * do. unused: all that nobody has wanted since the last such call that returned false, instead of
 * what is above a rest that always stays. A load if there is no surplus. Any thread; for who has
 * nothing better to do. */
bool rni_stack_trim(bool unused);
/* The same for what the next burst of small stacks would find, chunks without any in use, and how
 * many there are. */
bool   rni_small_trim(bool unused);
size_t rni_small_surplus(void);
/* How many lie where all find them. */
size_t rni_stack_surplus(void);
/* Everything to where all find it: a P goes, or somebody waits for a stack. Returns how many. */
size_t rni_stack_cache_flush(struct stack_cache *c);
/* is addr in some stack's guard? safe in a signal handler; *owner: its header, NULL when that
 * slot is not in use. False for stacks that only have a canary. */
bool rni_stack_guard_hit(const void *addr, struct stack **owner);
/* guard RNI_GUARD_CANARY only: the canary above lo was overwritten. As long as no stack has one, no
 * header is read. */
extern a32 rni_guard_canary_seen;   /* guard.c */
bool rni_stack_canary_look(const struct stack *s);
static inline bool rni_stack_canary_dead(const struct stack *s)
{
        return unlikely(load_rlx(&rni_guard_canary_seen) != 0) &&   /* rlx: only ever set */
               rni_stack_canary_look(s);
}
unsigned rni_stack_guard_kind(void);                 /* what new stacks get now */
/* default stacks bound now or in some P's cache */
size_t rni_stack_in_use(void);
/* bytes of addresses taken from the system for stacks */
size_t rni_stack_bytes(void);

#endif
