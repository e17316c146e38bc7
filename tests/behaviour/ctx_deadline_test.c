/* SPDX-License-Identifier: MIT
 * Deadlines of contexts, causes, and misuse that panics. How late a deadline is seen is a matter of
 * the machine and not tested. */
#define _GNU_SOURCE
#include "tests/support/behave.h"
#include "tests/support/contexts.h"

/* -- deadlines -- */

static void a_deadline_ends_it_not_before_its_time(void)
{
        static const rn_dur lengths[] = { 1, 100, RN_USEC, 100 * RN_USEC, RN_MSEC, 5 * RN_MSEC };

        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                rn_time begun = rn_now();
                rn_ctx *c = rn_ctx_with_timeout(rn_ctx_background(), lengths[i]);
                rn_ctx *d = rn_ctx_with_deadline(rn_ctx_background(), rn_now() + lengths[i]);

                CHECK(rn_ctx_deadline(c) >= begun + lengths[i] &&
                      rn_ctx_deadline(c) <= rn_now() + lengths[i]);
                wait_done(c);
                CHECK(rn_now() >= rn_ctx_deadline(c));
                wait_done(d);
                CHECK(rn_now() >= rn_ctx_deadline(d));
                CHECK_ENDED(c, -ETIMEDOUT, -ETIMEDOUT);
                CHECK_ENDED(d, -ETIMEDOUT, -ETIMEDOUT);
                rn_ctx_release(c);
                rn_ctx_release(d);
        }
}

static void a_deadline_comes_although_nobody_asks_for_done(void)
{
        rn_ctx *p = rn_ctx_with_timeout(rn_ctx_background(), RN_MSEC), *c = rn_ctx_with_cancel(p);

        while (rn_ctx_err(c) == 0)
                rn_sleep(100 * RN_USEC);
        CHECK_ENDED(c, -ETIMEDOUT, -ETIMEDOUT);
        CHECK_ENDED(p, -ETIMEDOUT, -ETIMEDOUT);
        rn_ctx_release(c);
        rn_ctx_release(p);
}

static void a_deadline_that_has_passed_ends_it_at_once(void)
{
        rn_time now = rn_now(), points[] = { now, now - 1, now - RN_SEC, 1, 0, -1, INT64_MIN };
        rn_dur lengths[] = { 0, -1, -RN_SEC, INT64_MIN };

        for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
                rn_ctx *c = rn_ctx_with_deadline(rn_ctx_background(), points[i]);

                CHECK_ENDED(c, -ETIMEDOUT, -ETIMEDOUT);
                CHECK_EQ(rn_ctx_deadline(c), points[i]);
                rn_ctx_release(c);
                c = rn_ctx_with_deadline_cause(rn_ctx_background(), points[i], -EIO);
                CHECK_ENDED(c, -ETIMEDOUT, -EIO);
                rn_unref(c);
        }
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                rn_ctx *c = rn_ctx_with_timeout(rn_ctx_background(), lengths[i]);

                CHECK_ENDED(c, -ETIMEDOUT, -ETIMEDOUT);
                CHECK(rn_ctx_deadline(c) <= rn_now());
                rn_ctx_release(c);
                c = rn_ctx_with_timeout_cause(rn_ctx_background(), lengths[i], -EIO);
                CHECK_ENDED(c, -ETIMEDOUT, -EIO);
                rn_unref(c);
        }
}

static void the_longest_deadline_does_not_overflow(void)
{
        static const rn_dur lengths[] = { RN_NEVER, RN_NEVER - 1, RN_NEVER / 2 };

        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                rn_ctx *c = rn_ctx_with_timeout(rn_ctx_background(), lengths[i]);
                rn_ctx *d = rn_ctx_with_deadline(c, lengths[i]),
                       *soon = rn_ctx_with_timeout(c, RN_MSEC);

                wait_done(soon);
                CHECK_OPEN(c);
                CHECK_OPEN(d);
                CHECK(rn_ctx_deadline(c) >= lengths[i]);
                CHECK(i == 2 || rn_ctx_deadline(c) == RN_NEVER);
                rn_ctx_release(soon);
                rn_ctx_release(c);
                CHECK_ENDED(d, -ECANCELED, -ECANCELED);
                rn_unref(d);
        }
}

