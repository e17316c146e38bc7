/* SPDX-License-Identifier: MIT
 * Capturing and making calls: whatever the prototype, the captured call must pass what a direct
 * one passes. struct m, g and stack are stand-ins with the offsets the assembly reads; rni_scratch
 * and rn_captured are this program's own. */
#include <wchar.h>

#include "runnel/call.h"
#include "tests/unit/arch_test.h"

#ifdef RNI_G_STACK_OFF
enum { ALWAYS_ASKS = 0 };
#else                           /* this stub knows no m */
enum { ALWAYS_ASKS = 1, RNI_STACK_SCRATCH_OFF = 8, RNI_G_STACK_OFF = 8 };
#endif

struct stack {
        char before[RNI_STACK_SCRATCH_OFF];
        struct rn_call scratch;
};
struct g {
        char before[RNI_G_STACK_OFF];
        struct stack *stack;
};
struct m {
        struct g *g;
};

void (*const volatile rn_capture)(void) = rni_capture_stub;
static struct stack fake_stack;
static struct rn_call thread_scratch, *expected_scratch;
static int slow_calls;
static bool slow_misaligned;

/* Overwrites every argument register, as a real one may. */
struct rn_call *rni_scratch(void)
{
        slow_calls++;
        slow_misaligned |= misaligned();
#if defined(__x86_64__)
        __asm__ volatile("mov $-1, %%rdi\n\t"
                         "mov %%rdi, %%rsi\n\tmov %%rdi, %%rdx\n\tmov %%rdi, %%rcx\n\t"
                         "mov %%rdi, %%r8\n\tmov %%rdi, %%r9\n\t"
                         "movq %%rdi, %%xmm0\n\tmovq %%rdi, %%xmm1\n\tmovq %%rdi, %%xmm2\n\t"
                         "movq %%rdi, %%xmm3\n\tmovq %%rdi, %%xmm4\n\tmovq %%rdi, %%xmm5"
                         : : : "rdi", "rsi", "rdx", "rcx", "r8", "r9",
                         "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5");
#elif defined(__i386__)
        __asm__ volatile("mov $-1, %%ecx\n\tmov %%ecx, %%edx" : : : "ecx", "edx");
#elif defined(__aarch64__)
        __asm__ volatile(".irp n, 0, 1, 2, 3, 4, 5\nmov x\\n, #-1\nfmov d\\n, x\\n\n.endr"
                         : : : "x0", "x1", "x2", "x3", "x4", "x5",
                         "v0", "v1", "v2", "v3", "v4", "v5");
#else
        __asm__ volatile(".irp n, 0, 1, 2, 3, 4, 5\nli a\\n, -1\nfmv.d.x fa\\n, a\\n\n.endr"
                         : : : "a0", "a1", "a2", "a3", "a4", "a5",
                         "fa0", "fa1", "fa2", "fa3", "fa4", "fa5");
#endif
        return ALWAYS_ASKS ? expected_scratch : &thread_scratch;
}

const struct rn_call *rn_captured(void (*fn)(void))
{
        expected_scratch->fn = fn;
        return expected_scratch;
}

/* What a callee received, argument by argument, and what it received in a direct call. */
static struct seen {
        size_t n;
        unsigned char bytes[64];
} seen;

static void put(const void *value, size_t size)
{
        memcpy(seen.bytes + seen.n, value, size);
        seen.n += size;
}

static void compare_calls(const char *name, const struct seen *direct, const struct rn_call *call)
{
        memset(&seen, 0, sizeof(seen));
        rni_call_run(call);
        if (direct->n == 0 || memcmp(&seen, direct, sizeof(seen)) != 0)
                fail_msg("%s: the captured call passed others than the direct one\n", name);
}

#define CHECK(f, ...) do { \
        struct seen direct_; \
        memset(&seen, 0, sizeof(seen)); \
        f(__VA_ARGS__); \
        direct_ = seen; \
        compare_calls(#f "(" #__VA_ARGS__ ")", &direct_, RN_CALL_(f, __VA_ARGS__)); \
} while (0)

