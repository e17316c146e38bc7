/* SPDX-License-Identifier: MIT
 * Error groups: the first error in time, the context that it ends, limits, use after use, and that
 * the object may be gone once it has been waited for. How a panic in one and a deadlock in go end
 * the process is in tests/crash. */
#define _GNU_SOURCE
#define BEHAVE_COUNTING
#include "tests/support/behave.h"
#include "tests/support/contexts.h"

static int returns(int r)
{
        return r;
}

static int nothing(void)
{
        return 0;
}

static int waits_then_returns(rn_recv_chan(int) c, int r)
{
        rn_wait(c);
        return r;
}

/* -- results -- */

static void zero_value_is_ready(void)
{
        static rn_group at_rest;
        rn_group g = { { 0 } };

        CHECK_EQ(rn_group_wait(&g), 0);
        CHECK_EQ(rn_group_wait(&at_rest), 0);
        rn_group_go(&at_rest, nothing);
        rn_group_go(&g, nothing);
        rn_group_go(&g, returns, 0);
        CHECK(rn_group_try_go(&g, nothing));
        CHECK_EQ(rn_group_wait(&g), 0);
        CHECK_EQ(rn_group_wait(&at_rest), 0);
}

static void wait_returns_the_error_among_successes(void)
{
        static const int results[][4] = {
                { 0, 0, 0, -EIO }, { -EIO, 0, 0, 0 }, { 0, -EIO, 0, 0 }, { 0, 0, 0, 0 }
        };

        for (int i = 0; i < 4; i++) {
                rn_group g = { { 0 } };

                for (int k = 0; k < 4; k++)
                        rn_group_go(&g, returns, results[i][k]);
                CHECK_EQ(rn_group_wait(&g), i < 3 ? -EIO : 0);
        }
}

static void the_first_error_in_time_is_that_of_all(void)
{
        rn_group g = { { 0 } };
        rn_ctx *c = rn_group_ctx(&g, rn_ctx_background());
        rn_chan(int) gate[3] = { rn_make(int, 0), rn_make(int, 0), rn_make(int, 0) };

        for (int i = 0; i < 3; i++)
                rn_group_go(&g, waits_then_returns, gate[i], -1 - i);
        rn_close(gate[2]);
        wait_done(c);
        rn_close(gate[0]);
        rn_close(gate[1]);
        CHECK_EQ(rn_group_wait(&g), -3);
        CHECK_ENDED(c, -ECANCELED, -3);
        rn_unref(c);
        for (int i = 0; i < 3; i++)
                rn_unref(gate[i]);
}

static void any_result_but_0_is_an_error(void)
{
        static const int results[] = { 1, -1, 5, INT32_MAX, INT32_MIN };

        for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
                rn_group g = { { 0 } };
                rn_ctx *c = rn_group_ctx(&g, rn_ctx_background());

                rn_group_go(&g, returns, results[i]);
                wait_done(c);
                CHECK_ENDED(c, -ECANCELED, results[i] < 0 ? results[i] : -ECANCELED);
                CHECK_EQ(rn_group_wait(&g), results[i]);
                rn_unref(c);
        }
}

static int check_arguments(rn_ctx *c, double d, const char *text, int8_t i)
{
        CHECK(c == rn_ctx_background() && d == 0.5 && strcmp(text, "text") == 0 && i == -3);
        return -EDOM;
}

static void arguments_arrive(void)
{
        rn_group g = { { 0 } };

        rn_group_go(&g, check_arguments, rn_ctx_background(), 0.5, "text", -3);
        CHECK_EQ(rn_group_wait(&g), -EDOM);
        CHECK(rn_group_try_go(&g, check_arguments, rn_ctx_background(), 0.5, "text", -3));
        CHECK_EQ(rn_group_wait(&g), -EDOM);
}

static int exits(atomic_int *before)
{
        atomic_fetch_add(before, 1);
        rn_exit();
}

