/* SPDX-License-Identifier: MIT
 * Stacks. The layer is set up once per process, so each test runs in a child
 * of its own, with the environment it wants; the parent never starts the layer. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tests/unit/stack_test.h"

enum { THREADS = 4, CACHED = RNI_TSAN ? 1 << 30 : 64 + 1024 };
enum { MARK = 512, DEEP = 9000 };       /* below hi, in its page and deeper; the very top changes in
                                         * a stack that nobody has */

static size_t count_maps(void)
{
        FILE *f = fopen("/proc/self/maps", "r");
        size_t n = 0;

        for (int c; (c = getc(f)) != EOF; )
                n += c == '\n';
        fclose(f);
        return n;
}

static void layout_child(void)
{
        struct stack_cache c = { 0 };
        uintptr_t offsets = 0;

        CHECK(rni_stack_default() == 196608);
        for (int i = 0; i < 16; i++) {
                struct stack *s = rni_stack_get(&c, 0);
                CHECK(s && s->floor - s->lo == 65536);
                CHECK(s->size == (size_t)65536 + 196608);
                CHECK((uintptr_t)s->lo % rni_page == 0 && (uintptr_t)s->hi % 16 == 0);
                CHECK(s->hi <= (char *)s && (char *)(s + 1) <= s->lo + s->size);
                CHECK(s->lo + s->size - s->hi < 2048);
                offsets |= (uintptr_t)1 << (uintptr_t)s->hi % rni_page / 64;
                s->hi[-1] = s->floor[0] = 1;
        }
        CHECK(__builtin_popcountl(offsets) == 16);
        CHECK(rni_stack_in_use() >= 16 && rni_stack_in_use() < 16 + 64);
        CHECK(rni_stack_bytes() >= (size_t)64 << 20);
}
CHILD_TEST(layout_of_a_stack, layout_child, NULL)

static void *guard_lo;

static void on_segv(int sig, siginfo_t *si, void *uc)
{
        struct stack *owner;

        (void)sig;
        (void)uc;
        _exit(rni_stack_guard_hit(si->si_addr, &owner) && owner && owner->lo == guard_lo ? 7 : 8);
}

/* Writes to p in a process of its own; with our handler, or with none. Returns the wait status. */
static int touch(char *p, bool handled)
{
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                if (handled) {
                        rni_thread_altstack();
                        rni_sig_install(SIGSEGV, on_segv, NULL);
                } else {
                        signal(SIGSEGV, SIG_DFL);
                }
                *(volatile char *)p = 1;
                _exit(0);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        return status;
}

static void check_guard(struct stack *s)
{
        struct stack *owner;
        int status;

        guard_lo = s->lo;
        CHECK(rni_stack_guard_hit(s->lo, &owner) && owner == s);
        CHECK(rni_stack_guard_hit(s->floor - 1, &owner) && owner == s);
        CHECK(!rni_stack_guard_hit(s->floor, &owner));
        CHECK(!rni_stack_guard_hit(s->hi, &owner));
        CHECK(!rni_stack_guard_hit(&status, &owner));
        status = touch(s->lo, true);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
        status = touch(s->floor - 1, true);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
        status = touch(s->floor - 1, false);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
        CHECK(touch(s->floor, true) == 0);
}

static void guard_child(void)
{
        struct stack_cache c = { 0 };

        if (rni_stack_guard_kind() == RNI_GUARD_CANARY)
                _exit(SKIPPED);
        check_guard(rni_stack_get(&c, 0));
        check_guard(rni_stack_get(&c, 0));
        check_guard(rni_stack_get(&c, 20000));
        check_guard(rni_stack_get(NULL, 1 << 20));
}
CHILD_TEST(guard_kills_and_is_recognised, guard_child, NULL)

static void guard_mprotect_child(void)
{
        CHECK(rni_stack_guard_kind() == RNI_GUARD_MPROTECT);
        guard_child();
}
CHILD_TEST(guard_mprotect, guard_mprotect_child, "mprotect")

