/* SPDX-License-Identifier: MIT
 * What contexts carry and what they start: values and how they are dropped, contexts without
 * cancel, and after-funcs. */
#define _GNU_SOURCE
#define BEHAVE_COUNTING
#include "tests/support/behave.h"
#include "tests/support/contexts.h"

static const char key_a, key_b, key_c;
static int one, two, three;

/* -- values -- */

static void the_nearest_value_wins(void)
{
        rn_ctx *a = rn_ctx_with_value(rn_ctx_background(), &key_a, &one),
               *b = rn_ctx_with_value(a, &key_b, &two);
        rn_ctx *c = rn_ctx_with_value(b, &key_a, &three), *d = rn_ctx_with_value(c, &key_b, NULL);

        CHECK(rn_ctx_value(a, &key_a) == &one && rn_ctx_value(a, &key_b) == NULL);
        CHECK(rn_ctx_value(b, &key_a) == &one && rn_ctx_value(b, &key_b) == &two);
        CHECK(rn_ctx_value(c, &key_a) == &three && rn_ctx_value(c, &key_b) == &two);
        /* NULL hides, too */
        CHECK(rn_ctx_value(d, &key_a) == &three && rn_ctx_value(d, &key_b) == NULL);
        CHECK(rn_ctx_value(d, &key_c) == NULL);
        rn_unref(d);
        rn_unref(c);
        rn_unref(a);
        CHECK(rn_ctx_value(b, &key_a) == &one);   /* which b holds */
        rn_unref(b);
}

static void a_key_is_an_address(void)
{
        static const char *const text[] = { "key", "yek" };
        int x[2] = { 5, 5 };
        rn_ctx *c = rn_ctx_with_value(rn_ctx_background(), &x[0], &one);

        CHECK(rn_ctx_value(c, &x[0]) == &one);
        CHECK(rn_ctx_value(c, &x[1]) == NULL);   /* although it is equal */
        rn_unref(c);
        c = rn_ctx_with_value(rn_ctx_background(), text[0], &one);
        CHECK(rn_ctx_value(c, text[0]) == &one && rn_ctx_value(c, text[0] + 1) == NULL);
        rn_unref(c);
}

static void values_go_through_every_kind_and_survive_the_end(void)
{
        rn_ctx *v = rn_ctx_with_value(rn_ctx_background(), &key_a, &one),
               *c = rn_ctx_with_cancel(v);
        rn_ctx *t = rn_ctx_with_timeout(c, FAR), *w = rn_ctx_with_value(t, &key_b, &two);
        rn_ctx *without = rn_ctx_without_cancel(w), *all[] = { v, c, t, w, without };

        for (int ended = 0; ended < 2; ended++) {
                for (int i = 0; i < 5; i++) {
                        CHECK(rn_ctx_value(all[i], &key_a) == &one);
                        CHECK(rn_ctx_value(all[i], &key_b) == (i < 3 ? NULL : &two));
                }
                rn_ctx_cancel(c);
                CHECK_ENDED(w, -ECANCELED, -ECANCELED);
        }
        for (int i = 0; i < 5; i++)
                rn_unref(all[i]);
}

static void a_context_with_a_value_is_otherwise_as_its_parent(void)
{
        rn_ctx *p = rn_ctx_with_timeout(rn_ctx_background(), FAR),
               *v = rn_ctx_with_value(p, &key_a, &one);
        rn_ctx *w = rn_ctx_with_value(v, &key_b, &two),
               *root = rn_ctx_with_value(rn_ctx_background(), &key_a, &one);

        CHECK(rn_ctx_done(w) == rn_ctx_done(p) && rn_ctx_done(v) == rn_ctx_done(p));
        CHECK_EQ(rn_ctx_deadline(w), rn_ctx_deadline(p));
        CHECK_OPEN(w);
        rn_ctx_cancel_cause(p, -EIO);
        CHECK_ENDED(v, -ECANCELED, -EIO);
        CHECK_ENDED(w, -ECANCELED, -EIO);
        CHECK(rn_ctx_done(root) == NULL);
        CHECK_OPEN(root);
        CHECK_EQ(rn_ctx_deadline(root), RN_NEVER);
        rn_unref(p);
        rn_unref(v);
        rn_unref(w);
        rn_unref(root);
}