static void the_earlier_of_the_parents_and_its_own_deadline_holds(void)
{
        rn_ctx *far = rn_ctx_with_timeout(rn_ctx_background(), FAR),
               *near = rn_ctx_with_timeout(far, 2 * RN_MSEC);
        rn_ctx *later = rn_ctx_with_timeout_cause(near, FAR, -EIO);
        rn_ctx *same = rn_ctx_with_deadline(near, rn_ctx_deadline(near)),
               *below = rn_ctx_with_cancel(later);

        CHECK(rn_ctx_deadline(near) < rn_ctx_deadline(far));
        CHECK_EQ(rn_ctx_deadline(later), rn_ctx_deadline(near));
        CHECK_EQ(rn_ctx_deadline(same), rn_ctx_deadline(near));
        CHECK_EQ(rn_ctx_deadline(below), rn_ctx_deadline(near));
        wait_done(later);
        CHECK(rn_now() >= rn_ctx_deadline(near));
        CHECK_ENDED(later, -ETIMEDOUT, -ETIMEDOUT);
        wait_done(same);
        wait_done(below);
        wait_done(near);
        CHECK_ENDED(below, -ETIMEDOUT, -ETIMEDOUT);
        CHECK_OPEN(far);
        rn_ctx_release(below);
        rn_ctx_release(same);
        rn_ctx_release(later);
        rn_ctx_release(near);
        CHECK_OPEN(far);
        rn_ctx_release(far);
}

/* How far the deadline has come when it is cancelled moves over all of it. */
static void of_cancel_and_deadline_the_first_stays(void)
{
        for (int i = 0; i < BEHAVE_SCALE(2000); i++) {
                rn_ctx *c = rn_ctx_with_timeout_cause(rn_ctx_background(), i % 50 * RN_USEC, -EIO);
                rn_time until = rn_now() + i % 47 * RN_USEC;
                int err;

                if (i % 3)
                        rn_ctx_done(c);
                while (rn_now() < until)
                        rn_yield();
                rn_ctx_cancel_cause(c, -EPIPE);
                err = rn_ctx_err(c);
                CHECK(err == -ETIMEDOUT || err == -ECANCELED);
                CHECK_ENDED(c, err, err == -ETIMEDOUT ? -EIO : -EPIPE);
                if (i % 50 == 0)
                        rn_sleep(100 * RN_USEC);
                CHECK_ENDED(c, err, err == -ETIMEDOUT ? -EIO : -EPIPE);
                rn_unref(c);
        }
}

static void cancelled_before_its_deadline_it_stays_cancelled(void)
{
        rn_ctx *c = rn_ctx_with_timeout_cause(rn_ctx_background(), 20 * RN_MSEC, -EIO);
        int err;

        rn_ctx_cancel(c);
        err = rn_ctx_err(c);
        CHECK(err == -ECANCELED || rn_now() >= rn_ctx_deadline(c));   /* a slow machine */
        rn_sleep_until(rn_ctx_deadline(c) + RN_MSEC);
        CHECK_ENDED(c, err, err == -ECANCELED ? -ECANCELED : -EIO);
        rn_unref(c);
}

/* Whatever the deadline is doing just now. */
static void the_last_unref_stops_a_deadline(void)
{
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background());

        for (int i = 0; i < BEHAVE_SCALE(20000); i++)
                rn_unref(rn_ctx_with_timeout(i % 2 ? p : rn_ctx_background(), i % 13 * 100));
        CHECK_OPEN(p);
        rn_ctx_release(p);
}

static void wait_and_check(rn_ctx *p, rn_dur d)
{
        rn_ctx *c = rn_ctx_with_timeout(p, d);
        rn_time until = rn_ctx_deadline(c);

        wait_done(c);
        CHECK(rn_now() >= until);
        CHECK_ENDED(c, -ETIMEDOUT, -ETIMEDOUT);
        rn_ctx_release(c);
}

static void many_deadlines_come_beside_each_other(void)
{
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background());
        uint64_t s = behave_stream(1);
        rn_wg wg = { { 0 } };

        for (int i = 0; i < BEHAVE_LIVE(3000); i++)
                rn_wg_go(&wg, wait_and_check, p, (rn_dur)behave_below(&s, 5000) * RN_USEC);
        rn_wg_wait(&wg);
        CHECK_OPEN(p);
        rn_ctx_release(p);
}

/* The goroutines' P retires, and the deadline comes all the same. */
static void a_deadline_survives_a_change_of_maxprocs(void)
{
        int procs = rn_maxprocs(0);

        for (int i = 0; i < 10; i++) {
                rn_ctx *c = rn_ctx_with_timeout(rn_ctx_background(), 200 * RN_USEC);

                rn_maxprocs(1 + i % 8);
                wait_done(c);
                rn_unref(c);
        }
        rn_maxprocs(procs);
}

