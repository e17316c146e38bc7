/* SPDX-License-Identifier: MIT
 * Deadlines of calls on descriptors: their own, and those that rn_fd_deadline sets. How late they
 * may be is a matter of the machine: limits here are generous. */
#define _GNU_SOURCE
#include "tests/support/behave.h"
#include "tests/support/ends.h"

#include <errno.h>
#include <netinet/in.h>

#define LATE (5 * RN_SEC)   /* of a machine that does other things too */

static char much[1 << 20];


/* -- a call's own -- */

static void read_ends_when_its_time_is_up(void)
{
        static const rn_dur lengths[] = { 1,       RN_USEC,     100 * RN_USEC,
                                          RN_MSEC, 5 * RN_MSEC, 30 * RN_MSEC };
        struct ends e = new_pair();
        char c;

        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                rn_time begun = rn_now(), took;

                CHECK_EQ(rn_fd_read_until(e.r, &c, 1, begun + lengths[i]), -ETIMEDOUT);
                took = rn_now() - begun;
                if (took < lengths[i] || took > lengths[i] + LATE)
                        behave_fail(__FILE__, __LINE__, "a timeout of %lld ns took %lld",
                                    (long long)lengths[i], (long long)took);
        }
        close_both(e);
}

static void write_ends_when_its_time_is_up_and_says_how_much_went_out(void)
{
        struct ends e = new_pair();
        size_t done = 0, got = 0;
        ssize_t n;

        CHECK_EQ(rn_fd_write_until(e.w, much, sizeof much, &done, rn_deadline(5 * RN_MSEC)),
                 -ETIMEDOUT);
        CHECK(done > 0 && done < sizeof much);
        while ((n = rn_fd_read_until(e.r, much, sizeof much, 0)) > 0)
                got += (size_t)n;
        CHECK_EQ(n, -ETIMEDOUT);
        CHECK_EQ(got, done);
        close_both(e);
}

static void time_that_has_passed_fails_although_it_is_ready(void)
{
        struct ends e = new_pair();
        size_t done = 1;
        char c;

        CHECK_EQ(rn_fd_write(e.w, "x", 1), 1);
        CHECK_EQ(rn_fd_read_until(e.r, &c, 1, 1), -ETIMEDOUT);
        CHECK_EQ(rn_fd_read_until(e.r, &c, 1, -1), -ETIMEDOUT);
        CHECK_EQ(rn_fd_read_until(e.r, &c, 1, rn_now()), -ETIMEDOUT);
        CHECK_EQ(rn_fd_write_until(e.r, "x", 1, &done, 1), -ETIMEDOUT);
        CHECK_EQ(done, 0);
        CHECK_EQ(rn_fd_wait(e.r, RN_READ, 1), -ETIMEDOUT);
        CHECK_EQ(rn_fd_read(e.r, &c, 1), 1);
        close_both(e);
}

static void time_0_tries_once(void)
{
        struct ends e = new_pair();
        size_t done = 0;
        char c;

        CHECK_EQ(rn_fd_read_until(e.r, &c, 1, 0), -ETIMEDOUT);
        CHECK_EQ(rn_fd_write_until(e.w, "x", 1, &done, 0), 1);
        CHECK_EQ(done, 1);
        CHECK_EQ(rn_fd_read_until(e.r, &c, 1, 0), 1);
        CHECK_EQ(rn_fd_write_until(e.w, much, sizeof much, &done, 0), -ETIMEDOUT);
        CHECK(done > 0 && done < sizeof much);
        close_both(e);
}

static void read_before(int fd, rn_dur d, ssize_t want)
{
        char c;

        rn_set_name("before");
        CHECK_EQ(rn_fd_read_until(fd, &c, 1, rn_deadline(d)), want);
}

static void who_waits_for_its_turn_has_a_deadline_too(void)
{
        struct ends e = new_pair();
        rn_wg first = { { 0 } }, second = { { 0 } };

        rn_wg_go(&first, read_before, e.r, RN_NEVER, (ssize_t)1);
        BEHAVE_UNTIL(behave_parked("before", "IO wait") == 1);
        for (int i = 0; i < 20; i++)
                rn_wg_go(&second, read_before, e.r, (20 - i) * RN_MSEC / 4, (ssize_t)-ETIMEDOUT);
        read_before(e.r, 0, -ETIMEDOUT);
        rn_wg_wait(&second);
        CHECK_EQ(rn_fd_write(e.w, "x", 1), 1);
        rn_wg_wait(&first);
        close_both(e);
}

