/* SPDX-License-Identifier: MIT
 * What no program can see of a context: that its set of children holds only what may still end with
 * it, and that no timer is left behind by a deadline that counts no more. From a plain thread; what
 * an end reaches is in tests/behaviour. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <runnel.h>

#include "ctx/ctx.h"

enum { N = 8 };
#define FAR (3600 * RN_SEC)

static int in_set_of(rn_ctx *ctx)
{
        struct cancel *n = ctx->cancel;
        struct member *m;
        int k = 0;

        ctx_lock(n);
        m = n->set;
        if (m)
                do {
                        assert_int_equal(load_rlx(&m->in_set), 1);   /* rlx: under the lock */
                        k++;
                        m = m->next;
                } while (m != n->set);
        ctx_unlock(n);
        return k;
}

static bool timer_runs(rn_ctx *ctx)
{
        const struct deadline *d = (const void *)ctx->cancel;

        return load_rlx(&d->timer.home) != 0;   /* rlx: nobody else starts it */
}

static void children_of(rn_ctx *p, rn_ctx **c)
{
        for (int i = 0; i < N; i++)
                c[i] = i % 2 ? rn_ctx_with_timeout(p, FAR) : rn_ctx_with_cancel(p);
        assert_int_equal(in_set_of(p), N);
}

static void a_cancelled_child_leaves_its_parents_set(void **state)
{
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background()), *c[N];

        (void)state;
        children_of(p, c);
        for (int i = 0; i < N; i++) {
                assert_true(i % 2 == 0 || timer_runs(c[i]));
                rn_ctx_cancel(c[i]);
                assert_int_equal(in_set_of(p), N - 1 - i);   /* although we still hold it */
                assert_false(i % 2 && timer_runs(c[i]));
        }
        for (int i = 0; i < N; i++)
                rn_unref(c[i]);
        assert_int_equal(rn_ctx_err(p), 0);
        rn_ctx_release(p);
}

static void a_freed_child_leaves_its_parents_set(void **state)
{
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background()), *c[N];

        (void)state;
        children_of(p, c);
        for (int i = 0; i < N; i++) {
                rn_unref(c[(i * 3) % N]);
                assert_int_equal(in_set_of(p), N - 1 - i);
        }
        rn_ctx_release(p);
}

static void a_child_whose_deadline_has_come_leaves_its_parents_set(void **state)
{
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background()), *c = rn_ctx_with_timeout(p, RN_MSEC),
               *far = rn_ctx_with_timeout(p, FAR);

        (void)state;
        rn_wait(rn_ctx_done(c));
        while (in_set_of(p) == 2)   /* done is closed before */
                rn_yield();
        assert_int_equal(in_set_of(p), 1);
        assert_false(timer_runs(c));
        assert_true(timer_runs(far));
        rn_unref(c);
        rn_ctx_release(far);
        assert_int_equal(in_set_of(p), 0);
        rn_ctx_release(p);
}

static void nothing(void)
{
}

static void an_after_func_leaves_the_set_when_it_is_stopped(void **state)
{
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background());
        rn_ctx_stop *s[N];

        (void)state;
        for (int i = 0; i < N; i++)
                s[i] = rn_ctx_after_func(p, nothing);
        assert_int_equal(in_set_of(p), N);
        for (int i = 0; i < N; i++) {
                assert_true(rn_ctx_stop_call(s[i]));
                assert_int_equal(in_set_of(p), N - 1 - i);
        }
        rn_ctx_release(p);
}

static void a_cancel_empties_the_set_and_stops_the_deadlines_below(void **state)
{
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background()), *c[N], *below;

        (void)state;
        children_of(p, c);
        below = rn_ctx_with_timeout(c[0], FAR);
        rn_unref(rn_ctx_after_func(p, nothing));
        assert_int_equal(in_set_of(p), N + 1);
        assert_int_equal(in_set_of(c[0]), 1);
        rn_ctx_cancel(p);
        assert_int_equal(in_set_of(p), 0);
        assert_int_equal(in_set_of(c[0]), 0);
        assert_false(timer_runs(below));
        for (int i = 0; i < N; i++) {
                assert_false(i % 2 && timer_runs(c[i]));
                rn_unref(c[i]);
        }
        rn_unref(below);
        rn_unref(p);
}

static void nothing_comes_into_the_set_of_one_that_has_ended(void **state)
{
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background()), *c, *d;

        (void)state;
        rn_ctx_cancel(p);
        c = rn_ctx_with_cancel(p);
        d = rn_ctx_with_timeout(p, FAR);
        rn_unref(rn_ctx_after_func(p, nothing));
        assert_int_equal(in_set_of(p), 0);
        assert_false(timer_runs(d));
        rn_unref(c);
        rn_unref(d);
        rn_unref(p);
}

static void a_later_deadline_than_the_parents_starts_no_timer(void **state)
{
        rn_ctx *p = rn_ctx_with_timeout(rn_ctx_background(), FAR);
        rn_ctx *later = rn_ctx_with_timeout(p, 2 * FAR);

        (void)state;
        assert_true(timer_runs(p));
        assert_false(later->obj.class == &rni_ctx_deadline_class && timer_runs(later));
        assert_int_equal(in_set_of(p), 1);
        rn_unref(later);
        rn_ctx_release(p);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_cancelled_child_leaves_its_parents_set),
                cmocka_unit_test(a_freed_child_leaves_its_parents_set),
                cmocka_unit_test(a_child_whose_deadline_has_come_leaves_its_parents_set),
                cmocka_unit_test(an_after_func_leaves_the_set_when_it_is_stopped),
                cmocka_unit_test(a_cancel_empties_the_set_and_stops_the_deadlines_below),
                cmocka_unit_test(nothing_comes_into_the_set_of_one_that_has_ended),
                cmocka_unit_test(a_later_deadline_than_the_parents_starts_no_timer),
        };

        rn_main_foreign();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