#define PUT(x) put(&(x), sizeof(x))
#define FN(name, A, B, C, D, E, F) \
        static void name(A a, B b, C c, D d, E e, F f) \
        { \
                PUT(a), PUT(b), PUT(c), PUT(d), PUT(e), PUT(f); \
        }

enum color { RED = -3, GREEN, BLUE = 70000 };
typedef signed char schar;
typedef unsigned char uchar;
typedef unsigned short ushort_;
typedef unsigned long ulong_;
typedef long long llong;
typedef unsigned long long ullong;
typedef void *ptr;
typedef const char *str;
typedef void (*fnptr)(void);

/* Every scalar type with two telling values. */
#define SCALARS(X) \
        X(_Bool, true, false) X(char, 'x', (char)-7) X(schar, -128, 127) X(uchar, 200, 255) \
        X(short, -32768, 258) \
        X(ushort_, 65535, 258) X(int, -2147483647 - 1, 65537) X(unsigned, 4294967295u, 7) \
        X(long, (long)-5000000000, (long)6000000001) X(ulong_, (ulong_)-1, 1) \
        X(llong, -9000000000000000001, 4) \
        X(ullong, 12345678901234567890u, 2) X(size_t, 1u << 31, 99) X(wchar_t, L'\x20AC', L'w') \
        X(int8_t, -1, 1) X(uint16_t, 40000, 4) X(int32_t, -70000, 3) \
        X(uint64_t, 0x8000000000000001, 6) \
        X(color_, RED, BLUE) X(ptr, &seen, NULL) X(str, "a string literal", NULL) \
        X(fnptr, rni_capture_stub, NULL) \
        X(float, 1.25f, -3e38f) X(double, -2.5, 1e308)
typedef enum color color_;

