/* SPDX-License-Identifier: MIT
 * panic, defer, pcall and exit as far as the process lives on: what runs, in which order, and who
 * catches what. Panics that nobody catches are in tests/crash. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

/* What has happened so far, in order. Each test has one at a time; its goroutines take turns. */
static struct {
        char text[64];
        size_t n;
} log_;

static void note(int c)
{
        if (log_.n < sizeof log_.text - 1)
                log_.text[log_.n++] = (char)c;
        log_.text[log_.n] = '\0';
}

static void log_begin(void)
{
        log_.n = 0;
        log_.text[0] = '\0';
}

#define CHECK_LOG(s) check_log((s), __FILE__, __LINE__)

static void check_log(const char *expected, const char *file, int line)
{
        if (strcmp(log_.text, expected) != 0)
                behave_fail(file, line, "happened: \"%s\", expected: \"%s\"", log_.text, expected);
}

static void check_caught(const struct rn_recovered *p, const char *text)
{
        CHECK_EQ(p->runtime, 0);
        if (strcmp(p->text, text) != 0)
                behave_fail(__FILE__, __LINE__, "caught \"%s\", expected \"%s\"", p->text, text);
}

/* Runs fn as a goroutine of its own to its end. */
static void to_its_end(behave_fn *fn)
{
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, fn);
        rn_wg_wait(&wg);
}

/* -- defer -- */

static void deferred_calls_run_at_the_end_of_their_scope_newest_first(void)
{
        log_begin();
        {
                rn_defer(note, 'a');
                rn_defer(note, 'b');
                note('1');
                {
                        rn_defer(note, 'c');
                        note('2');
                }
                note('3');
        }
        note('4');
        CHECK_LOG("12c3ba4");
}

static void returns_early(int n)
{
        rn_defer(note, 'a');
        if (n == 1)
                return;
        rn_defer(note, 'b');
        for (int i = 0; i < 3; i++) {
                rn_defer(note, '0' + i);
                if (i == 1 && n == 2)
                        return;
        }
}

static void deferred_calls_run_on_every_way_out_of_a_scope(void)
{
        log_begin();
        returns_early(1);
        note('|');
        returns_early(2);
        note('|');
        returns_early(3);
        CHECK_LOG("a|01ba|012ba");
}

static void deferred_arguments_are_evaluated_at_the_defer(void)
{
        int c = 'x';

        log_begin();
        {
                rn_defer(note, c);
                c = 'y';
                note(c);
        }
        CHECK_LOG("yx");
}

static void receive_and_note(rn_chan(int) c)
{
        note(rn_get(c));
}

static void send_one(rn_chan(int) c, int v)
{
        rn_send(c, v);
}

static void deferred_call_may_park(void)
{
        rn_chan(int) c = rn_make(int, 0);
        rn_wg wg = { { 0 } };

        log_begin();
        {
                rn_defer(receive_and_note, c);
                rn_wg_go(&wg, send_one, c, 'v');
        }
        CHECK_LOG("v");
        rn_wg_wait(&wg);
        rn_unref(c);
}

/* -- pcall -- */

static void does_nothing(void)
{
}

static void pcall_of_a_call_that_returns_is_true(void)
{
        struct rn_recovered p = { .runtime = 5, .text = "untouched" };

        CHECK(rn_pcall(&p, does_nothing));
        CHECK(rn_pcall(NULL, does_nothing));
        CHECK_EQ(p.runtime, 5);
        CHECK(strcmp(p.text, "untouched") == 0);
}

static const volatile bool always = true;   /* a compiler that knew that nothing returns would
                                             * object */

static void panics_with(const char *text)
{
        if (always)
                rn_panic("%s", text);
}

static void formats(int n, double d, const char *s)
{
        rn_panic("%d of %.1f: %s", n, d, s);
}

static void pcall_catches_a_panic_and_its_text(void)
{
        struct rn_recovered p;

        CHECK(!rn_pcall(&p, panics_with, "boom"));
        check_caught(&p, "boom");
        CHECK(!rn_pcall(&p, formats, 3, 4.5, "six"));
        check_caught(&p, "3 of 4.5: six");
        CHECK(!rn_pcall(NULL, panics_with, "dropped"));
}

static void long_panic_text_is_cut_off(void)
{
        char text[400];
        struct rn_recovered p;

        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        CHECK(!rn_pcall(&p, panics_with, text));
        CHECK_EQ(strlen(p.text), sizeof p.text - 1);
}

static void send_on_closed(void)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_defer(rn_unref, c);
        rn_close(c);
        rn_send(c, 1);
}

static void close_twice(void)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_defer(rn_unref, c);
        rn_close(c);
        rn_close(c);
}

static void close_nil(void)
{
        rn_chan(int) c = NULL;

        rn_close(c);
}