static void who_ends_by_exit_has_no_error_and_leaves_its_place(void)
{
        rn_group g = { { 0 } };
        atomic_int n = 0;

        rn_group_limit(&g, 2);
        for (int i = 0; i < 10; i++)
                rn_group_go(&g, exits, &n);
        CHECK_EQ(rn_group_wait(&g), 0);
        CHECK_EQ(atomic_load(&n), 10);
        rn_group_go(&g, exits, &n);
        rn_group_go(&g, returns, -EIO);
        CHECK_EQ(rn_group_wait(&g), -EIO);
}

static int panics(void)
{
        rn_panic("in a group");
}

static int catches(void)
{
        return rn_pcall(NULL, panics) ? 0 : -EFAULT;
}

static void a_panic_that_is_caught_is_what_its_catcher_returns(void)
{
        rn_group g = { { 0 } };

        rn_group_go(&g, catches);
        CHECK_EQ(rn_group_wait(&g), -EFAULT);
}

static void wait_again_tells_the_same_and_the_next_go_begins_anew(void)
{
        rn_group g = { { 0 } };

        for (int i = 0; i < 3; i++) {
                rn_group_go(&g, returns, -EIO);
                CHECK_EQ(rn_group_wait(&g), -EIO);
                CHECK_EQ(rn_group_wait(&g), -EIO);
                rn_group_go(&g, nothing);
                CHECK_EQ(rn_group_wait(&g), 0);
                CHECK(rn_group_try_go(&g, returns, -EPIPE));
                CHECK_EQ(rn_group_wait(&g), -EPIPE);
                CHECK(rn_group_try_go(&g, returns, 0));
                CHECK_EQ(rn_group_wait(&g), 0);
                CHECK_EQ(rn_group_wait(&g), 0);
        }
}

/* -- the context -- */

static void an_error_ends_the_context_while_others_run(void)
{
        rn_group g = { { 0 } };
        rn_ctx *c = rn_group_ctx(&g, rn_ctx_background()), *below = rn_ctx_with_cancel(c);
        rn_chan(int) gate = rn_make(int, 0);

        CHECK_OPEN(c);
        rn_group_go(&g, waits_then_returns, gate, 0);
        rn_group_go(&g, nothing);
        behave_turns();
        CHECK_OPEN(c);
        rn_group_go(&g, returns, -EIO);
        wait_done(below);
        CHECK_ENDED(c, -ECANCELED, -EIO);
        rn_send(gate, 1);
        CHECK_EQ(rn_group_wait(&g), -EIO);
        CHECK_ENDED(below, -ECANCELED, -EIO);
        rn_unref(below);
        rn_unref(c);
        rn_unref(gate);
}

static void wait_ends_the_context_without_an_error(void)
{
        rn_group g = { { 0 } };

        for (int i = 0; i < 3; i++) {
                rn_ctx *c = rn_group_ctx(&g, rn_ctx_background());

                for (int k = 0; k < i; k++)
                        rn_group_go(&g, nothing);
                if (i == 0)
                        CHECK_OPEN(c);
                CHECK_EQ(rn_group_wait(&g), 0);
                CHECK_ENDED(c, -ECANCELED, -ECANCELED);
                rn_unref(c);
        }
}

static int waits_for(rn_ctx *c)
{
        wait_done(c);
        return rn_ctx_err(c);
}

static void the_context_is_a_child_of_its_parent(void)
{
        static const char key;
        rn_ctx *p = rn_ctx_with_timeout(rn_ctx_background(), RN_MSEC),
               *v = rn_ctx_with_value(p, &key, p);
        rn_group g = { { 0 } };
        rn_ctx *c = rn_group_ctx(&g, v);

        CHECK_EQ(rn_ctx_deadline(c), rn_ctx_deadline(p));
        CHECK(rn_ctx_value(c, &key) == p);
        for (int i = 0; i < 5; i++)
                rn_group_go(&g, waits_for, c);
        CHECK_EQ(rn_group_wait(&g), -ETIMEDOUT);
        CHECK_ENDED(c, -ETIMEDOUT, -ETIMEDOUT);
        rn_unref(c);
        c = rn_group_ctx(&g, v);   /* of one that has ended */
        CHECK_ENDED(c, -ETIMEDOUT, -ETIMEDOUT);
        rn_group_wait(&g);
        rn_unref(c);
        rn_unref(v);
        rn_unref(p);
}