static void the_deadline_of_a_select_is_that_of_its_context(void)
{
        rn_ctx *c = rn_ctx_with_timeout(rn_ctx_background(), 2 * RN_MSEC);
        rn_chan(int) never = rn_make(int, 0);

        CHECK_EQ(rn_select_until(rn_ctx_deadline(c), rn_on_signal(never)), RN_TIMEOUT);
        CHECK(rn_now() >= rn_ctx_deadline(c));
        wait_done(c);
        rn_unref(never);
        rn_ctx_release(c);
}

/* -- causes: two contexts, and what is done to them in turn -- */

enum kind { CANCEL, TIMEOUT, TIMEOUT_CAUSE, WITHOUT };
enum act { NOTHING, PARENT, PARENT_CAUSE, CHILD, CHILD_CAUSE, EXPIRE };
enum { BY_PARENT = -EPIPE, BY_CHILD = -EIO, BY_TIME = -ETIME };

struct causes {
        enum kind parent, child;   /* WITHOUT: a context without cancel between the two */
        enum act first, second;
        int parent_err, parent_cause, child_err, child_cause;
};

static const struct causes causes[] = {
        { CANCEL, CANCEL, NOTHING, NOTHING, 0, 0, 0, 0 },
        { CANCEL, CANCEL, PARENT, NOTHING, -ECANCELED, -ECANCELED, -ECANCELED, -ECANCELED },
        { CANCEL, CANCEL, PARENT_CAUSE, NOTHING, -ECANCELED, BY_PARENT, -ECANCELED, BY_PARENT },
        { CANCEL, CANCEL, PARENT_CAUSE, CHILD, -ECANCELED, BY_PARENT, -ECANCELED, BY_PARENT },
        { CANCEL, CANCEL, PARENT_CAUSE, CHILD_CAUSE, -ECANCELED, BY_PARENT, -ECANCELED, BY_PARENT },
        { CANCEL, CANCEL, PARENT, CHILD_CAUSE, -ECANCELED, -ECANCELED, -ECANCELED, -ECANCELED },
        { CANCEL, CANCEL, CHILD, NOTHING, 0, 0, -ECANCELED, -ECANCELED },
        { CANCEL, CANCEL, CHILD_CAUSE, NOTHING, 0, 0, -ECANCELED, BY_CHILD },
        { CANCEL, CANCEL, CHILD_CAUSE, PARENT_CAUSE, -ECANCELED, BY_PARENT, -ECANCELED, BY_CHILD },
        { CANCEL, CANCEL, CHILD, PARENT_CAUSE, -ECANCELED, BY_PARENT, -ECANCELED, -ECANCELED },
        { CANCEL, CANCEL, CHILD_CAUSE, CHILD, 0, 0, -ECANCELED, BY_CHILD },
        { CANCEL, CANCEL, CHILD, CHILD_CAUSE, 0, 0, -ECANCELED, -ECANCELED },
        { CANCEL, TIMEOUT, EXPIRE, NOTHING, 0, 0, -ETIMEDOUT, -ETIMEDOUT },
        { CANCEL, TIMEOUT, EXPIRE, PARENT_CAUSE, -ECANCELED, BY_PARENT, -ETIMEDOUT, -ETIMEDOUT },
        { CANCEL, TIMEOUT, EXPIRE, CHILD_CAUSE, 0, 0, -ETIMEDOUT, -ETIMEDOUT },
        { CANCEL, TIMEOUT, PARENT_CAUSE, NOTHING, -ECANCELED, BY_PARENT, -ECANCELED, BY_PARENT },
        { CANCEL, TIMEOUT_CAUSE, EXPIRE, NOTHING, 0, 0, -ETIMEDOUT, BY_TIME },
        { CANCEL, TIMEOUT_CAUSE, EXPIRE, CHILD, 0, 0, -ETIMEDOUT, BY_TIME },
        { CANCEL, TIMEOUT_CAUSE, CHILD, NOTHING, 0, 0, -ECANCELED, -ECANCELED },
        { CANCEL, TIMEOUT_CAUSE, CHILD_CAUSE, NOTHING, 0, 0, -ECANCELED, BY_CHILD },
        { CANCEL, TIMEOUT_CAUSE, PARENT, NOTHING, -ECANCELED, -ECANCELED, -ECANCELED, -ECANCELED },
        { CANCEL, TIMEOUT_CAUSE, PARENT_CAUSE, NOTHING,
          -ECANCELED, BY_PARENT, -ECANCELED, BY_PARENT },
        { TIMEOUT, CANCEL, EXPIRE, NOTHING, -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT, -ETIMEDOUT },
        { TIMEOUT_CAUSE, CANCEL, EXPIRE, NOTHING, -ETIMEDOUT, BY_TIME, -ETIMEDOUT, BY_TIME },
        { TIMEOUT_CAUSE, CANCEL, EXPIRE, CHILD_CAUSE, -ETIMEDOUT, BY_TIME, -ETIMEDOUT, BY_TIME },
        { TIMEOUT_CAUSE, CANCEL, CHILD_CAUSE, NOTHING, 0, 0, -ECANCELED, BY_CHILD },
        { TIMEOUT_CAUSE, CANCEL, PARENT, CHILD_CAUSE,
          -ECANCELED, -ECANCELED, -ECANCELED, -ECANCELED },
        { CANCEL, WITHOUT, PARENT_CAUSE, NOTHING, -ECANCELED, BY_PARENT, 0, 0 },
        { CANCEL, WITHOUT, PARENT_CAUSE, CHILD, -ECANCELED, BY_PARENT, -ECANCELED, -ECANCELED },
        { CANCEL, WITHOUT, PARENT_CAUSE, CHILD_CAUSE, -ECANCELED, BY_PARENT, -ECANCELED, BY_CHILD },
        { TIMEOUT_CAUSE, WITHOUT, EXPIRE, NOTHING, -ETIMEDOUT, BY_TIME, 0, 0 },
};

