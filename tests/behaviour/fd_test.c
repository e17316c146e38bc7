/* SPDX-License-Identifier: MIT
 * Reading and writing descriptors: what waits, what does not, who goes first, and what closing does
 * to those who wait. Each on pipes or socket pairs; deadlines and connections have files of their
 * own. */
#define _GNU_SOURCE
#define BEHAVE_COUNTING
#include "tests/support/behave.h"
#include "tests/support/ends.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>

/* -- reading -- */

static void read_waits_until_there_are_bytes(void)
{
        EACH_KIND(m) {
                struct ends e = makers[m]();
                struct reading r = { .fd = e.r, .want = sizeof r.buf };
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, read_it, &r);
                until_reader_waits();
                CHECK_EQ(rn_fd_write(e.w, "hello", 5), 5);
                rn_wg_wait(&wg);
                CHECK_EQ(r.got, 5);
                CHECK(memcmp(r.buf, "hello", 5) == 0);
                close_both(e);
        }
}

static void thread_reads_what_a_goroutine_writes_and_the_reverse(void)
{
        for (int kind = 0; kind < BEHAVE_KINDS; kind++) {
                struct ends e = new_pair();
                struct reading r = { .fd = e.r, .want = sizeof r.buf };
                rn_wg wg = { { 0 } };

                behave_go((enum behave_kind)kind, &wg, read_it, &r);
                rn_sleep(RN_MSEC);
                CHECK_EQ(rn_fd_write(e.w, "x", 1), 1);
                rn_wg_wait(&wg);
                CHECK_EQ(r.got, 1);
                close_both(e);
        }
}

static void read_gets_what_is_there_without_waiting(void)
{
        EACH_KIND(m) {
                struct ends e = makers[m]();
                char buf[8] = "";

                CHECK_EQ(rn_fd_write(e.w, "abc", 3), 3);
                CHECK_EQ(rn_fd_read(e.r, buf, 2), 2);
                CHECK_EQ(rn_fd_read(e.r, buf + 2, sizeof buf - 2), 1);
                CHECK(memcmp(buf, "abc", 3) == 0);
                close_both(e);
        }
}

static void zero_byte_read_returns_0_at_once(void)
{
        EACH_KIND(m) {
                struct ends e = makers[m]();
                char c;

                CHECK_EQ(rn_fd_read(e.r, &c, 0), 0);
                CHECK_EQ(rn_fd_read(e.r, NULL, 0), 0);
                CHECK_EQ(rn_fd_write(e.w, NULL, 0), 0);
                close_both(e);
        }
}

static void close_of_the_peer_wakes_a_read_with_the_end(void)
{
        EACH_KIND(m) {
                struct ends e = makers[m]();
                struct reading r = { .fd = e.r, .want = 1, .got = -1 };
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, read_it, &r);
                until_reader_waits();
                CHECK_EQ(rn_fd_close(e.w), 0);
                rn_wg_wait(&wg);
                CHECK_EQ(r.got, 0);
                CHECK_EQ(rn_fd_read(e.r, r.buf, 1), 0);
                CHECK_EQ(rn_fd_close(e.r), 0);
        }
}

static void first_use_makes_a_descriptor_non_blocking(void)
{
        struct ends e = new_pipe();

        CHECK(!(fcntl(e.r, F_GETFL) & O_NONBLOCK));
        CHECK_EQ(rn_fd_open(e.r), 0);
        CHECK(fcntl(e.r, F_GETFL) & O_NONBLOCK);
        CHECK_EQ(rn_fd_open(e.r), 0);
        CHECK_EQ(rn_fd_write(e.w, "x", 1), 1);
        CHECK(fcntl(e.w, F_GETFL) & O_NONBLOCK);
        close_both(e);
}

/* -- writing -- */

struct flow {
        struct ends e;
        size_t n;
        unsigned long sum;
};

static void drink(struct flow *f)
{
        unsigned char buf[3000];
        ssize_t n;

        while ((n = rn_fd_read(f->e.r, buf, sizeof buf)) > 0) {
                f->n += (size_t)n;
                for (ssize_t i = 0; i < n; i++)
                        f->sum += buf[i];
        }
        CHECK_EQ(n, 0);
}

