/* SPDX-License-Identifier: MIT
 * Default stacks: slots of slabs. A slab is one mapping, never unmapped; its slots are handed out
 * in order of address, and dropped ones, whose pages went back to the system, again. The book about
 * the slots lies above them in the same mapping, where no stack grows, each part on pages of its
 * own.
 *
 *      slab: [ guard | usable, header at its top | spare page? ] x nslots [ dropped[] ] [ kind[] ]
 *
 * What the book writes is little: a bit for each slot that was ever dropped, and nothing about
 * light guards; and the bits go, too, while all slots that were ever taken are dropped.
 *
 * Invariant: a slot is fresh (index >= fresh), set aside in somebody's run, in dropped[], or in
 * somebody's hands. Guards survive dropping. Taking and listing is under the lock; guarding, first
 * touches and giving back are not. Callers: stack.c, and gslab.c, which has a slot mapped for each
 * descriptor. */
#include <string.h>

#include "sched/mem/memlock.h"
#include "sched/mem/slots.h"
#include "sched/os/tools.h"

enum { SLABS = 4096, GUARD_BATCH = 128, WORD_BITS = sizeof(size_t) * 8 };
enum { TOUCH = 4 };     /* fresh slots that become resident at a time */
static const size_t slab_least = (size_t)64 << 20;      /* the sizes grow with the total, so the
                                                         * table does not fill up */
static const size_t slab_many = (size_t)1 << 30;        /* from here on each costs more, by its
                                                         * book, than addresses do */
static const size_t slab_most = (size_t)1 << (sizeof(size_t) == 8 ? 36 : 26);

struct slab {
        char *base;                     /* first slot */
        char *end;                      /* behind the last one */
        size_t nslots;
        size_t fresh;                   /* slots below were handed out or set aside once; under the
                                         * lock */
        size_t ndropped;                /* under the lock */
        size_t low;                     /* no word below has a bit; under the lock */
        struct slab *next;              /* the next one with dropped slots; under the lock */
        size_t *dropped;                /* a bit for each guarded slot without header; under the
                                         * lock */
        bool unwritten;                 /* all slots below fresh are dropped, and the bits may read
                                         * as 0; under the lock */
        unsigned char *kind;            /* of each slot below fresh: its guard's RNI_GUARD_*, 0 for
                                         * LIGHT; written by its first taker */
};

/* One slot on its way out of or into a slab. */
struct slot { struct slab *slab; size_t index; };

static a32 lock;
static struct slab slabs[SLABS];        /* what never changes once counted is read by signal
                                         * handlers, too */
static a32 nslabs;
static struct slab *with_dropped;       /* under the lock */
static aword slots_all;                 /* of all slabs; written under the lock */
static unsigned filling;                /* the slab fresh slots come from; under the lock */
static a32 scarce;                      /* no slab could be mapped when one was last wanted; written
                                         * under the lock */
static aword slots_out;
static aword bytes_mapped;              /* written under the lock */
static size_t slot_size;                /* guard and usable */
static size_t stride;                   /* from slot to slot */

/* An odd number of pages from slot to slot: with a power of two the hot pages of all stacks would
 * share a few sets of the TLB. The spare page is never touched. */
void rni_slab_init(size_t usable)
{
        slot_size = rni_guard_size() + usable;
        stride = slot_size + (slot_size / rni_page % 2 == 0 ? rni_page : 0);
}

size_t rni_slab_out(void)
{
        return load_rlx(&slots_out);            /* a number for statistics */
}

size_t rni_slab_count(void)
{
        return load_rlx(&slots_all);            /* only grows */
}

bool rni_slab_scarce(void)
{
        return load_rlx(&scarce) != 0;          /* a hint */
}

size_t rni_slab_bytes(void)
{
        return load_rlx(&bytes_mapped);         /* a number for statistics */
}

static size_t words(size_t n)
{
        return (n + WORD_BITS - 1) / WORD_BITS;
}

static unsigned kind_of(const struct slab *sl, size_t index)
{
        unsigned kind = sl->kind[index];

        return kind ? kind : RNI_GUARD_LIGHT;
}

static size_t whole_pages(size_t bytes)
{
        return (bytes + rni_page - 1) / rni_page * rni_page;
}

static size_t bits_bytes(size_t n)
{
        return whole_pages(words(n) * sizeof(size_t));
}

static size_t slab_bytes(size_t n)
{
        return n * stride + bits_bytes(n) + whole_pages(n);
}

/* How many slots may still be mapped. */
size_t rni_slab_room(void)
{
        uint64_t room = rni_vm_room();

        return room / stride < SIZE_MAX ? (size_t)(room / stride) : SIZE_MAX;
}

/* Where addresses are short (a limit, no overcommit) a smaller one has to do. */
static struct slab *map_slab(void)
{
        unsigned i = load_rlx(&nslabs);         /* under the lock */
        size_t have = load_rlx(&bytes_mapped),   /* under the lock */
               want = have / (have < slab_many ? 4 : 2);
        char *p = NULL;
        size_t n, most = rni_slab_room();
        struct slab *sl;

