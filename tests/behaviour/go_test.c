/* SPDX-License-Identifier: MIT
 * Starting and ending goroutines: how arguments travel, copies, attributes, numbers and counts, and
 * goroutines in large numbers. What ends the whole process is in tests/crash. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include <limits.h>

/* -- arguments -- */

static atomic_int calls;

static void no_arguments(void)
{
        atomic_fetch_add(&calls, 1);
}

static void go_calls_a_function_without_arguments(void)
{
        rn_wg wg = { { 0 } };

        atomic_store(&calls, 0);
        rn_wg_go(&wg, no_arguments);
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&calls), 1);
        rn_go(no_arguments);
        BEHAVE_UNTIL(atomic_load(&calls) == 2);
}

static void six_words(long a, long b, long c, long d, long e, long f)
{
        CHECK_EQ(a, LONG_MIN);
        CHECK_EQ(b, 2);
        CHECK_EQ(c, -3);
        CHECK_EQ(d, 4);
        CHECK_EQ(e, LONG_MAX);
        CHECK_EQ(f, 6);
        atomic_fetch_add(&calls, 1);
}

static void six_doubles(double a, double b, double c, double d, double e, double f)
{
        CHECK(a == 0.5 && b == -1e300 && c == 3.25 && d == 4 && e == 1e-300 && f == 6.125);
        atomic_fetch_add(&calls, 1);
}

static void mixed(signed char a, double b, const char *c, uint64_t d, float e, bool f)
{
        CHECK_EQ(a, -7);
        CHECK(b == 2.5);
        CHECK(strcmp(c, "text") == 0);
        CHECK(d == UINT64_MAX);
        CHECK(e == 0.75f);
        CHECK(f);
        atomic_fetch_add(&calls, 1);
}

static void go_passes_six_arguments_of_every_kind(void)
{
        rn_wg wg = { { 0 } };

        atomic_store(&calls, 0);
        rn_wg_go(&wg, six_words, LONG_MIN, 2, -3, 4, LONG_MAX, 6);
        rn_wg_go(&wg, six_doubles, 0.5, -1e300, 3.25, 4, 1e-300, 6.125);
        rn_wg_go(&wg, mixed, -7, 2.5, "text", UINT64_MAX, 0.75f, true);
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&calls), 3);
}

static void converted(double a, unsigned char b, int64_t c)
{
        CHECK(a == 3.0);
        CHECK_EQ(b, 200);
        CHECK_EQ(c, -1);
        atomic_fetch_add(&calls, 1);
}

static void go_converts_arguments_to_the_prototype(void)
{
        rn_wg wg = { { 0 } };
        int three = 3, minus = -1;

        atomic_store(&calls, 0);
        rn_wg_go(&wg, converted, three, 200, minus);
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&calls), 1);
}

static int returns_a_result(int x)
{
        atomic_fetch_add(&calls, x);
        return x;
}

static void go_drops_a_result(void)
{
        rn_wg wg = { { 0 } };

        atomic_store(&calls, 0);
        rn_wg_go(&wg, returns_a_result, 5);
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&calls), 5);
}

static uint64_t evaluated_on(atomic_int *n)
{
        atomic_fetch_add(n, 1);
        return rn_goid();
}

static void compare_ids(uint64_t evaluated, uint64_t starter)
{
        CHECK(evaluated == starter);
        CHECK(rn_goid() != starter);
}

static void arguments_are_evaluated_once_and_by_the_starter(void)
{
        rn_wg wg = { { 0 } };
        atomic_int n = 0;

        rn_wg_go(&wg, compare_ids, evaluated_on(&n), rn_goid());
        rn_wg_wait(&wg);
        CHECK_EQ(n, 1);
}

static void keep_value(int v, int *out)
{
        *out = v;
}

static void arguments_keep_the_values_they_had_at_the_start(void)
{
        rn_wg wg = { { 0 } };
        int got[100];

        for (int i = 0; i < 100; i++)
                rn_wg_go(&wg, keep_value, i, &got[i]);
        rn_wg_wait(&wg);
        for (int i = 0; i < 100; i++)
                CHECK_EQ(got[i], i);
}

/* -- rn_go_copy -- */

struct small {
        rn_wg *wg;
        int *out;
        int v;
};

static void take_small(struct small *s)
{
        rn_yield();
        *s->out = s->v++;
        rn_wg_done(s->wg);
}