static void read_until(int fd, rn_time t)
{
        char c;

        rn_set_name("until");
        CHECK_EQ(rn_fd_read_until(fd, &c, 1, t), -ETIMEDOUT);
}

/* The time of all is up at once: who has the turn finds that the next ones are leaving. */
static void the_turn_passes_those_by_whose_time_is_up_with_it(void)
{
        for (int i = 0; i < BEHAVE_SCALE(20); i++) {
                struct ends e = new_pair();
                rn_time t = rn_deadline(5 * RN_MSEC);
                rn_wg some = { { 0 } }, last = { { 0 } };

                for (int k = 0; k < 4; k++)
                        rn_wg_go(&some, read_until, e.r, t);
                BEHAVE_UNTIL(behave_parked("until", "IO wait") == 4 || rn_now() > t);
                rn_wg_go(&last, read_before, e.r, RN_NEVER, (ssize_t)1);
                rn_wg_wait(&some);
                CHECK_EQ(rn_fd_write(e.w, "x", 1), 1);
                rn_wg_wait(&last);
                close_both(e);
        }
}

/* -- rn_fd_deadline -- */

static void deadline_in_the_past_fails_although_it_is_ready(void)
{
        struct ends e = new_pair();
        char c;

        CHECK_EQ(rn_fd_write(e.w, "x", 1), 1);
        for (int i = 0; i < 2; i++) {
                CHECK_EQ(rn_fd_deadline(e.r, RN_READ, i ? 0 : rn_now()), 0);
                CHECK_EQ(rn_fd_read(e.r, &c, 1), -ETIMEDOUT);
                CHECK_EQ(rn_fd_read_until(e.r, &c, 1, rn_deadline(RN_SEC)), -ETIMEDOUT);
                CHECK_EQ(rn_fd_write(e.r, "y", 1), 1);
        }
        CHECK_EQ(rn_fd_deadline(e.r, RN_READ | RN_WRITE, 0), 0);
        CHECK_EQ(rn_fd_write(e.r, "y", 1), -ETIMEDOUT);
        CHECK_EQ(rn_fd_deadline(e.r, RN_READ | RN_WRITE, RN_NEVER), 0);
        CHECK_EQ(rn_fd_read(e.r, &c, 1), 1);
        CHECK_EQ(rn_fd_write(e.r, "y", 1), 1);
        close_both(e);
}

static void wait_to_read(int fd, ssize_t want)
{
        char c;

        rn_set_name("wait to read");
        CHECK_EQ(rn_fd_read(fd, &c, 1), want);
}

static void wait_to_write(int fd, ssize_t want)
{
        rn_set_name("wait to write");
        CHECK_EQ(rn_fd_write(fd, much, sizeof much), want);
}

static void deadline_ends_calls_that_wait_already(void)
{
        static const rn_dur in[] = { -1, 0, RN_USEC, 5 * RN_MSEC };

        for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
                struct ends e = new_pair();
                rn_wg wg = { { 0 } };

                for (int k = 0; k < 3; k++) {   /* one waits, two wait for their turn */
                        rn_wg_go(&wg, wait_to_read, e.r, (ssize_t)-ETIMEDOUT);
                        rn_wg_go(&wg, wait_to_write, e.r, (ssize_t)-ETIMEDOUT);
                }
                BEHAVE_UNTIL(behave_parked("wait to read", "IO wait") == 3);
                BEHAVE_UNTIL(behave_parked("wait to write", "IO wait") == 3);
                CHECK_EQ(
                        rn_fd_deadline(e.r, RN_READ | RN_WRITE, in[i] < 0 ? 0 : rn_deadline(in[i])),
                        0);
                rn_wg_wait(&wg);
                close_both(e);
        }
}

static void deadline_of_one_direction_leaves_the_other_alone(void)
{
        struct ends e = new_pair();
        rn_wg reads = { { 0 } }, writes = { { 0 } };
        size_t got = 0;
        ssize_t n;

        rn_wg_go(&reads, wait_to_read, e.r, (ssize_t)-ETIMEDOUT);
        rn_wg_go(&writes, wait_to_write, e.r, (ssize_t)sizeof much);
        BEHAVE_UNTIL(behave_parked("wait to write", "IO wait") == 1);
        CHECK_EQ(rn_fd_deadline(e.r, RN_READ, rn_deadline(RN_MSEC)), 0);
        rn_wg_wait(&reads);
        CHECK_EQ(behave_parked("wait to write", "IO wait"), 1);
        while (got < sizeof much && (n = rn_fd_read(e.w, (char[4096]){ 0 }, 4096)) > 0)
                got += (size_t)n;
        rn_wg_wait(&writes);
        close_both(e);
}