static rn_ctx *make(enum kind kind, rn_ctx *parent, bool expires)
{
        rn_dur d = expires ? 100 * RN_USEC : FAR;
        rn_ctx *without, *c;

        switch (kind) {
        case CANCEL: return rn_ctx_with_cancel(parent);
        case TIMEOUT: return rn_ctx_with_timeout(parent, d);
        case TIMEOUT_CAUSE: return rn_ctx_with_timeout_cause(parent, d, BY_TIME);
        default:
                without = rn_ctx_without_cancel(parent);
                c = rn_ctx_with_cancel(without);
                rn_unref(without);
                return c;
        }
}

static void act(enum act a, rn_ctx *p, rn_ctx *c, const struct causes *t)
{
        switch (a) {
        case NOTHING: break;
        case PARENT: rn_ctx_cancel(p); break;
        case PARENT_CAUSE: rn_ctx_cancel_cause(p, BY_PARENT); break;
        case CHILD: rn_ctx_cancel(c); break;
        case CHILD_CAUSE: rn_ctx_cancel_cause(c, BY_CHILD); break;
        default: wait_done(t->parent == CANCEL ? c : p); break;
        }
}

static void the_first_to_end_it_gives_error_and_cause(void)
{
        static const char key;

        for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
                const struct causes *t = &causes[i];
                bool expires = t->first == EXPIRE;
                rn_ctx *p = make(t->parent, rn_ctx_background(), expires);
                rn_ctx *v = rn_ctx_with_value(p, &key, NULL),
                       *c = make(t->child, v, expires && t->parent == CANCEL);

                act(t->first, p, c, t);
                act(t->second, p, c, t);
                ctx_check(p, t->parent_err, t->parent_cause, "parent of causes", (int)i);
                ctx_check(v, t->parent_err, t->parent_cause, "value of causes", (int)i);
                ctx_check(c, t->child_err, t->child_cause, "child of causes", (int)i);
                rn_ctx_release(c);
                rn_ctx_release(p);
                rn_unref(v);
        }
}

static void a_cause_of_0_is_the_error_itself(void)
{
        rn_ctx *a = rn_ctx_with_cancel(rn_ctx_background());
        rn_ctx *b = rn_ctx_with_timeout_cause(rn_ctx_background(), 0, 0);
        rn_ctx *c = rn_ctx_with_deadline_cause(rn_ctx_background(), rn_now() + 10 * RN_USEC, 0);

        rn_ctx_cancel_cause(a, 0);
        CHECK_ENDED(a, -ECANCELED, -ECANCELED);
        CHECK_ENDED(b, -ETIMEDOUT, -ETIMEDOUT);
        wait_done(c);
        CHECK_ENDED(c, -ETIMEDOUT, -ETIMEDOUT);
        rn_unref(a);
        rn_unref(b);
        rn_unref(c);
}

/* -- misuse -- */