/* -- what becomes of a value -- */

struct dropped {
        atomic_long n;
        atomic_ullong goid;
        int x;               /* plain: ordered by the references alone */
};

static void note_drop(void *arg)
{
        struct dropped *d = arg;

        d->x++;
        atomic_store(&d->goid, rn_goid());
        atomic_fetch_add(&d->n, 1);
}

static void a_value_is_dropped_once_when_nobody_holds_it(void)
{
        struct dropped d = { .n = 0 };
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background()),
               *v = rn_ctx_with_value_free(p, &key_a, &d, note_drop);
        rn_ctx *c = rn_ctx_with_cancel(v);

        rn_ref(v);
        rn_unref(v);
        rn_unref(v);
        rn_ctx_cancel(p);
        rn_unref(p);
        CHECK_EQ(atomic_load(&d.n), 0);   /* c holds it */
        CHECK(rn_ctx_value(c, &key_a) == &d);
        rn_unref(c);
        CHECK_EQ(atomic_load(&d.n), 1);
        CHECK_EQ(atomic_load(&d.goid), rn_goid());   /* by us */
        CHECK_EQ(d.x, 1);
}

static atomic_long null_drops;

static void drop_null(void *value)
{
        CHECK(value == NULL);
        atomic_fetch_add(&null_drops, 1);
}

static void a_null_value_is_dropped_and_without_a_drop_nothing_happens(void)
{
        atomic_store(&null_drops, 0);
        rn_unref(rn_ctx_with_value_free(rn_ctx_background(), &key_a, NULL, drop_null));
        CHECK_EQ(atomic_load(&null_drops), 1);
        rn_unref(rn_ctx_with_value_free(rn_ctx_background(), &key_a, &one, NULL));
        rn_unref(rn_ctx_with_value(rn_ctx_background(), &key_a, &one));
        CHECK_EQ(one, 0);
}

static void drop_context(void *ctx)
{
        rn_yield();
        rn_ctx_release(ctx);
}

/* A drop may call the library, and let the next context go. */
static void a_value_may_be_a_context(void)
{
        struct dropped d = { .n = 0 };
        rn_ctx *inner = rn_ctx_with_value_free(rn_ctx_background(), &key_a, &d, note_drop);
        rn_ctx *own = rn_ctx_with_cancel(inner), *seen = rn_ctx_with_cancel(own);
        rn_ctx *outer = rn_ctx_with_value_free(rn_ctx_background(), &key_a, own, drop_context);

        rn_unref(inner);
        CHECK_OPEN(seen);
        rn_unref(outer);
        CHECK_ENDED(seen, -ECANCELED, -ECANCELED);
        CHECK_EQ(atomic_load(&d.n), 0);
        rn_unref(seen);
        CHECK_EQ(atomic_load(&d.n), 1);
}

static void give_back(void *ctx)
{
        CHECK(((struct dropped *)rn_ctx_value(ctx, &key_a))->x == 0);
        rn_unref(ctx);
}

static void of_many_that_give_back_one_drops(void)
{
        for (int i = 0; i < BEHAVE_SCALE(rn_goid() ? 1000 : 200); i++) {
                struct dropped d = { .n = 0 };
                rn_ctx *v = rn_ctx_with_value_free(rn_ctx_background(), &key_a, &d, note_drop);
                rn_wg wg = { { 0 } };

                for (int k = 1; k < 6; k++)
                        rn_ref(v);
                for (int k = 0; k < 6; k++)
                        behave_go(i % 16 == 0 && k < 2 ? THREAD : GOROUTINE, &wg, give_back, v);
                rn_wg_wait(&wg);
                CHECK_EQ(atomic_load(&d.n), 1);
                CHECK_EQ(d.x, 1);
        }
}

static void just_count(atomic_long *n)
{
        atomic_fetch_add(n, 1);
}

/* The deadline's end gives back what the after-func held, and that was the last; unless the machine
 * was slow. */