static void deadline_that_is_taken_away_lets_calls_wait_again(void)
{
        struct ends e = new_pair();
        rn_wg wg = { { 0 } };

        CHECK_EQ(rn_fd_deadline(e.r, RN_READ, rn_deadline(2 * RN_MSEC)), 0);
        CHECK_EQ(rn_fd_deadline(e.r, RN_READ, RN_NEVER), 0);
        rn_wg_go(&wg, wait_to_read, e.r, (ssize_t)1);
        rn_sleep(5 * RN_MSEC);
        BEHAVE_UNTIL(behave_parked("wait to read", "IO wait") == 1);
        CHECK_EQ(rn_fd_write(e.w, "x", 1), 1);
        rn_wg_wait(&wg);
        close_both(e);
}

static void descriptor_works_on_after_a_deadline_that_is_moved(void)
{
        struct ends e = new_pair();
        char c;

        for (int i = 0; i < 20; i++) {
                CHECK_EQ(rn_fd_deadline(e.r, RN_READ, rn_deadline(100 * RN_USEC)), 0);
                CHECK_EQ(rn_fd_read(e.r, &c, 1), -ETIMEDOUT);
                CHECK_EQ(rn_fd_deadline(e.r, RN_READ, rn_deadline(60 * RN_SEC)), 0);
                CHECK_EQ(rn_fd_write(e.w, "x", 1), 1);
                CHECK_EQ(rn_fd_read(e.r, &c, 1), 1);
        }
        close_both(e);
}

static void deadline_does_not_outlive_its_descriptor(void)
{
        for (int i = 0; i < 20; i++) {
                struct ends e = new_pair(), f;
                char c;

                CHECK_EQ(
                        rn_fd_deadline(e.r, RN_READ | RN_WRITE, rn_deadline(i % 3 * 100 * RN_USEC)),
                        0);
                if (i % 2)
                        rn_sleep(100 * RN_USEC);
                CHECK_EQ(rn_fd_close(e.r), 0);
                f = new_pair();
                CHECK_EQ(rn_fd_write(f.w, "x", 1), 1);
                CHECK_EQ(rn_fd_read(f.r, &c, 1), 1);
                CHECK_EQ(rn_fd_close(e.w), 0);
                close_both(f);
        }
}

struct stir {
        struct ends e;
        atomic_bool stop;
};

static void move_deadlines(void *arg)
{
        struct stir *s = arg;

        for (int i = 0; !atomic_load(&s->stop); i++) {
                int r = rn_fd_deadline(s->e.r, i % 3 + 1,
                                       i % 5 ? rn_deadline(i % 7 * 20 * RN_USEC) : RN_NEVER);

                CHECK(r == 0 || r == -EBADF);
                if (i % 11 == 0)
                        rn_sleep(30 * RN_USEC);
                rn_yield();
        }
}

static void read_on(struct stir *s)
{
        char c;
        ssize_t n;

        do {
                n = rn_fd_read(s->e.r, &c, 1);
                CHECK(n == 1 || n == -ETIMEDOUT || n == -EBADF);
        } while (n != -EBADF);
}

static void deadlines_may_be_set_by_many_during_reads_and_writes(void)
{
        struct stir s = { .e = new_pair() };
        int sent = 0, n = BEHAVE_SCALE(2000);
        rn_wg wg = { { 0 } }, movers = { { 0 } };

        for (int i = 0; i < 4; i++)
                behave_go(i % 2 ? THREAD : GOROUTINE, &movers, move_deadlines, &s);
        for (int i = 0; i < 3; i++)
                rn_wg_go(&wg, read_on, &s);
        while (sent < n)
                sent += rn_fd_write(s.e.w, "x", 1) == 1;
        atomic_store(&s.stop, true);
        rn_wg_wait(&movers);
        CHECK_EQ(rn_fd_close(s.e.r), 0);
        rn_wg_wait(&wg);
        CHECK_EQ(rn_fd_close(s.e.w), 0);
}