static void write_goes_on_until_all_is_out(void)
{
        enum { N = 1 << 20 };
        unsigned char *all = malloc(N);
        unsigned long sum = 0;

        for (size_t i = 0; i < N; i++)
                sum += all[i] = (unsigned char)(i * 7 + i / 251);
        EACH_KIND(m) {
                struct flow f = { .e = makers[m]() };
                size_t done = 0;
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, drink, &f);
                CHECK_EQ(rn_fd_write_until(f.e.w, all, N, &done, RN_NEVER), N);
                CHECK_EQ(done, N);
                CHECK_EQ(rn_fd_close(f.e.w), 0);
                rn_wg_wait(&wg);
                CHECK_EQ(f.n, N);
                CHECK_EQ(f.sum, sum);
                CHECK_EQ(rn_fd_close(f.e.r), 0);
        }
        free(all);
}

static void broken_pipe_is_an_error_and_no_signal(void)
{
        EACH_KIND(m) {
                struct ends e = makers[m]();
                struct sigaction before, after;
                sigset_t mask[2], pending;

                sigaction(SIGPIPE, NULL, &before);
                pthread_sigmask(SIG_SETMASK, NULL, &mask[0]);
                CHECK_EQ(rn_fd_close(e.r), 0);
                for (int i = 0; i < 3; i++)
                        CHECK_EQ(rn_fd_write(e.w, "x", 1), -EPIPE);
                sigaction(SIGPIPE, NULL, &after);
                pthread_sigmask(SIG_SETMASK, NULL, &mask[1]);
                CHECK(before.sa_handler == SIG_DFL && after.sa_handler == SIG_DFL);
                CHECK(!sigismember(&mask[0], SIGPIPE) && !sigismember(&mask[1], SIGPIPE));
                sigpending(&pending);
                CHECK(!sigismember(&pending, SIGPIPE));
                CHECK_EQ(rn_fd_close(e.w), 0);
        }
}

static void fill_then_fail(struct ends *e)
{
        static char much[1 << 20];
        size_t done = 0;

        rn_set_name("writer");
        CHECK_EQ(rn_fd_write_until(e->w, much, sizeof much, &done, RN_NEVER), -EPIPE);
        CHECK(done > 0 && done < sizeof much);
}

static void writer_that_waits_learns_that_nobody_reads(void)
{
        EACH_KIND(m) {
                struct ends e = makers[m]();
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, fill_then_fail, &e);
                BEHAVE_UNTIL(behave_parked("writer", "IO wait") == 1);
                CHECK_EQ(rn_fd_close(e.r), 0);
                rn_wg_wait(&wg);
                CHECK_EQ(rn_fd_close(e.w), 0);
        }
}

static void read_and_write_of_one_descriptor_are_independent(void)
{
        struct ends e = new_pair();
        struct reading r = { .fd = e.r, .want = 1 };
        char c = 0;
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, read_it, &r);
        until_reader_waits();
        CHECK_EQ(rn_fd_write(e.r, "y", 1), 1);
        CHECK_EQ(rn_fd_read(e.w, &c, 1), 1);
        CHECK_EQ(c, 'y');
        CHECK_EQ(rn_fd_write(e.w, "z", 1), 1);
        rn_wg_wait(&wg);
        CHECK_EQ(r.buf[0], 'z');
        close_both(e);
}

/* -- other descriptors -- */

static void what_is_no_descriptor_is_refused(void)
{
        struct ends e = new_pipe();
        char c;

        close_both(e);
        CHECK_EQ(rn_fd_read(-1, &c, 1), -EBADF);
        CHECK_EQ(rn_fd_read(e.r, &c, 1), -EBADF);
        CHECK_EQ(rn_fd_write(e.w, &c, 1), -EBADF);
        CHECK_EQ(rn_fd_open(e.r), -EBADF);
        CHECK_EQ(rn_fd_deadline(e.r, RN_READ, 0), -EBADF);
        CHECK_EQ(rn_fd_wait(e.r, RN_READ, 0), -EBADF);
        CHECK_EQ(rn_fd_close(e.r), -EBADF);
        CHECK_EQ(rn_fd_close(-1), -EBADF);
        CHECK_EQ(rn_fd_read(1 << 27, &c, 1), -EMFILE);
        CHECK_EQ(rn_fd_wait(e.r, 0, 0), -EINVAL);
        CHECK_EQ(rn_fd_deadline(e.r, 4, 0), -EINVAL);
}