/* A reference for the caller, one for the group until it has been waited for. */
static void the_group_holds_its_context_until_wait(void)
{
        static const char key;
        atomic_long drops = 0;
        rn_ctx *v = rn_ctx_with_value_free(rn_ctx_background(), &key, &drops, count_drop);
        rn_group g = { { 0 } };
        rn_ctx *c = rn_group_ctx(&g, v);

        rn_unref(v);
        rn_group_go(&g, returns, -EIO);
        wait_done(c);
        rn_unref(c);
        CHECK_EQ(atomic_load(&drops), 0);
        CHECK_EQ(rn_group_wait(&g), -EIO);
        CHECK_EQ(atomic_load(&drops), 1);
}

static void a_second_context_and_one_in_the_midst_panic(void)
{
        rn_group g = { { 0 } };
        rn_chan(int) gate = rn_make(int, 0);
        rn_ctx *c;

        CHECK_PANICS("cannot create context from nil parent", rn_group_ctx, &g, (rn_ctx *)NULL);
        rn_group_go(&g, waits_then_returns, gate, 0);
        CHECK_PANICS("errgroup: a context for a group that runs already", rn_group_ctx, &g,
                     rn_ctx_background());
        rn_send(gate, 1);
        CHECK_EQ(rn_group_wait(&g), 0);
        c = rn_group_ctx(&g, rn_ctx_background());
        CHECK_PANICS("errgroup: a context for a group that has one", rn_group_ctx, &g,
                     rn_ctx_background());
        CHECK_OPEN(c);
        CHECK_EQ(rn_group_wait(&g), 0);
        CHECK_ENDED(c, -ECANCELED, -ECANCELED);
        rn_unref(c);
        rn_unref(gate);
}

/* -- limits -- */

struct counted {
        atomic_int active, most, ran;
        int limit;
};

static int count_active(struct counted *n)
{
        int now = atomic_fetch_add(&n->active, 1) + 1, most = atomic_load(&n->most);

        while (now > most && !atomic_compare_exchange_weak(&n->most, &most, now))
                continue;
        CHECK(now <= n->limit);
        rn_yield();
        atomic_fetch_add(&n->ran, 1);
        atomic_fetch_add(&n->active, -1);
        return 0;
}

static void never_more_than_the_limit_run(void)
{
        for (int limit = 1; limit <= 10; limit += 3) {
                struct counted n = { .limit = limit };
                rn_group g = { { 0 } };
                int total = BEHAVE_SCALE(1000);

                rn_group_limit(&g, limit);
                for (int i = 0; i < total; i++)
                        rn_group_go(&g, count_active, &n);
                CHECK_EQ(rn_group_wait(&g), 0);
                CHECK_EQ(atomic_load(&n.ran), total);
                CHECK(atomic_load(&n.most) <= limit);
        }
}

struct starters {
        rn_group g;
        struct counted n;
        int each;
};

static void start_many(void *arg)
{
        struct starters *s = arg;

        for (int i = 0; i < s->each; i++)
                if (i % 5 || !rn_group_try_go(&s->g, count_active, &s->n))
                        rn_group_go(&s->g, count_active, &s->n);
}

