/* SPDX-License-Identifier: MIT
 * Calls on descriptors that the end of a context ends. */
#define _GNU_SOURCE
#include "tests/support/behave.h"
#include "tests/support/ends.h"

#include <errno.h>
#include <netinet/in.h>

static char much[1 << 20];

static struct sockaddr_in loopback(int port)
{
        return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                     .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

static void cancel_when_parked(const char *name, rn_ctx *ctx)
{
        behave_until_parked(name, 1);
        rn_ctx_cancel(ctx);
}

/* -- each call: waits, is ended, has taken nothing -- */

struct call {
        rn_ctx *ctx;
        struct ends e;
        int r;
};
typedef void call_fn(struct call *c);

static void call_read(struct call *c)
{
        char b;

        c->r = (int)rn_fd_read_ctx(c->e.r, &b, 1, c->ctx);
}

static void call_recvfrom(struct call *c)
{
        char b;

        c->r = (int)rn_fd_recvfrom_ctx(c->e.r, &b, 1, NULL, NULL, c->ctx);
}

static void call_wait(struct call *c)
{
        c->r = rn_fd_wait_ctx(c->e.r, RN_READ, c->ctx);
}

static void call_write(struct call *c)
{
        size_t done = 0;

        c->r = (int)rn_fd_write_ctx(c->e.w, much, sizeof much, &done, c->ctx);
        CHECK(done > 0 && done < sizeof much);
}

static void call_sendto(struct call *c)
{
        while ((c->r = (int)rn_fd_sendto_ctx(c->e.w, much, 4096, NULL, 0, c->ctx)) > 0)
                continue;
}

static void call_it(call_fn *fn, struct call *c)
{
        rn_set_name("in a call");
        fn(c);
}

enum { READS = 3 };
static call_fn *const calls[] = { call_read, call_recvfrom, call_wait, call_write, call_sendto };
#define EACH_CALL(i) for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)

static void cancel_ends_whatever_waits(void)
{
        EACH_CALL(i) {
                struct call c = { .ctx = rn_ctx_with_cancel(rn_ctx_background()), .e = new_pair() };
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, call_it, calls[i], &c);
                cancel_when_parked("in a call", c.ctx);
                rn_wg_wait(&wg);
                CHECK_EQ(c.r, -ECANCELED);
                rn_unref(c.ctx);
                close_both(c.e);
        }
}

static void deadline_of_a_context_ends_whatever_waits(void)
{
        EACH_CALL(i) {
                struct call c = { .ctx = rn_ctx_with_timeout(rn_ctx_background(), RN_MSEC),
                                  .e = new_pair() };

                calls[i](&c);
                CHECK_EQ(c.r, -ETIMEDOUT);
                rn_ctx_release(c.ctx);
                close_both(c.e);
        }
}

static void context_that_has_ended_fails_a_call_that_need_not_wait(void)
{
        struct ends e = new_pair();
        rn_ctx *ctx = rn_ctx_with_cancel(rn_ctx_background());
        size_t done = 7;
        char c = 'x';

        CHECK_EQ(rn_fd_write_ctx(e.w, &c, 1, &done, ctx), 1);
        CHECK_EQ(done, 1);
        rn_ctx_cancel(ctx);
        CHECK_EQ(rn_fd_read_ctx(e.r, &c, 1, ctx), -ECANCELED);
        CHECK_EQ(rn_fd_write_ctx(e.w, &c, 1, &done, ctx), -ECANCELED);
        CHECK_EQ(done, 0);
        CHECK_EQ(rn_fd_wait_ctx(e.r, RN_READ, ctx), -ECANCELED);
        CHECK_EQ(rn_fd_accept_ctx(e.r, NULL, NULL, ctx), -ECANCELED);
        CHECK_EQ(rn_fd_connect_ctx(e.r, NULL, 0, ctx), -ECANCELED);
        CHECK_EQ(rn_dial_ctx("127.0.0.1:1", ctx), -ECANCELED);
        CHECK_EQ(rn_fd_read_until(e.r, &c, 1, 0), 1);   /* nothing was taken */
        rn_unref(ctx);
        close_both(e);
}

