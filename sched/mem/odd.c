/* SPDX-License-Identifier: MIT
 * Stacks of other than the default size: a mapping each, gone when put back. A signal handler looks
 * for them through a list of nodes that only grows; a node outlives its stack and serves the next
 * one. Invariant: a node's lo is 0 exactly when it is free. Callers: stack.c. */
#include "sched/mem/memlock.h"
#include "sched/mem/slots.h"
#include "sched/os/tools.h"

struct odd_node {
        struct odd_node *next;              /* the list of all; written before it is published */
        struct odd_node *next_free;         /* under the lock */
        aword lo;                       /* of the stack, 0 = none */
        struct stack *owner;            /* valid while lo is not 0 */
        unsigned valgrind_id;
};
enum { NODES_BYTES = 64 * 1024 };

static a32 lock;
static aword all;                       /* struct odd_node *; grows at the head */
static struct odd_node *free_nodes;         /* under the lock */
static struct odd_node *fresh;              /* under the lock: room for nodes never used */
static size_t nfresh;
static aword bytes_mapped, count;

static struct odd_node *new_node(void)
{
        struct odd_node *d;

        if (nfresh == 0) {
                fresh = rni_vm_reserve(NODES_BYTES);
                if (!fresh)
                        return NULL;
                nfresh = NODES_BYTES / sizeof *fresh;
        }
        d = fresh++;
        nfresh--;
        d->next = (struct odd_node *)load_rlx(&all);        /* under the lock */
        store_rel(&all, aptr(d));       /* rel: next is set; pairs with acq in rni_odd_guard_hit */
        return d;
}

static struct odd_node *take_node(void)
{
        struct odd_node *d;

        memlock_take(&lock);
        d = free_nodes;
        if (d)
                free_nodes = d->next_free;
        else
                d = new_node();
        memlock_drop(&lock);
        return d;
}

static void give_node(struct odd_node *d)
{
        store_rlx(&d->lo, 0);           /* a handler that still sees it meets an address nobody
                                         * uses */
        memlock_take(&lock);
        d->next_free = free_nodes;
        free_nodes = d;
        memlock_drop(&lock);
}

size_t rni_odd_bytes(void)
{
        return load_rlx(&bytes_mapped); /* a number for statistics */
}

struct stack *rni_odd_get(size_t usable)
{
        size_t size = rni_guard_size() + usable;
        struct odd_node *d = take_node();
        unsigned char kind;
        void *lo;

        if (!d)
                return NULL;
        lo = rni_vm_reserve(size);
        if (!lo) {
                give_node(d);
                return NULL;
        }
        rni_guard_make(&lo, 1, &kind);
        d->owner = rni_slot_header(slot_odd_at(rni_slot_header_at(lo, size, fetch_add(&count, 1))),
                                   lo, size, kind);
        d->owner->node = d;
        d->valgrind_id = rni_tool_stack((char *)lo + rni_guard_size(), (char *)lo + size);
        fetch_add(&bytes_mapped, size);
        store_rel(&d->lo, aptr(lo));    /* rel: owner is set; pairs with acq in rni_odd_guard_hit */
        return d->owner;
}

void rni_odd_put(struct stack *s)
{
        struct odd_node *d = s->node;
        size_t size = s->size;
        unsigned kind = s->guard;

        fetch_add(&bytes_mapped, (size_t)0 - size);
        rni_tool_stack_gone(d->valgrind_id);
        give_node(d);
        rni_vm_free(s->lo, size);
        rni_guard_gone(kind);
}

bool rni_odd_guard_hit(const char *addr, struct stack **owner)
{
        const struct odd_node *d =
                (const struct odd_node *)load_acq(&all);   /* acq: pairs with rel in new_node */

        for (; d; d = d->next) {
                uintptr_t lo = load_acq(&d->lo);        /* acq: pairs with rel in rni_odd_get */
                if (lo == 0 || (uintptr_t)addr < lo || (uintptr_t)addr - lo >= rni_guard_size())
                        continue;
                *owner = d->owner;
                return d->owner->guard != RNI_GUARD_CANARY;
        }
        return false;
}
