/* SPDX-License-Identifier: MIT
 * Stacks on their way: from a P's cache (no lock, newest first, so the hot one comes back), through
 * the global list, to the slabs. A cache that overflows sends its older half to the list as one
 * batch; a cache that is empty takes the newest batch. The addresses in a batch lie in the memory
 * of its first stack, so moving one touches a few lines of that stack and none of the others.
 *
 * Stacks on the list stay resident: a million goroutines that end make no system call, and the next
 * burst finds their stacks as they are. rni_stack_trim gives back what nobody needs: of the stacks
 * that have been on the list all the time since the last trim (a low-water mark says how many)
 * those above LIST_MOST, the oldest first. So trims some time apart spare what comes and goes
 * between them, and trims in a row, by who is idle, bring a burst of any size back down to
 * LIST_MOST. Those that were on the list for a whole period go down to the last one.
 *
 * Invariant: a stack is in exactly one of these places or bound to one goroutine. The list is under
 * the lock. Callers: core/spawn, core/sched, core/idle, boot, panic. */
#include <stdlib.h>
#include <string.h>

#include "sched/base/surplus.h"
#include "sched/mem/memlock.h"
#include "sched/mem/slots.h"
#include "sched/os/tools.h"

enum {
        /* How many stacks always keep their pages on the global list. TSan's fibers go with the
         * headers: under it all do. */
        LIST_MOST = RNI_TSAN ? 1 << 30 : 1024,
};
_Static_assert(RNI_STACK_CACHED == 2 * SLOT_BATCH, "overflow moves half of the cache");

/* Lies right below the header of s[0]. */
struct batch {
        struct batch *older, *newer;
        size_t n;                       /* 1 to SLOT_BATCH */
        struct stack *s[SLOT_BATCH];    /* newest last */
};

static a32 lock;
static struct batch *newest, *oldest;   /* under the lock */
static struct surplus surplus;          /* of the list; under the lock */
static aword list_n;                    /* stacks in batches; written under the lock */
static a32 trims;                       /* odd: stacks are on their way from the list to the
                                         * slabs */
static size_t usable_default = 196608;

/* Word by word: TSan would watch a memcpy, and take what a lock it does not know protects, or a P
 * owns, for a race. */
static void copy_stacks(struct stack **to, struct stack *const *from, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                to[i] = from[i];
                rni_compiler_barrier();         /* or the compiler makes it a memcpy */
        }
}

/* "65536", "64K", "1M"; 0 when it is none of that. */
static size_t parse_size(const char *s)
{
        char *end;
        unsigned long n = strtoul(s, &end, 10);
        unsigned shift = *end == 'K' || *end == 'k' ? 10 : *end == 'M' || *end == 'm' ? 20 : 0;

        if (end == s || *s == '-' || end[shift != 0] != 0 || n > SIZE_MAX >> 2 >> shift)
                return 0;
        return (size_t)n << shift;
}

static size_t round_usable(size_t n)
{
        if (n < SLOT_LEAST)
                n = SLOT_LEAST;
        return (n + rni_page - 1) / rni_page * rni_page;
}

void rni_stack_init(void)
{
        const char *env = rni_os_env("RUNNEL_STACK");
        size_t n = env ? parse_size(env) : 0;

        if (n > 0)
                usable_default = n;
        usable_default = round_usable(usable_default);
        rni_guard_init(usable_default);
        rni_slab_init(usable_default);
}

size_t rni_stack_default(void)
{
        return usable_default;
}

unsigned rni_stack_guard_kind(void)
{
        return rni_guard_kind();
}

size_t rni_stack_bytes(void)
{
        return rni_slab_bytes() + rni_odd_bytes() + rni_small_bytes();
}

size_t rni_stack_in_use(void)
{
        size_t idle = load_rlx(&list_n);        /* the two numbers are read one after the other: an
                                                 * estimate */
        size_t out = rni_slab_out();

        return out > idle ? out - idle : 0;
}

char *rni_slot_header_at(char *lo, size_t size, size_t index)
{
        return lo + size - SLOT_HEADER - index % SLOT_COLOURS * RNI_LINE;
}

struct stack *rni_slot_header(char *top, char *lo, size_t size, unsigned guard)
{
        struct stack *s = (struct stack *)(void *)top;

        s->lo = lo;
        s->floor = lo + rni_guard_size();
        s->hi = top;
        s->size = size;
        s->guard = guard;
        if (guard == RNI_GUARD_CANARY)
                rni_canary_write(s->floor);
        return s;
}

static struct stack *bind(struct stack *s)
{
        rni_tool_bind(s->floor, s->hi);
        return s;
}

struct stack *rni_stack_get_cached(struct stack_cache *c)
{
        struct stack *s;

        if (unlikely(c->n == 0))
                return NULL;
        s = c->s[--c->n];
        if (likely(c->n > 0))
                __builtin_prefetch(c->s[c->n - 1], 1);
        return bind(s);
}

/* -- the global list -- */

static void unlink_batch(struct batch *b)
{
        *(b->older ? &b->older->newer : &oldest) = b->newer;
        *(b->newer ? &b->newer->older : &newest) = b->older;
}

static void list_count(size_t n)
{
        store_rlx(&list_n, n);                  /* under the lock */
        surplus_seen(&surplus, n);
}

/* The newest batch, or its newest n stacks. */
static size_t list_take(struct stack **out, size_t n)
{
        struct batch *b;

        if (load_acq(&list_n) == 0)             /* acq: before none_left looks. One that comes right
                                                 * now serves the next caller */
                return 0;
        memlock_take(&lock);
        b = newest;
        n = !b ? 0 : n < b->n ? n : b->n;
        if (n > 0) {
                copy_stacks(out, b->s + b->n - n, n);
                b->n -= n;
                if (b->n == 0)
                        unlink_batch(b);
                list_count(load_rlx(&list_n) - n);      /* under the lock */
        }
        memlock_drop(&lock);
        return n;
}

