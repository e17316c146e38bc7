/* SPDX-License-Identifier: MIT
 * sched/arch from outside: switching, making, visiting and unwinding stacks, catching and
 * throwing. Nothing asserts on a stack other than main's: what happened there is left in globals.
 */
#include <unwind.h>

#include "tests/unit/arch_test.h"

/* The capture stub's slow path wants it; nothing is captured here. */
struct rn_call *rni_scratch(void)
{
        static struct rn_call unused;

        return &unused;
}

/* ---- stacks ---- */

static _Alignas(64) char stack_a[65536], stack_b[65536];
static struct ctx main_ctx, a_ctx, b_ctx;

struct juggled {
        long l[8];
        double d[8];
        float f;
        long double x;
};

/* More live values than callee-saved registers; the same sum whether or not it switches away in
 * between. */
static apart void juggle(struct juggled *out, struct ctx *me, const struct ctx *other, long seed)
{
        long l0 = seed, l1 = 3, l2 = 5, l3 = 7, l4 = 11, l5 = 13, l6 = 17, l7 = 19;
        double d0 = (double)seed, d1 = 1.5, d2 = 2.5, d3 = 3.5;
        double d4 = 4.5, d5 = 5.5, d6 = 6.5, d7 = 7.5;
        float f = 0.25f;
        long double x = 0.125L;

        for (int i = 0; i < 200; i++) {
                if (me != NULL)
                        ctx_switch(me, other);
                l0 += l7 & 0xFFFF, l1 ^= l0, l2 += l1 & 0xFFFF, l3 ^= l2;
                l4 += l3 & 0xFFFF, l5 ^= l4, l6 += l5 & 0xFFFF, l7 ^= l6;
                d0 += d7 / 2, d1 -= d0 / 4, d2 += d1 / 8, d3 -= d2 / 2;
                d4 += d3 / 4, d5 -= d4 / 8, d6 += d5 / 2, d7 -= d6 / 4;
                f = f * 0.5f + 1, x = x / 2 + (long double)d0;
        }
        *out = (struct juggled){ { l0, l1, l2, l3, l4, l5, l6, l7 },
                                 { d0, d1, d2, d3, d4, d5, d6, d7 }, f, x };
}

static bool same_juggled(const struct juggled *a, const struct juggled *b)
{
        return memcmp(a->l, b->l, sizeof(a->l)) == 0 && memcmp(a->d, b->d, sizeof(a->d)) == 0 &&
               memcmp(&a->f, &b->f, sizeof(a->f)) == 0 && a->x <= b->x && a->x >= b->x;
}

static struct juggled a_got, b_got;

static void a_juggles(void)
{
        juggle(&a_got, &a_ctx, &b_ctx, 1);
        for (;;)
                ctx_switch(&a_ctx, &b_ctx);
}

static void b_juggles(void)
{
        juggle(&b_got, &b_ctx, &a_ctx, 2);
        ctx_jump(&main_ctx);
}

static void two_stacks_ping_pong_with_all_locals_live(void **state)
{
        struct juggled a_want, b_want;

        (void)state;
        juggle(&a_want, NULL, NULL, 1);
        juggle(&b_want, NULL, NULL, 2);
        ctx_make(&a_ctx, stack_a, stack_a + sizeof(stack_a), a_juggles);
        ctx_make(&b_ctx, stack_b, stack_b + sizeof(stack_b), b_juggles);
        ctx_switch(&main_ctx, &a_ctx);
        assert_true(same_juggled(&a_got, &a_want));
        assert_true(same_juggled(&b_got, &b_want));
}

/* Nobody takes its address, and main's functions below do not write it: a compiler that believes
 * the call graph keeps it in a register. Not apart, which would keep the compiler from looking. */
static int turns;

static __attribute__((noinline)) void give_a_a_turn(void)
{
        ctx_switch(&main_ctx, &a_ctx);
}

static void a_counts_turns(void)
{
        for (;;) {
                turns++;
                ctx_switch(&a_ctx, &main_ctx);
        }
}