static void go_copy_gives_each_goroutine_its_own_small_value(void)
{
        rn_wg wg = { { 0 } };
        int got[50];
        struct small s = { &wg, NULL, 0 };

        for (int i = 0; i < 50; i++) {
                s.v = i;
                s.out = &got[i];
                rn_wg_add(&wg, 1);
                rn_go_copy(take_small, struct small, s);
        }
        s.v = -1;
        rn_wg_wait(&wg);
        for (int i = 0; i < 50; i++)
                CHECK_EQ(got[i], i);
}

static void go_copy_takes_a_brace_list(void)
{
        rn_wg wg = { { 0 } };
        int got = 0;

        rn_wg_add(&wg, 1);
        rn_go_copy(take_small, struct small, { .wg = &wg, .out = &got, .v = 17 });
        rn_wg_wait(&wg);
        CHECK_EQ(got, 17);
}

struct exactly64 {
        rn_wg *wg;
        unsigned char b[64 - sizeof(rn_wg *)];
};

struct large {
        rn_wg *wg;
        unsigned char b[3000];
};

struct huge {
        rn_wg *wg;
        unsigned char b[64 * 1024];
};

static void all_bytes_are(const unsigned char *b, size_t n, unsigned seed)
{
        for (size_t i = 0; i < n; i++)
                if (!CHECK_EQ(b[i], (unsigned char)(seed + i)))
                        return;
}

static void fill_bytes(unsigned char *b, size_t n, unsigned seed)
{
        for (size_t i = 0; i < n; i++)
                b[i] = (unsigned char)(seed + i);
}

static void take_exactly64(const struct exactly64 *v)
{
        rn_yield();
        all_bytes_are(v->b, sizeof v->b, 5);
        rn_wg_done(v->wg);
}

static void take_large(struct large *v)
{
        rn_yield();
        all_bytes_are(v->b, sizeof v->b, 6);
        rn_wg_done(v->wg);
}

static void take_huge(void *p)
{
        struct huge *v = p;

        rn_yield();
        all_bytes_are(v->b, sizeof v->b, 7);
        rn_wg_done(v->wg);
}

static void go_copy_takes_values_of_64_and_3000_bytes_and_64_kib(void)
{
        static struct huge huge;
        rn_wg wg = { { 0 } };
        struct exactly64 v64 = { .wg = &wg };
        struct large large = { .wg = &wg };

        huge.wg = &wg;
        fill_bytes(v64.b, sizeof v64.b, 5);
        fill_bytes(large.b, sizeof large.b, 6);
        fill_bytes(huge.b, sizeof huge.b, 7);
        rn_wg_add(&wg, 3);
        rn_go_copy(take_exactly64, struct exactly64, v64);
        rn_go_copy(take_large, struct large, large);
        rn_go_copy(take_huge, struct huge, huge);
        memset(v64.b, 0, sizeof v64.b);
        memset(large.b, 0, sizeof large.b);
        rn_wg_wait(&wg);
        memset(huge.b, 0, sizeof huge.b);
}

struct over_aligned {
        _Alignas(256) unsigned char b[256];
        rn_wg *wg;
};

struct aligned_small {
        _Alignas(32) unsigned char b[16];
        rn_wg *wg;
};

static void take_over_aligned(struct over_aligned *v)
{
        CHECK_EQ((uintptr_t)v % 256, 0);
        all_bytes_are(v->b, sizeof v->b, 8);
        rn_wg_done(v->wg);
}

static void take_aligned_small(struct aligned_small *v)
{
        CHECK_EQ((uintptr_t)v % 32, 0);
        all_bytes_are(v->b, sizeof v->b, 9);
        rn_wg_done(v->wg);
}

static void go_copy_keeps_the_alignment_of_over_aligned_types(void)
{
        rn_wg wg = { { 0 } };
        struct over_aligned big = { .wg = &wg };
        struct aligned_small small = { .wg = &wg };

        fill_bytes(big.b, sizeof big.b, 8);
        fill_bytes(small.b, sizeof small.b, 9);
        for (int i = 0; i < 10; i++) {
                rn_wg_add(&wg, 2);
                rn_go_copy(take_over_aligned, struct over_aligned, big);
                rn_go_copy(take_aligned_small, struct aligned_small, small);
        }
        rn_wg_wait(&wg);
}

/* -- rn_try_go, rn_go_attr -- */

static void count_down(rn_wg *wg)
{
        rn_wg_done(wg);
}

