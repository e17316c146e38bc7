/* SPDX-License-Identifier: MIT
 * Reference counts: close is a message, unref is memory. Who may use a channel owns a reference;
 * the last unref frees, or, while somebody still waits with a deadline, leaves that to the last
 * waiter. Whether memory is really freed, and not too early, is for the address and leak
 * sanitizers to see. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

static void ref_returns_the_channel_itself_in_its_own_type(void)
{
        rn_chan(int) c = rn_make(int, 1), nil = NULL;
        rn_recv_chan(int) r = rn_ref((rn_recv_chan(int))c);
        rn_send_chan(int) s = c;
        rn_send_chan(int) s2 = rn_ref(s);

        CHECK((rn_anychan)r == (rn_anychan)c && s2 == s);
        CHECK(rn_ref(nil) == NULL);
        rn_unref(nil);
        rn_send(s2, 4);
        rn_unref(s2);
        rn_unref(c);
        CHECK_EQ(rn_get(r), 4);
        rn_unref(r);
}

static void closed_channel_lives_until_its_last_unref(void)
{
        rn_chan(int) c = rn_make(int, 2);

        rn_ref(c);
        rn_send(c, 1);
        rn_close(c);
        rn_unref(c);
        CHECK_EQ(rn_len(c), 1);
        CHECK_EQ(rn_get(c), 1);
        CHECK(!rn_wait(c));
        rn_unref(c);
}

static void buffered_elements_go_with_the_channel(void)
{
        for (int cap = 1; cap < 100; cap += 7) {
                rn_chan(double) c = rn_make(double, cap);

                for (int i = 0; i < cap; i++)
                        rn_send(c, i);
                rn_unref(c);
        }
}

static void open_channel_may_be_dropped(void)
{
        for (int i = 0; i < 1000; i++)
                rn_unref(rn_make(int, i % 3));
}

/* -- who waits with a deadline on a channel that everybody has given up -- */

struct orphan {
        rn_chan(int) c, d;
        rn_dur patience;
        int form;
};

static void wait_on_orphan(void *arg)
{
        struct orphan o = *(struct orphan *)arg;
        int v = 9;

        rn_set_name("wait_on_orphan");
        switch (o.form) {
        case 0:
                CHECK_EQ(rn_recv_for(o.patience, o.c, &v), -ETIMEDOUT);
                break;
        case 1:
                CHECK_EQ(rn_send_for(o.patience, o.c, 1), -ETIMEDOUT);
                break;
        case 2:
                CHECK_EQ(rn_select_for(o.patience, rn_on_recv(o.c, &v), rn_on_recv(o.d, &v)),
                         RN_TIMEOUT);
                break;
        default:
                CHECK_EQ(rn_select_for(o.patience, rn_on_send(o.c, 1), rn_on_send(o.d, 2),
                                       rn_on_send(o.c, 3)),
                         RN_TIMEOUT);
                break;
        }
        CHECK_EQ(v, 9);
}

/* False: they gave up before all of them stood in the queue. */
static bool orphan_with_waiters(int form, int n, rn_dur patience)
{
        struct orphan o = { rn_make(int, 0), rn_make(int, 0), patience, form };
        rn_time until = rn_deadline(patience);
        rn_wg wg = { { 0 } };
        bool in_time;

        for (int i = 0; i < n; i++)
                rn_wg_go(&wg, wait_on_orphan, &o);
        BEHAVE_UNTIL(rn_now() >= until || behave_parked("wait_on_orphan", NULL) == n);
        in_time = rn_now() < until;
        if (!in_time)
                rn_wg_wait(&wg);
        rn_unref(o.c);
        rn_unref(o.d);
        rn_wg_wait(&wg);
        return in_time;
}

static void last_unref_leaves_the_memory_to_those_who_wait_with_a_deadline(void)
{
        for (int form = 0; form < 4; form++) {
                for (int n = 1; n <= 5; n += 4) {
                        rn_dur patience = 20 * RN_MSEC;

                        while (!orphan_with_waiters(form, n, patience))
                                patience *= 2;
                }
        }
}

static void recv_or_give_up(rn_chan(int) c, rn_chan(int) d, atomic_int *got)
{
        int v = 9;

        rn_set_name("recv_or_give_up");
        if (rn_select_for(3600 * RN_SEC, rn_on_recv(c, &v), rn_on_recv(d, &v)) == 1)
                atomic_fetch_add(got, v);
}

static void select_woken_by_one_channel_frees_the_other_that_was_given_up(void)
{
        for (int i = 0; i < 20; i++) {
                rn_chan(int) c = rn_make(int, 0), d = rn_make(int, 0);
                atomic_int got = 0;
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, recv_or_give_up, c, d, &got);
                behave_until_parked("recv_or_give_up", 1);
                rn_unref(c);
                rn_send(d, 5);
                rn_wg_wait(&wg);
                CHECK_EQ(atomic_load(&got), 5);
                rn_unref(d);
        }
}

/* -- each side gives up its reference as soon as it has done its part -- */

struct last {
        rn_chan(int) c;
        int n, select;
        bool close;
};

static void send_and_unref(void *arg)
{
        struct last l = *(struct last *)arg;

        for (int i = 0; i < l.n; i++) {
                if (l.select)
                        rn_select(rn_on_send(l.c, i));
                else
                        rn_send(l.c, i);
        }
        if (l.close)
                rn_close(l.c);
        rn_unref(l.c);
}

