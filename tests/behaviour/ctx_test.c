/* SPDX-License-Identifier: MIT
 * A context by itself, with a parent at most: when it ends, what it says then, deadlines, causes,
 * what happens before what, misuse, and what it costs. Trees are in ctx_tree_test, values and
 * after-funcs in ctx_value_test. */
#define _GNU_SOURCE
#define BEHAVE_COUNTING
#include "tests/support/behave.h"
#include "tests/support/contexts.h"

static void roots_never_end_and_hold_nothing(void)
{
        rn_ctx *roots[] = { rn_ctx_background(), rn_ctx_todo() };
        static const char key;

        for (int i = 0; i < 2; i++) {
                for (int k = 0; k < 3; k++)
                        rn_unref(roots[i]);
                CHECK(rn_ref(roots[i]) == roots[i]);
                CHECK(rn_ctx_done(roots[i]) == NULL);
                CHECK_OPEN(roots[i]);
                CHECK_EQ(rn_ctx_deadline(roots[i]), RN_NEVER);
                CHECK(rn_ctx_value(roots[i], &key) == NULL);
        }
        CHECK(roots[0] != roots[1]);
        CHECK(rn_ctx_background() == roots[0] && rn_ctx_todo() == roots[1]);
}

/* -- ending -- */

static void a_context_is_open_until_it_is_cancelled(void)
{
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background());
        rn_recv_chan(rn_nothing) done = rn_ctx_done(c);

        CHECK(done != NULL);
        CHECK_OPEN(c);
        CHECK_EQ(rn_ctx_deadline(c), RN_NEVER);
        behave_turns();
        CHECK_OPEN(c);
        rn_ctx_cancel(c);
        CHECK_ENDED(c, -ECANCELED, -ECANCELED);
        CHECK(rn_ctx_done(c) == done);
        rn_unref(c);
}

static void who_asks_for_done_after_the_end_finds_it_closed(void)
{
        rn_ctx *a = rn_ctx_with_cancel(rn_ctx_background()),
               *b = rn_ctx_with_timeout(rn_ctx_todo(), FAR);
        rn_recv_chan(rn_nothing) done;

        rn_ctx_cancel(a);
        rn_ctx_cancel(b);
        CHECK_ENDED(a, -ECANCELED, -ECANCELED);
        CHECK_ENDED(b, -ECANCELED, -ECANCELED);
        done = rn_ref(rn_ctx_done(a));
        CHECK(rn_ctx_done(a) == done);
        CHECK_EQ(rn_len(done), 0);
        CHECK_EQ(rn_cap(done), 0);
        rn_unref(a);
        rn_unref(b);
        CHECK(!rn_wait(done));
        rn_unref(done);
}

static void once_ended_it_stays_as_it_is(void)
{
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background());

        rn_ctx_cancel_cause(c, -EIO);
        for (int i = 0; i < 3; i++) {
                CHECK_ENDED(c, -ECANCELED, -EIO);
                rn_ctx_cancel(c);
                CHECK_ENDED(c, -ECANCELED, -EIO);
                rn_ctx_cancel_cause(c, -EPIPE);
                rn_ctx_cancel_cause(c, 0);
        }
        CHECK_ENDED(c, -ECANCELED, -EIO);
        rn_unref(c);
}

static void release_cancels_and_gives_back(void)
{
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background());

        rn_ref(c);
        rn_ctx_release(c);
        CHECK_ENDED(c, -ECANCELED, -ECANCELED);
        rn_ctx_release(c);
}

static void waits_in_a_scope(rn_ctx *c)
{
        rn_ctx *mine = rn_ctx_with_cancel(c);

        rn_defer(rn_ctx_release, mine);
        rn_panic("out of here");
}

static void a_deferred_release_runs_when_the_scope_panics(void)
{
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background());

        CHECK(!rn_pcall(NULL, waits_in_a_scope, c));
        CHECK_OPEN(c);
        rn_ctx_release(c);   /* a child that is left over is seen by the leak checker */
}