static void statics_are_read_again_after_a_switch(void **state)
{
        (void)state;
        turns = 0;
        ctx_make(&a_ctx, stack_a, stack_a + sizeof(stack_a), a_counts_turns);
        give_a_a_turn();
        assert_int_equal(turns, 1);
        turns = 10;
        give_a_a_turn();
        assert_int_equal(turns, 11);
}

/* ---- registers ---- */

static apart void main_to_a(void)
{
        ctx_switch(&main_ctx, &a_ctx);
}

static apart void a_to_main(void)
{
        ctx_switch(&a_ctx, &main_ctx);
}

static int a_changed;

static void a_fills(void)
{
        for (;;)
                a_changed += fill_and_call(a_to_main, 0x5555000000000000);
}

static void callee_saved_registers_survive_a_switch(void **state)
{
        (void)state;
        a_changed = 0;
        ctx_make(&a_ctx, stack_a, stack_a + sizeof(stack_a), a_fills);
        for (int i = 0; i < 3; i++)
                assert_int_equal(fill_and_call(main_to_a, 0x3333000000000000), 0);
        assert_int_equal(a_changed, 0);
}

#ifndef RNI_SWITCH_UCONTEXT
/* The floating-point control word: rounding mode bits alone, up and down. */
#if defined(__x86_64__)
enum { ROUND_UP = 0x4000, ROUND_DOWN = 0x2000, ROUND_MASK = 0x6000 };
static unsigned fp_control(void) { return __builtin_ia32_stmxcsr(); }
static void fp_control_set(unsigned w) { __builtin_ia32_ldmxcsr(w); }
#elif defined(__aarch64__)
enum { ROUND_UP = 1 << 22, ROUND_DOWN = 2 << 22, ROUND_MASK = 3 << 22 };
static unsigned fp_control(void)
{
        uint64_t w;

        __asm__ volatile("mrs %0, fpcr" : "=r"(w));
        return (unsigned)w;
}
static void fp_control_set(unsigned w) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)w)); }
#else
enum { ROUND_UP = 3, ROUND_DOWN = 2, ROUND_MASK = 7 };
static unsigned fp_control(void)
{
        uint64_t w;

        __asm__ volatile("frrm %0" : "=r"(w));
        return (unsigned)w;
}
static void fp_control_set(unsigned w) { __asm__ volatile("fsrm %0" : : "r"((uint64_t)w)); }
#endif

static unsigned a_saw_rounding;

static void a_rounds_down(void)
{
        a_saw_rounding = fp_control() & ROUND_MASK;
        fp_control_set((fp_control() & ~(unsigned)ROUND_MASK) | ROUND_DOWN);
        ctx_jump(&main_ctx);
}

static void fp_control_stays_with_the_thread(void **state)
{
        unsigned before = fp_control(), after;

        (void)state;
        ctx_make(&a_ctx, stack_a, stack_a + sizeof(stack_a), a_rounds_down);
        fp_control_set((before & ~(unsigned)ROUND_MASK) | ROUND_UP);
        ctx_switch(&main_ctx, &a_ctx);
        after = fp_control() & ROUND_MASK;
        fp_control_set(before);
        assert_int_equal(a_saw_rounding, ROUND_UP);
        assert_int_equal(after, ROUND_DOWN);
}
#endif

/* ---- unwinding ---- */

static struct {
        int n;
        uintptr_t ip[40], start[40];
        _Unwind_Reason_Code end;
} trace;

static _Unwind_Reason_Code trace_frame(struct _Unwind_Context *c, void *unused)
{
        (void)unused;
        if (trace.n == 40)
                return _URC_NORMAL_STOP;
        trace.ip[trace.n] = (uintptr_t)_Unwind_GetIP(c);
        trace.start[trace.n++] = (uintptr_t)_Unwind_GetRegionStart(c);
        return _URC_NO_REASON;
}

static apart void take_trace(void)
{
        trace.n = 0;
        trace.end = _Unwind_Backtrace(trace_frame, NULL);
        keep_frame();
}