static void the_runtime_drops_in_a_goroutine_of_its_own(void)
{
        int in_time = 0;

        for (int i = 0; i < BEHAVE_SCALE(200) || !in_time; i++) {
                struct dropped d = { .n = 0 };
                atomic_long calls = 0;
                rn_ctx *v = rn_ctx_with_value_free(rn_ctx_background(), &key_a, &d, note_drop);
                rn_ctx *c = rn_ctx_with_timeout(v, i % 20 * 10 * RN_USEC);
                rn_time until = rn_ctx_deadline(c);

                rn_unref(v);
                rn_unref(rn_ctx_after_func(c, just_count, &calls));
                rn_unref(c);
                if (rn_now() < until) {
                        in_time++;
                        BEHAVE_UNTIL(atomic_load(&d.n));
                        CHECK(atomic_load(&d.goid) != 0 && atomic_load(&d.goid) != rn_goid());
                }
                BEHAVE_UNTIL(atomic_load(&d.n) && atomic_load(&calls));
                rn_yield();
                CHECK(atomic_load(&d.n) == 1 && atomic_load(&calls) == 1 && d.x == 1);
        }
}

/* -- without cancel -- */

static void without_cancel_neither_ends_nor_has_a_deadline(void)
{
        rn_ctx *v = rn_ctx_with_value(rn_ctx_background(), &key_a, &one),
               *p = rn_ctx_with_timeout(v, FAR);
        rn_ctx *w = rn_ctx_without_cancel(p), *below = rn_ctx_with_cancel(w), *late,
               *far = rn_ctx_with_timeout(w, 2 * FAR);

        CHECK(rn_ctx_done(w) == NULL);
        CHECK_EQ(rn_ctx_deadline(w), RN_NEVER);
        CHECK_EQ(rn_ctx_deadline(below), RN_NEVER);
        CHECK(rn_ctx_deadline(far) > rn_ctx_deadline(p));
        rn_ctx_cancel_cause(p, -EIO);
        late = rn_ctx_without_cancel(p);   /* of one that has ended */
        CHECK_OPEN(w);
        CHECK_OPEN(late);
        CHECK_OPEN(below);
        CHECK_OPEN(far);
        CHECK(rn_ctx_value(late, &key_a) == &one);
        rn_unref(p);
        rn_unref(v);
        CHECK(rn_ctx_value(below, &key_a) == &one);
        rn_ctx_cancel_cause(below, -EPIPE);
        CHECK_ENDED(below, -ECANCELED, -EPIPE);
        CHECK_OPEN(w);
        rn_unref(below);
        rn_unref(late);
        rn_unref(w);
        rn_ctx_release(far);
}

static void without_cancel_survives_its_parents_deadline(void)
{
        rn_ctx *p = rn_ctx_with_timeout(rn_ctx_background(), RN_MSEC),
               *w = rn_ctx_without_cancel(p);
        rn_ctx *below = rn_ctx_with_cancel(w);

        wait_done(p);
        CHECK_OPEN(w);
        CHECK_OPEN(below);
        rn_ctx_release(below);
        rn_unref(w);
        rn_unref(p);
}

/* -- after-funcs -- */

struct after {
        rn_chan(uint64_t) ran;
        rn_chan(int) hold;
        int x;               /* plain: ordered by the end or the registration */
        rn_ctx *ctx;
        atomic_long n, stopped;
};

static void report(struct after *a, int x)
{
        CHECK_EQ(a->x, x);
        if (a->hold)
                rn_wait(a->hold);
        rn_send(a->ran, rn_goid());
}

static bool has_run(struct after *a)
{
        uint64_t goid;

        behave_turns();
        return rn_try_recv(a->ran, &goid) == 1;
}

static void it_runs_in_a_goroutine_of_its_own_after_the_end(void)
{
        struct after a = { .ran = rn_make(uint64_t, 2), .x = 1 };
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background());
        rn_ctx_stop *first = rn_ctx_after_func(c, report, &a, 2),
                    *second = rn_ctx_after_func(c, report, &a, 2);
        uint64_t g, h;

        CHECK(first != second);
        CHECK(!has_run(&a));
        a.x = 2;
        rn_ctx_cancel(c);
        g = rn_get(a.ran);
        h = rn_get(a.ran);
        CHECK(g != 0 && h != 0 && g != h && g != rn_goid() && h != rn_goid());
        CHECK(!rn_ctx_stop_call(first));
        CHECK(!rn_ctx_stop_call(second));
        rn_ctx_release(c);
        CHECK(!has_run(&a));
        rn_unref(a.ran);
}