static void context_that_never_ends_is_none(void)
{
        struct ends e = new_pair();
        char c = 0;

        CHECK_EQ(rn_fd_write_ctx(e.w, "y", 1, NULL, rn_ctx_background()), 1);
        CHECK_EQ(rn_fd_read_ctx(e.r, &c, 1, rn_ctx_todo()), 1);
        CHECK_EQ(c, 'y');
        close_both(e);
}

static void close_ends_it_too(void)
{
        EACH_CALL(i) {
                struct call c = { .ctx = rn_ctx_with_cancel(rn_ctx_background()), .e = new_pair() };
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, call_it, calls[i], &c);
                behave_until_parked("in a call", 1);
                CHECK_EQ(rn_fd_close(i < READS ? c.e.r : c.e.w), 0);
                rn_wg_wait(&wg);
                CHECK_EQ(c.r, -EBADF);
                CHECK_EQ(rn_fd_close(i < READS ? c.e.w : c.e.r), 0);
                rn_ctx_release(c.ctx);
        }
}

/* -- who waits for its turn -- */

static void cancel_ends_who_waits_for_a_turn_and_nobody_else(void)
{
        struct ends e = new_pair();
        struct reading r = { .fd = e.r, .want = 1 };
        struct call c = { .ctx = rn_ctx_with_cancel(rn_ctx_background()), .e = e };
        rn_wg first = { { 0 } }, second = { { 0 } };

        rn_wg_go(&first, read_it, &r);
        until_reader_waits();
        rn_wg_go(&second, call_it, calls[0], &c);
        cancel_when_parked("in a call", c.ctx);
        rn_wg_wait(&second);
        CHECK_EQ(c.r, -ECANCELED);
        CHECK_EQ(rn_fd_write(e.w, "z", 1), 1);
        rn_wg_wait(&first);
        CHECK_EQ(r.got, 1);
        rn_unref(c.ctx);
        close_both(e);
}

/* -- connections -- */

static void accept_loop(int l, rn_ctx *ctx, int *accepted, int *err)
{
        int fd;

        rn_set_name("accepts");
        while ((fd = rn_fd_accept_ctx(l, NULL, NULL, ctx)) >= 0) {
                ++*accepted;
                rn_fd_close(fd);
        }
        *err = fd;
}

static void accept_ends_and_the_listener_stays(void)
{
        int l = rn_listen("127.0.0.1:0", 0), accepted = 0, err = 0;
        rn_ctx *ctx = rn_ctx_with_cancel(rn_ctx_background());
        struct sockaddr_in a;
        socklen_t n = sizeof a;
        char addr[64];
        rn_wg wg = { { 0 } };

        CHECK_EQ(getsockname(l, (struct sockaddr *)&a, &n), 0);
        snprintf(addr, sizeof addr, "127.0.0.1:%d", ntohs(a.sin_port));
        rn_wg_go(&wg, accept_loop, l, ctx, &accepted, &err);
        for (int i = 0; i < 3; i++) {
                int fd = rn_dial_ctx(addr, ctx);
                char c;

                CHECK(fd >= 0);
                CHECK(rn_fd_read(fd, &c, 1) <= 0);   /* until it was accepted and closed */
                rn_fd_close(fd);
        }
        cancel_when_parked("accepts", ctx);
        rn_wg_wait(&wg);
        CHECK_EQ(accepted, 3);
        CHECK_EQ(err, -ECANCELED);
        {
                int fd = rn_dial(addr, RN_NEVER), there = rn_fd_accept(l, NULL, NULL);

                CHECK(fd >= 0 && there >= 0);
                rn_fd_close(fd);
                rn_fd_close(there);
        }
        rn_unref(ctx);
        CHECK_EQ(rn_fd_close(l), 0);
}

