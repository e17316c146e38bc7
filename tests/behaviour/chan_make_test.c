/* SPDX-License-Identifier: MIT
 * Making channels, len and cap, and elements of every kind: a value comes out of a channel byte
 * for byte as it went in, whatever its size and alignment, from the buffer and from hand to
 * hand. */
#define _GNU_SOURCE
#define BEHAVE_COUNTING
#include "tests/support/behave.h"

#include <limits.h>

struct none {
};
struct b3 {
        unsigned char b[3];
};
struct b16 {
        uint64_t w[2];
};
struct b24 {
        uint64_t w[3];
};
struct b40 {
        uint64_t w[5];
};
struct b4096 {
        unsigned char b[4096];
};
struct aligned64 {
        _Alignas(64) unsigned char b[64];
};
struct kib64 {
        char b[65536];
};

static void new_channel_has_len_0_and_the_capacity_asked_for(void)
{
        rn_chan(int) a = rn_make(int, 0);
        rn_chan(int) b = rn_make(int, 10);

        CHECK_EQ(rn_len(a), 0);
        CHECK_EQ(rn_cap(a), 0);
        CHECK_EQ(rn_len(b), 0);
        CHECK_EQ(rn_cap(b), 10);
        rn_unref(a);
        rn_unref(b);
}

static void len_counts_what_is_buffered_and_cap_stays(void)
{
        rn_chan(int) c = rn_make(int, 10);

        for (int i = 0; i < 7; i++) {
                rn_send(c, i);
                CHECK_EQ(rn_len(c), i + 1);
                CHECK_EQ(rn_cap(c), 10);
        }
        for (int i = 0; i < 7; i++) {
                CHECK_EQ(rn_get(c), i);
                CHECK_EQ(rn_len(c), 6 - i);
        }
        rn_unref(c);
}

static void full_channel_has_len_equal_to_cap(void)
{
        for (int cap = 0; cap < 200; cap++) {
                rn_chan(int) c = rn_make(int, cap);

                for (int i = 0; i < cap; i++)
                        rn_send(c, i);
                CHECK_EQ(rn_len(c), cap);
                CHECK_EQ(rn_cap(c), cap);
                CHECK(!rn_try_send(c, -1));
                rn_unref(c);
        }
}

static void nil_channel_has_len_and_cap_0(void)
{
        rn_chan(int) c = NULL;
        rn_recv_chan(int) r = NULL;
        rn_send_chan(int) s = NULL;

        CHECK_EQ(rn_len(c), 0);
        CHECK_EQ(rn_cap(c), 0);
        CHECK_EQ(rn_len(r) + rn_len(s), 0);
        CHECK_EQ(rn_cap(r) + rn_cap(s), 0);
}

static void capacity_may_have_any_integer_type(void)
{
        unsigned char small = 200;
        size_t size = 3;
        long long wide = 5;
        rn_chan(int) a = rn_make(int, small);
        rn_chan(int) b = rn_make(int, size);
        rn_chan(int) c = rn_make(int, wide);

        CHECK_EQ(rn_cap(a), 200);
        CHECK_EQ(rn_cap(b), 3);
        CHECK_EQ(rn_cap(c), 5);
        rn_unref(a);
        rn_unref(b);
        rn_unref(c);
}

static void make_int(ptrdiff_t cap)
{
        rn_chan(int) c = rn_make(int, cap);

        rn_unref(c);
}

static void make_kib64(ptrdiff_t cap)
{
        rn_chan(struct kib64) c = rn_make(struct kib64, cap);

        rn_unref(c);
}

static void make_none(ptrdiff_t cap)
{
        rn_chan(struct none) c = rn_make(struct none, cap);

        rn_unref(c);
}

static void negative_capacity_panics_and_can_be_caught(void)
{
        CHECK_PANICS("makechan: size out of range", make_int, -1);
        CHECK_PANICS("makechan: size out of range", make_int, PTRDIFF_MIN);
        CHECK_PANICS("makechan: size out of range", make_none, -1);
}