static void the_last_unref_does_not_cancel(void)
{
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background()), *c = rn_ctx_with_cancel(p);
        rn_recv_chan(rn_nothing) done = rn_ref(rn_ctx_done(c));
        rn_nothing none;

        rn_unref(c);
        CHECK_EQ(rn_try_recv(done, &none), -EAGAIN);
        rn_ctx_release(p);
        CHECK_EQ(rn_try_recv(done, &none), -EAGAIN);   /* out of the tree */
        rn_unref(done);
}

/* -- several at one context -- */

/* A plain thread among others that poll waits a time slice for its turn. */
static int rounds(int n)
{
        return BEHAVE_SCALE(rn_goid() ? n : n / 10);
}

struct shared {
        rn_ctx *ctx;
        atomic_int stop, ready;
        int x;               /* plain: ordered by the end alone */
        atomic_long n;
};

static void wait_for_end(void *arg)
{
        struct shared *s = arg;

        rn_set_name("for the end");
        wait_done(s->ctx);
        CHECK_EQ(s->x, 1);
}

static void all_who_wait_are_woken(void)
{
        struct shared s = { .ctx = rn_ctx_with_cancel(rn_ctx_background()) };
        int n = 500;
        rn_wg wg = { { 0 } };

        for (int i = 0; i < n; i++)
                behave_go(GOROUTINE, &wg, wait_for_end, &s);
        for (int i = 0; i < 4; i++)
                behave_go(THREAD, &wg, wait_for_end, &s);
        behave_until_parked("for the end", n);
        s.x = 1;
        rn_ctx_cancel(s.ctx);
        rn_wg_wait(&wg);
        rn_unref(s.ctx);
}

static void cancel_when_ready(void *arg)
{
        struct shared *s = arg;

        BEHAVE_UNTIL(flag_get(&s->ready));
        rn_ctx_cancel(s->ctx);
}

/* It would never end if the end were not seen. */
static void a_select_that_always_finds_another_case_sees_the_end(void)
{
        enum { RECV, SEND, DONE };
        struct shared s = { .ctx = rn_ctx_with_cancel(rn_ctx_background()) };
        rn_chan(int) busy = rn_make(int, 1);
        rn_wg wg = { { 0 } };

        behave_go(GOROUTINE, &wg, cancel_when_ready, &s);
        for (int turns = 0; rn_select([RECV] = rn_on_signal(busy), [SEND] = rn_on_send(busy, 1),
                                      [DONE] = rn_on_signal(rn_ctx_done(s.ctx))) != DONE; turns++)
                flag_set(&s.ready, turns > 10);
        CHECK_ENDED(s.ctx, -ECANCELED, -ECANCELED);
        rn_wg_wait(&wg);
        rn_unref(s.ctx);
        rn_unref(busy);
}

static void cancel_with_own_cause(void *arg)
{
        struct shared *s = arg;
        int cause = -1 - (int)atomic_fetch_add(&s->n, 1), seen;

        BEHAVE_UNTIL(flag_get(&s->ready));
        rn_ctx_cancel_cause(s->ctx, cause);
        seen = rn_ctx_cause(s->ctx);
        CHECK_ENDED(s->ctx, -ECANCELED, seen);
        CHECK(seen < 0 && seen >= -12);
}

static void of_many_that_cancel_at_once_one_gives_the_cause(void)
{
        for (int i = 0; i < rounds(200); i++) {
                struct shared s = { .ctx = rn_ctx_with_cancel(rn_ctx_background()) };
                int cause;
                rn_wg wg = { { 0 } };

                for (int k = 0; k < 12; k++)
                        behave_go(k % 6 ? GOROUTINE : THREAD, &wg, cancel_with_own_cause, &s);
                flag_set(&s.ready, 1);
                wait_done(s.ctx);
                cause = rn_ctx_cause(s.ctx);
                rn_wg_wait(&wg);
                CHECK_ENDED(s.ctx, -ECANCELED, cause);
                rn_unref(s.ctx);
        }
}