static void make_negative(void)
{
        rn_unref(rn_make(int, -1));
}

static void make_too_big(void)
{
        rn_unref(rn_make(int64_t, PTRDIFF_MAX / 4));
}

static void done_of_zero(void)
{
        rn_wg wg = { { 0 } };

        rn_wg_done(&wg);
}

static void panics_of_the_library_are_caught_with_gos_texts(void)
{
        CHECK_PANICS("send on closed channel", send_on_closed);
        CHECK_PANICS("close of closed channel", close_twice);
        CHECK_PANICS("close of nil channel", close_nil);
        CHECK_PANICS("makechan: size out of range", make_negative);
        CHECK_PANICS("makechan: size out of range", make_too_big);
        CHECK_PANICS("sync: negative WaitGroup counter", done_of_zero);
}

static void calls_null(void)
{
        void (*volatile f)(void) = NULL;

        rn_pcall(NULL, f);
        note('!');
}

static void pcall_of_null_panics(void)
{
        log_begin();
        CHECK_PANICS("invalid memory address or nil pointer dereference", calls_null);
        CHECK_LOG("");
}

static void panics_among_deferred(void)
{
        rn_defer(note, 'a');
        {
                rn_defer(note, 'b');
                panics_with("x");
        }
        note('!');
}

static void panic_runs_what_was_deferred_inside_the_pcall_only(void)
{
        log_begin();
        {
                rn_defer(note, 'z');
                CHECK(!rn_pcall(NULL, panics_among_deferred));
                note('c');
        }
        CHECK_LOG("bacz");
}

static void catches_inside(struct rn_recovered *inner)
{
        rn_defer(note, 'o');
        CHECK(!rn_pcall(inner, panics_among_deferred));
        note('i');
        rn_repanic(inner);
}

static void inner_pcall_catches_and_repanic_reaches_the_outer(void)
{
        struct rn_recovered inner, outer;

        log_begin();
        CHECK(!rn_pcall(&outer, catches_inside, &inner));
        check_caught(&inner, "x");
        check_caught(&outer, "x");
        CHECK_LOG("baio");
}

static void repanic_keeps_whose_panic_it_was(void)
{
        struct rn_recovered p, again;

        CHECK(!rn_pcall(&p, close_nil));
        CHECK(!rn_pcall(&again, rn_repanic, &p));
        CHECK_EQ(again.runtime, 1);
        CHECK(strcmp(again.text, "close of nil channel") == 0);
}

static void panics_anew(void)
{
        rn_defer(note, 'a');
        rn_defer(panics_with, "second");
        rn_defer(note, 'b');
        panics_with("first");
}

static void panic_in_a_deferred_call_replaces_the_first_and_the_rest_still_runs(void)
{
        struct rn_recovered p;

        log_begin();
        CHECK(!rn_pcall(&p, panics_anew));
        check_caught(&p, "second");
        CHECK_LOG("ba");
}

static void catches_its_own(void)
{
        struct rn_recovered p;

        note('c');
        CHECK(!rn_pcall(&p, panics_with, "inner"));
        check_caught(&p, "inner");
        note('d');
}

static void panics_over_a_catching_deferred(void)
{
        rn_defer(note, 'a');
        rn_defer(catches_its_own);
        panics_with("outer");
}

static void panic_caught_within_a_deferred_call_leaves_the_outer_one(void)
{
        struct rn_recovered p;

        log_begin();
        CHECK(!rn_pcall(&p, panics_over_a_catching_deferred));
        check_caught(&p, "outer");
        CHECK_LOG("cda");
}

static void panic_in_a_scope_end(void)
{
        rn_defer(note, 'a');
        {
                rn_defer(panics_with, "at the end");
                note('b');
        }
        note('!');
}

static void deferred_call_may_panic_at_the_normal_end_of_its_scope(void)
{
        struct rn_recovered p;

        log_begin();
        CHECK(!rn_pcall(&p, panic_in_a_scope_end));
        check_caught(&p, "at the end");
        CHECK_LOG("ba");
}

static void recurses(int depth)
{
        rn_defer(note, '0' + depth);
        if (depth == 9) {
                panics_with("deep");
                return;
        }
        recurses(depth + 1);
        note('!');
}

static void panic_unwinds_many_frames(void)
{
        struct rn_recovered p;

        log_begin();
        CHECK(!rn_pcall(&p, recurses, 0));
        check_caught(&p, "deep");
        CHECK_LOG("9876543210");
}

static void pcalls_again_and_again_leave_nothing_behind(void)
{
        log_begin();
        for (int i = 0; i < BEHAVE_SCALE(10000); i++) {
                rn_defer(does_nothing);
                CHECK(!rn_pcall(NULL, panics_anew));
                CHECK(rn_pcall(NULL, does_nothing));
        }
        log_begin();
        {
                rn_defer(note, 'a');
        }
        CHECK_LOG("a");
}