static void it_runs_when_a_deadline_or_a_parent_ends_it(void)
{
        struct after a = { .ran = rn_make(uint64_t, 4), .x = 1 };
        rn_ctx *p = rn_ctx_with_timeout(rn_ctx_background(), RN_MSEC), *c = rn_ctx_with_cancel(p);
        rn_ctx *v = rn_ctx_with_value(c, &key_a, &one);

        rn_unref(rn_ctx_after_func(p, report, &a, 1));
        rn_unref(rn_ctx_after_func(c, report, &a, 1));
        rn_unref(rn_ctx_after_func(v, report, &a, 1));
        for (int i = 0; i < 3; i++)
                CHECK(rn_get(a.ran) != 0);
        CHECK(rn_now() >= rn_ctx_deadline(p));
        CHECK(!has_run(&a));
        rn_ctx_release(c);
        rn_ctx_release(p);
        rn_unref(v);
        rn_unref(a.ran);
}

static void it_runs_at_once_if_the_context_has_ended(void)
{
        struct after a = { .ran = rn_make(uint64_t, 1), .x = 1 };
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background());
        rn_ctx_stop *h;

        rn_ctx_cancel(c);
        a.x = 3;
        h = rn_ctx_after_func(c, report, &a, 3);
        CHECK(rn_get(a.ran) != rn_goid());
        CHECK(!rn_ctx_stop_call(h));
        rn_unref(c);
        rn_unref(a.ran);
}

static void neither_cancel_nor_stop_waits_for_it(void)
{
        struct after a = { .ran = rn_make(uint64_t, 0), .hold = rn_make(int, 0), .x = 1 };
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background());
        rn_ctx_stop *h = rn_ctx_after_func(c, report, &a, 1);

        rn_ctx_release(c);
        CHECK(!rn_ctx_stop_call(h));
        rn_send(a.hold, 1);
        CHECK(rn_get(a.ran) != 0);
        rn_unref(a.ran);
        rn_unref(a.hold);
}

static void stop_before_the_end_prevents_it(void)
{
        struct after a = { .ran = rn_make(uint64_t, 4), .x = 1 };
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background()),
               *d = rn_ctx_with_timeout(c, 2 * RN_MSEC);
        rn_ctx_stop *h = rn_ctx_after_func(c, report, &a, 1),
                    *kept = rn_ctx_after_func(c, report, &a, 1);
        rn_ctx_stop *timed = rn_ctx_after_func(d, report, &a, 1);
        bool in_time = rn_ctx_stop_call(timed);

        CHECK(in_time || rn_now() >= rn_ctx_deadline(d));   /* a slow machine */
        CHECK(rn_ctx_stop_call(h));
        rn_sleep_until(rn_ctx_deadline(d) + RN_MSEC);
        CHECK(in_time != has_run(&a));
        rn_ctx_cancel(c);
        CHECK(rn_get(a.ran) != 0);
        CHECK(!has_run(&a));
        CHECK(!rn_ctx_stop_call(kept));
        rn_unref(c);
        rn_unref(d);
        rn_unref(a.ran);
}

static void unref_of_the_handle_leaves_it_standing(void)
{
        struct after a = { .ran = rn_make(uint64_t, 4), .x = 1 };
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background());
        rn_ctx_stop *h = rn_ctx_after_func(c, report, &a, 1), *more = rn_ref(h);

        rn_unref(h);
        rn_unref(more);
        CHECK(!has_run(&a));
        rn_ctx_cancel(c);
        CHECK(rn_get(a.ran) != 0);
        rn_unref(c);
        rn_unref(a.ran);
}