static void poll_err_then_done(void *arg)
{
        struct shared *s = arg;
        int err, cause;

        BEHAVE_UNTIL((err = rn_ctx_err(s->ctx)) != 0);
        CHECK(is_done(s->ctx));
        cause = rn_ctx_cause(s->ctx);
        CHECK(cause == -EIO && err == -ECANCELED);
}

static void poll_done_then_err(void *arg)
{
        struct shared *s = arg;

        BEHAVE_UNTIL(is_done(s->ctx));
        CHECK_EQ(rn_ctx_err(s->ctx), -ECANCELED);
        CHECK_EQ(rn_ctx_cause(s->ctx), -EIO);
}

static void poll_cause_then_done(void *arg)
{
        struct shared *s = arg;
        int cause;

        BEHAVE_UNTIL((cause = rn_ctx_cause(s->ctx)) != 0);
        CHECK_EQ(cause, -EIO);
        CHECK(is_done(s->ctx));
}

/* Without a done channel, with one, with one that somebody waits on. */
static void done_is_closed_exactly_when_there_is_an_error(void)
{
        static behave_arg_fn *const polls[] = { poll_err_then_done, poll_done_then_err,
                                                poll_cause_then_done };

        for (int i = 0; i < rounds(500); i++) {
                struct shared s = { .ctx = rn_ctx_with_cancel(rn_ctx_background()), .x = 1 };
                rn_wg wg = { { 0 } };

                if (i % 3)
                        rn_ctx_done(s.ctx);
                if (i % 3 == 2)
                        behave_go(GOROUTINE, &wg, wait_for_end, &s);
                for (int k = 0; k < 6; k++)
                        behave_go(i % 16 == 0 && k % 2 ? THREAD : GOROUTINE, &wg, polls[k % 3], &s);
                if (i % 2)
                        rn_yield();
                rn_ctx_cancel_cause(s.ctx, -EIO);
                CHECK_ENDED(s.ctx, -ECANCELED, -EIO);
                rn_wg_wait(&wg);
                rn_unref(s.ctx);
        }
}

static void ask_for_done(void *arg)
{
        struct shared *s = arg;
        rn_recv_chan(rn_nothing) done;

        BEHAVE_UNTIL(flag_get(&s->ready));
        done = rn_ctx_done(s->ctx);
        CHECK(!rn_wait(done));
        CHECK(rn_ctx_done(s->ctx) == done);
}

/* Of those who ask first, and of the cancel, any may come first; a channel that is not needed is
 * seen by the leak checker. */
static void done_may_be_asked_for_by_many_while_it_ends(void)
{
        for (int i = 0; i < rounds(500); i++) {
                struct shared s = { .ctx = rn_ctx_with_cancel(rn_ctx_background()) };
                rn_wg wg = { { 0 } };

                for (int k = 0; k < 6; k++)
                        behave_go(i % 16 == 0 && k % 2 ? THREAD : GOROUTINE, &wg, ask_for_done, &s);
                flag_set(&s.ready, 1);
                if (i % 2)
                        rn_yield();
                rn_ctx_cancel(s.ctx);
                rn_wg_wait(&wg);
                rn_unref(s.ctx);
        }
}

/* -- order of memory: x is plain, and nothing but the context orders it -- */

static void sees_by_err(void *arg)
{
        struct shared *s = arg;

        BEHAVE_UNTIL(rn_ctx_err(s->ctx) != 0);
        CHECK_EQ(s->x, 1);
}

static void sees_by_cause(void *arg)
{
        struct shared *s = arg;

        BEHAVE_UNTIL(rn_ctx_cause(s->ctx) != 0);
        CHECK_EQ(s->x, 1);
}

static void sees_by_trying(void *arg)
{
        struct shared *s = arg;

        BEHAVE_UNTIL(is_done(s->ctx));
        CHECK_EQ(s->x, 1);
}

static void sees_by_select(void *arg)
{
        struct shared *s = arg;
        rn_chan(int) never = rn_make(int, 0);

        CHECK_EQ(rn_select(rn_on_signal(never), rn_on_signal(rn_ctx_done(s->ctx))), 1);
        CHECK_EQ(s->x, 1);
        rn_unref(never);
}