static void canary_child(void)
{
        struct stack_cache c = { 0 };

        CHECK(rni_stack_guard_kind() == RNI_GUARD_CANARY);
        for (int i = 0; i < 2; i++) {
                struct stack *s = rni_stack_get(&c, i == 0 ? 0 : 50000), *owner;
                CHECK(s->guard == RNI_GUARD_CANARY);
                CHECK(!rni_stack_guard_hit(s->lo, &owner));
                memset(s->floor + 128, 1, (size_t)(s->hi - s->floor - 128));
                CHECK(!rni_stack_canary_dead(s));
                s->floor[100]++;
                CHECK(rni_stack_canary_dead(s));
                s->floor[100]--;
                CHECK(!rni_stack_canary_dead(s));
        }
}
CHILD_TEST(canary_tells_of_an_overflow, canary_child, "canary")

static void budget_child(void)
{
        struct stack_cache c = { 0 };
        size_t n = rni_vm_max_maps() / 8, before = count_maps();
        struct stack *s = NULL;

        if (n > 10000 || checked())
                _exit(SKIPPED);
        CHECK(rni_stack_get(&c, 0)->guard == RNI_GUARD_MPROTECT);
        for (size_t i = 0; i < n + 64; i++)
                CHECK((s = rni_stack_get(&c, 0)) != NULL);
        CHECK(s->guard == RNI_GUARD_CANARY && rni_stack_guard_kind() == RNI_GUARD_CANARY);
        CHECK(!rni_stack_canary_dead(s));
        CHECK(count_maps() <= before + 2 * n + 8);
}
CHILD_TEST(mprotect_leaves_most_mappings_to_others, budget_child, "mprotect")

static void maps_child(void)
{
        struct stack_cache c = { 0 };
        size_t before = count_maps();

        if (checked() || rni_stack_guard_kind() != RNI_GUARD_LIGHT) {
                fprintf(stderr, "light_guards_cost_no_mappings: skipped: there are none here "
                                "(Linux 6.13; neither tools nor emulators have them)\n");
                _exit(SKIPPED);
        }
        for (int i = 0; i < (sizeof(void *) == 8 ? 100000 : 5000); i++)
                CHECK(rni_stack_get(&c, 0) != NULL);
        CHECK(count_maps() <= before + 8);
        CHECK(rni_stack_guard_kind() == RNI_GUARD_LIGHT);
}
CHILD_TEST(light_guards_cost_no_mappings, maps_child, "light")

/* What can be locked cannot have light guards. */
static void locked_child(void)
{
        struct stack_cache c = { 0 };
        struct stack *s;

        if (checked() || mlockall(MCL_FUTURE | MCL_ONFAULT) != 0)
                _exit(SKIPPED);
        s = rni_stack_get(&c, 0);
        CHECK(s && s->guard == RNI_GUARD_MPROTECT);
        check_guard(s);
        rni_stack_put(&c, s);
        s->floor[0] = 5;
        rni_vm_drop(s->floor, rni_page);
        CHECK(s->floor[0] == 0);
}
CHILD_TEST(locked_memory_falls_back_to_mprotect, locked_child, "light")

