/* SPDX-License-Identifier: MIT
 * Descriptor slots: chunks of 65,536, found through a directory that only grows. Taking is under
 * the lock; looking up takes none. How many there may be is decided anew each time the old limit is
 * reached, in steps of a quarter of what still fits, so a million goroutines ask the system a few
 * times only. Above the slots of a chunk lies its book: a bit for each slot that was given back and
 * is not in use. A span with all its bits set is taken out of the book while its memory is dropped;
 * pages go by as many as slots fill to the last byte (a span). The book of a chunk that was given
 * back whole is dropped too, and written anew when somebody takes of it. See gslab.h. */
#include "sched/mem/gslab.h"

#include <stdlib.h>
#include <string.h>

#include "sched/mem/memlock.h"
#include "sched/mem/slots.h"

enum {
        CHUNK_SLOTS = 65536,
        CHUNKS = sizeof(size_t) == 8 ? 65536 : 256,
        FREE_OF_CHARGE = 1024,          /* these need no leave: small programs never read /proc */
        STEP_LEAST = 64,
        UNIT = 16,                      /* slots that a word of the book is about */
        UNITS = CHUNK_SLOTS / UNIT,     /* of a chunk */
        PAGE_LEAST = 4096,
        BOOK = UNITS * sizeof(uint16_t),
        BYTES_EACH = 5200,              /* a parked goroutine: its stack's first page, page tables,
                                         * descriptor, a channel */
};
_Static_assert(PAGE_LEAST % (UNIT * RNI_GSLOT_ALIGN) == 0, "see span_bytes");
static const int64_t ask_again = 1000000;               /* ns after a refusal, so that a loop of
                                                         * them stays cheap */

static a32 lock;
static aword chunk[CHUNKS];             /* written once, under the lock */
static aword count;                     /* written under the lock */
static size_t ngiven;                   /* bits in the books; under the lock */
static uint32_t given_of[CHUNKS];       /* of each chunk; under the lock */
static bool bookless[CHUNKS];           /* all are given, and no bit is set; under the lock */
static size_t low;                      /* no unit below has a bit, units of all chunks counted;
                                         * under the lock */
static size_t limit = FREE_OF_CHARGE;   /* under the lock, as all below */
static size_t cap;                      /* RUNNEL_MAXG; 0 = not read yet */
static int64_t refused_at = INT64_MIN;

size_t rni_gslab_count(void)
{
        return load_acq(&count);                /* acq: pairs with rel in rni_gslab_take */
}

static void *slot(size_t index)
{
        char *base = (char *)load_acq(&chunk[index / CHUNK_SLOTS]);   /* acq: pairs with rel in
                                                                       * add_chunk */

        return base + index % CHUNK_SLOTS * RNI_GSLOT;
}

void *rni_gslab_at(size_t index)
{
        return slot(index);
}

static size_t read_cap(void)
{
        const char *env = rni_os_env("RUNNEL_MAXG");
        unsigned long long n = env ? strtoull(env, NULL, 10) : 0;
        size_t all = (size_t)CHUNKS * CHUNK_SLOTS - 1;

        return n > 0 && n < all ? (size_t)n : all;
}

/* How many more goroutines fit. Each needs memory for what it keeps resident, and addresses for its
 * stack. */
static size_t budget(size_t have, size_t unbound)
{
        uint64_t total = rni_vm_total(), left = rni_vm_available();
        uint64_t reserve = total / 8 < (UINT64_C(64) << 20) ? total / 8 : UINT64_C(64) << 20;
        uint64_t n, mapped = rni_slab_count(),
                    stacks = (mapped > have ? mapped - have : 0) + (uint64_t)rni_slab_room();

        if (reserve < total / 64)
                reserve = total / 64;
        n = left > reserve ? (left - reserve) / BYTES_EACH : 0;
        n = n > unbound ? n - unbound : 0;
        return (size_t)(n < stacks ? n : stacks);
}

/* Tries to raise the limit; under the lock. */
static rni_cold void raise_limit(size_t have, size_t unbound)
{
        int64_t now = rni_clock();
        size_t fit, step;

        if (refused_at != INT64_MIN && now - refused_at < ask_again)
                return;
        fit = budget(have, unbound);
        step = fit / 4 < STEP_LEAST ? STEP_LEAST : fit / 4;
        limit += step < fit ? step : fit;
        if (limit > cap)
                limit = cap;
        refused_at = fit == 0 ? now : INT64_MIN;
}

static bool add_chunk(size_t k)
{
        void *p = rni_vm_reserve((size_t)CHUNK_SLOTS * RNI_GSLOT + BOOK);

        if (!p)
                return false;
        store_rel(&chunk[k], aptr(p));          /* rel: zero pages are all there is; pairs with acq
                                                 * in slot */
        return true;
}

/* -- what was given back; under the lock -- */

static uint16_t *unit(size_t u)
{
        size_t first = u * UNIT;
        char *base = slot(first - first % CHUNK_SLOTS);

        return (uint16_t *)(void *)(base + (size_t)CHUNK_SLOTS * RNI_GSLOT) +
               first % CHUNK_SLOTS / UNIT;
}

static size_t index_of(const void *p)
{
        static size_t k;                        /* where the last one was found */

        for (;; k = (k + 1) * CHUNK_SLOTS < load_rlx(&count) ? k + 1 : 0) {     /* under the lock */
                uintptr_t at = (uintptr_t)p - load_rlx(&chunk[k]);              /* under the lock */

                if (at < (uintptr_t)CHUNK_SLOTS * RNI_GSLOT)
                        return k * CHUNK_SLOTS + at / RNI_GSLOT;
        }
}