static void it_keeps_its_context_until_that_has_ended(void)
{
        struct after a = { .ran = rn_make(uint64_t, 1), .x = 1 };
        struct dropped d = { .n = 0 };
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background()),
               *v = rn_ctx_with_value_free(p, &key_a, &d, note_drop);
        rn_ctx *c = rn_ctx_with_cancel(v);

        rn_unref(rn_ctx_after_func(c, report, &a, 1));
        rn_unref(v);
        rn_unref(c);
        CHECK_EQ(atomic_load(&d.n), 0);
        rn_ctx_cancel(p);
        CHECK_EQ(atomic_load(&d.n), 1);   /* whether it has run or not */
        CHECK(rn_get(a.ran) != 0);
        rn_unref(p);
        rn_unref(a.ran);
}

static void a_stopped_one_keeps_nothing(void)
{
        struct dropped d = { .n = 0 };
        rn_ctx *v = rn_ctx_with_value_free(rn_ctx_background(), &key_a, &d, note_drop),
               *c = rn_ctx_with_cancel(v);
        rn_ctx_stop *h = rn_ctx_after_func(c, just_count, &d.n);

        rn_unref(v);
        rn_unref(c);
        CHECK_EQ(atomic_load(&d.n), 0);
        CHECK(rn_ctx_stop_call(h));
        CHECK_EQ(atomic_load(&d.n), 1);   /* the drop */
        CHECK_EQ(d.x, 1);
}

static void of_a_context_that_never_ends_it_never_runs(void)
{
        struct dropped d = { .n = 0 };
        rn_ctx *v = rn_ctx_with_value_free(rn_ctx_background(), &key_a, &d, note_drop),
               *w = rn_ctx_without_cancel(v);
        atomic_long calls = 0;

        CHECK(rn_ctx_stop_call(rn_ctx_after_func(rn_ctx_background(), just_count, &calls)));
        rn_unref(rn_ctx_after_func(rn_ctx_todo(), just_count, &calls));
        CHECK(rn_ctx_stop_call(rn_ctx_after_func(w, just_count, &calls)));
        rn_unref(rn_ctx_after_func(w, just_count, &calls));
        rn_unref(v);
        CHECK_EQ(atomic_load(&d.n), 0);
        rn_unref(w);
        CHECK_EQ(atomic_load(&d.n), 1);
        behave_turns();
        CHECK_EQ(atomic_load(&calls), 0);
}

static void stop_of_null_panics(void)
{
        CHECK_PANICS("context: stop of a nil after-func", rn_ctx_stop_call, (rn_ctx_stop *)NULL);
}

static void cancel_from_within(rn_ctx *other, rn_chan(int) done)
{
        rn_ctx_cancel(other);
        CHECK_EQ(rn_ctx_err(other), -ECANCELED);
        rn_send(done, 1);
}

static void it_may_cancel_another_or_its_own_context(void)
{
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background()), *c = rn_ctx_with_cancel(p);
        rn_chan(int) done = rn_make(int, 0);

        rn_unref(rn_ctx_after_func(c, cancel_from_within, p, done));
        rn_unref(rn_ctx_after_func(p, cancel_from_within, p, done));
        rn_ctx_cancel(c);
        rn_wait(done);
        rn_wait(done);
        CHECK_ENDED(p, -ECANCELED, -ECANCELED);
        rn_unref(c);
        rn_unref(p);
        rn_unref(done);
}

/* -- races: each is either run or stopped, and once -- */

static void register_and_stop(void *arg)
{
        struct after *a = arg;

        for (bool ended = false; !ended;) {
                rn_ctx_stop *h = rn_ctx_after_func(a->ctx, just_count, &a->n);

                ended = rn_ctx_err(a->ctx) != 0;
                if (rn_ctx_stop_call(h))
                        CHECK(!ended);
                else
                        atomic_fetch_add(&a->stopped, 1);
                rn_yield();
        }
}