static void recv_and_unref(void *arg)
{
        struct last l = *(struct last *)arg;
        int v = -1;

        for (int i = 0; i < l.n; i++) {
                if (l.select)
                        rn_select(rn_on_recv(l.c, &v));
                else
                        rn_recv(l.c, &v);
                CHECK_EQ(v, i);
        }
        if (l.close)
                CHECK(!rn_wait(l.c));
        rn_unref(l.c);
}

static void last_pairs(enum behave_kind sender, enum behave_kind receiver, int rounds)
{
        for (int i = 0; i < rounds; i++) {
                struct last l = {
                        .c = rn_make(int, i % 3), .n = 1 + i % 4, .select = i & 1, .close = i & 2
                };
                rn_wg wg = { { 0 } };

                rn_ref(l.c);
                behave_go(sender, &wg, send_and_unref, &l);
                behave_go(receiver, &wg, recv_and_unref, &l);
                rn_wg_wait(&wg);
        }
}

static void receiver_may_unref_as_soon_as_it_has_the_last_value(void)
{
        last_pairs(GOROUTINE, GOROUTINE, BEHAVE_SCALE(3000));
        last_pairs(GOROUTINE, THREAD, BEHAVE_SCALE(300));
        last_pairs(THREAD, GOROUTINE, BEHAVE_SCALE(300));
        last_pairs(THREAD, THREAD, BEHAVE_SCALE(300));
}

static void wait_for_close_and_unref(void *arg)
{
        struct last l = *(struct last *)arg;

        if (l.select)
                CHECK_EQ(rn_select(rn_on_signal(l.c), rn_on_signal(l.c)) & ~1, 0);
        else
                CHECK(!rn_wait(l.c));
        rn_unref(l.c);
}

static void closer_may_unref_right_after_close(void)
{
        for (int i = 0; i < BEHAVE_SCALE(500); i++) {
                struct last l = { .c = rn_make(int, i % 2), .select = i & 1 };
                rn_wg wg = { { 0 } };

                for (int j = 0; j < 5; j++) {
                        rn_ref(l.c);
                        behave_go(i % 20 == 19 && j == 4 ? THREAD : GOROUTINE, &wg,
                                  wait_for_close_and_unref, &l);
                }
                rn_close(l.c);
                rn_unref(l.c);
                rn_wg_wait(&wg);
        }
}

static void deferred_unref(rn_chan(int) c, int how)
{
        rn_defer(rn_unref, c);
        if (how == 1)
                rn_panic("on purpose");
        if (how == 2)
                rn_exit();
}

static void deferring(rn_chan(int) c, int how)
{
        CHECK(rn_pcall(NULL, deferred_unref, c, how) == (how == 0));
}

static void deferred_unref_is_done_on_return_panic_and_exit(void)
{
        for (int how = 0; how < 3; how++) {
                rn_chan(int) c = rn_make(int, 0);
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, deferring, rn_ref(c), how);
                rn_wg_wait(&wg);
                rn_unref(c);
        }
}

/* -- references from everywhere -- */

static void ref_and_unref(void *arg)
{
        rn_chan(int) c = arg;

        for (int i = 0; i < BEHAVE_SCALE(20000); i++) {
                rn_chan(int) mine = rn_ref(c);

                if (rn_try_send(mine, 1))
                        rn_wait(mine);
                rn_unref(mine);
        }
        rn_unref(c);
}

static void ref_and_unref_from_8_at_once_keep_count(void)
{
        for (int threads = 0; threads <= 8; threads += 4) {
                rn_chan(int) c = rn_make(int, 8);
                rn_wg wg = { { 0 } };

                for (int i = 0; i < 8; i++)
                        behave_go(i < threads ? THREAD : GOROUTINE, &wg, ref_and_unref, rn_ref(c));
                rn_unref(c);
                rn_wg_wait(&wg);
        }
}

static void pass_owner(rn_chan(rn_chan(int)) in, rn_chan(rn_chan(int)) out)
{
        rn_range(c, in)
                rn_send(out, c);
        rn_close(out);
}

static void reference_travels_through_channels(void)
{
        rn_chan(rn_chan(int)) a = rn_make(rn_chan(int), 0), b = rn_make(rn_chan(int), 3),
                              d = rn_make(rn_chan(int), 0);
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, pass_owner, a, b);
        rn_wg_go(&wg, pass_owner, b, d);
        for (int i = 0; i < 200; i++) {
                rn_chan(int) c = rn_make(int, 1), got = NULL;

                rn_send(c, i);
                rn_send(a, c);
                CHECK(rn_recv(d, &got));
                CHECK_EQ(rn_get(got), i);
                rn_unref(got);
        }
        rn_close(a);
        CHECK(!rn_wait(d));
        rn_wg_wait(&wg);
        rn_unref(a);
        rn_unref(b);
        rn_unref(d);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(ref_returns_the_channel_itself_in_its_own_type),
        BEHAVE_BOTH(closed_channel_lives_until_its_last_unref),
        BEHAVE_BOTH(buffered_elements_go_with_the_channel),
        BEHAVE_BOTH(open_channel_may_be_dropped),
        BEHAVE_BOTH(last_unref_leaves_the_memory_to_those_who_wait_with_a_deadline),
        BEHAVE_BOTH(select_woken_by_one_channel_frees_the_other_that_was_given_up),
        BEHAVE_BOTH(receiver_may_unref_as_soon_as_it_has_the_last_value),
        BEHAVE_BOTH(closer_may_unref_right_after_close),
        BEHAVE_BOTH(deferred_unref_is_done_on_return_panic_and_exit),
        BEHAVE_BOTH(ref_and_unref_from_8_at_once_keep_count),
        BEHAVE_BOTH(reference_travels_through_channels),
};

BEHAVE_MAIN(tests)
