/* SPDX-License-Identifier: MIT
 * NULL is Go's nil channel: it is never ready. The goroutines that wait on it for ever are seen
 * in the dump with their reason and stay until the program ends. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

static atomic_int came_back;

static void send_nil(int v)
{
        rn_chan(int) c = NULL;

        rn_set_name("send_nil");
        rn_send(c, v);
        atomic_fetch_add(&came_back, 1);
}

static void recv_nil(int two)
{
        rn_chan(int) c = NULL;
        int v = 9;

        rn_set_name("recv_nil");
        if (two)
                rn_recv(c, &v);
        else
                v = rn_get(c);
        atomic_fetch_add(&came_back, v);
}

static void range_nil(void)
{
        rn_chan(int) c = NULL;

        rn_set_name("range_nil");
        rn_range(v, c)
                atomic_fetch_add(&came_back, 1 + v);
        atomic_fetch_add(&came_back, 1);
}

static void until_nil(void)
{
        rn_chan(int) c = NULL;
        int v = 9;

        rn_set_name("until_nil");
        rn_recv_until(RN_NEVER, c, &v);
        atomic_fetch_add(&came_back, 1);
}

static void select_nil(void)
{
        rn_chan(int) c = NULL;
        rn_recv_chan(int) r = NULL;
        int v = 9;

        rn_set_name("select_nil");
        rn_select(rn_on_recv(c, &v), rn_on_send(c, 1), rn_on_signal(r));
        atomic_fetch_add(&came_back, 1);
}

static void select_one_nil(void)
{
        rn_chan(int) c = NULL;

        rn_set_name("select_one_nil");
        rn_select(rn_on_send(c, 1));
        atomic_fetch_add(&came_back, 1);
}

static void select_nothing(void)
{
        rn_set_name("select_nothing");
        rn_selectv(NULL, 0, RN_NEVER);
        atomic_fetch_add(&came_back, 1);
}

static void select_gaps(void)
{
        rn_set_name("select_gaps");
        rn_select([3] = { 0 });
        atomic_fetch_add(&came_back, 1);
}

static void wait_for_ever(void)
{
        rn_set_name("wait_for_ever");
        rn_forever();
}

/* Starts and sees them parked with this reason, now and after many turns. */
#define CHECK_FOR_EVER(reason, name, ...) \
        do { \
                int before_ = behave_parked(name, reason); \
                rn_go(__VA_ARGS__); \
                BEHAVE_UNTIL(behave_parked(name, reason) == before_ + 1); \
                behave_turns(); \
                CHECK_EQ(behave_parked(name, reason), before_ + 1); \
                CHECK_EQ(atomic_load(&came_back), 0); \
        } while (0)

static void send_on_nil_waits_for_ever(void)
{
        CHECK_FOR_EVER("chan send (nil chan)", "send_nil", send_nil, 1);
}

static void recv_on_nil_waits_for_ever(void)
{
        CHECK_FOR_EVER("chan receive (nil chan)", "recv_nil", recv_nil, 0);
        CHECK_FOR_EVER("chan receive (nil chan)", "recv_nil", recv_nil, 1);
        CHECK_FOR_EVER("chan receive (nil chan)", "until_nil", until_nil);
}

static void range_over_nil_waits_for_ever(void)
{
        CHECK_FOR_EVER("chan receive (nil chan)", "range_nil", range_nil);
}

static void select_of_nil_channels_waits_for_ever(void)
{
        CHECK_FOR_EVER("select", "select_nil", select_nil);
        CHECK_FOR_EVER("select", "select_one_nil", select_one_nil);
        CHECK_FOR_EVER("select", "select_gaps", select_gaps);
}

static void select_without_cases_waits_for_ever(void)
{
        CHECK_FOR_EVER("select (no cases)", "select_nothing", select_nothing);
        CHECK_FOR_EVER("select (no cases)", "wait_for_ever", wait_for_ever);
}

static void try_on_nil_does_nothing(void)
{
        rn_chan(int) c = NULL;
        int v = 9;

        CHECK(!rn_try_send(c, 1));
        CHECK_EQ(rn_try_recv(c, &v), -EAGAIN);
        CHECK_EQ(v, 9);
}