static void reuse_child(void)
{
        struct stack_cache c = { 0 };
        struct stack *s[100];

        for (int i = 0; i < 100; i++) {
                CHECK((s[i] = rni_stack_get(&c, 0)) != NULL);
                s[i]->hi[-MARK] = (char)i;
                s[i]->san_fiber = s[i];
        }
        rni_stack_put(&c, s[3]);
        rni_stack_put(&c, s[7]);
        CHECK(rni_stack_get_cached(&c) == s[7]);
        CHECK(rni_stack_get_cached(&c) == s[3]);
        for (int i = 0; i < 100; i++) {
                rni_stack_put(&c, s[i]);
                CHECK(c.s[c.n - 1] == s[i] && c.n <= 64);     /* the newest never leaves: it may
                                                               * still be run on */
        }
        rni_stack_cache_flush(&c);
        CHECK(c.n == 0 && !rni_stack_get_cached(&c));
        CHECK(rni_stack_in_use() == 0);
        for (int i = 0; i < 100; i++) {
                struct stack *t = rni_stack_get(&c, 0);
                CHECK(t && t->floor == t->lo + 65536 && t->hi <= (char *)t &&
                      t->size == (size_t)65536 + 196608);
                CHECK(t->san_fiber == NULL || (t->san_fiber == t && t->hi[-MARK] < 100));
                t->san_fiber = &c;
        }
        for (int i = 0; i < 2000; i++) {                /* what a cache has set aside is not lost
                                                         * with it */
                CHECK((s[0] = rni_stack_get(i % 2 ? NULL : &c, 0)) != NULL);
                rni_stack_cache_flush(&c);
        }
        CHECK(rni_stack_bytes() < (size_t)2500 * 270000);
}
CHILD_TEST(stacks_come_back_newest_first_and_whole, reuse_child, NULL)

static int by_address(const void *a, const void *b)
{
        const struct stack *const *x = a, *const *y = b;

        return (*x > *y) - (*x < *y);
}

static void trim_all(void)
{
        for (int calls = 0; rni_stack_trim(false); calls++)
                CHECK(calls < 1000);
}

/* n stacks, each once, written to in its first page and deeper; sorts s. */
static void take(struct stack_cache *c, struct stack **s, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                CHECK((s[i] = rni_stack_get(c, 0)) != NULL);
                s[i]->hi[-MARK] = 1;
                s[i]->hi[-DEEP] = 2;
        }
        qsort(s, n, sizeof s[0], by_address);
        for (size_t i = 1; i < n; i++)
                CHECK(s[i - 1] != s[i] && s[i - 1]->hi < s[i]->lo);
}

static void put_all(struct stack_cache *c, struct stack **s, size_t n)
{
        for (size_t i = 0; i < n; i++)
                rni_stack_put(c, s[i]);
}

enum { BURST = sizeof(void *) == 8 ? 20000 : 5000 };   /* of 260 KiB of addresses each */
static struct stack *crowd[BURST];

static size_t burst(void)
{
        return checked() ? 3000 : BURST;
}

/* The resident bytes between two bursts. An emulator's own tables grow with the addresses that were
 * ever in use: there a burst has been before. */
static size_t at_rest(struct stack_cache *c)
{
        if (emulated()) {
                take(c, crowd, burst());
                put_all(c, crowd, burst());
                rni_stack_cache_flush(c);
                trim_all();
        }
        return resident();
}

/* A burst ends: a trim gives its pages back, its guards stay, and the next burst gets every stack
 * once. */
static void burst_child(void)
{
        struct stack_cache c = { 0 };
        size_t n = burst(), before, kept = 0;

        CHECK(!rni_stack_trim(false));
        before = at_rest(&c);
        take(&c, crowd, n);
        /* some may still be there */
        CHECK(resident() > before + (n - (emulated() ? CACHED : 0)) * 2 * rni_page);
        put_all(&c, crowd, n);
        trim_all();
        CHECK(checked() || resident() < before + CACHED * 4 * rni_page + (2 << 20));
        CHECK(rni_stack_in_use() <= 64);
        for (size_t i = 0; i < n; i++) {
                CHECK((crowd[i] = rni_stack_get(&c, 0)) != NULL);
                CHECK(crowd[i]->hi[-MARK] == (crowd[i]->hi[-DEEP] ? 1 : 0));
                kept += crowd[i]->hi[-MARK] != 0;
                if (crowd[i]->guard == RNI_GUARD_CANARY)
                        CHECK(!rni_stack_canary_dead(crowd[i]));
                else
                        CHECK(!readable(crowd[i]->lo) && !readable(crowd[i]->floor - 1));
        }
        CHECK(kept <= CACHED && kept > 0);
        put_all(&c, crowd, n);
        trim_all();
        take(&c, crowd, n);
}
CHILD_TEST(burst_gives_its_memory_back, burst_child, NULL)
CHILD_TEST(burst_mprotect, burst_child, "mprotect")
CHILD_TEST(burst_canary, burst_child, "canary")