static void yields_a_lot(void)
{
        for (int i = 0; i < 20; i++)
                rn_yield();
}

static void panics_after_yields(atomic_int *n)
{
        double before = 0.5 * atomic_load(n);

        rn_defer(yields_a_lot);
        yields_a_lot();
        atomic_fetch_add(n, 1);
        rn_panic("number %.1f", before);
}

static void many_goroutines_panic_and_catch_across_switches(atomic_int *n)
{
        for (int i = 0; i < BEHAVE_SCALE(200); i++) {
                struct rn_recovered p;
                atomic_int mine = i;
                char text[32];

                CHECK(!rn_pcall(&p, panics_after_yields, &mine));
                snprintf(text, sizeof text, "number %.1f", 0.5 * i);
                check_caught(&p, text);
                CHECK_EQ(mine, i + 1);
        }
        atomic_fetch_add(n, 1);
}

static void pcall_catches_after_the_goroutine_has_changed_threads(void)
{
        rn_wg wg = { { 0 } };
        atomic_int n = 0;

        for (int i = 0; i < 8; i++)
                rn_wg_go(&wg, many_goroutines_panic_and_catch_across_switches, &n);
        rn_wg_wait(&wg);
        CHECK_EQ(n, 8);
}

static void wait_closed(rn_chan(int) c)
{
        CHECK(!rn_wait(c));
}

static void parks_while_panicking(rn_chan(int) c)
{
        rn_defer(wait_closed, c);
        rn_defer(rn_sleep, RN_MSEC);
        panics_with("slow");
}

static void deferred_calls_may_park_and_sleep_while_panicking(void)
{
        rn_chan(int) c = rn_make(int, 0);
        struct rn_recovered p;
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, rn_close, c);
        CHECK(!rn_pcall(&p, parks_while_panicking, c));
        check_caught(&p, "slow");
        rn_wg_wait(&wg);
        rn_unref(c);
}

static void leaves_a_panic(struct rn_recovered *p)
{
        CHECK(!rn_pcall(p, panics_with, "outlives"));
}

static void what_was_caught_outlives_its_goroutine(void)
{
        struct rn_recovered p[20];
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 20; i++)
                rn_wg_go(&wg, leaves_a_panic, &p[i]);
        rn_wg_wait(&wg);
        for (int i = 0; i < 200; i++)
                rn_wg_go(&wg, yields_a_lot);
        rn_wg_wait(&wg);
        for (int i = 0; i < 20; i++)
                check_caught(&p[i], "outlives");
}

/* -- exit -- */

static void exits_deep(int depth)
{
        rn_defer(note, '0' + depth);
        if (depth < 3)
                exits_deep(depth + 1);
        else if (always)
                rn_exit();
        note('!');
}

static void exit_0(void)
{
        exits_deep(0);
        note('!');
}

static void exit_runs_all_deferred_calls_and_nothing_else(void)
{
        log_begin();
        to_its_end(exit_0);
        CHECK_LOG("3210");
}

static void pcalls_exit(void)
{
        struct rn_recovered p = { .text = "untouched" };

        rn_defer(note, 'a');
        {
                rn_defer(note, 'b');
                rn_pcall(&p, exits_deep, 2);
                note('!');
        }
}

static void exit_passes_through_pcall(void)
{
        log_begin();
        to_its_end(pcalls_exit);
        CHECK_LOG("32ba");
}

static void exit_with_catching_deferred(void)
{
        rn_defer(note, 'a');
        rn_defer(catches_its_own);
        rn_exit();
}

static void panic_recovered_in_a_deferred_call_does_not_undo_an_exit(void)
{
        log_begin();
        to_its_end(exit_with_catching_deferred);
        CHECK_LOG("cda");
}

static void exits_over_a_panicking_deferred(void)
{
        rn_defer(note, 'b');
        rn_defer(panics_with, "while exiting");
        rn_exit();
}

static void pcalls_panicking_exit(struct rn_recovered *p)
{
        rn_defer(note, 'a');
        rn_pcall(p, exits_over_a_panicking_deferred);
        note('!');
}

static void panic_of_an_exit_caught_further_out_does_not_undo_the_exit(void)
{
        struct rn_recovered p = { .text = "" };
        rn_wg wg = { { 0 } };

        log_begin();
        rn_wg_go(&wg, pcalls_panicking_exit, &p);
        rn_wg_wait(&wg);
        check_caught(&p, "while exiting");
        CHECK_LOG("ba");
}

static void panics_over_an_exiting_deferred(void)
{
        rn_defer(note, 'a');
        rn_defer(rn_exit);
        rn_defer(note, 'b');
        panics_with("gone");
}