/* The type under test at each of the six positions, among others of both register kinds. */
#define SCALAR_FNS(T, v0, v1) \
        FN(T##_1, T, double, uchar, float, str, long) \
        FN(T##_2, short, T, double, long, float, str) \
        FN(T##_3, double, str, T, uchar, double, float) \
        FN(T##_4, float, float, long, T, uchar, double) \
        FN(T##_5, str, long, double, short, T, double) \
        FN(T##_6, long, double, float, str, uchar, T)
SCALARS(SCALAR_FNS)

#define SCALAR_CHECK(T, v0, v1) do { \
        const T values_[] = { v0, v1 }; \
        for (size_t i_ = 0; i_ < 2; i_++) { \
                T v_ = values_[i_]; \
                CHECK(T##_1, v_, 1.5, 2, 3.5f, "four", -5L); \
                CHECK(T##_2, -1, v_, 2.5, 3L, 4.5f, "five"); \
                CHECK(T##_3, 1.5, "two", v_, 3, 4.5, 5.5f); \
                CHECK(T##_4, 1.5f, 2.5f, -3L, v_, 4, 5.5); \
                CHECK(T##_5, "one", -2L, 3.5, -4, v_, 5.5); \
                CHECK(T##_6, 1L, 2.5, 3.5f, "four", 5, v_); \
        } \
} while (0);

static apart void check_scalars(void)
{
        SCALARS(SCALAR_CHECK)
}

/* All 64 ways to mix the two register kinds; each literal meets both kinds of parameter. */
typedef long word;
typedef double real;
#define PATTERNS(X) PAT1(X, word) PAT1(X, real)
#define PAT1(X, p1) PAT2(X, p1, word) PAT2(X, p1, real)
#define PAT2(X, p1, p2) PAT3(X, p1, p2, word) PAT3(X, p1, p2, real)
#define PAT3(X, p1, p2, p3) PAT4(X, p1, p2, p3, word) PAT4(X, p1, p2, p3, real)
#define PAT4(X, p1, p2, p3, p4) PAT5(X, p1, p2, p3, p4, word) PAT5(X, p1, p2, p3, p4, real)
#define PAT5(X, p1, p2, p3, p4, p5) X(p1, p2, p3, p4, p5, word) X(p1, p2, p3, p4, p5, real)
#define PAT_FN(a, b, c, d, e, f) FN(pat_##a##_##b##_##c##_##d##_##e##_##f, a, b, c, d, e, f)
PATTERNS(PAT_FN)
#define PAT_CHECK(a, b, c, d, e, f) \
        CHECK(pat_##a##_##b##_##c##_##d##_##e##_##f, 10, 20.0, 30u, -40.0f, -50L, 'c');

static apart void check_patterns(void)
{
        PATTERNS(PAT_CHECK)
}

FN(narrow, uchar, _Bool, schar, float, ushort_, int)
FN(widen, long, ulong_, double, double, llong, unsigned)
static void one(float a) { PUT(a); }
static void two(uchar a, double b) { PUT(a), PUT(b); }
static void five(double a, float b, str c, _Bool d, long e)
{
        PUT(a), PUT(b), PUT(c), PUT(d), PUT(e);
}

static void variadic(int n, ...)
{
        __builtin_va_list ap;

        __builtin_va_start(ap, n);
        for (int i = 0; i < n; i++) {
                double d = __builtin_va_arg(ap, double);
                int k = __builtin_va_arg(ap, int);

                PUT(d), PUT(k);
        }
        __builtin_va_end(ap);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"   /* the conversions are what is tested */
#pragma GCC diagnostic ignored "-Wfloat-conversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
static apart void check_conversions(void)
{
        int big = 70300, minus = -1;
        double half = 2.75;
        unsigned char small = 200;

        CHECK(narrow, big, big, big, half, big, half);
        CHECK(narrow, half, half, minus, big, minus, minus);
        CHECK(widen, minus, minus, minus, small, small, minus);
        CHECK(widen, half, half, big, 1.5f, half, half);
        CHECK(one, big);
        CHECK(two, big, minus);
        CHECK(five, minus, half, "a string literal longer than a word", half, big);
        CHECK(variadic, 2, 1.5, 7, -2.5, -8);
}
#pragma GCC diagnostic pop

static int64_t minus_five(void)
{
        return -5;
}

static apart int int_sum(int a, unsigned char b)
{
        return a + b;
}

static void capture_anywhere(void)
{
        CHECK(two, 3, 4.5);
        assert_int_equal(rni_call_run(RN_CALL_(minus_five)), -5);
        assert_int_equal((int)rni_call_run(RN_CALL_(int_sum, -300, 20)), -280);
        check_scalars();
        check_patterns();
        check_conversions();
}

static apart void capture_two(void)
{
        RN_CALL_(two, 1, 2.5);
        keep_frame();
}

static void captured_calls_equal_direct_ones_on_a_goroutine(void **state)
{
        struct g g = { .stack = &fake_stack };
        struct m m = { &g };

        (void)state;
        rni_self_set(&m);
        assert_ptr_equal(rni_self(), &m);
        expected_scratch = &fake_stack.scratch;
        capture_anywhere();
        assert_int_equal(fill_and_call(capture_two, 0x6666000000000000), 0);
        assert_true(ALWAYS_ASKS || slow_calls == 0);
        for (size_t i = 0; i < sizeof(fake_stack.before); i++)
                assert_int_equal(fake_stack.before[i], 0);
        rni_self_set(NULL);
}

/* No M; an M between goroutines; a goroutine on a stack that is none of ours. */
static void captured_calls_equal_direct_ones_on_any_other_stack(void **state)
{
        struct g g = { .stack = NULL };
        struct m on_g = { &g }, idle = { NULL }, *self[] = { NULL, &idle, &on_g };

        (void)state;
        expected_scratch = &thread_scratch;
        slow_misaligned = false;
        for (size_t i = 0; i < 3; i++) {
                rni_self_set(self[i]);
                assert_ptr_equal(rni_self(), self[i]);
                capture_anywhere();
                slow_calls = 0;
                assert_int_equal(fill_and_call(capture_two, 0x6666000000000000), 0);
                assert_int_equal(slow_calls, 1);
        }
        rni_self_set(NULL);
        assert_true(!slow_misaligned);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(captured_calls_equal_direct_ones_on_a_goroutine),
                cmocka_unit_test(captured_calls_equal_direct_ones_on_any_other_stack),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