static void many_may_start_at_the_limit(void)
{
        struct starters s = { .n.limit = 3, .each = BEHAVE_SCALE(200) };
        rn_wg wg = { { 0 } };

        rn_group_limit(&s.g, 3);
        for (int i = 0; i < 10; i++)
                behave_go(i % 5 ? GOROUTINE : THREAD, &wg, start_many, &s);
        rn_wg_wait(&wg);
        CHECK_EQ(rn_group_wait(&s.g), 0);
        CHECK_EQ(atomic_load(&s.n.ran), 10 * s.each);
}

static void go_two(rn_group *g, rn_chan(int) gate, atomic_int *gone)
{
        rn_set_name("goes at the limit");
        for (int i = 0; i < 2; i++) {
                rn_group_go(g, waits_then_returns, gate, 0);
                atomic_fetch_add(gone, 1);
        }
}

static void go_waits_for_a_place_and_shows_it(void)
{
        rn_group g = { { 0 } };
        rn_chan(int) gate = rn_make(int, 0);
        atomic_int gone = 0;
        rn_wg wg = { { 0 } };

        rn_group_limit(&g, 1);
        rn_wg_go(&wg, go_two, &g, gate, &gone);
        behave_until_parked("goes at the limit", 1);
        CHECK_EQ(behave_parked("goes at the limit", "errgroup.Group.Go"), 1);
        CHECK_EQ(atomic_load(&gone), 1);
        CHECK(!rn_group_try_go(&g, nothing));
        rn_send(gate, 1);
        rn_wg_wait(&wg);
        CHECK(!rn_group_try_go(&g, nothing));
        rn_send(gate, 1);
        CHECK_EQ(rn_group_wait(&g), 0);
        CHECK(rn_group_try_go(&g, nothing));
        CHECK_EQ(rn_group_wait(&g), 0);
        rn_unref(gate);
}

static void try_go_starts_up_to_the_limit(void)
{
        rn_chan(int) gate = rn_make(int, 0);
        rn_group g = { { 0 } };

        for (int limit = 0; limit < 5; limit++) {
                rn_group_limit(&g, limit);
                for (int i = 0; i < limit; i++)
                        CHECK(rn_group_try_go(&g, waits_then_returns, gate, -EIO));
                for (int i = 0; i < 3; i++)
                        CHECK(!rn_group_try_go(&g, waits_then_returns, gate, -EPIPE));
                for (int i = 0; i < limit; i++)
                        rn_send(gate, 1);
                CHECK_EQ(rn_group_wait(&g), limit ? -EIO : 0);
        }
        rn_unref(gate);
}

static void a_negative_limit_is_none(void)
{
        rn_chan(int) gate = rn_make(int, 0);
        rn_group g = { { 0 } };

        for (int limit = 0; limit >= -2; limit--) {
                rn_group_limit(&g, 0);
                rn_group_limit(&g, limit < 0 ? limit : INT32_MIN);
                for (int i = 0; i < 100; i++)
                        CHECK(rn_group_try_go(&g, waits_then_returns, gate, 0));
                for (int i = 0; i < 100; i++)
                        rn_send(gate, 1);
                CHECK_EQ(rn_group_wait(&g), 0);
        }
        rn_group_limit(&g, INT32_MAX);
        rn_group_go(&g, nothing);
        CHECK_EQ(rn_group_wait(&g), 0);
        rn_unref(gate);
}

static void a_new_limit_while_goroutines_run_panics(void)
{
        rn_chan(int) gate = rn_make(int, 0);
        rn_group g = { { 0 } };

        for (int n = 1; n <= 3; n++) {
                char text[100];

                for (int i = 0; i < n; i++)
                        rn_group_go(&g, waits_then_returns, gate, 0);
                snprintf(text, sizeof text,
                         "errgroup: modify limit while %d goroutines in the group "
                         "are still active", n);
                CHECK_PANICS(text, rn_group_limit, &g, 5);
                CHECK_PANICS(text, rn_group_limit, &g, -1);
                for (int i = 0; i < n; i++)
                        rn_send(gate, 1);
                CHECK_EQ(rn_group_wait(&g), 0);
        }
        rn_group_limit(&g, 1);   /* nothing is left locked */
        rn_unref(gate);
}