/* So many that the bits of a slab's book take pages; they go when all of its stacks have: each
 * comes again, once, and clean. */
static void book_child(void)
{
        enum { CROWD = 300000, ROUNDS = 3 };
        struct stack_cache c = { 0 };
        struct stack **s;

        if (sizeof(void *) == 4 || checked() || emulated() ||
            rni_vm_available() < (uint64_t)CROWD * 3 * rni_page)
                _exit(SKIPPED);
        s = malloc(CROWD * sizeof *s);
        CHECK(s != NULL);
        for (int round = 0; round < ROUNDS; round++) {
                for (size_t i = 0; i < CROWD; i++) {
                        CHECK((s[i] = rni_stack_get(&c, 0)) != NULL);
                        CHECK(s[i]->hi[-MARK] == 0);
                        s[i]->hi[-MARK] = 1;
                }
                CHECK(rni_stack_in_use() >= CROWD);
                for (size_t i = 0; i < CROWD; i++)
                        rni_stack_put(&c, s[i * 7919 % CROWD]);
                rni_stack_cache_flush(&c);
                for (int calls = 0; calls < 2; calls++)
                        while (rni_stack_trim(true))
                                continue;
        }
}
CHILD_TEST(each_of_many_stacks_comes_again_once, book_child, NULL)

/* Without a trim the next burst finds the pages as they were left. */
static void resident_child(void)
{
        struct stack_cache c = { 0 };
        size_t n = burst(), full;

        take(&c, crowd, n);
        full = resident();
        put_all(&c, crowd, n);
        CHECK(checked() || resident() + (1 << 20) > full);
        for (size_t i = 0; i < n; i++) {
                CHECK((crowd[i] = rni_stack_get(&c, 0)) != NULL);
                CHECK(crowd[i]->hi[-DEEP] == 2);        /* zero in a dropped or a fresh one */
        }
}
CHILD_TEST(surplus_is_used_again_while_resident, resident_child, NULL)

/* What was taken from the list since the last trim is needed; what was not, is not. */
static void spare_child(void)
{
        struct stack_cache c = { 0 };
        size_t n = burst(), before = at_rest(&c), full;

        take(&c, crowd, n);
        put_all(&c, crowd, n);
        full = resident();
        for (int round = 0; round < 3; round++) {
                CHECK(rni_stack_trim(false) != RNI_TSAN);    /* all of it came back since the last
                                                              * one */
                CHECK(checked() || resident() + (1 << 20) > full);
                take(&c, crowd, n);
                put_all(&c, crowd, n);
        }
        trim_all();
        CHECK(checked() || resident() < before + CACHED * 4 * rni_page + (2 << 20));
}
CHILD_TEST(a_trim_spares_what_was_needed_since_the_last, spare_child, NULL)