static void impossible_capacity_panics_without_allocating(void)
{
        CHECK_PANICS("makechan: size out of range", make_int, PTRDIFF_MAX);
        CHECK_PANICS("makechan: size out of range", make_int, PTRDIFF_MAX / 4 + 2);
        CHECK_PANICS("makechan: size out of range", make_kib64, INT_MAX);
#if PTRDIFF_MAX > INT_MAX
        CHECK_PANICS("makechan: size out of range", make_int, (ptrdiff_t)1 << 40);
        CHECK_PANICS("makechan: size out of range", make_kib64, (ptrdiff_t)1 << 48);
        CHECK_PANICS("makechan: size out of range", make_none, (ptrdiff_t)INT_MAX + 1);
#endif
#if BEHAVE_COUNTS
        atomic_store(&behave_allocations, 0);
        atomic_store(&behave_counting, 1);
        for (int i = 0; i < 1000; i++) {
                rn_pcall(NULL, make_int, PTRDIFF_MAX);
                rn_pcall(NULL, make_kib64, INT_MAX);
        }
        atomic_store(&behave_counting, 0);
        CHECK(atomic_load(&behave_allocations) < 100);
#endif
}

static void try_make_reports_instead_of_panicking(void)
{
        rn_chan(struct kib64) big = NULL;
        rn_chan(int) c = NULL;

        CHECK_EQ(rn_try_make(int, -1, &c), -EINVAL);
        CHECK_EQ(rn_try_make(int, PTRDIFF_MAX, &c), -EINVAL);
        CHECK_EQ(rn_try_make(struct kib64, INT_MAX, &big), -EINVAL);
        CHECK(c == NULL && big == NULL);
        CHECK_EQ(rn_try_make(int, 2, &c), 0);
        CHECK(c != NULL);
        CHECK_EQ(rn_cap(c), 2);
        rn_unref(c);
}

#if BEHAVE_COUNTS
static void out_of_memory_is_reported_or_panics(void)
{
        struct rn_recovered p = { .text = "" };
        rn_chan(int) c = NULL;
        bool returned;
        int err;

        behave_refusing = true;
        err = rn_try_make(int, 1000, &c);
        returned = rn_pcall(&p, make_int, 1000);
        behave_refusing = false;
        CHECK_EQ(err, -ENOMEM);
        CHECK(c == NULL);
        CHECK(!returned);
        CHECK(strstr(p.text, "out of memory") != NULL);
}
#endif