static void a_null_parent_panics(void)
{
        static const char *const text = "cannot create context from nil parent";
        static const char key;
        rn_ctx *none = NULL;

        CHECK_PANICS(text, rn_ctx_with_cancel, none);
        CHECK_PANICS(text, rn_ctx_with_deadline, none, rn_now() + FAR);
        CHECK_PANICS(text, rn_ctx_with_deadline, none, (rn_time)0);
        CHECK_PANICS(text, rn_ctx_with_timeout, none, FAR);
        CHECK_PANICS(text, rn_ctx_with_deadline_cause, none, (rn_time)0, -EIO);
        CHECK_PANICS(text, rn_ctx_with_timeout_cause, none, FAR, -EIO);
        CHECK_PANICS(text, rn_ctx_with_value, none, &key, (void *)NULL);
        CHECK_PANICS(text, rn_ctx_with_value_free, none, &key, (void *)NULL, count_drop);
        CHECK_PANICS(text, rn_ctx_without_cancel, none);
}

static void a_null_key_panics(void)
{
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background());
        const void *none = NULL;

        CHECK_PANICS("nil key", rn_ctx_with_value, c, none, (void *)c);
        CHECK_PANICS("nil key", rn_ctx_with_value_free, c, none, (void *)c, count_drop);
        CHECK_PANICS("nil key", rn_ctx_value, c, none);
        CHECK_PANICS("nil key", rn_ctx_value, rn_ctx_background(), none);
        CHECK_OPEN(c);
        rn_ctx_release(c);
}

static void check_no_cancel(rn_ctx *c, const char *text)
{
        CHECK_PANICS(text, rn_ctx_cancel, c);
        CHECK_PANICS(text, rn_ctx_cancel_cause, c, -EIO);
        CHECK_PANICS(text, rn_ctx_release, c);
}

static void cancel_of_what_cannot_be_cancelled_panics(void)
{
        static const char key;
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background()),
               *value = rn_ctx_with_value(p, &key, NULL);
        rn_ctx *without = rn_ctx_without_cancel(p),
               *rootless = rn_ctx_with_value(rn_ctx_todo(), &key, NULL);

        check_no_cancel(rn_ctx_background(), "context: cancel of a context.Background");
        check_no_cancel(rn_ctx_todo(), "context: cancel of a context.TODO");
        check_no_cancel(value, "context: cancel of a context with a value");
        check_no_cancel(rootless, "context: cancel of a context with a value");
        check_no_cancel(without, "context: cancel of a context without cancel");
        check_no_cancel(NULL, "context: cancel of nil context");
        CHECK_OPEN(p);
        CHECK_OPEN(value);
        rn_ctx_cancel(p);   /* nothing is left locked */
        CHECK_ENDED(value, -ECANCELED, -ECANCELED);
        rn_unref(value);
        rn_unref(rootless);
        rn_unref(without);
        rn_unref(p);
}

static void a_positive_cause_panics(void)
{
        static const char *const text = "context: a cause is a negative error number, not 5";
        rn_ctx *c = rn_ctx_with_cancel(rn_ctx_background());

        CHECK_PANICS(text, rn_ctx_cancel_cause, c, 5);
        CHECK_PANICS(text, rn_ctx_with_deadline_cause, c, (rn_time)0, 5);
        CHECK_PANICS(text, rn_ctx_with_timeout_cause, c, FAR, 5);
        CHECK_OPEN(c);
        rn_ctx_release(c);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(a_deadline_ends_it_not_before_its_time),
        BEHAVE_BOTH(a_deadline_comes_although_nobody_asks_for_done),
        BEHAVE_BOTH(a_deadline_that_has_passed_ends_it_at_once),
        BEHAVE_BOTH(the_longest_deadline_does_not_overflow),
        BEHAVE_BOTH(the_earlier_of_the_parents_and_its_own_deadline_holds),
        BEHAVE_BOTH(of_cancel_and_deadline_the_first_stays),
        BEHAVE_BOTH(cancelled_before_its_deadline_it_stays_cancelled),
        BEHAVE_BOTH(the_last_unref_stops_a_deadline),
        BEHAVE(many_deadlines_come_beside_each_other),
        BEHAVE_BOTH(a_deadline_survives_a_change_of_maxprocs),
        BEHAVE_BOTH(the_deadline_of_a_select_is_that_of_its_context),
        BEHAVE_BOTH(the_first_to_end_it_gives_error_and_cause),
        BEHAVE_BOTH(a_cause_of_0_is_the_error_itself),
        BEHAVE_BOTH(a_null_parent_panics),
        BEHAVE_BOTH(a_null_key_panics),
        BEHAVE_BOTH(cancel_of_what_cannot_be_cancelled_panics),
        BEHAVE_BOTH(a_positive_cause_panics),
};

BEHAVE_MAIN(tests)