static void odd_child(void)
{
        struct stack_cache c = { 0 };
        struct stack *small, *big, *s, *owner;
        char *lo, *hi;
        size_t bytes = rni_stack_bytes();
        unsigned n;

        CHECK((small = rni_stack_get(&c, 4096)) != NULL && small->size == 65536 + 16384);
        CHECK((big = rni_stack_get(&c, 3000001)) != NULL &&
              big->size == 65536 + (3000001 / rni_page + 1) * rni_page);
        CHECK((s = rni_stack_get(&c, 196608)) != NULL && s->size == 65536 + 196608);
        big->floor[0] = big->hi[-1] = small->floor[0] = small->hi[-1] = 1;
        lo = big->lo;
        rni_stack_put(&c, big);
        CHECK(!readable(lo + (1 << 20)) && !rni_stack_guard_hit(lo, &owner));
        rni_stack_put(&c, s);
        hi = small->hi;
        rni_stack_put(NULL, small);
        CHECK(!readable(hi - 1));
        CHECK(rni_stack_get(&c, SIZE_MAX) == NULL && rni_stack_get(&c, SIZE_MAX / 16 * 15) == NULL);
        n = c.n;
        big = rni_stack_get(&c, 1 << 20);
        lo = big->lo;
        rni_stack_put(&c, big);
        CHECK(!rni_stack_guard_hit(lo, &owner) && c.n == n);
        CHECK(rni_stack_bytes() < bytes + ((size_t)65 << 20));
}
CHILD_TEST(other_sizes_are_mappings_of_their_own, odd_child, NULL)

/* The first round says what lies unused, the second takes it. */
static void trim_small(bool unused)
{
        for (int round = 0; round < 2; round++)
                while (rni_small_trim(unused))
                        continue;
}

static void kept_child(void)
{
        enum { N = 1000, SMALL = 700, LESS = 300 };
        struct stack_cache c = { 0 };
        struct stack *first;
        size_t bytes = rni_stack_bytes(), crowded;

        for (int round = 0; round < 2; round++) {
                first = rni_stack_get(&c, SMALL);
                CHECK(first != NULL);
                if (checked() && first->guard != RNI_GUARD_CANARY) {
                        fprintf(stderr, "chunks_of_small_stacks_serve_all_until_a_trim: skipped: "
                                        "a sanitizer's frames need more than a page\n");
                        _exit(SKIPPED);
                }
                CHECK(first->guard == RNI_GUARD_CANARY);
                for (int i = 1; i < N; i++)
                        CHECK((crowd[i] = rni_stack_get(&c, SMALL)) != NULL);
                crowded = rni_stack_bytes();
                for (int i = 1; i < N; i++)
                        rni_stack_put(&c, crowd[i]);
                CHECK(rni_small_surplus() > 8 && rni_stack_bytes() == crowded);
                for (int i = 1; i < N / 2; i++) {
                        CHECK((crowd[i] = rni_stack_get(&c, LESS)) != NULL);
                        crowd[i]->hi[-LESS] = crowd[i]->hi[-1] = 1;
                }
                CHECK(rni_stack_bytes() == crowded);
                for (int i = 1; i < N / 2; i++) {
                        CHECK(!rni_stack_canary_look(crowd[i]));
                        rni_stack_put(&c, crowd[i]);
                }
                trim_small(false);
                CHECK(rni_small_surplus() == 8);
                trim_small(true);
                CHECK(rni_small_surplus() == 0);
                first->hi[-SMALL] = first->hi[-1] = 1;   /* in use: it stays */
                CHECK(!rni_stack_canary_look(first) && rni_stack_bytes() > bytes);
                rni_stack_put(&c, first);
                trim_small(true);
                CHECK(rni_stack_bytes() == bytes);
        }
}
CHILD_TEST(chunks_of_small_stacks_serve_all_until_a_trim, kept_child, NULL)

static void size_child(void)
{
        static const struct { const char *env; size_t usable, guard; } want[] = {
                { "64K", 65536, 24576 }, { "1M", 1 << 20, 65536 }, { "20001", 20480, 16384 },
                { "1", 16384, 16384 }, { "64X", 196608, 65536 }, { "-5", 196608, 65536 },
                { "64KB", 196608, 65536 }, { "", 196608, 65536 },
                { "99999999999999999999M", 196608, 65536 },
        };

        for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
                pid_t pid = fork();
                int status;
                if (pid == 0) {
                        struct stack_cache c = { 0 };
                        struct stack *s;
                        setenv("RUNNEL_STACK", want[i].env, 1);
                        rni_stack_init();
                        CHECK(rni_stack_default() == want[i].usable);
                        CHECK((s = rni_stack_get(&c, 0)) != NULL &&
                              s->size == want[i].guard + want[i].usable);
                        s->floor[0] = s->hi[-1] = 1;
                        _exit(0);
                }
                CHECK(waitpid(pid, &status, 0) == pid && status == 0);
                unsetenv("RUNNEL_STACK");
        }
}
CHILD_TEST(size_from_the_environment, size_child, NULL)