/* One test for a type: what make() says goes through a buffer in order and through two hands. */
#define ELEMENT_TEST(name, T) \
        static void fill_##name(T *x, unsigned n) \
        { \
                unsigned char *b = (unsigned char *)x; \
                for (size_t i = 0; i < sizeof(T); i++) \
                        b[i] = (unsigned char)(n * 31 + i * 7 + 1); \
        } \
        static void send_##name(rn_send_chan(T) c) \
        { \
                T x; \
                for (unsigned i = 0; i < 20; i++) { \
                        fill_##name(&x, i); \
                        rn_send(c, x); \
                        memset((void *)&x, 0xee, sizeof x); \
                } \
        } \
        static void elements_of_##name##_keep_their_content(void) \
        { \
                for (int cap = 0; cap < 8; cap += 3) { \
                        rn_chan(T) c = rn_make(T, cap); \
                        struct { \
                                unsigned char before[8]; \
                                T x; \
                                unsigned char after[8]; \
                        } in; \
                        T want; \
                        rn_go(send_##name, c); \
                        for (unsigned i = 0; i < 20; i++) { \
                                memset((void *)&in, 0x55, sizeof in); \
                                fill_##name(&want, i); \
                                CHECK(rn_recv(c, &in.x)); \
                                CHECK(memcmp((const void *)&in.x, (const void *)&want, \
                                             sizeof want) == 0); \
                                CHECK(in.before[7] == 0x55 && in.after[0] == 0x55); \
                                CHECK_EQ((uintptr_t)&in.x % _Alignof(T), 0); \
                        } \
                        CHECK_EQ(rn_len(c), 0); \
                        rn_close(c); \
                        memset((void *)&in, 0x55, sizeof in); \
                        CHECK(!rn_recv(c, &in.x)); \
                        for (size_t i = 0; i < sizeof(T); i++) \
                                CHECK_EQ(((const unsigned char *)&in.x)[i], 0); \
                        CHECK(in.before[7] == 0x55 && in.after[0] == 0x55); \
                        rn_unref(c); \
                } \
        }

ELEMENT_TEST(1_byte, unsigned char)
ELEMENT_TEST(3_bytes, struct b3)
ELEMENT_TEST(8_bytes, uint64_t)
ELEMENT_TEST(16_bytes, struct b16)
ELEMENT_TEST(24_bytes, struct b24)
ELEMENT_TEST(40_bytes, struct b40)
ELEMENT_TEST(4096_bytes, struct b4096)
ELEMENT_TEST(64_bytes_alignment, struct aligned64)

static void len_and_cap_count_elements_of_any_size(void)
{
        rn_chan(struct b3) a = rn_make(struct b3, 5);
        rn_chan(struct b4096) b = rn_make(struct b4096, 5);
        rn_chan(struct none) c = rn_make(struct none, 5);

        rn_send(a, { { 1, 2, 3 } });
        rn_send(b, { { 1 } });
        rn_send(c, {});
        CHECK(rn_len(a) == 1 && rn_cap(a) == 5);
        CHECK(rn_len(b) == 1 && rn_cap(b) == 5);
        CHECK(rn_len(c) == 1 && rn_cap(c) == 5);
        rn_unref(a);
        rn_unref(b);
        rn_unref(c);
}

static void zero_size_elements_are_counted_in_the_buffer(void)
{
        enum { N = 1000 };
        rn_chan(struct none) c = rn_make(struct none, N);
        struct none x;

        for (int i = 0; i < N; i++)
                rn_send(c, x = (struct none){});
        CHECK_EQ(rn_len(c), N);
        CHECK(!rn_try_send(c, x));
        rn_close(c);
        for (int i = 0; i < N; i++)
                CHECK(rn_recv(c, &x));
        CHECK(!rn_recv(c, &x));
        rn_unref(c);
}

static void send_none(rn_chan(struct none) c, int n)
{
        for (int i = 0; i < n; i++)
                rn_send(c, {});
        rn_close(c);
}

static void zero_size_elements_rendezvous_without_a_buffer(void)
{
        rn_chan(struct none) c = rn_make(struct none, 0);
        int n = 0;

        rn_go(send_none, c, 100);
        while (rn_wait(c))
                n++;
        CHECK_EQ(n, 100);
        rn_unref(c);
}

static void zero_size_elements_may_be_made_without_the_macros(void)
{
        void *c = rn_chan_new(0, 1, 2, "nothing");
        char x = 7;

        CHECK(rn_chan_send_try(c, &x));
        CHECK(rn_chan_send_try(c, &x));
        CHECK(!rn_chan_send_try(c, &x));
        CHECK_EQ(rn_chan_recv_try(c, &x), 1);
        CHECK_EQ(x, 7);
        CHECK_EQ((rn_len)(c), 1);
        rn_unref(c);
}

static int twice(int x)
{
        return 2 * x;
}

static void pointers_functions_arrays_and_doubles_are_elements(void)
{
        typedef int (*fn)(int);
        typedef int three[3];
        rn_chan(const char *) text = rn_make(const char *, 1);
        rn_chan(fn) calls = rn_make(fn, 1);
        rn_chan(three) arrays = rn_make(three, 1);
        rn_chan(double) numbers = rn_make(double, 1);
        three x = { 0 };

        rn_send(text, "abc");
        CHECK(strcmp(rn_get(text), "abc") == 0);
        rn_send(calls, twice);
        CHECK_EQ(rn_get(calls)(21), 42);
        rn_send(arrays, { 1, 2, 3 });
        CHECK(rn_recv(arrays, &x));
        CHECK(x[0] == 1 && x[1] == 2 && x[2] == 3);
        rn_send(numbers, 1);
        CHECK(rn_get(numbers) * 2 == 2.0);
        rn_unref(text);
        rn_unref(calls);
        rn_unref(arrays);
        rn_unref(numbers);
}

static void channel_received_is_the_target_of_a_send_at_once(void)
{
        rn_chan(rn_chan(int)) cc = rn_make(rn_chan(int), 1);
        rn_chan(int) c = rn_make(int, 1);

        rn_send(cc, c);
        rn_send(rn_get(cc), 2);
        CHECK_EQ(rn_get(c), 2);
        rn_unref(c);
        rn_unref(cc);
}

static void reply(rn_recv_chan(rn_chan(int)) requests)
{
        int n = 1;

        rn_range(answer, requests) {
                rn_send(answer, n++);
                rn_unref(answer);
        }
}

static void channels_of_channels_carry_requests(void)
{
        rn_chan(rn_chan(int)) requests = rn_make(rn_chan(int), 0);
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, reply, requests);
        for (int i = 1; i <= 100; i++) {
                rn_chan(int) answer = rn_make(int, i % 2);

                rn_send(requests, rn_ref(answer));
                CHECK_EQ(rn_get(answer), i);
                rn_unref(answer);
        }
        rn_close(requests);
        rn_wg_wait(&wg);
        rn_unref(requests);
}