        want = want < slab_least ? slab_least : want > slab_most ? slab_most : want;
        if (i == SLABS)
                return NULL;
        n = want / stride + 1;
        for (n = n < most ? n : most; n > 0 && !p; )
                if (!(p = rni_vm_reserve(slab_bytes(n))))
                        n /= 2;
        if (!p)
                return NULL;
        sl = &slabs[i];
        *sl = (struct slab){ .base = p, .end = p + n * stride, .nslots = n };
        sl->dropped = (size_t *)(void *)sl->end;
        sl->kind = (unsigned char *)sl->end + bits_bytes(n);
        store_rlx(&bytes_mapped, load_rlx(&bytes_mapped) + slab_bytes(n));      /* under the lock */
        store_rel(&nslabs, i + 1);              /* rel: the slab is complete; pairs with acq in
                                                 * rni_slab_guard_hit */
        store_rlx(&slots_all, load_rlx(&slots_all) + n);        /* under the lock */
        return sl;
}

/* Maps a slab; under the lock. */
static struct slab *new_slab(void)
{
        struct slab *sl = map_slab();

        store_rlx(&scarce, !sl);                /* under the lock; a hint outside */
        return sl;
}

/* The first slab with fresh slots, mapped now if there is none; under the lock. */
static struct slab *fresh_slab(void)
{
        for (; filling < load_rlx(&nslabs); filling++) {        /* under the lock */
                struct slab *sl = &slabs[filling];

                if (sl->fresh < sl->nslots)
                        return sl;
        }
        return new_slab();
}

size_t rni_slab_reserve(size_t n)
{
        size_t all;

        memlock_take(&lock);
        while (load_rlx(&slots_all) < n && new_slab())          /* under the lock */
                continue;
        all = load_rlx(&slots_all);             /* under the lock */
        memlock_drop(&lock);
        return all;
}

/* All slots that were ever taken have come back: that need not be written down. Under the lock. */
static void forget_bits(struct slab *sl)
{
        rni_vm_drop(sl->dropped, bits_bytes(sl->fresh));
        sl->unwritten = true;
}

static void write_bits(struct slab *sl)
{
        size_t whole = sl->fresh / WORD_BITS, rest = sl->fresh % WORD_BITS;

        memset(sl->dropped, 0xff, whole * sizeof(size_t));
        if (rest)
                sl->dropped[whole] = ((size_t)1 << rest) - 1;
        sl->low = 0;
        sl->unwritten = false;
}

/* The lowest of sl's dropped slots, of which there are some; under the lock. */
static size_t lowest_dropped(struct slab *sl)
{
        size_t *w, bit;

        if (unlikely(sl->unwritten))
                write_bits(sl);
        while (*(w = &sl->dropped[sl->low]) == 0)
                sl->low++;
        sl->ndropped--;
        bit = (size_t)__builtin_ctzl(*w);
        *w &= *w - 1;
        return sl->low * WORD_BITS + bit;
}

/* Picks up to n slots that were dropped; under the lock. */
static size_t pick_dropped(struct slot *v, size_t n)
{
        size_t k = 0;
        struct slab *sl;

        while (k < n && (sl = with_dropped) != NULL) {
                v[k++] = (struct slot){ sl, lowest_dropped(sl) };
                if (sl->ndropped == 0)
                        with_dropped = sl->next;
        }
        return k;
}

/* Sets up to n fresh slots aside; under the lock. */
static void pick_run(struct stack_run *r, size_t n)
{
        struct slab *sl = fresh_slab();

        if (!sl)
                return;
        if (n > sl->nslots - sl->fresh)
                n = sl->nslots - sl->fresh;
        *r = (struct stack_run){ sl, sl->fresh, sl->fresh + n };
        sl->fresh += n;
}

/* Puts a slot on its slab's list; under the lock. */
static void list_dropped(struct slab *sl, size_t index)
{
        if (sl->ndropped == 0) {
                sl->next = with_dropped;
                with_dropped = sl;
        }
        sl->ndropped++;
        sl->dropped[index / WORD_BITS] |= (size_t)1 << index % WORD_BITS;
        if (index / WORD_BITS < sl->low)
                sl->low = index / WORD_BITS;
        if (unlikely(sl->ndropped == sl->fresh))
                forget_bits(sl);
}

/* Both batches grow with the number in use: a program with three goroutines does not touch the
 * pages of 32 stacks, nor fill the page tables of 512. What is scarce is not set aside. */
static size_t batch_now(size_t most)
{
        size_t n = load_rlx(&slots_out) / 4;    /* a heuristic */

        if (unlikely(rni_slab_scarce()))
                return 1;
        n = n < 4 ? 4 : n;
        return n < most ? n : most;
}

