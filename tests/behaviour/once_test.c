/* SPDX-License-Identifier: MIT
 * Once: the first call is made, nobody returns before it is complete, however it ends, and the
 * object may be gone then. From goroutines and from plain threads. A panic that nobody catches and
 * a once in itself are in tests/crash. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

static void add_to(int *n, int k)
{
        *n += k;
}

static void calls_once_whatever_is_asked_for(void)
{
        static rn_once at_rest;
        rn_once o = { { 0 } };
        int n = 0;

        CHECK(!rn_once_done(&o));
        rn_once_do(&o, add_to, &n, 3);
        CHECK_EQ(n, 3);
        CHECK(rn_once_done(&o));
        rn_once_do(&o, add_to, &n, 5);
        CHECK_EQ(n, 3);
        rn_once_do(&at_rest, add_to, &n, 0);
        CHECK(rn_once_done(&at_rest));
}

static int counted(int *n)
{
        return ++*n;
}

static void arguments_are_evaluated_each_time_and_copied(void)
{
        rn_once o = { { 0 } };
        int n = 0, evaluated = 0;

        for (int i = 0; i < 3; i++)
                rn_once_do(&o, add_to, &n, counted(&evaluated));
        CHECK_EQ(n, 1);
        CHECK_EQ(evaluated, 3);
}

static void do_both(rn_once *inner, int *n)
{
        rn_once_do(inner, add_to, n, 10);
        add_to(n, 1);
}

static void a_once_within_another_is_no_obstacle(void)
{
        rn_once outer = { { 0 } }, inner = { { 0 } };
        int n = 0;

        rn_once_do(&outer, do_both, &inner, &n);
        rn_once_do(&inner, add_to, &n, 100);
        CHECK_EQ(n, 11);
}

/* -- several callers -- */

struct race {
        rn_once once;
        rn_wg ready;
        int value[8];          /* plain: only the once orders it */
        int runs;
        int yields;
};

static void set_all(struct race *r)
{
        for (int i = 0; i < 8; i++) {
                r->value[i]++;
                if (i < r->yields)
                        rn_yield();
        }
        r->runs++;
}

static void check_all(struct race *r)
{
        CHECK_EQ(r->runs, 1);
        for (int i = 0; i < 8; i++)
                CHECK_EQ(r->value[i], 1);
}

static void call(void *arg)
{
        struct race *r = arg;

        rn_wg_done(&r->ready);
        rn_wg_wait(&r->ready);
        rn_once_do(&r->once, set_all, r);
        check_all(r);
        CHECK(rn_once_done(&r->once));
        CHECK((rn_once_done)(&r->once));
}

/* Inline, and by a call as from another language. */
static void looks_until_done(void *arg)
{
        struct race *r = arg;

        rn_wg_done(&r->ready);
        if (r->yields)
                BEHAVE_UNTIL(rn_once_done(&r->once));
        else
                BEHAVE_UNTIL((rn_once_done)(&r->once));
        check_all(r);
}

static void let_race(int goroutines, int threads, int rounds)
{
        for (int i = 0; i < rounds; i++) {
                struct race r = { .yields = i % 3 * 4 };
                rn_wg wg = { { 0 } };

                rn_wg_add(&r.ready, goroutines + threads + 1);
                behave_crowd(&wg, goroutines, threads, call, &r);
                behave_crowd(&wg, 1, 0, looks_until_done, &r);
                rn_wg_wait(&wg);
                check_all(&r);
        }
}

static void ten_callers_see_it_complete(void)
{
        let_race(10, 0, BEHAVE_SCALE(500));
}

static void threads_see_it_complete(void)
{
        let_race(0, 3, BEHAVE_SCALE(50));
        let_race(4, 2, BEHAVE_SCALE(50));
}

/* -- while it is being called -- */

struct slow {
        rn_once once;
        rn_chan(int) gate;
        const char *name;
        atomic_int running, back;
        int complete;
};

static void stay_until_let_go(struct slow *s)
{
        atomic_fetch_add(&s->running, 1);
        rn_wait(s->gate);
        s->complete++;
}

static void call_slow_one(void *arg)
{
        struct slow *s = arg;

        rn_set_name(s->name);
        rn_once_do(&s->once, stay_until_let_go, s);
        CHECK_EQ(s->complete, 1);
        atomic_fetch_add(&s->back, 1);
}