static void connect_by_a_context(void)
{
        int l = rn_listen("127.0.0.1:0", 0), s = socket(AF_INET, SOCK_STREAM, 0), there;
        rn_ctx *ctx = rn_ctx_with_timeout(rn_ctx_background(), 30 * RN_SEC);
        struct sockaddr_in a = loopback(0);
        socklen_t n = sizeof a;

        CHECK_EQ(getsockname(l, (struct sockaddr *)&a, &n), 0);
        CHECK_EQ(rn_fd_connect_ctx(s, (struct sockaddr *)&a, sizeof a, ctx), 0);
        there = rn_fd_accept_ctx(l, NULL, NULL, ctx);
        CHECK(there >= 0);
        CHECK_EQ(rn_fd_write_ctx(s, "c", 1, NULL, ctx), 1);
        CHECK_EQ(rn_fd_wait_ctx(there, RN_READ, ctx), RN_READ);
        rn_fd_close(s);
        rn_fd_close(there);
        rn_fd_close(l);
        rn_ctx_release(ctx);
}

/* A unix listener whose backlog is full makes dial pause, again and again. */
static void dial_is_ended_while_it_waits_for_room(void)
{
        char path[64];
        rn_ctx *ctx = rn_ctx_with_timeout(rn_ctx_background(), 20 * RN_MSEC);
        int fds[8], n = 0, l;

        snprintf(path, sizeof path, "unix:@runnel-ctx-%d-%llu", (int)getpid(),
                 (unsigned long long)rn_now());
        l = rn_listen(path, 1);
        CHECK(l >= 0);
        while (n < 8 && (fds[n] = rn_dial(path, 0)) >= 0)
                n++;
        CHECK(n < 8);
        CHECK_EQ(rn_dial_ctx(path, ctx), -ETIMEDOUT);
        while (n-- > 0)
                rn_fd_close(fds[n]);
        rn_fd_close(l);
        rn_ctx_release(ctx);
}

/* -- all at once -- */

struct race {
        struct ends e;
        rn_ctx *ctx;
        atomic_int got, cancelled;
};

static void read_one(void *arg)
{
        struct race *r = arg;
        char c;
        ssize_t n = rn_fd_read_ctx(r->e.r, &c, 1, r->ctx);

        if (n == 1)
                atomic_fetch_add(&r->got, 1);
        else if (CHECK_EQ(n, -ECANCELED))
                atomic_fetch_add(&r->cancelled, 1);
}

static void cancel_it(void *arg)
{
        rn_ctx_cancel(((struct race *)arg)->ctx);
}

/* A byte that came is read by somebody or is still there. */
static void a_byte_that_races_with_the_end_is_not_lost(void)
{
        for (int i = 0; i < BEHAVE_SCALE(500); i++) {
                struct race r = { .e = new_pair(), .ctx = rn_ctx_with_cancel(rn_ctx_background()) };
                rn_wg wg = { { 0 } };
                int left = 0;
                char c;

                behave_crowd(&wg, 3, i % 8 == 0, read_one, &r);
                if (i % 3 == 0)
                        rn_yield();
                behave_go(i % 16 ? GOROUTINE : THREAD, &wg, cancel_it, &r);
                CHECK_EQ(rn_fd_write(r.e.w, "ab", 2), 2);
                rn_wg_wait(&wg);
                while (rn_fd_read_until(r.e.r, &c, 1, 0) == 1)
                        left++;
                CHECK_EQ(atomic_load(&r.got) + left, 2);
                CHECK_EQ(atomic_load(&r.got) + atomic_load(&r.cancelled), 3 + (i % 8 == 0));
                rn_unref(r.ctx);
                close_both(r.e);
        }
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(cancel_ends_whatever_waits),
        BEHAVE_BOTH(deadline_of_a_context_ends_whatever_waits),
        BEHAVE_BOTH(context_that_has_ended_fails_a_call_that_need_not_wait),
        BEHAVE_BOTH(context_that_never_ends_is_none),
        BEHAVE_BOTH(close_ends_it_too),
        BEHAVE_BOTH(cancel_ends_who_waits_for_a_turn_and_nobody_else),
        BEHAVE_BOTH(accept_ends_and_the_listener_stays),
        BEHAVE_BOTH(connect_by_a_context),
        BEHAVE_BOTH(dial_is_ended_while_it_waits_for_room),
        BEHAVE_BOTH(a_byte_that_races_with_the_end_is_not_lost),
};

BEHAVE_MAIN(tests)