static void regular_file_is_read_and_written_in_place(void)
{
        char name[] = "/tmp/fd_test.XXXXXX", buf[8] = "";
        int fd = mkstemp(name);

        CHECK(fd >= 0);
        unlink(name);
        CHECK_EQ(rn_fd_write(fd, "file", 4), 4);
        CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
        CHECK_EQ(rn_fd_read(fd, buf, sizeof buf), 4);
        CHECK(memcmp(buf, "file", 4) == 0);
        CHECK_EQ(rn_fd_read(fd, buf, sizeof buf), 0);
        CHECK_EQ(rn_fd_wait(fd, RN_READ | RN_WRITE, RN_NEVER), RN_READ | RN_WRITE);
        CHECK_EQ(rn_fd_deadline(fd, RN_READ, 0), -EPERM);
        CHECK_EQ(rn_fd_close(fd), 0);
}

static void eventfd_is_waited_for(void)
{
        int fd = eventfd(0, 0);
        struct reading r = { .fd = fd, .want = 8 };
        uint64_t three = 3;
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, read_it, &r);
        until_reader_waits();
        CHECK_EQ(rn_fd_write(fd, &three, sizeof three), 8);
        rn_wg_wait(&wg);
        CHECK_EQ(r.got, 8);
        CHECK(memcmp(r.buf, &three, 8) == 0);
        CHECK_EQ(rn_fd_close(fd), 0);
}

/* -- in turn -- */

struct queue {
        int fd;
        atomic_int began, next;
        char got[16];
};

static void read_in_turn(struct queue *q, int i)
{
        char c = 0;

        rn_set_name("in turn");
        CHECK_EQ(rn_fd_read(q->fd, &c, 1), 1);
        q->got[i] = c;
}

static void readers_are_served_in_the_order_in_which_they_came(void)
{
        enum { N = 10 };
        struct ends e = new_pair();
        struct queue q = { .fd = e.r };
        rn_wg wg = { { 0 } };

        for (int i = 0; i < N; i++) {
                rn_wg_go(&wg, read_in_turn, &q, i);
                BEHAVE_UNTIL(behave_parked("in turn", "IO wait") == i + 1);
        }
        CHECK_EQ(rn_fd_write(e.w, "0123456789", N), N);
        rn_wg_wait(&wg);
        CHECK(memcmp(q.got, "0123456789", N) == 0);
        close_both(e);
}

static void write_block(int fd, char c)
{
        static char blocks[26][50000];

        memset(blocks[c - 'a'], c, sizeof blocks[0]);
        CHECK_EQ(rn_fd_write(fd, blocks[c - 'a'], sizeof blocks[0]), sizeof blocks[0]);
}

static void writes_of_several_do_not_mix(void)
{
        enum { N = 10 };
        struct ends e = new_pair();
        char buf[50000];
        rn_wg wg = { { 0 } };

        for (int i = 0; i < N; i++)
                rn_wg_go(&wg, write_block, e.w, (char)('a' + i));
        for (int i = 0; i < N; i++) {
                size_t n = 0;

                while (n < sizeof buf) {
                        ssize_t got = rn_fd_read(e.r, buf + n, sizeof buf - n);

                        if (!CHECK(got > 0))
                                break;
                        n += (size_t)got;
                }
                CHECK(memcmp(buf, buf + 1, sizeof buf - 1) == 0);
        }
        rn_wg_wait(&wg);
        close_both(e);
}

/* -- closing -- */

static void close_wakes_whoever_waits(void)
{
        enum { N = 6 };

        EACH_KIND(m) {
                struct ends e = makers[m]();
                struct reading r[N];
                rn_wg wg = { { 0 } };

                for (int i = 0; i < N; i++) {
                        r[i] = (struct reading){ .fd = e.r, .want = 1 };
                        behave_go(i % 2 ? THREAD : GOROUTINE, &wg, read_it, &r[i]);
                }
                BEHAVE_UNTIL(behave_parked("reader", "IO wait") == N / 2);
                rn_sleep(RN_MSEC);
                CHECK_EQ(rn_fd_close(e.r), 0);
                rn_wg_wait(&wg);
                for (int i = 0; i < N; i++)
                        CHECK_EQ(r[i].got, -EBADF);
                CHECK_EQ(rn_fd_close(e.r), -EBADF);
                CHECK_EQ(rn_fd_close(e.w), 0);
        }
}