static void nobody_returns_before_it(enum behave_kind kind)
{
        struct slow s = { .gate = rn_make(int, 0), .name = "waits for a once" };
        int n = 300;
        rn_wg wg = { { 0 } };

        behave_go(kind, &wg, call_slow_one, &s);
        BEHAVE_UNTIL(atomic_load(&s.running) == 1);
        behave_crowd(&wg, n, 2, call_slow_one, &s);
        BEHAVE_UNTIL(behave_parked(s.name, "sync.Once.Do") == n);
        CHECK(!rn_once_done(&s.once));
        CHECK_EQ(atomic_load(&s.back), 0);
        rn_send(s.gate, 1);
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&s.back), n + 3);
        CHECK_EQ(atomic_load(&s.running), 1);
        rn_unref(s.gate);
}

static void nobody_returns_before_it_is_complete_and_all_do_then(void)
{
        nobody_returns_before_it(GOROUTINE);
        nobody_returns_before_it(THREAD);
}

/* -- other ends -- */

static const volatile bool always = true;   /* a compiler that knew that nothing returns would
                                             * object */

static void panics(int *n)
{
        ++*n;
        if (always)
                rn_panic("number %d", *n);
}

static void do_panics(rn_once *o, int *n)
{
        rn_once_do(o, panics, n);
}

static void a_panic_goes_to_its_caller_and_completes_it(void)
{
        rn_once o = { { 0 } };
        struct rn_recovered p;
        int n = 0;

        CHECK(!rn_pcall(&p, do_panics, &o, &n));
        CHECK_EQ(p.runtime, 0);
        CHECK(strcmp(p.text, "number 1") == 0);
        CHECK(rn_once_done(&o));
        rn_once_do(&o, panics, &n);
        rn_once_do(&o, add_to, &n, 5);
        CHECK_EQ(n, 1);
}

static void do_null(rn_once *o)
{
        void (*volatile f)(void) = NULL;

        rn_once_do(o, f);
}

static void null_panics_and_completes_it(void)
{
        rn_once o = { { 0 } };
        int n = 0;

        CHECK_PANICS("invalid memory address or nil pointer dereference", do_null, &o);
        CHECK(rn_once_done(&o));
        rn_once_do(&o, add_to, &n, 1);
        CHECK_EQ(n, 0);
}

static void close_channel(rn_chan(int) c)
{
        rn_close(c);
}

static void do_close(rn_once *o, rn_chan(int) c)
{
        rn_once_do(o, close_channel, c);
}

static void a_panic_of_the_library_passes_too(void)
{
        rn_once o = { { 0 } };
        rn_chan(int) c = rn_make(int, 0);

        rn_close(c);
        CHECK_PANICS("close of closed channel", do_close, &o, c);
        CHECK(rn_once_done(&o));
        rn_unref(c);
}

enum ending { RETURNS, PANICS, EXITS, ENDINGS };

struct bad_end {
        rn_once once;
        rn_chan(int) gate;
        enum ending how;
        const char *name;
        int running;           /* plain: only the once orders it */
        atomic_int caught, deferred, back;
};

static void end_somehow(struct bad_end *b)
{
        b->running++;
        rn_wait(b->gate);
        if (b->how == PANICS)
                rn_panic("on the way");
        if (b->how == EXITS)
                rn_exit();
}

static void do_end(struct bad_end *b)
{
        rn_once_do(&b->once, end_somehow, b);
}

static void increase(atomic_int *n)
{
        atomic_fetch_add(n, 1);
}

static void call_bad_end(void *arg)
{
        struct bad_end *b = arg;

        rn_defer(increase, &b->deferred);
        rn_set_name(b->name);
        if (!rn_pcall(NULL, do_end, b))
                atomic_fetch_add(&b->caught, 1);
        CHECK_EQ(b->running, 1);
        CHECK(rn_once_done(&b->once));
        atomic_fetch_add(&b->back, 1);
}

/* An exit is for goroutines only: the thread then is among those who wait. */
static void end_it(enum ending how, enum behave_kind kind)
{
        struct bad_end b = { .gate = rn_make(int, 0), .how = how, .name = "waits for a bad end" };
        rn_wg wg = { { 0 } };

        behave_go(kind, &wg, call_bad_end, &b);
        rn_send(b.gate, 0);
        behave_crowd(&wg, 5, 1, call_bad_end, &b);
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&b.caught), how == PANICS);
        CHECK_EQ(atomic_load(&b.deferred), 7);
        CHECK_EQ(atomic_load(&b.back), 7 - (how == EXITS));
        rn_unref(b.gate);
}