/* Nobody runs on these n <= SLOT_BATCH stacks. */
static rni_noinline void list_put(struct stack *const *s, size_t n)
{
        struct batch *b = (struct batch *)(void *)s[0] - 1;

        rni_tool_reuse(b, b + 1);
        copy_stacks(b->s, s, n);
        b->n = n;
        b->newer = NULL;
        memlock_take(&lock);
        b->older = newest;
        *(newest ? &newest->newer : &oldest) = b;
        newest = b;
        store_rlx(&list_n, load_rlx(&list_n) + n);      /* under the lock */
        memlock_drop(&lock);
}

/* Takes the oldest batches of what may go off the list; out has room for SLOT_TRIM. *more: that was
 * not all. */
static size_t list_surplus(struct stack **out, bool unused, bool *more)
{
        size_t spare, k = 0;

        memlock_take(&lock);
        spare = surplus_spare(&surplus, unused, LIST_MOST);
        while (k < spare && k + oldest->n <= SLOT_TRIM) {
                copy_stacks(out + k, oldest->s, oldest->n);
                k += oldest->n;
                unlink_batch(oldest);
        }
        list_count(load_rlx(&list_n) - k);      /* under the lock */
        *more = surplus_trimmed(&surplus, unused, LIST_MOST, spare, k,
                                load_rlx(&list_n));   /* under the lock */
        memlock_drop(&lock);
        return k;
}

bool rni_stack_trim(bool unused)
{
        static struct stack *s[SLOT_TRIM];      /* whoever made trims odd */
        unsigned now;
        bool more;
        size_t n;

        if (likely(load_rlx(&list_n) <= (unused && !RNI_TSAN ? 0 : LIST_MOST)))   /* a hint */
                return false;   /* the next one looks again */
        now = load_rlx(&trims);                 /* a hint: the cas decides */
        if (now % 2 != 0 || !cas(&trims, now, now + 1))
                return false;
        n = list_surplus(s, unused, &more);
        if (n > 0)
                rni_slab_drop(s, n);
        store_rel(&trims, now + 2);             /* rel: done with s; pairs with the cas, and acq in
                                                 * none_left */
        return more;
}

size_t rni_stack_surplus(void)
{
        return RNI_TSAN ? 0 : load_rlx(&list_n);        /* a hint */
}

/* -- taking and putting -- */

/* Neither the list nor a slab had any: and none was between the two since `before`? */
static bool none_left(unsigned before)
{
        for (unsigned tries = 1; load_acq(&trims) % 2 != 0; tries++)   /* acq: pairs with rel in
                                                                        * rni_stack_trim */
                rni_cpu_wait(tries);
        return load_rlx(&trims) == before;      /* ordered by the locks taken since */
}

/* A few for c, or one: what is scarce is not cached. */
static void refill(struct stack_cache *c, bool one)
{
        size_t n, want = one || rni_slab_scarce() ? 1 : SLOT_BATCH;
        unsigned before;

        do {
                before = load_acq(&trims);      /* acq: as above */
                n = list_take(c->s, want);
                if (n == 0)
                        n = rni_slab_take(&c->run, c->s, want);
        } while (n == 0 && !none_left(before));
        c->n = (unsigned)n;
}

/* Instrumented frames are larger than anybody knows. */
static bool small(size_t size)
{
        return size < SLOT_SMALL && !RNI_ASAN && !RNI_TSAN && !rni_tool_on_valgrind();
}

struct stack *rni_stack_get(struct stack_cache *c, size_t size)
{
        struct stack_cache one = { .n = 0 };

        if (size != 0 && size > SIZE_MAX / 2)
                return NULL;
        if (size != 0 && (small(size) || round_usable(size) != usable_default)) {
                struct stack *s = small(size) ? rni_small_get(size)
                                              : rni_odd_get(round_usable(size));
                return s ? bind(s) : NULL;
        }
        if (!c)
                c = &one;
        if (c->n == 0)
                refill(c, c == &one);
        return rni_stack_get_cached(c);
}

static rni_noinline void overflow(struct stack_cache *c)
{
        list_put(c->s, SLOT_BATCH);
        c->n -= SLOT_BATCH;
        copy_stacks(c->s, c->s + SLOT_BATCH, SLOT_BATCH);
}

void rni_stack_put(struct stack_cache *c, struct stack *s)
{
        rni_tool_unbind(s->floor, s->hi);
        if (unlikely(slot_odd(s))) {
                if (rni_stack_small(s))
                        rni_small_put(s);
                else
                        rni_odd_put(s);
                return;
        }
        if (unlikely(!c)) {
                list_put(&s, 1);
                return;
        }
        if (unlikely(c->n == RNI_STACK_CACHED))
                overflow(c);
        c->s[c->n++] = s;
}

size_t rni_stack_cache_flush(struct stack_cache *c)
{
        size_t n = c->n + (c->run.end - c->run.at);

        rni_slab_give(&c->run);
        for (unsigned i = 0; i < c->n; i += SLOT_BATCH)
                list_put(c->s + i, c->n - i < SLOT_BATCH ? c->n - i : SLOT_BATCH);
        c->n = 0;
        return n;
}

bool rni_stack_guard_hit(const void *addr, struct stack **owner)
{
        *owner = NULL;
        return rni_slab_guard_hit(addr, owner) || rni_odd_guard_hit(addr, owner);
}

bool rni_stack_canary_look(const struct stack *s)
{
        return s->guard == RNI_GUARD_CANARY && rni_canary_dead(s->floor);
}