static void fill_until_closed(int fd)
{
        static char much[1 << 20];

        rn_set_name("writer");
        CHECK_EQ(rn_fd_write(fd, much, sizeof much), -EBADF);
}

static void close_wakes_a_writer(void)
{
        EACH_KIND(m) {
                struct ends e = makers[m]();
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, fill_until_closed, e.w);
                BEHAVE_UNTIL(behave_parked("writer", "IO wait") == 1);
                CHECK_EQ(rn_fd_close(e.w), 0);
                rn_wg_wait(&wg);
                CHECK_EQ(rn_fd_close(e.r), 0);
        }
}

/* The reader of the old descriptor waits when the number is handed out again, and bytes for the new
 * one come at once. */
static void number_that_is_used_again_wakes_no_stranger(void)
{
        for (int i = 0; i < BEHAVE_SCALE(300); i++) {
                struct ends e = makers[i % 2](), f;
                struct reading r = { .fd = e.r, .want = 1 };
                char c = 0;
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, read_it, &r);
                until_reader_waits();
                if (i % 5 == 0)
                        CHECK_EQ(rn_fd_write(e.w, "o", 1), 1);
                CHECK_EQ(rn_fd_close(e.r), 0);
                f = makers[i / 2 % 2]();
                CHECK_EQ(rn_fd_write(f.w, "n", 1), 1);
                CHECK_EQ(rn_fd_read(f.r, &c, 1), 1);
                CHECK_EQ(c, 'n');
                rn_wg_wait(&wg);
                CHECK(r.got == -EBADF || (r.got == 1 && r.buf[0] == 'o' && i % 5 == 0));
                CHECK_EQ(rn_fd_close(e.w), 0);
                close_both(f);
        }
}

static void read_late(struct reading *r, atomic_bool *go)
{
        BEHAVE_UNTIL(atomic_load(go));
        read_it(r);
}

static void number_that_something_else_closed_is_seen_to_be_new(void)
{
        for (int i = 0; i < BEHAVE_SCALE(40); i++) {
                struct ends e = makers[i % 2](), f;
                struct reading r = { .want = 1 };
                atomic_bool go = true;
                rn_wg wg = { { 0 } };

                CHECK_EQ(rn_fd_read_until(e.r, r.buf, 1, rn_deadline(10 * RN_USEC)), -ETIMEDOUT);
                CHECK_EQ(rn_fd_write(e.w, "x", 1), 1);
                close(e.r);
                close(e.w);
                f = makers[i / 2 % 2]();
                fcntl(f.r, F_SETFL, O_NONBLOCK);
                r.fd = f.r;
                rn_wg_go(&wg, read_late, &r, &go);
                until_reader_waits();
                CHECK_EQ(rn_fd_write(f.w, "n", 1), 1);
                rn_wg_wait(&wg);
                CHECK_EQ(r.got, 1);
                close_both(f);
        }
}

struct racing {
        struct ends e;
        atomic_long bytes;
        rn_wg *wg;
};

static void race_read(struct racing *r)
{
        char buf[16];
        ssize_t n;

        while ((n = rn_fd_read(r->e.r, buf, sizeof buf)) > 0)
                atomic_fetch_add(&r->bytes, n);
        CHECK(n == -EBADF || n == 0);
}

static void race_write(struct racing *r)
{
        ssize_t n;

        while ((n = rn_fd_write(r->e.w, "1234567890", 10)) == 10)
                continue;
        CHECK(n == -EBADF || n == -EPIPE || n == -ECONNRESET);   /* the last by a socket whose other
                                                                  * end goes, unread, while we are
                                                                  * in the call */
}

static void close_races_with_reads_and_writes(void)
{
        for (int i = 0; i < BEHAVE_SCALE(40); i++) {
                struct racing r = { .e = makers[i % 2]() };
                rn_wg wg = { { 0 } };

                for (int k = 0; k < 3; k++) {
                        rn_wg_go(&wg, race_read, &r);
                        rn_wg_go(&wg, race_write, &r);
                }
                while (atomic_load(&r.bytes) < 100)
                        rn_yield();
                CHECK_EQ(rn_fd_close(i % 3 ? r.e.r : r.e.w), 0);
                rn_wg_wait(&wg);
                CHECK_EQ(rn_fd_close(i % 3 ? r.e.w : r.e.r), 0);
        }
}

