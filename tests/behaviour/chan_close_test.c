/* SPDX-License-Identifier: MIT
 * Close: what was buffered comes first, then zeroes for ever; everybody who waits is woken,
 * senders by a panic; misuse panics and can be caught. All of it holds for every form of sending
 * and receiving. */
#define _GNU_SOURCE
#include "tests/support/behave.h"
#include "tests/support/forms.h"

static const char send_on_closed[] = "send on closed channel";

static void recv_on_closed_gives_zero_at_once_and_for_ever(void)
{
        for (int cap = 0; cap < 3; cap++) {
                rn_chan(int) c = rn_make(int, cap);

                rn_close(c);
                for (enum form form = 0; form < FORMS; form++) {
                        for (int i = 0; i < 10; i++) {
                                int v = 9;

                                CHECK(!form_recv(form, c, &v));
                                CHECK_EQ(v, 0);
                        }
                }
                for (int i = 0; i < 10; i++) {
                        CHECK_EQ(rn_get(c), 0);
                        CHECK(!rn_wait(c));
                }
                rn_unref(c);
        }
}

static void recv_on_closed_drains_the_buffer_then_reports_closed(void)
{
        for (enum form form = 0; form < FORMS; form++) {
                rn_chan(int) c = rn_make(int, 10);
                int v = -1;

                for (int i = 0; i < 7; i++)
                        rn_send(c, i + 1);
                rn_close(c);
                CHECK_EQ(rn_len(c), 7);
                for (int i = 0; i < 7; i++) {
                        CHECK(form_recv(form, c, &v));
                        CHECK_EQ(v, i + 1);
                }
                CHECK(!form_recv(form, c, &v));
                CHECK_EQ(v, 0);
                CHECK_EQ(rn_len(c), 0);
                rn_unref(c);
        }
}

static void close_keeps_cap(void)
{
        rn_chan(int) c = rn_make(int, 3);

        rn_close(c);
        CHECK_EQ(rn_cap(c), 3);
        rn_unref(c);
}

/* -- who waits is woken -- */

struct waiting {
        rn_chan(int) c;
        enum form form;
        atomic_int woken;
};

static void recv_until_closed(void *arg)
{
        struct waiting *w = arg;
        int v = 9;

        rn_set_name("recv_until_closed");
        CHECK(!form_recv(w->form, w->c, &v));
        CHECK_EQ(v, 0);
        atomic_fetch_add(&w->woken, 1);
}

static void close_wakes_a_waiting_receiver(void)
{
        for (enum form form = 0; form < FORMS; form++) {
                struct waiting w = { .c = rn_make(int, (int)form % 2), .form = form };
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, recv_until_closed, &w);
                if (form < POLLING)
                        behave_until_parked("recv_until_closed", 1);
                CHECK_EQ(atomic_load(&w.woken), 0);
                rn_close(w.c);
                rn_wg_wait(&wg);
                rn_unref(w.c);
        }
}

static void close_wakes_all_waiting_receivers(void)
{
        int n = BEHAVE_LIVE(10000);

        for (enum form form = PLAIN; form < POLLING; form++) {
                struct waiting w = { .c = rn_make(int, 0), .form = form };
                int many = form == PLAIN || form == ONE_CASE ? n : 100;
                rn_wg wg = { { 0 } };

                for (int i = 0; i < many; i++)
                        behave_go(i % 1000 == 999 ? THREAD : GOROUTINE, &wg, recv_until_closed, &w);
                behave_turns();
                rn_close(w.c);
                rn_wg_wait(&wg);
                CHECK_EQ(atomic_load(&w.woken), many);
                rn_unref(w.c);
        }
}

static void select_three(rn_recv_chan(int) a, rn_recv_chan(int) b, rn_recv_chan(int) c,
                         atomic_int *chosen)
{
        int i, x = 9;
        bool ok = true;

        rn_set_name("select_three");
        i = rn_select(rn_on_recv_ok(a, &x, &ok), rn_on_recv_ok(b, &x, &ok),
                      rn_on_recv_ok(c, &x, &ok));
        CHECK(!ok && x == 0);
        atomic_fetch_add(&chosen[i], 1);
}