static void limit_addresses(size_t more)
{
        const rlim_t all = (rlim_t)(SIZE_MAX >> (sizeof(void *) == 8 ? 24 : 1));
        struct rlimit r;
        uint64_t room;

        CHECK(getrlimit(RLIMIT_AS, &r) == 0);
        r.rlim_cur = all;
        CHECK(setrlimit(RLIMIT_AS, &r) == 0);
        room = rni_vm_room();
        CHECK(room < all);
        r.rlim_cur -= (rlim_t)room - more;
        CHECK(setrlimit(RLIMIT_AS, &r) == 0);
        room = rni_vm_room();
        CHECK(room <= more + ((size_t)64 << 20) && room >= more / 2);
}

static void short_child(void)
{
        struct stack_cache c = { 0 };
        size_t n = 0, all = 0;
        void *g[64];

        if (checked() || not_emulated("short_of_addresses_is_null_in_the_end",
                                      "it takes RLIMIT_AS without a word and without effect"))
                _exit(SKIPPED);
        limit_addresses((size_t)100 << 20);
        while (rni_stack_get(&c, 0))
                n++;
        CHECK(n > 200 && n < 700);                      /* smaller slabs fill what is left */
        CHECK(rni_vm_room() < 2 << 20);
        for (size_t k = 1; k > 0 && all <= n; all += k)
                k = rni_gslab_take(g, 64, 0);
        CHECK(all > n - 64 && all <= n);                /* one more would promise a stack that
                                                         * cannot be */
}
CHILD_TEST(short_of_addresses_is_null_in_the_end, short_child, NULL)

/* -- several threads -- */

static struct stack_cache caches[THREADS];
static aword swap_place[8];

/* Takes and returns in bursts, sometimes giving a stack to another thread; each stack carries who
 * has it. */
static void *hammer(void *arg)
{
        enum { HOLD = 150 };
        struct stack_cache *c = arg;
        struct stack *held[HOLD] = { 0 };
        uint64_t r = (uintptr_t)arg * UINT64_C(0x9e3779b97f4a7c15) | 1;

        for (int i = 0; i < (checked() ? 5000 : 300000); i++) {
                struct stack **h, *s;
                r = r * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                h = &held[(r >> 33) % HOLD];
                if ((s = *h) != NULL) {
                        aword *place = &swap_place[(r >> 50) % 8];
                        AO_t other = load_acq(place);           /* acq: pairs with the other
                                                                 * thread's cas */
                        CHECK(s->san_fiber == arg && s->hi[-MARK] == 1);
                        s->san_fiber = NULL;
                        s->hi[-MARK] = 0;
                        if ((r >> 60) == 0 && cas(place, other, aptr(s)))
                                s = (struct stack *)other;
                        if (s)
                                rni_stack_put(c, s);
                        *h = NULL;
                } else {
                        s = rni_stack_get(c, 0);
                        CHECK(s && s->san_fiber == NULL && s->hi[-MARK] == 0);
                        s->san_fiber = arg;
                        s->hi[-MARK] = 1;
                        *h = s;
                }
        }
        for (int i = 0; i < HOLD; i++)
                if (held[i]) {
                        held[i]->san_fiber = NULL;
                        held[i]->hi[-MARK] = 0;
                        rni_stack_put(c, held[i]);
                }
        rni_stack_cache_flush(c);
        return NULL;
}