/* The first to ask for done, when it has ended. */
static void sees_by_a_late_done(void *arg)
{
        struct shared *s = arg;

        BEHAVE_UNTIL(flag_get(&s->ready));
        wait_done(s->ctx);
        CHECK_EQ(s->x, 1);
}

static void sees_by_a_child_born_dead(void *arg)
{
        struct shared *s = arg;
        rn_ctx *c;

        BEHAVE_UNTIL(flag_get(&s->ready));
        c = rn_ctx_with_cancel(s->ctx);
        CHECK_EQ(rn_ctx_err(c), -ECANCELED);
        CHECK_EQ(s->x, 1);
        rn_unref(c);
}

static void sees_by_sleep(void *arg)
{
        struct shared *s = arg;

        CHECK_EQ(rn_ctx_sleep(s->ctx, FAR), -ECANCELED);
        CHECK_EQ(s->x, 1);
}

static void all_before_the_cancel(behave_arg_fn *const *fns, int n, bool on_child)
{
        for (int i = 0; i < rounds(100); i++) {
                rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background());
                struct shared s = { .ctx = on_child ? rn_ctx_with_cancel(p) : rn_ref(p) };
                rn_wg wg = { { 0 } };

                for (int k = 0; k < n; k++)
                        behave_go(i % 8 == 0 ? THREAD : GOROUTINE, &wg, fns[k], &s);
                for (int k = 0; k < i % 4; k++)
                        rn_yield();
                s.x = 1;
                rn_ctx_cancel(p);
                flag_set(&s.ready, 1);
                rn_wg_wait(&wg);
                rn_unref(s.ctx);
                rn_unref(p);
        }
}

static void all_before_the_cancel_is_seen_by_who_sees_the_end(void)
{
        static behave_arg_fn *const all[] = { wait_for_end, sees_by_err, sees_by_cause,
                                              sees_by_trying, sees_by_select, sees_by_sleep };

        all_before_the_cancel(all, 6, false);
        all_before_the_cancel(all, 6, true);
        for (int i = 0; i < 6; i++)
                all_before_the_cancel(&all[i], 1, i % 2);
}

static void all_before_the_cancel_is_seen_by_who_asks_late(void)
{
        static behave_arg_fn *const late[] = { sees_by_a_late_done, sees_by_a_child_born_dead };

        all_before_the_cancel(&late[0], 1, false);
        all_before_the_cancel(&late[0], 1, true);
        all_before_the_cancel(&late[1], 1, false);
        all_before_the_cancel(&late[1], 1, true);
}

/* -- what it costs -- */

#if BEHAVE_COUNTS
static rn_ctx *made[10];

static void open_and_ask(void)
{
        static const char key;
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background());

        CHECK(rn_ctx_err(c) == 0 && rn_ctx_cause(c) == 0 && rn_ctx_deadline(c) == RN_NEVER);
        CHECK(rn_ctx_value(c, &key) == NULL);
        rn_ctx_release(c);
}

static void with_timeout(void)
{
        rn_ctx_release(rn_ctx_with_timeout(rn_ctx_background(), FAR));
}

static void with_value(void)
{
        static const char key;

        rn_unref(rn_ctx_with_value(rn_ctx_background(), &key, NULL));
}

static void without_cancel(void)
{
        rn_unref(rn_ctx_without_cancel(rn_ctx_background()));
}

static void ended_and_then_asked_for_done(void)
{
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background());

        rn_ctx_cancel(c);
        wait_done(c);
        rn_unref(c);
}

static void asked_for_done(void)
{
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background());

        for (int i = 0; i < 3; i++)
                rn_ctx_done(c);
        rn_ctx_cancel(c);
        wait_done(c);
        rn_unref(c);
}

static void root_asked_for_all(void)
{
        CHECK(rn_ctx_done(rn_ctx_background()) == NULL && rn_ctx_err(rn_ctx_todo()) == 0);
}

static void end_ten(void)
{
        rn_ctx_cancel(made[0]);
}