static void close_wakes_all_waiting_selects(void)
{
        rn_chan(int) a = rn_make(int, 0), b = rn_make(int, 0), c = rn_make(int, 0);
        atomic_int chosen[3] = { 0, 0, 0 };
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 10; i++)
                rn_wg_go(&wg, select_three, a, b, c, chosen);
        behave_until_parked("select_three", 10);
        rn_close(b);
        rn_wg_wait(&wg);
        CHECK(chosen[0] == 0 && chosen[1] == 10 && chosen[2] == 0);
        rn_unref(a);
        rn_unref(b);
        rn_unref(c);
}

static void send_form(struct waiting *w)
{
        form_send(w->form, w->c, 1);
}

static void send_until_closed(void *arg)
{
        struct waiting *w = arg;

        rn_set_name("send_until_closed");
        CHECK_PANICS(send_on_closed, send_form, w);
        atomic_fetch_add(&w->woken, 1);
}

static void waiting_sender_panics_when_the_channel_is_closed(void)
{
        for (enum behave_kind kind = 0; kind < BEHAVE_KINDS; kind++) {
                for (enum form form = 0; form < FORMS; form++) {
                        struct waiting w = { .c = rn_make(int, 1), .form = form };
                        rn_wg wg = { { 0 } };
                        int v = 9;

                        rn_send(w.c, 5);
                        for (int i = 0; i < 3; i++)
                                behave_go(kind, &wg, send_until_closed, &w);
                        if (kind == GOROUTINE && form < POLLING)
                                behave_until_parked("send_until_closed", 3);
                        CHECK_EQ(atomic_load(&w.woken), 0);
                        rn_close(w.c);
                        rn_wg_wait(&wg);
                        CHECK_EQ(atomic_load(&w.woken), 3);
                        CHECK(rn_recv(w.c, &v) && v == 5);
                        CHECK(!rn_recv(w.c, &v) && v == 0);
                        rn_unref(w.c);
                }
        }
}

/* -- misuse -- */

static void send_on_closed_channel_panics_in_every_form(void)
{
        for (int cap = 0; cap < 3; cap++) {
                for (enum form form = 0; form < FORMS; form++) {
                        struct waiting w = { .c = rn_make(int, cap), .form = form };

                        rn_close(w.c);
                        CHECK_PANICS(send_on_closed, send_form, &w);
                        CHECK_PANICS(send_on_closed, send_form, &w);
                        rn_unref(w.c);
                }
        }
}

static void timed_send_on_closed_channel_panics_also_after_its_deadline(void)
{
        rn_chan(int) c = rn_make(int, 0);
        int v = 1;

        rn_close(c);
        CHECK_PANICS(send_on_closed, rn_chan_send_until, c, &v, (rn_time)0);
        CHECK_PANICS(send_on_closed, rn_chan_send_try, c, &v);
        rn_unref(c);
}

static void value_of_a_send_that_panicked_is_discarded(void)
{
        for (int cap = 0; cap < 3; cap++) {
                struct waiting w = { .c = rn_make(int, cap), .form = PLAIN };
                int v = 9;

                rn_close(w.c);
                CHECK_PANICS(send_on_closed, send_form, &w);
                CHECK_EQ(rn_len(w.c), 0);
                CHECK(!rn_recv(w.c, &v) && v == 0);
                rn_unref(w.c);
        }
}

static void close_of_nil_channel_panics(void)
{
        rn_chan(int) c = NULL;

        CHECK_PANICS("close of nil channel", rn_close, c);
}

static void close_of_closed_channel_panics(void)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_send(c, 3);
        rn_close(c);
        CHECK_PANICS("close of closed channel", rn_close, c);
        CHECK_PANICS("close of closed channel", rn_close, c);
        CHECK_EQ(rn_get(c), 3);
        CHECK(!rn_wait(c));
        rn_unref(c);
}

static void close_many(void *arg)
{
        struct waiting *w = arg;

        if (rn_pcall(NULL, rn_close, w->c))
                atomic_fetch_add(&w->woken, 1);
}