static void try_go_starts_the_goroutine_and_returns_0(void)
{
        rn_wg wg = { { 0 } };

        rn_wg_add(&wg, 1);
        CHECK_EQ(rn_try_go(count_down, &wg), 0);
        rn_wg_wait(&wg);
}

enum { DEEP = 700 * 1024 };

static __attribute__((noinline)) unsigned use_stack(volatile char *b, size_t n)
{
        unsigned sum = 0;

        for (size_t i = 0; i < n; i += 1024)
                b[i] = (char)(i / 1024);
        for (size_t i = 0; i < n; i += 1024)
                sum += (unsigned char)b[i];
        return sum;
}

static void go_deep(rn_wg *wg)
{
        volatile char b[DEEP];
        unsigned sum = 0;

        for (size_t i = 0; i < DEEP / 1024; i++)
                sum += (unsigned char)(char)i;
        CHECK_EQ(use_stack(b, DEEP), sum);
        rn_yield();
        CHECK_EQ((unsigned char)b[1024 * 300], 300 % 256);
        rn_wg_done(wg);
}

static void go_attr_gives_a_stack_of_the_size_asked_for(void)
{
        rn_wg wg = { { 0 } };
        rn_attr attr = { .stack = 1024 * 1024 };

        for (int i = 0; i < 3; i++) {
                rn_wg_add(&wg, 1);
                CHECK_EQ(rn_go_attr(&attr, go_deep, &wg), 0);
        }
        rn_wg_wait(&wg);
}

static void wait_closed(rn_chan(rn_nothing) c, rn_wg *wg)
{
        rn_wait(c);
        rn_wg_done(wg);
}

static void go_attr_gives_a_name_that_the_dump_shows(void)
{
        rn_chan(rn_nothing) c = rn_make(rn_nothing, 0);
        rn_attr attr = { .name = "named at the start" };
        rn_wg wg = { { 0 } };

        rn_wg_add(&wg, 1);
        CHECK_EQ(rn_go_attr(&attr, wait_closed, c, &wg), 0);
        behave_until_parked("named at the start", 1);
        CHECK_EQ(behave_parked("named at the start", "chan receive"), 1);
        rn_close(c);
        rn_wg_wait(&wg);
        rn_unref(c);
}

/* -- numbers and counts -- */

static void note_id(uint64_t *out)
{
        *out = rn_goid();
        for (int i = 0; i < 20; i++) {
                rn_yield();
                CHECK(rn_goid() == *out);
        }
}

static void goid_is_unique_and_stays_through_switches(void)
{
        enum { N = 300 };
        static uint64_t id[N];
        rn_wg wg = { { 0 } };

        for (int i = 0; i < N; i++)
                rn_wg_go(&wg, note_id, &id[i]);
        rn_wg_wait(&wg);
        for (int i = 0; i < N; i++) {
                CHECK(id[i] != 0 && id[i] != 1 && id[i] != rn_goid());
                for (int k = 0; k < i; k++)
                        CHECK(id[i] != id[k]);
        }
}

static void number_of_goroutines_returns_to_where_it_was(void)
{
        rn_chan(rn_nothing) c = rn_make(rn_nothing, 0);
        rn_wg wg = { { 0 } };
        int before = rn_numgoroutine();

        for (int round = 0; round < 20; round++) {
                rn_wg_add(&wg, 100);
                for (int i = 0; i < 100; i++)
                        rn_wg_go(&wg, wait_closed, c, &wg);
                CHECK_EQ(rn_numgoroutine(), before + 100);
                rn_close(c);
                rn_wg_wait(&wg);
                CHECK_EQ(rn_numgoroutine(), before);
                rn_unref(c);
                c = rn_make(rn_nothing, 0);
        }
        rn_unref(c);
}

/* Lines "goroutine N ...[state]:" in the library's own dump. */
static int stacks_in_dump(void)
{
        FILE *f = tmpfile();
        char line[512];
        int n = 0;

        if (!f)
                abort();
        rn_dump(fileno(f));
        rewind(f);
        while (fgets(line, sizeof line, f))
                n += strncmp(line, "goroutine ", 10) == 0 && strstr(line, "]:\n") != NULL;
        fclose(f);
        return n;
}

static void dump_has_a_stack_for_each_goroutine(void)
{
        rn_chan(rn_nothing) c = rn_make(rn_nothing, 0);
        rn_wg wg = { { 0 } };

        rn_wg_add(&wg, 30);
        for (int i = 0; i < 30; i++)
                rn_wg_go(&wg, wait_closed, c, &wg);
        CHECK_EQ(stacks_in_dump(), rn_numgoroutine());
        rn_close(c);
        rn_wg_wait(&wg);
        CHECK_EQ(stacks_in_dump(), rn_numgoroutine());
        rn_unref(c);
}

