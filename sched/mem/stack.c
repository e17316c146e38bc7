/* SPDX-License-Identifier: MIT
 * Stacks on their way: from a P's cache (no lock, newest first, so the hot one comes back), through
 * the global list, to the slabs. A cache that overflows sends its older half to the global list;
 * what that does not want gives its pages back. Invariant: a stack is in exactly one of these
 * places or bound to one goroutine. The global list is under the lock. Callers: core/spawn,
 * core/sched, boot, panic. */
#include <stdlib.h>
#include <string.h>

#include "sched/mem/memlock.h"
#include "sched/mem/slots.h"
#include "sched/os/tools.h"

enum {
        CACHE_MOST = 64,
        /* How many stacks keep their pages on the global list. TSan's fibers go with the headers:
         * under it all do. */
        LIST_MOST = RNI_TSAN ? 1 << 30 : 1024,
};
_Static_assert(CACHE_MOST == 2 * SLOT_BATCH, "overflow moves half of the cache");

static a32 lock;
static struct stack *list;              /* under the lock; newest first */
static aword list_n;                    /* written under the lock */
static size_t usable_default = 196608;

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
        rni_guard_init();
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
        return rni_slab_bytes() + rni_odd_bytes();
}

size_t rni_stack_in_use(void)
{
        size_t idle = load_rlx(&list_n);        /* the two numbers are read one after the other: an estimate */
        size_t out = rni_slab_out();

        return out > idle ? out - idle : 0;
}

char *rni_slot_header_at(char *lo, size_t size, size_t index)
{
        return lo + size - SLOT_HEADER - index % SLOT_COLOURS * RNI_LINE;
}

struct stack *rni_slot_header(char *lo, size_t size, unsigned guard, size_t index)
{
        char *top = rni_slot_header_at(lo, size, index);
        struct stack *s = (struct stack *)(void *)top;

        *s = (struct stack){ .lo = lo, .floor = lo + rni_guard_size(), .hi = top, .size = size, .guard = guard };
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
        struct stack *s = c->head;

        if (unlikely(!s))
                return NULL;
        c->head = s->next;
        c->n--;
        return bind(s);
}

static size_t list_take(struct stack **out, size_t n)
{
        size_t k = 0;

        if (load_rlx(&list_n) == 0)             /* a hint: one that comes right now serves the next caller */
                return 0;
        memlock_take(&lock);
        for (; k < n && list; k++) {
                out[k] = list;
                list = list->next;
        }
        store_rlx(&list_n, load_rlx(&list_n) - k);      /* under the lock */
        memlock_drop(&lock);
        return k;
}

/* Puts a chain on the list as far as there is room for it; returns the rest. */
static struct stack *list_put(struct stack *s)
{
        size_t n;

        memlock_take(&lock);
        n = load_rlx(&list_n);                  /* under the lock */
        while (s && n < LIST_MOST) {
                struct stack *next = s->next;
                s->next = list;
                list = s;
                s = next;
                n++;
        }
        store_rlx(&list_n, n);                  /* under the lock */
        memlock_drop(&lock);
        return s;
}

/* A chain that leaves a cache for good. */
static rni_cold void give(struct stack *s)
{
        s = list_put(s);
        while (s) {
                struct stack *batch[SLOT_BATCH];
                size_t n = 0;
                for (; s && n < SLOT_BATCH; s = s->next)
                        batch[n++] = s;
                rni_slab_drop(batch, n);
        }
}

struct stack *rni_stack_get(struct stack_cache *c, size_t size)
{
        struct stack *batch[SLOT_BATCH], *s;
        size_t want = c ? SLOT_BATCH : 1, n;

        if (size != 0 && size > SIZE_MAX / 2)
                return NULL;
        if (size != 0 && round_usable(size) != usable_default) {
                s = rni_odd_get(round_usable(size));
                return s ? bind(s) : NULL;
        }
        if (c && (s = rni_stack_get_cached(c)) != NULL)
                return s;
        n = list_take(batch, want);
        if (n == 0)
                n = rni_slab_take(batch, want);
        if (n == 0)
                return NULL;
        for (size_t i = n; i-- > 1; ) {                 /* the lowest address comes out first */
                batch[i]->next = c->head;
                c->head = batch[i];
                c->n++;
        }
        return bind(batch[0]);
}

/* The newer half and the one just put stay. */
static rni_noinline void overflow(struct stack_cache *c)
{
        struct stack *s = c->head, *rest;

        for (unsigned i = c->n - SLOT_BATCH; i > 1; i--)
                s = s->next;
        rest = s->next;
        s->next = NULL;
        c->n -= SLOT_BATCH;
        give(rest);
}

static void put_odd(struct stack_cache *c, struct stack *s)
{
        if (!c)
                rni_odd_put(s);
        else
                c->odd = s;
}

void rni_stack_put(struct stack_cache *c, struct stack *s)
{
        rni_tool_unbind(s->floor, s->hi);
        if (c && unlikely(c->odd != NULL)) {            /* its last runner has put another stack since, so it has left */
                rni_odd_put(c->odd);
                c->odd = NULL;
        }
        if (unlikely(s->odd)) {
                put_odd(c, s);
                return;
        }
        s->next = c ? c->head : NULL;
        if (!c) {
                give(s);
                return;
        }
        c->head = s;
        if (unlikely(++c->n > CACHE_MOST))
                overflow(c);
}

void rni_stack_cache_flush(struct stack_cache *c)
{
        struct stack *s = c->head;

        if (c->odd)
                rni_odd_put(c->odd);
        *c = (struct stack_cache){ 0 };
        if (s)
                give(s);
}

bool rni_stack_guard_hit(const void *addr, struct stack **owner)
{
        *owner = NULL;
        return rni_slab_guard_hit(addr, owner) || rni_odd_guard_hit(addr, owner);
}

bool rni_stack_canary_dead(const struct stack *s)
{
        return s->guard == RNI_GUARD_CANARY && rni_canary_dead(s->floor);
}
