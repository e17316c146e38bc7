/* SPDX-License-Identifier: MIT
 * Guards at the low end of stacks. Light ones (a marker in the page table, Linux 6.13) cost nothing
 * but a call; where there are none, or the memory is locked, mprotect, which costs two mappings
 * each, up to a quarter of what the process may have; after that a canary, which only tells
 * afterwards. Invariant: the kind for new stacks only goes down that list. Callers: slab.c, odd.c,
 * small.c, whose stacks never have anything but a canary. */
#include <string.h>

#include "sched/mem/slots.h"
#include "sched/os/tools.h"

enum { CANARY_WORDS = SLOT_CANARY / sizeof(uint64_t), MAPS_PER_GUARD = 2 };
static const uint64_t canary_word = UINT64_C(0x7265747461206e6f);

static a32 kind_now = RNI_GUARD_LIGHT;
a32 rni_guard_canary_seen;
static size_t guard_bytes;
static aword maps_budget;               /* 0 = not asked yet: light guards never need it */
static aword maps_used;

static bool kernel_has_light(void)
{
        void *p = rni_vm_reserve(rni_page);
        bool has = p && rni_vm_guard_light(p, rni_page) == 0;

        if (p)
                rni_vm_free(p, rni_page);
        return has;
}

/* Leak checkers read whole mappings and do not expect faults in them; valgrind does not know the
 * markers. */
static unsigned best_kind(void)
{
        const char *env = rni_os_env("RUNNEL_GUARD");

        if (env && strcmp(env, "canary") == 0)
                return RNI_GUARD_CANARY;
        if (env && strcmp(env, "mprotect") == 0)
                return RNI_GUARD_MPROTECT;
        if (!(env && strcmp(env, "light") == 0) && (RNI_ASAN || rni_tool_on_valgrind()))
                return RNI_GUARD_MPROTECT;
        return kernel_has_light() ? RNI_GUARD_LIGHT : RNI_GUARD_MPROTECT;
}

void rni_guard_init(size_t usable)
{
        size_t n = usable / 3;                  /* who makes stacks small knows his frames, and
                                                 * wants his page tables small */

        n = n < SLOT_GUARD_LEAST ? SLOT_GUARD_LEAST : n > SLOT_GUARD ? SLOT_GUARD : n;
        guard_bytes = (n + rni_page - 1) / rni_page * rni_page;
        store_rlx(&kind_now, best_kind());      /* before there is a second thread */
}

size_t rni_guard_size(void)
{
        return guard_bytes;
}

unsigned rni_guard_kind(void)
{
        return load_rlx(&kind_now);             /* a late reader only tries the old kind once
                                                 * more */
}

static size_t budget(void)
{
        if (load_rlx(&maps_budget) == 0)   /* whoever asks gets the same answer */
                store_rlx(&maps_budget, rni_vm_max_maps() / 4);   /* the same for everybody */
        return load_rlx(&maps_budget);   /* the same for everybody */
}

static bool protect_one(void *lo)
{
        if (fetch_add(&maps_used, MAPS_PER_GUARD) + MAPS_PER_GUARD <= budget() &&
            rni_vm_guard_mprotect(lo, guard_bytes) == 0)
                return true;
        fetch_add(&maps_used, (size_t)-MAPS_PER_GUARD);
        return false;
}

void rni_guard_make(void *const *lo, size_t n, unsigned char *kind)
{
        unsigned now = rni_guard_kind();

        if (now == RNI_GUARD_LIGHT && rni_vm_guard_light_many(lo, n, guard_bytes) != 0) {
                cas(&kind_now, now, RNI_GUARD_MPROTECT);
                now = RNI_GUARD_MPROTECT;
        }
        for (size_t i = 0; i < n; i++) {
                if (now == RNI_GUARD_MPROTECT && !protect_one(lo[i])) {
                        cas(&kind_now, now, RNI_GUARD_CANARY);
                        now = RNI_GUARD_CANARY;
                }
                if (now == RNI_GUARD_CANARY)
                        rni_guard_canaries();
                kind[i] = (unsigned char)now;
        }
}

void rni_guard_gone(unsigned kind)
{
        if (kind == RNI_GUARD_MPROTECT)
                fetch_add(&maps_used, (size_t)-MAPS_PER_GUARD);
}

void rni_guard_canaries(void)
{
        if (load_rlx(&rni_guard_canary_seen) == 0)      /* only ever set */
                store_rlx(&rni_guard_canary_seen, 1);   /* whoever runs on such a stack got it from
                                                         * us */
}

void rni_canary_write(char *floor)
{
        uint64_t *w = (uint64_t *)(void *)floor;

        for (unsigned i = 0; i < CANARY_WORDS; i++)
                w[i] = canary_word + i;
}

/* Runs on a stack that may be poisoned by its own frames. */
__attribute__((no_sanitize("address"))) bool rni_canary_dead(const char *floor)
{
        const uint64_t *w = (const uint64_t *)(const void *)floor;
        bool dead = false;

        for (unsigned i = 0; i < CANARY_WORDS; i++)
                dead |= w[i] != canary_word + i;
        return dead;
}