static void stop_racing_with_the_end_says_what_has_happened(void)
{
        for (int i = 0; i < BEHAVE_SCALE(rn_goid() ? 500 : 50); i++) {
                struct after a = { .ctx = rn_ctx_with_cancel(rn_ctx_background()) };
                rn_wg wg = { { 0 } };

                for (int k = 0; k < 4; k++)
                        behave_go(i % 16 == 0 && k == 0 ? THREAD : GOROUTINE, &wg,
                                  register_and_stop, &a);
                for (int k = 0; k < i % 10; k++)
                        rn_yield();
                rn_ctx_cancel(a.ctx);
                rn_wg_wait(&wg);
                BEHAVE_UNTIL(atomic_load(&a.n) == atomic_load(&a.stopped));
                if (i % 10 == 0)
                        behave_turns();
                CHECK_EQ(atomic_load(&a.n), atomic_load(&a.stopped));
                rn_unref(a.ctx);
        }
}

static void thousands_of_one_context_all_run(void)
{
        struct after a = { .ctx = rn_ctx_with_cancel(rn_ctx_background()) };
        int n = BEHAVE_LIVE(5000);

        for (int i = 0; i < n; i++) {
                rn_ctx *below = i % 2 ? rn_ref(a.ctx) : rn_ctx_with_cancel(a.ctx);

                rn_unref(rn_ctx_after_func(below, just_count, &a.n));
                rn_unref(below);
        }
        rn_ctx_release(a.ctx);
        BEHAVE_UNTIL(atomic_load(&a.n) == n);
}

#if BEHAVE_COUNTS
static void one_after_func(void)
{
        static rn_ctx *c;

        if (!c)
                c = rn_ctx_with_cancel(rn_ctx_background());
        CHECK(rn_ctx_stop_call(rn_ctx_after_func(c, just_count, (atomic_long *)NULL)));
}

static void an_after_func_is_one_allocation(void)
{
        long n = 0;

        one_after_func();
        for (int i = 0; i < 100 && n != 1; i++) {   /* some other thread may allocate meanwhile */
                long before = atomic_load(&behave_allocations);

                atomic_store(&behave_counting, 1);
                one_after_func();
                atomic_store(&behave_counting, 0);
                n = atomic_load(&behave_allocations) - before;
        }
        CHECK_EQ(n, 1);
}
#endif

static const struct behave_test tests[] = {
        BEHAVE_BOTH(the_nearest_value_wins),
        BEHAVE_BOTH(a_key_is_an_address),
        BEHAVE_BOTH(values_go_through_every_kind_and_survive_the_end),
        BEHAVE_BOTH(a_context_with_a_value_is_otherwise_as_its_parent),
        BEHAVE_BOTH(a_value_is_dropped_once_when_nobody_holds_it),
        BEHAVE_BOTH(a_null_value_is_dropped_and_without_a_drop_nothing_happens),
        BEHAVE_BOTH(a_value_may_be_a_context),
        BEHAVE_BOTH(of_many_that_give_back_one_drops),
        BEHAVE_BOTH(the_runtime_drops_in_a_goroutine_of_its_own),
        BEHAVE_BOTH(without_cancel_neither_ends_nor_has_a_deadline),
        BEHAVE_BOTH(without_cancel_survives_its_parents_deadline),
        BEHAVE_BOTH(it_runs_in_a_goroutine_of_its_own_after_the_end),
        BEHAVE_BOTH(it_runs_when_a_deadline_or_a_parent_ends_it),
        BEHAVE_BOTH(it_runs_at_once_if_the_context_has_ended),
        BEHAVE_BOTH(neither_cancel_nor_stop_waits_for_it),
        BEHAVE_BOTH(stop_before_the_end_prevents_it),
        BEHAVE_BOTH(unref_of_the_handle_leaves_it_standing),
        BEHAVE_BOTH(it_keeps_its_context_until_that_has_ended),
        BEHAVE_BOTH(a_stopped_one_keeps_nothing),
        BEHAVE_BOTH(of_a_context_that_never_ends_it_never_runs),
        BEHAVE_BOTH(stop_of_null_panics),
        BEHAVE_BOTH(it_may_cancel_another_or_its_own_context),
        BEHAVE_BOTH(stop_racing_with_the_end_says_what_has_happened),
        BEHAVE_BOTH(thousands_of_one_context_all_run),
#if BEHAVE_COUNTS
        BEHAVE_BOTH(an_after_func_is_one_allocation),
#endif
};

BEHAVE_MAIN(tests)