/* -- signals -- */

static void on_signal(int sig)
{
        (void)sig;
}

static void *pester(void *stop)
{
        while (!atomic_load((atomic_bool *)stop)) {
                kill(getpid(), SIGUSR1);
                usleep(200);
        }
        return NULL;
}

static void interrupted_calls_go_on(void)
{
        struct flow f = { .e = new_pipe() };
        static char much[1 << 16];
        atomic_bool stop = false;
        rn_wg wg = { { 0 } };
        pthread_t t;

        sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal, .sa_flags = SA_ONSTACK },
                  NULL);
        if (pthread_create(&t, NULL, pester, &stop))
                abort();
        rn_wg_go(&wg, drink, &f);
        for (int i = 0; i < 20; i++) {
                CHECK_EQ(rn_fd_write(f.e.w, much, sizeof much), sizeof much);
                rn_sleep(RN_MSEC);
        }
        CHECK_EQ(rn_fd_close(f.e.w), 0);
        rn_wg_wait(&wg);
        CHECK_EQ(f.n, 20 * sizeof much);
        CHECK_EQ(rn_fd_close(f.e.r), 0);
        atomic_store(&stop, true);
        pthread_join(t, NULL);
}

/* -- what it costs -- */

static void answer(int fd)
{
        char c;

        while (rn_fd_read(fd, &c, 1) == 1)
                rn_fd_write(fd, &c, 1);
        rn_fd_close(fd);
}

/* Each P's timer heap and the like come into being once: a round must come that needs none. */
static void steady_reads_and_writes_allocate_nothing(void)
{
#if BEHAVE_COUNTS
        struct ends e = new_pair();
        rn_wg wg = { { 0 } };
        char c = 'x';

        rn_wg_go(&wg, answer, e.r);
        for (int round = 0; round < 20 && (round == 0 || behave_allocations > 0); round++) {
                atomic_store(&behave_allocations, 0);
                atomic_store(&behave_counting, 1);
                for (int i = 0; i < 500; i++) {
                        CHECK_EQ(rn_fd_write(e.w, &c, 1), 1);
                        CHECK_EQ(rn_fd_read_until(e.w, &c, 1, rn_deadline(RN_SEC * 60)), 1);
                }
                atomic_store(&behave_counting, 0);
        }
        CHECK_EQ(behave_allocations, 0);
        CHECK_EQ(rn_fd_close(e.w), 0);
        rn_wg_wait(&wg);
#endif
        (void)answer;
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(read_waits_until_there_are_bytes),
        BEHAVE_BOTH(thread_reads_what_a_goroutine_writes_and_the_reverse),
        BEHAVE_BOTH(read_gets_what_is_there_without_waiting),
        BEHAVE_BOTH(zero_byte_read_returns_0_at_once),
        BEHAVE_BOTH(close_of_the_peer_wakes_a_read_with_the_end),
        BEHAVE_BOTH(first_use_makes_a_descriptor_non_blocking),
        BEHAVE_BOTH(write_goes_on_until_all_is_out),
        BEHAVE_BOTH(broken_pipe_is_an_error_and_no_signal),
        BEHAVE_BOTH(writer_that_waits_learns_that_nobody_reads),
        BEHAVE_BOTH(read_and_write_of_one_descriptor_are_independent),
        BEHAVE_BOTH(what_is_no_descriptor_is_refused),
        BEHAVE_BOTH(regular_file_is_read_and_written_in_place),
        BEHAVE_BOTH(eventfd_is_waited_for),
        BEHAVE_BOTH(readers_are_served_in_the_order_in_which_they_came),
        BEHAVE_BOTH(writes_of_several_do_not_mix),
        BEHAVE_BOTH(close_wakes_whoever_waits),
        BEHAVE_BOTH(close_wakes_a_writer),
        BEHAVE_BOTH(number_that_is_used_again_wakes_no_stranger),
        BEHAVE_BOTH(number_that_something_else_closed_is_seen_to_be_new),
        BEHAVE_BOTH(close_races_with_reads_and_writes),
        BEHAVE_BOTH(interrupted_calls_go_on),
        BEHAVE_BOTH(steady_reads_and_writes_allocate_nothing),
};

BEHAVE_MAIN(tests)
