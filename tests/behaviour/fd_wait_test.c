/* SPDX-License-Identifier: MIT
 * rn_fd_wait: for libraries that read, write and close by themselves, so that it goes by what
 * poll(2) sees and not by what came. */
#define _GNU_SOURCE
#include "tests/support/behave.h"
#include "tests/support/ends.h"

#include <errno.h>

static void wait_for_read(struct ends *e, atomic_int *got)
{
        rn_set_name("waiter");
        atomic_store(got, rn_fd_wait(e->r, RN_READ, RN_NEVER));
}

static void wait_says_what_poll_would(void)
{
        EACH_KIND(m) {
                struct ends e = makers[m]();
                atomic_int got = 0;
                char buf[4];
                rn_wg wg = { { 0 } };

                CHECK_EQ(rn_fd_wait(e.w, RN_WRITE, 0), RN_WRITE);
                CHECK_EQ(rn_fd_wait(e.r, RN_READ, 0), -ETIMEDOUT);
                CHECK_EQ(rn_fd_wait(e.r, RN_READ, rn_deadline(RN_MSEC)), -ETIMEDOUT);
                rn_wg_go(&wg, wait_for_read, &e, &got);
                BEHAVE_UNTIL(behave_parked("waiter", "IO wait") == 1);
                CHECK_EQ(write(e.w, "abc", 3), 3);
                rn_wg_wait(&wg);
                CHECK_EQ(got, RN_READ);
                for (int i = 0; i < 3; i++) {   /* there is still something to read: no edge comes
                                                 * again */
                        CHECK_EQ(rn_fd_wait(e.r, RN_READ, RN_NEVER), RN_READ);
                        CHECK_EQ(read(e.r, buf, 1), 1);
                }
                CHECK_EQ(rn_fd_wait(e.r, RN_READ, rn_deadline(RN_MSEC)), -ETIMEDOUT);
                close_both(e);
        }
}

static void wait_for_both_ends_with_the_first(void)
{
        struct ends e = new_pair();
        static char much[1 << 20];
        struct reading r;
        rn_wg wg = { { 0 } };

        CHECK_EQ(rn_fd_wait(e.r, RN_READ | RN_WRITE, RN_NEVER), RN_WRITE);
        CHECK_EQ(rn_fd_write_until(e.r, much, sizeof much, NULL, rn_deadline(RN_MSEC)), -ETIMEDOUT);
        CHECK_EQ(rn_fd_wait(e.r, RN_READ | RN_WRITE, rn_deadline(RN_MSEC)), -ETIMEDOUT);
        CHECK_EQ(rn_fd_write(e.w, "x", 1), 1);
        CHECK_EQ(rn_fd_wait(e.r, RN_READ | RN_WRITE, RN_NEVER), RN_READ);
        r = (struct reading){ .fd = e.r, .want = 2 };
        read_it(&r);
        CHECK_EQ(r.got, 1);
        rn_wg_go(&wg, read_it, &r);
        until_reader_waits();
        CHECK_EQ(rn_fd_close(e.w), 0);   /* hung up: both would go on */
        rn_wg_wait(&wg);
        CHECK_EQ(rn_fd_wait(e.r, RN_READ | RN_WRITE, RN_NEVER), RN_READ | RN_WRITE);
        CHECK_EQ(rn_fd_close(e.r), 0);
}

/* A library that closes its own descriptors, as they do. */
static void wait_knows_a_new_descriptor_under_an_old_number(void)
{
        for (int i = 0; i < BEHAVE_SCALE(40); i++) {
                struct ends e = makers[i % 2]();
                atomic_int got = 0;
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, wait_for_read, &e, &got);
                BEHAVE_UNTIL(behave_parked("waiter", "IO wait") == 1);
                CHECK_EQ(write(e.w, "x", 1), 1);
                rn_wg_wait(&wg);
                CHECK_EQ(got, RN_READ);
                close(e.r);
                close(e.w);
        }
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(wait_says_what_poll_would),
        BEHAVE_BOTH(wait_for_both_ends_with_the_first),
        BEHAVE_BOTH(wait_knows_a_new_descriptor_under_an_old_number),
};

BEHAVE_MAIN(tests)
