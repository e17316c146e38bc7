/* SPDX-License-Identifier: MIT
 * What happens before what, and channels as locks. The variables are plain ones, so that a race
 * detector sees what is not ordered. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

static int plain;

static void sees_what_was_before_go(int expected)
{
        CHECK_EQ(plain, expected);
        plain++;
}

static void all_before_go_is_seen_by_the_goroutine(void)
{
        plain = 0;
        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                rn_wg wg = { { 0 } };

                plain = 2 * i;
                rn_wg_go(&wg, sees_what_was_before_go, 2 * i);
                rn_wg_wait(&wg);
                CHECK_EQ(plain, 2 * i + 1);
        }
}

static void close_later(rn_chan(int) c)
{
        plain = 7;
        rn_close(c);
}

static void all_before_close_is_seen_by_who_saw_it(void)
{
        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                rn_chan(int) c = rn_make(int, 0);
                rn_wg wg = { { 0 } };

                plain = 0;
                rn_wg_go(&wg, close_later, c);
                CHECK(!rn_wait(c));
                CHECK_EQ(plain, 7);
                rn_wg_wait(&wg);
                rn_unref(c);
        }
}

static void receive_then(rn_chan(int) c)
{
        plain = 9;
        CHECK_EQ(rn_get(c), 1);
}

static void all_before_an_unbuffered_receive_is_seen_after_the_send(void)
{
        for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                rn_chan(int) c = rn_make(int, 0);
                rn_wg wg = { { 0 } };

                plain = 0;
                rn_wg_go(&wg, receive_then, c);
                rn_send(c, 1);
                CHECK_EQ(plain, 9);
                rn_wg_wait(&wg);
                rn_unref(c);
        }
}

static void send_then(rn_chan(int) c, int v)
{
        plain = v;
        rn_send(c, v);
}

static void all_before_a_send_is_seen_after_its_receive(void)
{
        for (int cap = 0; cap < 3; cap++)
                for (int i = 0; i < BEHAVE_SCALE(1000); i++) {
                        rn_chan(int) c = rn_make(int, cap);
                        rn_wg wg = { { 0 } };

                        rn_wg_go(&wg, send_then, c, i);
                        CHECK_EQ(rn_get(c), i);
                        CHECK_EQ(plain, i);
                        rn_wg_wait(&wg);
                        rn_unref(c);
                }
}

static void count_under(rn_chan(rn_nothing) permit, int times)
{
        for (int i = 0; i < times; i++) {
                rn_send(permit, { 0 });
                plain++;
                rn_wait(permit);
        }
}

static void channel_of_capacity_1_is_a_mutex(void)
{
        rn_chan(rn_nothing) permit = rn_make(rn_nothing, 1);
        int times = BEHAVE_SCALE(1000);
        rn_wg wg = { { 0 } };

        plain = 0;
        for (int i = 0; i < 8; i++)
                rn_wg_go(&wg, count_under, permit, times);
        rn_wg_wait(&wg);
        CHECK_EQ(plain, 8 * times);
        rn_unref(permit);
}

static atomic_int inside, most;

static void pass_under(rn_chan(rn_nothing) permits, int times)
{
        for (int i = 0; i < times; i++) {
                int now, seen;

                rn_send(permits, { 0 });
                now = atomic_fetch_add(&inside, 1) + 1;
                seen = atomic_load(&most);
                while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
                        continue;
                do   /* the first stay until as many as may have come in */
                        rn_yield();
                while (atomic_load(&most) < 3);
                atomic_fetch_sub(&inside, 1);
                rn_wait(permits);
        }
}

static void channel_of_capacity_n_admits_n(void)
{
        rn_chan(rn_nothing) permits = rn_make(rn_nothing, 3);
        rn_wg wg = { { 0 } };

        atomic_store(&most, 0);
        for (int i = 0; i < 10; i++)
                rn_wg_go(&wg, pass_under, permits, BEHAVE_SCALE(200));
        rn_wg_wait(&wg);
        CHECK_EQ(atomic_load(&most), 3);
        rn_unref(permits);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(all_before_go_is_seen_by_the_goroutine),
        BEHAVE_BOTH(all_before_close_is_seen_by_who_saw_it),
        BEHAVE_BOTH(all_before_an_unbuffered_receive_is_seen_after_the_send),
        BEHAVE_BOTH(all_before_a_send_is_seen_after_its_receive),
        BEHAVE_BOTH(channel_of_capacity_1_is_a_mutex),
        BEHAVE(channel_of_capacity_n_admits_n),
};

BEHAVE_MAIN(tests)