static void however_it_ends_it_is_complete(void)
{
        for (int i = 0; i < BEHAVE_SCALE(100); i++) {
                end_it((enum ending)(i % ENDINGS), GOROUTINE);
                end_it((enum ending)(i % EXITS), i % 8 ? GOROUTINE : THREAD);
        }
}

static void waiters_go_on_when_the_call(enum ending how)
{
        struct bad_end b = { .gate = rn_make(int, 0), .how = how, .name = "parked for a bad end" };
        rn_wg wg = { { 0 } };

        behave_crowd(&wg, 6, 0, call_bad_end, &b);
        BEHAVE_UNTIL(behave_parked(b.name, "sync.Once.Do") == 5);
        CHECK_EQ(behave_parked(b.name, "chan receive"), 1);
        CHECK_EQ(atomic_load(&b.back), 0);
        rn_send(b.gate, 0);
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&b.back), 6 - (how == EXITS));
        CHECK_EQ(atomic_load(&b.caught), how == PANICS);
        rn_unref(b.gate);
}

static void waiters_go_on_however_it_ends(void)
{
        waiters_go_on_when_the_call(RETURNS);
        waiters_go_on_when_the_call(PANICS);
        waiters_go_on_when_the_call(EXITS);
}

/* -- the memory belongs to the last one whose call returns -- */

enum { POISON = 0x5a };

struct shared {
        union {
                rn_once once;
                unsigned char b[sizeof(rn_once)];
        } u;
        atomic_int others;
        int runs;              /* plain: only the once orders it */
        int yields;
        bool keep;
};

static void note_runner(struct shared *s, bool *me)
{
        for (int i = 0; i < s->yields; i++)
                rn_yield();
        s->runs++;
        *me = true;
}

/* Who did not run it knows that the runner is past its last access, but not that its call has
 * returned. */
static void last_one_out(void *arg)
{
        struct shared *s = arg;
        bool ran = false;

        rn_once_do(&s->u.once, note_runner, s, &ran);
        if (ran)
                return;
        CHECK_EQ(s->runs, 1);
        if (atomic_fetch_sub(&s->others, 1) > 1)
                return;
        if (s->keep)
                memset(s->u.b, POISON, sizeof s->u.b);
        else
                free(s);
}

static void use_up(struct shared *s, int i)
{
        int threads = i % 16 == 0, callers = 2 + i % 3;
        rn_wg wg = { { 0 } };

        s->others = callers - 1;
        s->yields = i % 5;
        behave_crowd(&wg, callers - threads, threads, last_one_out, s);
        rn_wg_wait(&wg);
}

static void nobody_touches_it_once_the_other_calls_have_returned(void)
{
        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                struct shared s = { .keep = true };

                use_up(&s, i);
                for (size_t k = 0; k < sizeof s.u.b; k++)
                        CHECK_EQ(s.u.b[k], POISON);
        }
}

static void may_be_freed_once_the_other_calls_have_returned(void)
{
        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                struct shared *s = calloc(1, sizeof *s);

                if (!s)
                        abort();
                use_up(s, i);
        }
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(calls_once_whatever_is_asked_for),
        BEHAVE_BOTH(arguments_are_evaluated_each_time_and_copied),
        BEHAVE_BOTH(a_once_within_another_is_no_obstacle),
        BEHAVE_BOTH(ten_callers_see_it_complete),
        BEHAVE(threads_see_it_complete),
        BEHAVE_BOTH(nobody_returns_before_it_is_complete_and_all_do_then),
        BEHAVE_BOTH(a_panic_goes_to_its_caller_and_completes_it),
        BEHAVE_BOTH(null_panics_and_completes_it),
        BEHAVE_BOTH(a_panic_of_the_library_passes_too),
        BEHAVE_BOTH(however_it_ends_it_is_complete),
        BEHAVE_BOTH(waiters_go_on_however_it_ends),
        BEHAVE_BOTH(nobody_touches_it_once_the_other_calls_have_returned),
        BEHAVE_BOTH(may_be_freed_once_the_other_calls_have_returned),
};

BEHAVE_MAIN(tests)