static char *slot_lo(const struct slab *sl, size_t index)
{
        return sl->base + index * stride;
}

static void guard_run(const struct stack_run *r)
{
        void *lo[GUARD_BATCH];
        unsigned char kind[GUARD_BATCH];
        size_t n;

        for (size_t at = r->at; at < r->end; at += n) {
                n = r->end - at < GUARD_BATCH ? r->end - at : GUARD_BATCH;
                for (size_t i = 0; i < n; i++) {
                        char *p = slot_lo(r->slab, at + i);
                        lo[i] = p;
                        rni_tool_stack(p + rni_guard_size(), p + slot_size);
                }
                rni_guard_make(lo, n, kind);
                for (size_t i = 0; i < n; i++)
                        if (kind[i] != RNI_GUARD_LIGHT)
                                r->slab->kind[at + i] = kind[i];
        }
}

/* Dropped slots first: their page tables are there. */
static size_t refill(struct stack_run *r, struct slot *v, size_t n)
{
        size_t k;

        memlock_take(&lock);
        k = pick_dropped(v, n);
        if (k == 0)
                pick_run(r, n > 1 ? batch_now(SLOT_RUN) : 1);
        memlock_drop(&lock);
        if (k == 0)
                guard_run(r);
        return k;
}

static struct stack *header(const struct slot *v)
{
        char *lo = slot_lo(v->slab, v->index);
        struct stack *s = rni_slot_header(rni_slot_header_at(lo, slot_size, v->index),
                                          lo, slot_size, kind_of(v->slab, v->index));

        s->slab = v->slab;
        s->index = v->index;
        return s;
}

size_t rni_slab_take(struct stack_run *r, struct stack **out, size_t n)
{
        struct slot v[SLOT_BATCH];
        size_t k = 0;

        n = batch_now(n);
        if (r->at == r->end)
                k = refill(r, v, n);
        if (k == 0)
                for (; k < n && k < TOUCH && r->at < r->end; k++)
                        v[k] = (struct slot){ r->slab, r->at++ };
        fetch_add(&slots_out, k);
        for (size_t i = 0; i < k; i++)
                out[k - 1 - i] = header(&v[i]); /* the lowest address comes out first */
        return k;
}

void rni_slab_give(struct stack_run *r)
{
        if (r->at == r->end)
                return;
        memlock_take(&lock);
        while (r->end > r->at)
                list_dropped(r->slab, --r->end);
        memlock_drop(&lock);
}

/* By address: neighbours then go back in one piece. Mostly sorted already. */
static void sort(struct stack **s, size_t n)
{
        for (size_t gap = SLOT_TRIM / 2; gap > 0; gap /= 4)
                for (size_t i = gap; i < n; i++) {
                        struct stack *x = s[i];
                        size_t k = i;
                        for (; k >= gap && s[k - gap] > x; k -= gap)
                                s[k] = s[k - gap];
                        s[k] = x;
                }
}

/* Light guards may lie in a dropped range, and so make neighbours one range; the others stay out of
 * it. */
static void drop_pages(const struct slot *v, size_t n)
{
        static void *light[SLOT_TRIM];          /* one caller at a time */
        size_t k = 0;

        for (size_t i = 0; i < n; i++) {
                char *lo = slot_lo(v[i].slab, v[i].index);
                if (kind_of(v[i].slab, v[i].index) == RNI_GUARD_LIGHT)
                        light[k++] = lo;
                else
                        rni_vm_drop(lo + rni_guard_size(), slot_size - rni_guard_size());
        }
        rni_vm_drop_many(light, k, stride);
}

void rni_slab_drop(struct stack **s, size_t n)
{
        static struct slot v[SLOT_TRIM];        /* one caller at a time */

        sort(s, n);
        for (size_t i = 0; i < n; i++)          /* the headers go with the pages */
                v[i] = (struct slot){ s[i]->slab, s[i]->index };
        drop_pages(v, n);
        memlock_take(&lock);
        for (size_t i = 0; i < n; i++)
                list_dropped(v[i].slab, v[i].index);
        memlock_drop(&lock);
        fetch_add(&slots_out, (size_t)0 - n);
}

bool rni_slab_guard_hit(const char *addr, struct stack **owner)
{
        unsigned n = load_acq(&nslabs);         /* acq: pairs with rel in new_slab */

        for (unsigned i = 0; i < n; i++) {
                const struct slab *sl = &slabs[i];
                size_t at, index;
                char *lo;
                if (addr < sl->base || addr >= sl->end)
                        continue;
                at = (size_t)(addr - sl->base);
                index = at / stride;
                if (at % stride >= rni_guard_size() || kind_of(sl, index) == RNI_GUARD_CANARY)
                        return false;
                lo = sl->base + index * stride;
                *owner = (struct stack *)(void *)rni_slot_header_at(lo, slot_size, index);
                if ((*owner)->lo != lo)
                        *owner = NULL;
                return true;
        }
        return false;
}