static int trace_find(void (*fn)(void))
{
        for (int i = 0; i < trace.n; i++)
                if (trace.start[i] == (uintptr_t)fn)
                        return i;
        return -1;
}

static void assert_trace_ends_at_entry(int most)
{
        assert_int_equal(trace.end, _URC_END_OF_STACK);
        assert_true(trace.n > 0 && trace.n <= most);
#ifndef RNI_SWITCH_UCONTEXT
        /* libgcc reports the undefined return address as a last frame at 0. */
        uintptr_t entry = (uintptr_t)rni_ctx_entry, last = trace.ip[trace.n - 1];

        if (last == 0 && trace.n > 1)
                last = trace.ip[trace.n - 2];
        assert_true(last >= entry && last < entry + 32);
#endif
}

static bool entry_misaligned;

static apart void a_traces_inner(void)
{
        take_trace();
        keep_frame();
}

static apart void a_traces(void)
{
        entry_misaligned = misaligned();
        a_traces_inner();
        ctx_jump(&main_ctx);
}

static void made_stacks_are_aligned_and_end_every_backtrace(void **state)
{
        (void)state;
        for (size_t cut = 0; cut < 16; cut += 5) {
                ctx_make(&a_ctx, stack_a, stack_a + sizeof(stack_a) - cut, a_traces);
#ifndef RNI_SWITCH_UCONTEXT
                assert_true(a_ctx.fp == NULL);
#endif
                ctx_switch(&main_ctx, &a_ctx);
                assert_true(!entry_misaligned);
                assert_int_equal(trace_find(a_traces_inner), 1);
                assert_int_equal(trace_find(a_traces), 2);
                assert_trace_ends_at_entry(6);
        }
}

/* Calls nothing: on x86-64 its locals may lie below its sp, which then need not be 16-aligned. */
static apart long parked_leaf(long a, long b)
{
        volatile long kept[6] = { a, b, a + b, a - b, a ^ b, a & b };

        ctx_switch(&a_ctx, &main_ctx);
        return kept[0] == a && kept[1] == b && kept[2] == a + b && kept[3] == a - b &&
               kept[4] == (a ^ b) && kept[5] == (a & b);
}

static apart long parked_middle(long a)
{
        long ok = parked_leaf(a, 77);

        keep_frame();
        return ok + 1;
}

static long parked_result;

static apart void a_parks(void)
{
        parked_result = parked_middle(5);
        ctx_jump(&main_ctx);
}

static int visits;
static bool visitor_misaligned;

static apart void scribble(void)
{
        volatile char junk[4096];

        for (size_t i = 0; i < sizeof(junk); i++)
                junk[i] = 0x5A;
}

static apart void visitor(void)
{
        visits++;
        visitor_misaligned = misaligned();
        scribble();
        take_trace();
        ctx_jump(&main_ctx);
}

static apart void main_visits_a(void)
{
        ctx_visit(&main_ctx, &a_ctx, visitor);
}

static void a_visitor_sees_the_parked_frames_and_changes_nothing(void **state)
{
        struct ctx before;

        (void)state;
        ctx_make(&a_ctx, stack_a, stack_a + sizeof(stack_a), a_parks);
        ctx_switch(&main_ctx, &a_ctx);
        before = a_ctx;
        for (int i = 1; i <= 3; i++) {
                int leaf, middle, outer;

                visits = 0;
                assert_int_equal(fill_and_call(main_visits_a, 0x2222000000000000), 0);
                assert_int_equal(visits, 1);
                assert_true(!visitor_misaligned);
                assert_true(memcmp(&before, &a_ctx, sizeof(before)) == 0);
                leaf = trace_find((void (*)(void))parked_leaf);
                middle = trace_find((void (*)(void))parked_middle);
                outer = trace_find(a_parks);
                assert_true(leaf > 0);
                assert_int_equal(middle, leaf + 1);
                assert_int_equal(outer, leaf + 2);
                assert_trace_ends_at_entry(leaf + 6);
        }
        parked_result = 0;
        ctx_switch(&main_ctx, &a_ctx);
        assert_int_equal(parked_result, 2);
}