static long allocations(behave_fn *f)
{
        long before = atomic_load(&behave_allocations);

        atomic_store(&behave_counting, 1);
        f();
        atomic_store(&behave_counting, 0);
        return atomic_load(&behave_allocations) - before;
}

/* Some other thread may allocate meanwhile. */
static void check_allocations(behave_fn *f, long n, int line)
{
        long least = allocations(f);

        for (int i = 0; i < 100 && least != n; i++) {
                long now = allocations(f);

                if (now < least)
                        least = now;
        }
        if (least != n)
                behave_fail(__FILE__, line, "%ld allocations instead of %ld", least, n);
}

#define CHECK_ALLOCATIONS(f, n) check_allocations((f), (n), __LINE__)

static void a_context_is_one_allocation_and_done_another(void)
{
        CHECK_ALLOCATIONS(root_asked_for_all, 0);
        CHECK_ALLOCATIONS(open_and_ask, 1);
        CHECK_ALLOCATIONS(with_timeout, 1);
        CHECK_ALLOCATIONS(with_value, 1);
        CHECK_ALLOCATIONS(without_cancel, 1);
        CHECK_ALLOCATIONS(ended_and_then_asked_for_done, 1);
        CHECK_ALLOCATIONS(asked_for_done, 2);
        made[0] = rn_ctx_with_cancel(rn_ctx_background());
        for (int i = 1; i < 10; i++) {
                made[i] = i % 2 ? rn_ctx_with_timeout(made[i / 2], FAR)
                                : rn_ctx_with_cancel(made[i / 2]);
                rn_ctx_done(made[i]);
        }
        CHECK_ALLOCATIONS(end_ten, 0);
        for (int i = 0; i < 10; i++)
                rn_unref(made[i]);
}

static rn_ctx *make(int how, rn_ctx *p)
{
        static const char key;

        switch (how) {
        case 0: return rn_ctx_with_cancel(p);
        case 1: return rn_ctx_with_timeout(p, FAR);
        case 2: return rn_ctx_with_value(p, &key, NULL);
        default: return rn_ctx_without_cancel(p);
        }
}

static void out_of_memory_panics(void)
{
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background());

        for (int i = 0; i < 5; i++) {
                struct rn_recovered caught = { .text = "" };
                bool returned;

                behave_refusing = true;
                if (i < 4)
                        returned = rn_pcall(&caught, make, i, p);
                else
                        returned = rn_pcall(&caught, rn_ctx_done, p);
                behave_refusing = false;
                CHECK(!returned);
                CHECK(strstr(caught.text, "out of memory") != NULL);
                CHECK_EQ(rn_ctx_err(p), 0);
        }
        CHECK_OPEN(p);
        rn_ctx_release(p);
}
#endif

static const struct behave_test tests[] = {
        BEHAVE_BOTH(roots_never_end_and_hold_nothing),
        BEHAVE_BOTH(a_context_is_open_until_it_is_cancelled),
        BEHAVE_BOTH(who_asks_for_done_after_the_end_finds_it_closed),
        BEHAVE_BOTH(once_ended_it_stays_as_it_is),
        BEHAVE_BOTH(release_cancels_and_gives_back),
        BEHAVE_BOTH(a_deferred_release_runs_when_the_scope_panics),
        BEHAVE_BOTH(the_last_unref_does_not_cancel),
        BEHAVE_BOTH(all_who_wait_are_woken),
        BEHAVE_BOTH(a_select_that_always_finds_another_case_sees_the_end),
        BEHAVE_BOTH(of_many_that_cancel_at_once_one_gives_the_cause),
        BEHAVE_BOTH(done_is_closed_exactly_when_there_is_an_error),
        BEHAVE_BOTH(done_may_be_asked_for_by_many_while_it_ends),
        BEHAVE_BOTH(all_before_the_cancel_is_seen_by_who_sees_the_end),
        BEHAVE_BOTH(all_before_the_cancel_is_seen_by_who_asks_late),
#if BEHAVE_COUNTS
        BEHAVE_BOTH(a_context_is_one_allocation_and_done_another),
        BEHAVE_BOTH(out_of_memory_panics),
#endif
};

BEHAVE_MAIN(tests)