/* -- waiting -- */

static int starts_another(rn_group *g, int left, atomic_int *ran)
{
        atomic_fetch_add(ran, 1);
        if (left)
                rn_group_go(g, starts_another, g, left - 1, ran);
        return left ? 0 : -EIO;
}

static void goroutines_of_a_group_may_start_more(void)
{
        rn_group g = { { 0 } };
        atomic_int ran = 0;

        for (int i = 0; i < 10; i++)
                rn_group_go(&g, starts_another, &g, 99, &ran);
        CHECK_EQ(rn_group_wait(&g), -EIO);
        CHECK_EQ(atomic_load(&ran), 1000);
}

struct waiters {
        rn_group g;
        atomic_int returned;
        int x;
};

static void wait_too(void *arg)
{
        struct waiters *w = arg;

        rn_set_name("waits for a group");
        CHECK_EQ(rn_group_wait(&w->g), -EIO);
        CHECK_EQ(w->x, 1);
        atomic_fetch_add(&w->returned, 1);
}

static int set_then_fail(struct waiters *w, rn_recv_chan(int) gate)
{
        rn_wait(gate);
        w->x = 1;
        return -EIO;
}

static void several_may_wait(void)
{
        struct waiters w = { .x = 0 };
        rn_chan(int) gate = rn_make(int, 0);
        rn_ctx *c = rn_group_ctx(&w.g, rn_ctx_background());
        rn_wg wg = { { 0 } };

        rn_group_go(&w.g, set_then_fail, &w, gate);
        for (int i = 0; i < 8; i++)
                behave_go(i % 4 ? GOROUTINE : THREAD, &wg, wait_too, &w);
        behave_until_parked("waits for a group", 6);
        CHECK_EQ(atomic_load(&w.returned), 0);
        rn_close(gate);
        rn_wg_wait(&wg);
        CHECK_ENDED(c, -ECANCELED, -EIO);
        rn_unref(c);
        rn_unref(gate);
}

/* -- order of memory: plain variables -- */

static int add_one(int *x, int *done, int r)
{
        *done = ++*x;
        return r;
}

static void all_before_go_and_all_ends_before_wait_are_seen(void)
{
        for (int i = 0; i < BEHAVE_SCALE(500); i++) {
                rn_group g = { { 0 } };
                int x[4], done[4];

                for (int k = 0; k < 4; k++) {
                        x[k] = k;
                        rn_group_go(&g, add_one, &x[k], &done[k], k - 2);
                }
                CHECK(rn_group_wait(&g) != 0);
                for (int k = 0; k < 4; k++)
                        CHECK(x[k] == k + 1 && done[k] == k + 1);
        }
}

static int set_x(int *x)
{
        *x = 7;
        return -EIO;
}

static void all_before_the_error_is_seen_by_who_sees_the_context_end(void)
{
        for (int i = 0; i < BEHAVE_SCALE(rn_goid() ? 500 : 100); i++) {
                rn_group g = { { 0 } };
                rn_ctx *c = rn_group_ctx(&g, rn_ctx_background());
                int x = 0;

                rn_group_go(&g, set_x, &x);
                if (i % 2)
                        BEHAVE_UNTIL(rn_ctx_err(c) != 0);
                else
                        wait_done(c);
                CHECK_EQ(x, 7);
                CHECK_EQ(rn_group_wait(&g), -EIO);
                rn_unref(c);
        }
}

/* -- the memory of a group belongs to the waiter once wait has returned -- */

enum { POISON = 0x5a };