/* -- in large numbers -- */

static atomic_int deferred_ran;

static void add_one(atomic_int *n)
{
        atomic_fetch_add(n, 1);
}

static void sleep_with_deferred(void)
{
        rn_defer(add_one, &deferred_ran);
        rn_sleep(100 * RN_MSEC);
}

static void ten_thousand_goroutines_with_a_deferred_call_sleep_100_ms(void)
{
        int n = BEHAVE_LIVE(10000);
        rn_wg wg = { { 0 } };
        rn_time begun = rn_now();

        atomic_store(&deferred_ran, 0);
        for (int i = 0; i < n; i++)
                rn_wg_go(&wg, sleep_with_deferred);
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&deferred_ran), n);
        CHECK(rn_now() - begun >= 100 * RN_MSEC);
        CHECK(rn_now() - begun < 20 * RN_SEC);
}

static atomic_bool stop_mobile;
static atomic_int mobiles;

static void perpetuum_mobile(rn_wg *wg)
{
        atomic_fetch_add(&mobiles, 1);
        if (atomic_load(&stop_mobile))
                rn_wg_done(wg);
        else
                rn_go(perpetuum_mobile, wg);
}

static void perpetuum_mobile_does_not_starve_a_change_of_maxprocs(void)
{
        int rounds = BEHAVE_SCALE(1000), before = rn_maxprocs(0);
        rn_wg wg = { { 0 } };

        atomic_store(&stop_mobile, false);
        atomic_store(&mobiles, 0);
        rn_wg_add(&wg, 1);
        rn_go(perpetuum_mobile, &wg);
        for (int i = 0; i < rounds; i++) {
                CHECK_EQ(rn_maxprocs(i % 8 + 1), i ? (i - 1) % 8 + 1 : before);
                rn_yield();
        }
        BEHAVE_UNTIL(atomic_load(&mobiles) > rounds);
        CHECK_EQ(rn_maxprocs(before), (rounds - 1) % 8 + 1);
        atomic_store(&stop_mobile, true);
        rn_wg_wait(&wg);
}

static void spawn_tree(rn_wg *wg, int depth, atomic_int *leaves)
{
        if (depth == 0) {
                atomic_fetch_add(leaves, 1);
                return;
        }
        for (int i = 0; i < 4; i++)
                rn_wg_go(wg, spawn_tree, wg, depth - 1, leaves);
}

static void goroutines_start_goroutines(void)
{
        rn_wg wg = { { 0 } };
        atomic_int leaves = 0;

        rn_wg_go(&wg, spawn_tree, &wg, 5, &leaves);
        rn_wg_wait(&wg);
        CHECK_EQ(leaves, 1024);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(go_calls_a_function_without_arguments),
        BEHAVE_BOTH(go_passes_six_arguments_of_every_kind),
        BEHAVE_BOTH(go_converts_arguments_to_the_prototype),
        BEHAVE(go_drops_a_result),
        BEHAVE_BOTH(arguments_are_evaluated_once_and_by_the_starter),
        BEHAVE(arguments_keep_the_values_they_had_at_the_start),
        BEHAVE_BOTH(go_copy_gives_each_goroutine_its_own_small_value),
        BEHAVE(go_copy_takes_a_brace_list),
        BEHAVE_BOTH(go_copy_takes_values_of_64_and_3000_bytes_and_64_kib),
        BEHAVE(go_copy_keeps_the_alignment_of_over_aligned_types),
        BEHAVE_BOTH(try_go_starts_the_goroutine_and_returns_0),
        BEHAVE(go_attr_gives_a_stack_of_the_size_asked_for),
        BEHAVE(go_attr_gives_a_name_that_the_dump_shows),
        BEHAVE_BOTH(goid_is_unique_and_stays_through_switches),
        BEHAVE_BOTH(number_of_goroutines_returns_to_where_it_was),
        BEHAVE_BOTH(dump_has_a_stack_for_each_goroutine),
        BEHAVE(ten_thousand_goroutines_with_a_deferred_call_sleep_100_ms),
        BEHAVE_BOTH(perpetuum_mobile_does_not_starve_a_change_of_maxprocs),
        BEHAVE(goroutines_start_goroutines),
};

BEHAVE_MAIN(tests)
