/* SPDX-License-Identifier: MIT
 * Stacks smaller than a page, for goroutines whose frames are known: several lie in one page,
 * without a guard between them, so a canary tells afterwards who overran his. They are slots of
 * chunks, each of one class of sizes; a chunk whose slots are all free serves whatever class next
 * needs one, and is unmapped by a trim if none does, as stacks are given back (surplus.h).
 *
 *      chunk: [ struct chunk | room for a report ] [ canary | usable | header ] x nslots
 *
 * Usable is what was asked for and LIBRARY_ROOM, what the library itself puts on a goroutine's
 * stack between two switches: measured, at most 2.1 KiB with the caller's own frame, in a select in
 * whose turn a timer starts a goroutine; 1.6 in what else parks. The kernel's files, which tell
 * whether another goroutine fits into memory, are read into room elsewhere. Who dies on such a
 * stack prints a trace below it, over the neighbours, when no goroutine runs any more; the lowest
 * slot has the room for that in the chunk.
 *
 * Invariant: a slot is above its chunk's fresh mark, on its chunk's list, or in somebody's hands; a
 * chunk is in its class's list exactly while it has a slot to give and one in use, and in the list
 * of the unused while it has none in use. Callers: stack.c, trim. */
#include "sched/base/surplus.h"
#include "sched/mem/memlock.h"
#include "sched/mem/slots.h"
#include "sched/os/tools.h"

#ifdef __OPTIMIZE__
enum { FRAMES = 2048 };
#else
enum { FRAMES = 5120 };
#endif
#ifdef RNI_SWITCH_UCONTEXT
enum { CONTEXTS = 3072 };       /* a parked one and the first one lie on the stack */
#else
enum { CONTEXTS = 0 };
#endif
enum { LIBRARY_ROOM = FRAMES + CONTEXTS };
enum { CHUNK_BYTES = 128 * 1024, REPORT_ROOM = 16 * 1024, STEP = 256, CLASSES = SLOT_SMALL / STEP };
enum {
        UNUSED_MOST = 8,        /* chunks that always stay: a megabyte */
        TRIM = 16               /* chunks that are unmapped at a time */
};

struct chunk {
        struct chunk *next, *prev;      /* of its class, with slots to give, or of the unused, which
                                         * have no prev; under the lock */
        struct stack *free;             /* by their lo; under the lock */
        size_t fresh;                   /* slots from here on were never taken; under the lock */
        size_t nfree;                   /* all that are not in use; under the lock */
        size_t nslots;
        size_t class;
};

static a32 lock;
static struct chunk *with_free[CLASSES];        /* under the lock */
static struct chunk *unused;                    /* newest first; under the lock */
static a32 nunused;                             /* written under the lock */
static struct surplus surplus;                  /* of the unused; under the lock */
static aword bytes_mapped;

/* An odd number of cache lines: headers of neighbours do not share sets of the cache. */
static size_t slot_bytes(size_t class)
{
        size_t n = SLOT_CANARY + LIBRARY_ROOM + (class + 1) * STEP + SLOT_HEADER + RNI_LINE;

        return (n / RNI_LINE | 1) * RNI_LINE;
}

static char *slot_lo(struct chunk *c, size_t i)
{
        return (char *)c + REPORT_ROOM + i * slot_bytes(c->class);
}

static void link_chunk(struct chunk *c)
{
        struct chunk **head = &with_free[c->class];

        c->prev = NULL;
        c->next = *head;
        if (c->next)
                c->next->prev = c;
        *head = c;
}

static void unlink_chunk(struct chunk *c)
{
        *(c->prev ? &c->prev->next : &with_free[c->class]) = c->next;
        if (c->next)
                c->next->prev = c->prev;
}

static struct chunk *map_chunk(void)
{
        struct chunk *c = rni_vm_reserve(CHUNK_BYTES);

        if (c)
                fetch_add(&bytes_mapped, CHUNK_BYTES);
        return c;
}

static void unmap_chunk(struct chunk *c)
{
        fetch_add(&bytes_mapped, (size_t)0 - CHUNK_BYTES);
        rni_vm_free(c, CHUNK_BYTES);
}

static struct chunk *unused_pop(void)
{
        struct chunk *c = unused;

        if (c) {
                unused = c->next;
                store_rlx(&nunused, load_rlx(&nunused) - 1);    /* under the lock */
        }
        return c;
}

/* All slots of c are fresh ones of that class. */
static void begin_chunk(struct chunk *c, size_t class)
{
        c->class = class;
        c->nslots = c->nfree = (CHUNK_BYTES - REPORT_ROOM) / slot_bytes(class);
        c->fresh = 0;
        c->free = NULL;
        link_chunk(c);
}

/* A slot of c, which has one; under the lock. */
static char *take(struct chunk *c)
{
        struct stack *s = c->free;

        if (--c->nfree == 0)
                unlink_chunk(c);
        if (!s)
                return slot_lo(c, c->fresh++);
        c->free = (struct stack *)(void *)s->lo;
        return (char *)s + SLOT_HEADER + RNI_LINE / 2 - slot_bytes(c->class);
}

size_t rni_small_bytes(void)
{
        return load_rlx(&bytes_mapped); /* a number for statistics */
}

struct stack *rni_small_get(size_t usable)
{
        size_t class = (usable - 1) / STEP, size = slot_bytes(class);
        struct chunk *c;
        struct stack *s;
        char *lo;

        memlock_take(&lock);
        c = with_free[class];
        if (!c) {
                c = unused_pop();
                surplus_seen(&surplus, load_rlx(&nunused));     /* under the lock */
                if (!c) {
                        memlock_drop(&lock);
                        c = map_chunk();
                        if (!c)
                                return NULL;
                        memlock_take(&lock);
                }
                begin_chunk(c, class);
        }
        lo = take(c);
        memlock_drop(&lock);
        rni_guard_canaries();
        s = (struct stack *)(void *)slot_odd_at(lo + size - SLOT_HEADER);
        s->lo = s->floor = lo;
        s->hi = (char *)s;
        s->size = size;
        s->guard = RNI_GUARD_CANARY;
        s->chunk = c;
        rni_canary_write(lo);
        return s;
}

void rni_small_put(struct stack *s)
{
        struct chunk *c = s->chunk;

        memlock_take(&lock);
        s->lo = (char *)c->free;
        c->free = s;
        if (c->nfree++ == 0)
                link_chunk(c);
        if (c->nfree == c->nslots) {
                unlink_chunk(c);
                c->next = unused;
                unused = c;
                store_rlx(&nunused, load_rlx(&nunused) + 1);    /* under the lock */
        }
        memlock_drop(&lock);
}

bool rni_small_trim(bool of_period)
{
        struct chunk *c[TRIM];
        size_t spare, k = 0;
        bool more;

        if (load_rlx(&nunused) <= (of_period ? 0 : UNUSED_MOST))   /* a hint: the next one looks
                                                                    * again */
                return false;
        memlock_take(&lock);
        spare = surplus_spare(&surplus, of_period, UNUSED_MOST);
        while (k < spare && k < TRIM)
                c[k++] = unused_pop();
        more = surplus_trimmed(&surplus, of_period, UNUSED_MOST, spare, k,
                               load_rlx(&nunused));   /* under the lock */
        memlock_drop(&lock);
        for (size_t i = 0; i < k; i++)
                unmap_chunk(c[i]);
        return more;
}

size_t rni_small_surplus(void)
{
        return load_rlx(&nunused);              /* a hint */
}