static void a_context_that_never_ran_can_be_visited(void **state)
{
        (void)state;
        visits = 0;
        parked_result = 0;
        ctx_make(&a_ctx, stack_a, stack_a + sizeof(stack_a), a_parks);
        ctx_visit(&main_ctx, &a_ctx, visitor);
        assert_int_equal(visits, 1);
        assert_trace_ends_at_entry(6);
        ctx_switch(&main_ctx, &a_ctx);
        ctx_switch(&main_ctx, &a_ctx);
        assert_int_equal(parked_result, 2);
}

/* ---- catch and throw ---- */

static struct catch_frame outer_catch, inner_catch;
static int reached;

static apart void dig(int depth, struct catch_frame *f)
{
        volatile int here = depth;

        if (depth == 0) {
                if (f != NULL)
                        rni_catch_throw(f);
                return;
        }
        dig(depth - 1, f);
        reached += here;        /* never: the throw leaves all of these */
}

static void throw_inner(void *depth)
{
        dig((int)(intptr_t)depth, &inner_catch);
}

static void throw_outer(void *depth)
{
        dig((int)(intptr_t)depth, &outer_catch);
}

static void return_plainly(void *p)
{
        ++*(int *)p;
}

static void nest(void *leave)
{
        int first = rni_catch(&inner_catch, throw_inner, (void *)3);

        if (leave != NULL)
                rni_catch(&inner_catch, throw_outer, (void *)4);
        reached = first == 1 ? 100 : -1;
        rni_catch_throw(&outer_catch);
}

static void catch_returns_what_happened(void **state)
{
        int n = 0;

        (void)state;
        reached = 0;
        assert_int_equal(rni_catch(&outer_catch, return_plainly, &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(rni_catch(&inner_catch, throw_inner, (void *)0), 1);
        assert_int_equal(rni_catch(&inner_catch, throw_inner, (void *)9), 1);
        assert_int_equal(reached, 0);
        assert_int_equal(rni_catch(&outer_catch, nest, NULL), 1);
        assert_int_equal(reached, 100);
        reached = 0;
        assert_int_equal(rni_catch(&outer_catch, nest, &n), 1);         /* past the inner catch */
        assert_int_equal(reached, 0);
}

static int caught;

static apart void catch_three(void)
{
        caught += rni_catch(&inner_catch, throw_inner, (void *)3);
        keep_frame();
}

static void park_then_throw(void *depth)
{
        ctx_switch(&a_ctx, &main_ctx);
        throw_outer(depth);
}

static void a_catches(void)
{
        int changed = fill_and_call(catch_three, 0x1111000000000000);

        caught += 100 * changed;
        caught += 10 * rni_catch(&outer_catch, park_then_throw, (void *)5);
        ctx_jump(&main_ctx);
}

static void a_throw_restores_registers_on_any_stack(void **state)
{
        (void)state;
        caught = 0;
        assert_int_equal(fill_and_call(catch_three, 0x4444000000000000), 0);
        assert_int_equal(caught, 1);
        ctx_make(&a_ctx, stack_a, stack_a + sizeof(stack_a), a_catches);
        ctx_switch(&main_ctx, &a_ctx);
        assert_int_equal(caught, 2);
        ctx_switch(&main_ctx, &a_ctx);
        assert_int_equal(caught, 12);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(two_stacks_ping_pong_with_all_locals_live),
                cmocka_unit_test(statics_are_read_again_after_a_switch),
                cmocka_unit_test(callee_saved_registers_survive_a_switch),
#ifndef RNI_SWITCH_UCONTEXT
                cmocka_unit_test(fp_control_stays_with_the_thread),
#endif
                cmocka_unit_test(made_stacks_are_aligned_and_end_every_backtrace),
                cmocka_unit_test(a_visitor_sees_the_parked_frames_and_changes_nothing),
                cmocka_unit_test(a_context_that_never_ran_can_be_visited),
                cmocka_unit_test(catch_returns_what_happened),
                cmocka_unit_test(a_throw_restores_registers_on_any_stack),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