static void of_many_closes_at_once_one_succeeds(void)
{
        for (int round = 0; round < BEHAVE_SCALE(100); round++) {
                struct waiting w = { .c = rn_make(int, 0) };
                rn_wg wg = { { 0 } };

                for (int i = 0; i < 6; i++)
                        behave_go(i < 5 ? GOROUTINE : THREAD, &wg, close_many, &w);
                rn_wg_wait(&wg);
                CHECK_EQ(atomic_load(&w.woken), 1);
                rn_unref(w.c);
        }
}

static void program_goes_on_after_a_caught_panic(void)
{
        rn_chan(int) c = rn_make(int, 1), d = rn_make(int, 1);
        struct waiting w = { .c = c, .form = PLAIN };

        rn_close(c);
        for (int i = 0; i < 100; i++)
                CHECK_PANICS(send_on_closed, send_form, &w);
        rn_send(d, 4);
        CHECK_EQ(rn_get(d), 4);
        CHECK(!rn_wait(c));
        rn_unref(c);
        rn_unref(d);
}

/* -- select and polling -- */

static void select_takes_a_closed_channel_as_ready(void)
{
        rn_chan(int) c = rn_make(int, 0), idle = rn_make(int, 0), nil = NULL;
        bool ok = true;
        int v = 9;

        rn_close(c);
        CHECK_EQ(rn_select(rn_on_recv(idle, &v), rn_on_recv_ok(c, &v, &ok), rn_on_signal(nil)), 1);
        CHECK(!ok && v == 0);
        ok = true;
        CHECK_EQ(rn_select(rn_on_signal_ok(c, &ok)), 0);
        CHECK(!ok);
        v = 9;
        CHECK_EQ(rn_try_select(rn_on_recv(c, &v)), 0);
        CHECK_EQ(v, 0);
        v = 9;
        CHECK_EQ(rn_try_recv(c, &v), 0);
        CHECK_EQ(v, 0);
        rn_unref(c);
        rn_unref(idle);
}

static void closed_beats_default_for_a_send(rn_send_chan(int) c)
{
        rn_try_select(rn_on_send(c, 1));
}

static void select_with_default_on_a_closed_channel_panics(void)
{
        rn_chan(int) c = rn_make(int, 0);

        rn_close(c);
        CHECK_PANICS(send_on_closed, closed_beats_default_for_a_send, c);
        rn_unref(c);
}

static void just_close(rn_chan(int) c)
{
        rn_close(c);
}

static void poll_one_value_then_closed(rn_recv_chan(int) c)
{
        int v = 0;

        CHECK_EQ(rn_try_recv(c, &v), 1);
        CHECK_EQ(v, 1);
}

static void poll_that_races_with_close_finds_the_value_or_the_close(void)
{
        for (int i = 0; i < BEHAVE_SCALE(2000); i++) {
                rn_chan(int) c = rn_make(int, 1);
                rn_wg wg = { { 0 } };

                rn_send(c, 1);
                rn_wg_go(&wg, just_close, c);
                rn_wg_go(&wg, poll_one_value_then_closed, c);
                rn_wg_wait(&wg);
                CHECK_EQ(rn_try_recv(c, &(int){ 9 }), 0);
                rn_unref(c);
        }
}

static void poll_closed(void *arg)
{
        struct waiting *w = arg;

        for (int i = 0; i < BEHAVE_SCALE(20000); i++) {
                int v = 9;

                if (!CHECK_EQ(rn_try_recv(w->c, &v), 0) || !CHECK_EQ(v, 0))
                        return;
                if (!CHECK_EQ(rn_try_select(rn_on_signal(w->c)), 0))
                        return;
        }
}

static void polling_a_closed_channel_always_succeeds(void)
{
        struct waiting w = { .c = rn_make(int, 2) };
        rn_wg wg = { { 0 } };

        rn_close(w.c);
        for (int i = 0; i < 8; i++)
                behave_go(i < 6 ? GOROUTINE : THREAD, &wg, poll_closed, &w);
        rn_wg_wait(&wg);
        rn_unref(w.c);
}

/* -- close against everything -- */

struct chaos {
        rn_chan(int) c;
        atomic_int next;
        atomic_long sent, received;
};