static void hammer_child(void)
{
        pthread_t t[THREADS];
        size_t left = 0;

        for (int i = 0; i < THREADS; i++)
                CHECK(pthread_create(&t[i], NULL, hammer, &caches[i]) == 0);
        for (int i = 0; i < THREADS; i++)
                pthread_join(t[i], NULL);
        for (int i = 0; i < 8; i++)
                left += load_rlx(&swap_place[i]) != 0;  /* joined */
        CHECK(rni_stack_in_use() == left);
        CHECK(rni_stack_bytes() < (size_t)200 << 20);
}
CHILD_TEST(nobody_gets_a_stack_that_somebody_has, hammer_child, NULL)

static a32 runners;

/* All take, return more than the list may keep, and trim. */
static void *bursts(void *arg)
{
        enum { N = 3000 };
        struct stack *s[N];
        struct stack_cache *c = arg;

        for (int round = 0; round < (checked() ? 3 : 30); round++) {
                for (int i = 0; i < N; i++) {
                        CHECK((s[i] = rni_stack_get(c, 0)) != NULL && s[i]->san_fake == NULL);
                        s[i]->san_fake = arg;
                        *(void **)(void *)(s[i]->hi - MARK) = arg;
                        *(int *)(void *)(s[i]->hi - DEEP) = i + round;
                }
                for (int i = 0; i < N; i++) {
                        CHECK(s[i]->san_fake == arg && *(void **)(void *)(s[i]->hi - MARK) == arg);
                        CHECK(*(int *)(void *)(s[i]->hi - DEEP) == i + round);
                        s[i]->san_fake = NULL;
                        rni_stack_put(c, s[i]);
                        if (i % 64 == 0)
                                rni_stack_trim(false);
                }
        }
        rni_stack_cache_flush(c);
        fetch_add(&runners, (unsigned)-1);
        return NULL;
}

static void bursts_child(void)
{
        pthread_t t[THREADS];
        struct stack_cache c = { 0 };
        size_t before = at_rest(&c);

        store_rlx(&runners, THREADS);           /* before there is a second thread */
        for (int i = 0; i < THREADS; i++)
                CHECK(pthread_create(&t[i], NULL, bursts, &caches[i]) == 0);
        while (load_rlx(&runners) > 0)          /* joined below */
                rni_stack_trim(false);
        for (int i = 0; i < THREADS; i++)
                pthread_join(t[i], NULL);
        trim_all();
        CHECK(rni_stack_in_use() == 0);
        CHECK(checked() || resident() < before + CACHED * 4 * rni_page + (4 << 20));
}
CHILD_TEST(dropped_stacks_go_round_among_threads, bursts_child, NULL)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(layout_of_a_stack),
                cmocka_unit_test(guard_kills_and_is_recognised),
                cmocka_unit_test(guard_mprotect),
                cmocka_unit_test(canary_tells_of_an_overflow),
                cmocka_unit_test(mprotect_leaves_most_mappings_to_others),
                cmocka_unit_test(light_guards_cost_no_mappings),
                cmocka_unit_test(locked_memory_falls_back_to_mprotect),
                cmocka_unit_test(stacks_come_back_newest_first_and_whole),
                cmocka_unit_test(burst_gives_its_memory_back),
                cmocka_unit_test(burst_mprotect),
                cmocka_unit_test(burst_canary),
                cmocka_unit_test(surplus_is_used_again_while_resident),
                cmocka_unit_test(each_of_many_stacks_comes_again_once),
                cmocka_unit_test(a_trim_spares_what_was_needed_since_the_last),
                cmocka_unit_test(other_sizes_are_mappings_of_their_own),
                cmocka_unit_test(chunks_of_small_stacks_serve_all_until_a_trim),
                cmocka_unit_test(size_from_the_environment),
                cmocka_unit_test(short_of_addresses_is_null_in_the_end),
                cmocka_unit_test(nobody_gets_a_stack_that_somebody_has),
                cmocka_unit_test(dropped_stacks_go_round_among_threads),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
