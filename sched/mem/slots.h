/* SPDX-License-Identifier: MIT
 * Private to sched/mem: the parts that stack.c puts together. guard.c protects the low end of
 * stacks, slab.c cuts default stacks out of slabs, odd.c maps the others one by one, small.c puts
 * those together that are less than a page. */
#ifndef RNI_MEM_SLOTS_H
#define RNI_MEM_SLOTS_H

#include "sched/mem/stack.h"
#include "sched/os/os.h"

enum {
        SLOT_GUARD = 64 * 1024,         /* one page would be stepped over by a buffer of PATH_MAX */
        SLOT_GUARD_LEAST = 16 * 1024,   /* of stacks made small: a third of what is usable, but not
                                         * less */
        SLOT_LEAST = RNI_STACK_LEAST,
        SLOT_SMALL = 4096,              /* less than this is a slot in a page with others */
        SLOT_CANARY = 128,
        SLOT_BATCH = 32,                /* stacks that move between two places at a time */
        SLOT_RUN = 512,                 /* fresh slots set aside for one taker, at most */
        SLOT_TRIM = 512,                /* stacks that give their pages back at a time */
        SLOT_COLOURS = 16,
        SLOT_HEADER = (sizeof(struct stack) + RNI_LINE - 1) / RNI_LINE * RNI_LINE,
};

/* Writes the header of the stack at lo, of size bytes with its guard; the memory is zero. Hot
 * headers and frames of many goroutines would all fall into the same sets of the first-level cache
 * if they all had the same offset in their page: index picks one of a few. */
struct stack *rni_slot_header(char *top, char *lo, size_t size, unsigned guard);
char *rni_slot_header_at(char *lo, size_t size, size_t index);

/* Is s of another size than the default, not a slab's? Half a cache line in its address tells: the
 * header of a stack that has been idle for long is not worth a miss. */
static inline char *slot_odd_at(char *top)
{
        return top - RNI_LINE / 2;
}

static inline bool slot_odd(const struct stack *s)
{
        return (uintptr_t)s % RNI_LINE != 0;
}

/* -- guard.c -- */
void   rni_guard_init(size_t usable);                           /* of a default stack */
size_t rni_guard_size(void);
unsigned rni_guard_kind(void);
/* Guards the low ends of n stacks; kind[i] says what each got. */
void   rni_guard_make(void *const *lo, size_t n, unsigned char *kind);
void   rni_guard_gone(unsigned kind);                           /* such a guard was unmapped */
void   rni_guard_canaries(void);                                /* from now on some stack has a
                                                                 * canary */
void   rni_canary_write(char *floor);
bool   rni_canary_dead(const char *floor);

/* -- slab.c -- */
void   rni_slab_init(size_t usable);
/* up to n <= SLOT_BATCH stacks, 0 when memory is out; n > 1 may set more aside in r */
size_t rni_slab_take(struct stack_run *r, struct stack **out, size_t n);
void   rni_slab_give(struct stack_run *r);                      /* what is set aside goes back */
/* n <= SLOT_TRIM: gives back their pages, headers and all; one caller at a time. Sorts s. */
void   rni_slab_drop(struct stack **s, size_t n);
/* maps slabs until there are n slots, or as many as can be; returns how many there are */
size_t rni_slab_reserve(size_t n);
size_t rni_slab_count(void);                                    /* slots of all slabs */
size_t rni_slab_room(void);                                     /* how many more could be mapped,
                                                                 * about */
bool   rni_slab_scarce(void);                                   /* none could when one was last
                                                                 * wanted */
size_t rni_slab_out(void);                                      /* slots taken and not dropped */
size_t rni_slab_bytes(void);
bool   rni_slab_guard_hit(const char *addr, struct stack **owner);

/* -- odd.c -- */
struct stack *rni_odd_get(size_t usable);
void   rni_odd_put(struct stack *s);
size_t rni_odd_bytes(void);
bool   rni_odd_guard_hit(const char *addr, struct stack **owner);

/* -- small.c -- */
/* less than SLOT_SMALL bytes for the caller's own frames */
struct stack *rni_small_get(size_t usable);
void   rni_small_put(struct stack *s);
size_t rni_small_bytes(void);

#endif