static void timed_operation_on_nil_times_out(void)
{
        rn_chan(int) c = NULL;
        rn_time start = rn_now();
        int v = 9;

        CHECK_EQ(rn_send_until(0, c, 1), -ETIMEDOUT);
        CHECK_EQ(rn_recv_until(0, c, &v), -ETIMEDOUT);
        CHECK_EQ(rn_send_for(RN_MSEC, c, 1), -ETIMEDOUT);
        CHECK_EQ(rn_recv_for(RN_MSEC, c, &v), -ETIMEDOUT);
        CHECK(rn_now() - start >= 2 * RN_MSEC);
        CHECK_EQ(rn_select_for(RN_MSEC, rn_on_recv(c, &v), rn_on_send(c, 1)), RN_TIMEOUT);
        CHECK(rn_now() - start >= 3 * RN_MSEC);
        CHECK_EQ(v, 9);
}

static void nil_case_is_never_chosen(void)
{
        rn_chan(int) c = rn_make(int, 1), nil = NULL;
        int v = 9, w = 9;

        for (int i = 0; i < 100; i++) {
                rn_send(c, i);
                CHECK_EQ(rn_select(rn_on_recv(nil, &w), rn_on_recv(c, &v), rn_on_send(nil, 1)), 1);
                CHECK_EQ(v, i);
        }
        CHECK_EQ(w, 9);
        CHECK_EQ(rn_try_select(rn_on_recv(nil, &w), rn_on_send(nil, 1), rn_on_recv(c, &v)),
                 RN_DEFAULT);
        CHECK_EQ(rn_try_select(rn_on_recv(nil, &w)), RN_DEFAULT);
        CHECK_EQ(rn_try_select(rn_on_send(nil, 1)), RN_DEFAULT);
        CHECK(w == 9 && v == 99);
        rn_unref(c);
}

static void send_n(rn_send_chan(int) c, int from, int n)
{
        for (int i = 0; i < n; i++)
                rn_send(c, from + i);
}

static void setting_a_case_to_nil_disables_it_and_serves_the_others(void)
{
        enum { N = 100 };
        rn_chan(int) own[3] = { rn_make(int, 0), rn_make(int, 2), rn_make(int, 0) }, c[3];
        int left = 3, next[3] = { 0, 0, 0 };
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 3; i++) {
                c[i] = own[i];
                rn_wg_go(&wg, send_n, c[i], i * 1000, (int)N);
        }
        while (left > 0) {
                int v = -1;
                int i = rn_select(rn_on_recv(c[0], &v), rn_on_recv(c[1], &v), rn_on_recv(c[2], &v));

                CHECK(c[i] != NULL);
                CHECK_EQ(v, i * 1000 + next[i]);
                if (++next[i] == N) {
                        c[i] = NULL;
                        left--;
                }
        }
        CHECK(next[0] == N && next[1] == N && next[2] == N);
        rn_wg_wait(&wg);
        for (int i = 0; i < 3; i++)
                rn_unref(own[i]);
}

static void destination_of_a_case_that_is_not_ready_is_not_written(void)
{
        rn_chan(int) nil = NULL, empty = rn_make(int, 1);
        bool ok = true, ok2 = false;
        int v = 9, w = 8;

        CHECK_EQ(rn_try_select(rn_on_recv_ok(nil, &v, &ok), rn_on_recv_ok(empty, &w, &ok2)),
                 RN_DEFAULT);
        CHECK_EQ(rn_select_until(0, rn_on_recv_ok(nil, &v, &ok), rn_on_recv_ok(empty, &w, &ok2)),
                 RN_TIMEOUT);
        CHECK_EQ(
                rn_select_for(RN_MSEC, rn_on_recv_ok(nil, &v, &ok), rn_on_recv_ok(empty, &w, &ok2)),
                RN_TIMEOUT);
        CHECK_EQ(rn_try_recv(empty, &w), -EAGAIN);
        CHECK_EQ(rn_recv_for(RN_MSEC, empty, &w), -ETIMEDOUT);
        CHECK(v == 9 && w == 8 && ok && !ok2);
        rn_unref(empty);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(send_on_nil_waits_for_ever),
        BEHAVE_BOTH(recv_on_nil_waits_for_ever),
        BEHAVE_BOTH(range_over_nil_waits_for_ever),
        BEHAVE_BOTH(select_of_nil_channels_waits_for_ever),
        BEHAVE_BOTH(select_without_cases_waits_for_ever),
        BEHAVE_BOTH(try_on_nil_does_nothing),
        BEHAVE_BOTH(timed_operation_on_nil_times_out),
        BEHAVE_BOTH(nil_case_is_never_chosen),
        BEHAVE_BOTH(setting_a_case_to_nil_disables_it_and_serves_the_others),
        BEHAVE_BOTH(destination_of_a_case_that_is_not_ready_is_not_written),
};

BEHAVE_MAIN(tests)