static void views_are_the_same_channel(void)
{
        rn_chan(int) c = rn_make(int, 2);
        rn_send_chan(int) s = c;
        rn_recv_chan(int) r = c;
        int v = 0;

        rn_send(s, 5);
        CHECK_EQ(rn_len(r), 1);
        CHECK_EQ(rn_len(s), 1);
        CHECK_EQ(rn_cap(r), 2);
        CHECK(rn_recv(r, &v) && v == 5);
        rn_close(s);
        CHECK(!rn_recv(r, &v) && v == 0);
        rn_unref(c);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(new_channel_has_len_0_and_the_capacity_asked_for),
        BEHAVE_BOTH(len_counts_what_is_buffered_and_cap_stays),
        BEHAVE_BOTH(full_channel_has_len_equal_to_cap),
        BEHAVE_BOTH(nil_channel_has_len_and_cap_0),
        BEHAVE(capacity_may_have_any_integer_type),
        BEHAVE_BOTH(negative_capacity_panics_and_can_be_caught),
        BEHAVE_BOTH(impossible_capacity_panics_without_allocating),
        BEHAVE_BOTH(try_make_reports_instead_of_panicking),
#if BEHAVE_COUNTS
        BEHAVE_BOTH(out_of_memory_is_reported_or_panics),
#endif
        BEHAVE_BOTH(elements_of_1_byte_keep_their_content),
        BEHAVE_BOTH(elements_of_3_bytes_keep_their_content),
        BEHAVE_BOTH(elements_of_8_bytes_keep_their_content),
        BEHAVE_BOTH(elements_of_16_bytes_keep_their_content),
        BEHAVE_BOTH(elements_of_24_bytes_keep_their_content),
        BEHAVE_BOTH(elements_of_40_bytes_keep_their_content),
        BEHAVE_BOTH(elements_of_4096_bytes_keep_their_content),
        BEHAVE_BOTH(elements_of_64_bytes_alignment_keep_their_content),
        BEHAVE_BOTH(len_and_cap_count_elements_of_any_size),
        BEHAVE_BOTH(zero_size_elements_are_counted_in_the_buffer),
        BEHAVE_BOTH(zero_size_elements_rendezvous_without_a_buffer),
        BEHAVE_BOTH(zero_size_elements_may_be_made_without_the_macros),
        BEHAVE_BOTH(pointers_functions_arrays_and_doubles_are_elements),
        BEHAVE_BOTH(channel_received_is_the_target_of_a_send_at_once),
        BEHAVE_BOTH(channels_of_channels_carry_requests),
        BEHAVE_BOTH(views_are_the_same_channel),
};

BEHAVE_MAIN(tests)