static void nobody_touches_it_once_wait_has_returned(void)
{
        for (int i = 0; i < BEHAVE_SCALE(2000); i++) {
                union {
                        rn_group g;
                        unsigned char b[sizeof(rn_group)];
                } u = { .b = { 0 } };
                rn_ctx *c = i % 3 == 0 ? rn_group_ctx(&u.g, rn_ctx_background()) : NULL;

                if (i % 2)
                        rn_group_limit(&u.g, 2);
                for (int k = 0; k < 4; k++)
                        rn_group_go(&u.g, returns, i % 5 == k ? -EIO : 0);
                rn_group_wait(&u.g);
                memset(u.b, POISON, sizeof u.b);
                rn_unref(c);
                rn_yield();
                for (size_t k = 0; k < sizeof u.b; k++)
                        CHECK_EQ(u.b[k], POISON);
        }
}

static void may_be_freed_by_who_has_waited(void)
{
        for (int i = 0; i < BEHAVE_SCALE(2000); i++) {
                rn_group *g = calloc(1, sizeof *g);

                if (!g)
                        abort();
                for (int k = 0; k < 3; k++)
                        rn_group_go(g, returns, -k);
                CHECK(rn_group_wait(g) < 0);
                free(g);
        }
}

#if BEHAVE_COUNTS
static rn_group counting;

static void give_and_take_a_context(void)
{
        rn_ctx *c = rn_group_ctx(&counting, rn_ctx_background());

        CHECK_EQ(rn_group_wait(&counting), 0);
        rn_unref(c);
}

static void a_context_is_the_only_allocation(void)
{
        long n = 0;

        for (int i = 0; i < 100 && n != 1; i++) {   /* some other thread may allocate meanwhile */
                long before = atomic_load(&behave_allocations);

                atomic_store(&behave_counting, 1);
                give_and_take_a_context();
                atomic_store(&behave_counting, 0);
                n = atomic_load(&behave_allocations) - before;
        }
        CHECK_EQ(n, 1);
}
#endif

static const struct behave_test tests[] = {
        BEHAVE_BOTH(zero_value_is_ready),
        BEHAVE_BOTH(wait_returns_the_error_among_successes),
        BEHAVE_BOTH(the_first_error_in_time_is_that_of_all),
        BEHAVE_BOTH(any_result_but_0_is_an_error),
        BEHAVE_BOTH(arguments_arrive),
        BEHAVE_BOTH(who_ends_by_exit_has_no_error_and_leaves_its_place),
        BEHAVE_BOTH(a_panic_that_is_caught_is_what_its_catcher_returns),
        BEHAVE_BOTH(wait_again_tells_the_same_and_the_next_go_begins_anew),
        BEHAVE_BOTH(an_error_ends_the_context_while_others_run),
        BEHAVE_BOTH(wait_ends_the_context_without_an_error),
        BEHAVE_BOTH(the_context_is_a_child_of_its_parent),
        BEHAVE_BOTH(the_group_holds_its_context_until_wait),
        BEHAVE_BOTH(a_second_context_and_one_in_the_midst_panic),
        BEHAVE_BOTH(never_more_than_the_limit_run),
        BEHAVE_BOTH(many_may_start_at_the_limit),
        BEHAVE_BOTH(go_waits_for_a_place_and_shows_it),
        BEHAVE_BOTH(try_go_starts_up_to_the_limit),
        BEHAVE_BOTH(a_negative_limit_is_none),
        BEHAVE_BOTH(a_new_limit_while_goroutines_run_panics),
        BEHAVE_BOTH(goroutines_of_a_group_may_start_more),
        BEHAVE_BOTH(several_may_wait),
        BEHAVE_BOTH(all_before_go_and_all_ends_before_wait_are_seen),
        BEHAVE_BOTH(all_before_the_error_is_seen_by_who_sees_the_context_end),
        BEHAVE_BOTH(nobody_touches_it_once_wait_has_returned),
        BEHAVE_BOTH(may_be_freed_by_who_has_waited),
#if BEHAVE_COUNTS
        BEHAVE_BOTH(a_context_is_the_only_allocation),
#endif
};

BEHAVE_MAIN(tests)