static void exit_in_a_deferred_call_while_panicking_ends_the_panic(void)
{
        log_begin();
        to_its_end(panics_over_an_exiting_deferred);
        CHECK_LOG("ba");
}

static void pcalls_a_panic_that_exits(void)
{
        rn_defer(note, 'c');
        rn_pcall(NULL, panics_over_an_exiting_deferred);
        note('!');
}

static void exit_while_panicking_passes_through_pcall(void)
{
        log_begin();
        to_its_end(pcalls_a_panic_that_exits);
        CHECK_LOG("bac");
}

static void exits_twice(void)
{
        rn_defer(note, 'a');
        rn_defer(rn_exit);
        rn_defer(note, 'b');
        rn_exit();
}

static void exit_in_a_deferred_call_of_an_exit(void)
{
        log_begin();
        to_its_end(exits_twice);
        CHECK_LOG("ba");
}

static void exits_with_a_send(rn_chan(int) c)
{
        rn_defer(send_one, c, 5);
        rn_exit();
}

static void deferred_send_after_exit_works(void)
{
        rn_chan(int) c = rn_make(int, 0);
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, exits_with_a_send, c);
        CHECK_EQ(rn_get(c), 5);
        rn_wg_wait(&wg);
        rn_unref(c);
}

static void exits_after(int yields)
{
        for (int i = 0; i < yields; i++)
                rn_yield();
        rn_exit();
}

static void exit_ends_the_count_of_its_goroutine(void)
{
        rn_wg wg = { { 0 } };
        int before = rn_numgoroutine();

        for (int i = 0; i < 1000; i++)
                rn_wg_go(&wg, exits_after, i % 3);
        rn_wg_wait(&wg);
        CHECK_EQ(rn_numgoroutine(), before);
}

static void close_may_be_a_goroutine_or_deferred(void)
{
        rn_chan(int) c = rn_make(int, 0), d = rn_make(int, 0);

        rn_go(rn_close, c);
        CHECK(!rn_wait(c));
        {
                rn_defer(rn_close, d);
        }
        CHECK(!rn_wait(d));
        rn_unref(c);
        rn_unref(d);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(deferred_calls_run_at_the_end_of_their_scope_newest_first),
        BEHAVE_BOTH(deferred_calls_run_on_every_way_out_of_a_scope),
        BEHAVE_BOTH(deferred_arguments_are_evaluated_at_the_defer),
        BEHAVE_BOTH(deferred_call_may_park),
        BEHAVE_BOTH(pcall_of_a_call_that_returns_is_true),
        BEHAVE_BOTH(pcall_catches_a_panic_and_its_text),
        BEHAVE_BOTH(long_panic_text_is_cut_off),
        BEHAVE_BOTH(panics_of_the_library_are_caught_with_gos_texts),
        BEHAVE_BOTH(pcall_of_null_panics),
        BEHAVE_BOTH(panic_runs_what_was_deferred_inside_the_pcall_only),
        BEHAVE_BOTH(inner_pcall_catches_and_repanic_reaches_the_outer),
        BEHAVE_BOTH(repanic_keeps_whose_panic_it_was),
        BEHAVE_BOTH(panic_in_a_deferred_call_replaces_the_first_and_the_rest_still_runs),
        BEHAVE_BOTH(panic_caught_within_a_deferred_call_leaves_the_outer_one),
        BEHAVE_BOTH(deferred_call_may_panic_at_the_normal_end_of_its_scope),
        BEHAVE_BOTH(panic_unwinds_many_frames),
        BEHAVE_BOTH(pcalls_again_and_again_leave_nothing_behind),
        BEHAVE_BOTH(pcall_catches_after_the_goroutine_has_changed_threads),
        BEHAVE_BOTH(deferred_calls_may_park_and_sleep_while_panicking),
        BEHAVE_BOTH(what_was_caught_outlives_its_goroutine),
        BEHAVE_BOTH(exit_runs_all_deferred_calls_and_nothing_else),
        BEHAVE(exit_passes_through_pcall),
        BEHAVE(panic_recovered_in_a_deferred_call_does_not_undo_an_exit),
        BEHAVE(panic_of_an_exit_caught_further_out_does_not_undo_the_exit),
        BEHAVE(exit_in_a_deferred_call_while_panicking_ends_the_panic),
        BEHAVE(exit_while_panicking_passes_through_pcall),
        BEHAVE(exit_in_a_deferred_call_of_an_exit),
        BEHAVE_BOTH(deferred_send_after_exit_works),
        BEHAVE_BOTH(exit_ends_the_count_of_its_goroutine),
        BEHAVE_BOTH(close_may_be_a_goroutine_or_deferred),
};

BEHAVE_MAIN(tests)