/* Without a buffer two sides that only poll never meet: there the senders wait. */
static void chaos_send(struct chaos *s, uint64_t *random)
{
        for (;;) {
                form_send((enum form)behave_below(random, rn_cap(s->c) ? FORMS : POLLING), s->c, 1);
                atomic_fetch_add(&s->sent, 1);
        }
}

static void chaos_sender(void *arg)
{
        struct chaos *s = arg;
        uint64_t random = behave_stream((uint64_t)atomic_fetch_add(&s->next, 1));

        CHECK_PANICS(send_on_closed, chaos_send, s, &random);
}

static void chaos_receiver(void *arg)
{
        struct chaos *s = arg;
        uint64_t random = behave_stream((uint64_t)atomic_fetch_add(&s->next, 1));
        int v;

        while (form_recv((enum form)behave_below(&random, FORMS), s->c, &v))
                atomic_fetch_add(&s->received, v);
}

static void chaos_closer(void *arg)
{
        struct chaos *s = arg;

        BEHAVE_UNTIL(atomic_load(&s->received) >= 50);
        rn_close(s->c);
}

static void close_under_load(enum behave_kind senders, enum behave_kind receivers,
                             enum behave_kind closer)
{
        for (int cap = 0; cap < 4; cap += 3) {
                struct chaos s = { .c = rn_make(int, cap) };
                rn_wg wg = { { 0 } };

                for (int i = 0; i < 3; i++) {
                        behave_go(senders, &wg, chaos_sender, &s);
                        behave_go(receivers, &wg, chaos_receiver, &s);
                }
                behave_go(closer, &wg, chaos_closer, &s);
                rn_wg_wait(&wg);
                CHECK_EQ(atomic_load(&s.received), atomic_load(&s.sent));
                rn_unref(s.c);
        }
}

static void close_under_load_loses_no_value_that_was_sent(void)
{
        for (int round = 0; round < BEHAVE_SCALE(4); round++)
                for (int kinds = 0; kinds < 8; kinds++)
                        close_under_load(kinds & 1 ? THREAD : GOROUTINE,
                                         kinds & 2 ? THREAD : GOROUTINE,
                                         kinds & 4 ? THREAD : GOROUTINE);
}

/* -- close as a call of its own -- */

static void defers_close(rn_chan(int) c)
{
        rn_defer(rn_close, c);
        rn_send(c, 1);
}

static void close_may_be_started_or_deferred(void)
{
        rn_chan(int) c = rn_make(int, 0), d = rn_make(int, 1);

        rn_go(rn_close, c);
        CHECK(!rn_wait(c));
        rn_go(defers_close, d);
        CHECK(rn_wait(d));
        CHECK(!rn_wait(d));
        rn_unref(c);
        rn_unref(d);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(recv_on_closed_gives_zero_at_once_and_for_ever),
        BEHAVE_BOTH(recv_on_closed_drains_the_buffer_then_reports_closed),
        BEHAVE(close_keeps_cap),
        BEHAVE_BOTH(close_wakes_a_waiting_receiver),
        BEHAVE_BOTH(close_wakes_all_waiting_receivers),
        BEHAVE_BOTH(close_wakes_all_waiting_selects),
        BEHAVE_BOTH(waiting_sender_panics_when_the_channel_is_closed),
        BEHAVE_BOTH(send_on_closed_channel_panics_in_every_form),
        BEHAVE_BOTH(timed_send_on_closed_channel_panics_also_after_its_deadline),
        BEHAVE_BOTH(value_of_a_send_that_panicked_is_discarded),
        BEHAVE_BOTH(close_of_nil_channel_panics),
        BEHAVE_BOTH(close_of_closed_channel_panics),
        BEHAVE(of_many_closes_at_once_one_succeeds),
        BEHAVE_BOTH(program_goes_on_after_a_caught_panic),
        BEHAVE_BOTH(select_takes_a_closed_channel_as_ready),
        BEHAVE_BOTH(select_with_default_on_a_closed_channel_panics),
        BEHAVE_BOTH(poll_that_races_with_close_finds_the_value_or_the_close),
        BEHAVE(polling_a_closed_channel_always_succeeds),
        BEHAVE(close_under_load_loses_no_value_that_was_sent),
        BEHAVE_BOTH(close_may_be_started_or_deferred),
};

BEHAVE_MAIN(tests)