static void timeouts_are_told_from_closing(void)
{
        struct ends e = new_pair();
        rn_wg wg = { { 0 } };

        CHECK_EQ(rn_fd_deadline(e.r, RN_READ, rn_deadline(60 * RN_SEC)), 0);
        rn_wg_go(&wg, wait_to_read, e.r, (ssize_t)-EBADF);
        BEHAVE_UNTIL(behave_parked("wait to read", "IO wait") == 1);
        CHECK_EQ(rn_fd_close(e.r), 0);
        rn_wg_wait(&wg);
        CHECK_EQ(rn_fd_close(e.w), 0);
}

/* -- accept and connect -- */

static int port_of(int l)
{
        struct sockaddr_in a;
        socklen_t n = sizeof a;

        CHECK_EQ(getsockname(l, (struct sockaddr *)&a, &n), 0);
        return ntohs(a.sin_port);
}

static void accept_ends_when_its_time_is_up(void)
{
        int l = rn_listen("127.0.0.1:0", 0), c, a;
        char addr[32];

        CHECK(l >= 0);
        CHECK_EQ(rn_fd_accept_until(l, NULL, NULL, 0), -ETIMEDOUT);
        CHECK_EQ(rn_fd_accept_until(l, NULL, NULL, rn_deadline(2 * RN_MSEC)), -ETIMEDOUT);
        snprintf(addr, sizeof addr, "127.0.0.1:%d", port_of(l));
        c = rn_dial(addr, rn_deadline(LATE));
        CHECK(c >= 0);
        CHECK_EQ(rn_fd_deadline(l, RN_READ, 0), 0);
        CHECK_EQ(rn_fd_accept(l, NULL, NULL), -ETIMEDOUT);
        CHECK_EQ(rn_fd_deadline(l, RN_READ, RN_NEVER), 0);
        a = rn_fd_accept(l, NULL, NULL);
        CHECK(a >= 0);
        CHECK_EQ(rn_fd_close(a), 0);
        CHECK_EQ(rn_fd_close(c), 0);
        CHECK_EQ(rn_fd_close(l), 0);
}

/* A listener whose queue is full does not answer. */
static void connect_ends_when_its_time_is_up(void)
{
        enum { N = 8 };
        int l = rn_listen("127.0.0.1:0", 1), c[N], n = 0, r = 0;
        char addr[32];
        rn_time begun;

        snprintf(addr, sizeof addr, "127.0.0.1:%d", port_of(l));
        do {
                begun = rn_now();
                r = rn_dial(addr, rn_deadline(20 * RN_MSEC));
                if (r >= 0)
                        c[n++] = r;
        } while (r >= 0 && n < N);
        CHECK_EQ(r, -ETIMEDOUT);
        CHECK(rn_now() - begun >= 20 * RN_MSEC);
        CHECK_EQ(rn_dial(addr, 1), -ETIMEDOUT);
        while (n > 0)
                CHECK_EQ(rn_fd_close(c[--n]), 0);
        CHECK_EQ(rn_fd_close(l), 0);

}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(read_ends_when_its_time_is_up),
        BEHAVE_BOTH(write_ends_when_its_time_is_up_and_says_how_much_went_out),
        BEHAVE_BOTH(time_that_has_passed_fails_although_it_is_ready),
        BEHAVE_BOTH(time_0_tries_once),
        BEHAVE_BOTH(who_waits_for_its_turn_has_a_deadline_too),
        BEHAVE_BOTH(the_turn_passes_those_by_whose_time_is_up_with_it),
        BEHAVE_BOTH(deadline_in_the_past_fails_although_it_is_ready),
        BEHAVE_BOTH(deadline_ends_calls_that_wait_already),
        BEHAVE_BOTH(deadline_of_one_direction_leaves_the_other_alone),
        BEHAVE_BOTH(deadline_that_is_taken_away_lets_calls_wait_again),
        BEHAVE_BOTH(descriptor_works_on_after_a_deadline_that_is_moved),
        BEHAVE_BOTH(deadline_does_not_outlive_its_descriptor),
        BEHAVE_BOTH(deadlines_may_be_set_by_many_during_reads_and_writes),
        BEHAVE_BOTH(timeouts_are_told_from_closing),
        BEHAVE_BOTH(accept_ends_when_its_time_is_up),
        BEHAVE_BOTH(connect_ends_when_its_time_is_up),
};

BEHAVE_MAIN(tests)