/* n more bits in the book of the chunk of unit u, or fewer. */
static void count_given(size_t u, ptrdiff_t n)
{
        ngiven += (size_t)n;
        given_of[u / UNITS] += (uint32_t)n;
}

/* The lowest first. */
static size_t take_given(void **out, size_t n)
{
        size_t k = 0;

        for (; k < n && ngiven > 0; low++) {
                uint16_t *bits = unit(low);

                if (unlikely(bookless[low / UNITS])) {
                        bookless[low / UNITS] = false;
                        memset(unit(low - low % UNITS), 0xff, BOOK);
                }
                for (; k < n && *bits; *bits &= (uint16_t)(*bits - 1), count_given(low, -1))
                        out[k++] = slot(low * UNIT + (size_t)__builtin_ctz(*bits));
                if (*bits)
                        break;
        }
        return k;
}

/* The least number of pages that whole units fill: three if a slot takes three lines. */
static size_t span_bytes(void)
{
        return RNI_GSLOT / RNI_GSLOT_ALIGN * rni_page;
}

static size_t units_in_span(void)
{
        return span_bytes() / (UNIT * RNI_GSLOT);
}

/* Sets the bit of slot i. True: with that the span from unit *first on has them all. */
static bool give_one(size_t i, size_t *first)
{
        size_t u = i / UNIT, end;

        *unit(u) |= (uint16_t)(1U << i % UNIT);
        count_given(u, 1);
        if (u < low)
                low = u;
        *first = u - u % units_in_span();
        end = *first + units_in_span();
        for (u = *first; u < end && *unit(u) == UINT16_MAX; u++)
                continue;
        return u == end;
}

/* All bits of the span from unit `first` on. */
static void set_span(size_t first, bool given)
{
        for (size_t u = first; u < first + units_in_span(); u++)
                *unit(u) = given ? UINT16_MAX : 0;
        count_given(first, (given ? 1 : -1) * (ptrdiff_t)(units_in_span() * UNIT));
        if (given && first < low)
                low = first;
}

/* Few, and mostly in order. */
static void insert_sorted(size_t *v, size_t n, size_t x)
{
        for (; n > 0 && v[n - 1] > x; n--)
                v[n] = v[n - 1];
        v[n] = x;
}

void rni_gslab_give(void *const *slots, size_t n)
{
        static size_t whole[RNI_GSLAB_GIVE];            /* spans, by their first units */
        static void *span[RNI_GSLAB_GIVE];
        size_t k = 0, first;

        memlock_take(&lock);
        for (size_t i = 0; i < n; i++)
                if (give_one(index_of(slots[i]), &first)) {
                        insert_sorted(whole, k++, first);       /* neighbours go back in one
                                                                 * piece */
                        set_span(first, false);
                }
        memlock_drop(&lock);
        for (size_t i = 0; i < k; i++)
                span[i] = slot(whole[i] * UNIT);
        rni_vm_drop_many(span, k, span_bytes());
        memlock_take(&lock);
        for (size_t i = 0; i < k; i++) {
                size_t c = whole[i] / UNITS;

                set_span(whole[i], true);
                if (given_of[c] == CHUNK_SLOTS) {
                        rni_vm_drop(unit(c * UNITS), BOOK);
                        bookless[c] = true;
                }
        }
        memlock_drop(&lock);
}

/* -- taking -- */

/* How many of n slots the limit, and the stacks there are, allow now; under the lock. */
static size_t allowed(size_t n, size_t have, size_t unbound, size_t stacks)
{
        if (unlikely(cap == 0)) {
                cap = read_cap();
                if (limit > cap)
                        limit = cap;
        }
        if (unlikely(have + n > limit) && limit < cap)
                raise_limit(have, unbound);
        if (n > limit - have)
                n = limit - have;
        return have + n <= stacks ? n : stacks > have ? stacks - have : 0;
}

/* As rni_gslab_take, for `stacks` of them in all. *again: there were enough for us, but others were
 * faster. */
static size_t take(void **out, size_t n, size_t unbound, size_t stacks, bool *again)
{
        size_t have, k = 0;

        memlock_take(&lock);
        have = load_rlx(&count);                /* under the lock */
        k = take_given(out, n);
        if (k > 0) {
                memlock_drop(&lock);
                *again = false;
                return k;
        }
        *again = *again && have + n > stacks;
        n = *again ? 0 : allowed(n, have, unbound, stacks);
        for (; k < n; k++) {
                size_t i = have + k;
                if (i % CHUNK_SLOTS == 0 &&
                    load_rlx(&chunk[i / CHUNK_SLOTS]) == 0 &&   /* under the lock */
                    !add_chunk(i / CHUNK_SLOTS))
                        break;
                out[k] = slot(i);
        }
        store_rel(&count, have + k);            /* rel: their chunks are there; pairs with acq in
                                                 * rni_gslab_count */
        memlock_drop(&lock);
        return k;
}

size_t rni_gslab_take(void **out, size_t n, size_t in_use_unbound)
{
        size_t k;
        bool again;

        do {
                size_t want = load_rlx(&count) + n, stacks = rni_slab_count();  /* a hint */

                if (want > stacks)
                        stacks = rni_slab_reserve(want);
                again = want <= stacks;
                k = take(out, n, in_use_unbound, stacks, &again);
        } while (again);
        return k;
}
