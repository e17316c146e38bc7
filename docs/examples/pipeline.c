/* SPDX-License-Identifier: MIT
 * pipeline: three stages that are joined by channels, and a reader who has seen enough before the
 * source is dry. A stage ends when its input is closed, or when the context that all of them share
 * ends, whichever comes first; so cancelling it is all that the reader has to do, and nobody is
 * left behind in a send. The group waits for all and knows the first error. */
#include <runnel.h>

#include <errno.h>
#include <stdio.h>

enum { FIRST = 5 };

enum { SENT, ENDED };

/* 0, or the error of a context that ended before somebody took the value. */
static int send_or_end(rn_ctx *ctx, rn_send_chan(long) out, long value)
{
        switch (rn_select([SENT] = rn_on_send(out, value), [ENDED] = rn_on_signal(
                                                                   rn_ctx_done(ctx)))) {
        case SENT:
                return 0;
        default:
                return rn_ctx_err(ctx);
        }
}

/* 3, 5, 7, ... for ever. */
static int odd_numbers(rn_ctx *ctx, rn_send_chan(long) out)
{
        int err = 0;

        rn_defer(rn_close, out);
        for (long n = 3; err == 0; n += 2)
                err = send_or_end(ctx, out, n);
        return err;
}

static bool is_prime(long n)
{
        for (long d = 3; d <= n / d; d += 2) {
                if (n % d == 0)
                        return false;
        }
        return true;
}

static int primes_of(rn_ctx *ctx, rn_recv_chan(long) in, rn_send_chan(long) out)
{
        rn_defer(rn_close, out);
        rn_range(n, in) {
                int err = is_prime(n) ? send_or_end(ctx, out, n) : 0;

                if (err)
                        return err;
        }
        return 0;
}

/* Those of which the next odd number is a prime, too. */
static int twins_of(rn_ctx *ctx, rn_recv_chan(long) in, rn_send_chan(long) out)
{
        long before = 0;

        rn_defer(rn_close, out);
        rn_range(n, in) {
                int err = n == before + 2 ? send_or_end(ctx, out, before) : 0;

                if (err)
                        return err;
                before = n;
        }
        return 0;
}

int main(void)
{
        rn_ctx *all = rn_ctx_with_cancel(rn_ctx_background());
        rn_group stages = { 0 };
        rn_ctx *ctx = rn_group_ctx(&stages, all);
        rn_chan(long) numbers = rn_make(long, 0), primes = rn_make(long, 4),
                      twins = rn_make(long, 0);
        int seen = 0, err;

        rn_group_go(&stages, odd_numbers, ctx, numbers);
        rn_group_go(&stages, primes_of, ctx, numbers, primes);
        rn_group_go(&stages, twins_of, ctx, primes, twins);

        rn_range(p, twins) {
                printf("%ld and %ld\n", p, p + 2);
                if (++seen == FIRST)
                        break;
        }
        rn_ctx_cancel_cause(all, -EINTR); /* enough */
        err = rn_group_wait(&stages);
        printf("the stages ended with %s, because of %s\n",
               err == -ECANCELED ? "ECANCELED" : "something else",
               rn_ctx_cause(ctx) == -EINTR ? "EINTR" : "something else");
        printf("%d goroutine left\n", rn_numgoroutine());

        rn_unref(numbers);
        rn_unref(primes);
        rn_unref(twins);
        rn_unref(ctx);
        rn_ctx_release(all);
        return 0;
}
