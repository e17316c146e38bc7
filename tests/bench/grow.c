/* SPDX-License-Identifier: MIT
 * One operation beside more and more of what it has nothing to do with: other goroutines, channels,
 * timers, waiters, cases, contexts. -n says how many. Flat is what one hopes for; a select may cost
 * what its cases cost, and a heap of timers the logarithm of its size. report draws the figures. */
#include "tests/bench/bench.h"

#include <errno.h>

static const rn_dur HOUR = 3600 * RN_SEC;

/* -- goroutines: a token goes around a ring of n -- */

static void pass_on(rn_recv_chan(long) in, rn_send_chan(long) out)
{
        rn_range(v, in)
                rn_send(out, v);
}

static void ring(void)
{
        const long n = option("-n", 1000), hops = n < 1000000 ? 2000000 : 2 * n;
        rn_chan(long) first = rn_make(long, 0), in = first, out = NULL;
        long rounds = hops / n, sum = 0;
        rn_time start;

        for (long i = 0; i < n; i++) {
                out = rn_make(long, 0);
                rn_go(pass_on, in, out);
                in = out;
        }
        rn_send(first, 0L);   /* all have run once */
        rn_wait(out);
        start = rn_now();
        for (long i = 1; i <= rounds; i++) {
                rn_send(first, i);
                sum += rn_get(out);
        }
        print_ns("ns_hop", start, rounds * (n + 1));
        must(sum == rounds * (rounds + 1) / 2, "ring");
}

/* -- channels: n of them are sent to and received from, in turn -- */

static void chans(void)
{
        const long n = option("-n", 1000), ops = 4000000;
        rn_chan(long) *c = calloc((size_t)n, sizeof *c);
        rn_time start;
        long sum = 0;

        must(c != NULL, "memory");
        for (long i = 0; i < n; i++) {
                c[i] = rn_make(long, 1);
                rn_send(c[i], 1L);
                sum += rn_get(c[i]);
        }
        start = rn_now();
        for (long i = 0; i < ops; i++) {
                rn_send(c[i % n], 1L);
                sum += rn_get(c[i % n]);
        }
        print_ns("ns_pair", start, ops);
        must(sum == n + ops, "chans");
}

/* -- timers: one is set and stopped while n others run -- */

static void nothing(void)
{
}

static void timers(void)
{
        const long n = option("-n", 1000), ops = 1000000;
        rn_time start;
        long stopped = 0;

        for (long i = 0; i < n; i++)
                rn_after_func(HOUR + i * 7919 % n * RN_USEC, nothing);
        start = rn_now();
        for (long i = 0; i < ops; i++) {
                rn_timer *t = rn_after_func(HOUR + i * 7919 % (n + 1) * RN_USEC, nothing);

                stopped += rn_timer_stop(t);
                rn_unref(t);
        }
        print_ns("ns_timer", start, ops);
        must(stopped == ops, "timers");
}

/* -- waiters: n goroutines select over one hot channel and one of their own -- */

static void wait_at_two(rn_recv_chan(long) hot, rn_recv_chan(long) own, long *sum)
{
        long v, got = 0;

        for (;;) {
                switch (rn_select(rn_on_recv(hot, &v), rn_on_recv(own, &v))) {
                case 0:
                        got += v;
                        continue;
                default:
                        break;
                }
                break;
        }
        __atomic_fetch_add(sum, got, __ATOMIC_RELAXED);
}

static void waiters(void)
{
        const long n = option("-n", 100), ops = 500000;
        rn_chan(long) hot = rn_make(long, 0), own = rn_make(long, 0);
        rn_wg wg = { 0 };
        rn_time start;
        long sum = 0;

        for (long i = 0; i < n; i++)
                rn_wg_go(&wg, wait_at_two, hot, own, &sum);
        for (long i = 0; i < n; i++)
                rn_send(hot, 0L);
        start = rn_now();
        for (long i = 0; i < ops; i++)
                rn_send(hot, 1L);
        print_ns("ns_hot_send", start, ops);
        for (long i = 0; i < n; i++)
                rn_send(own, 0L);
        rn_wg_wait(&wg);
        must(sum == ops, "waiters");
}

/* -- cases: a select of n, of which one is ready, another one each time -- */

static void cases(void)
{
        const long n = option("-n", 4), ops = 4000000 / n;
        struct rn_case *all = calloc((size_t)n, sizeof *all);
        rn_chan(long) *c = calloc((size_t)n, sizeof *c);
        long v = 0, wrong = 0;
        rn_time start;

        must(all && c, "memory");
        for (long i = 0; i < n; i++) {
                c[i] = rn_make(long, 1);
                all[i] = rn_on_recv(c[i], &v);
        }
        start = rn_now();
        for (long i = 0; i < ops; i++) {
                rn_send(c[i % n], i);
                wrong += rn_selectv(all, (size_t)n, RN_NEVER) != i % n;
        }
        print_ns("ns_select", start, ops);
        must(wrong == 0, "cases");
}

/* -- contexts: a value looked up from the depth of n, an end that reaches n children -- */

static void depth(void)
{
        static const char root_key, other_key;
        const long n = option("-n", 10), ops = 1000000 / (n < 100 ? 1 : n / 100);
        long found = 0;
        rn_ctx *ctx = rn_ctx_with_value(rn_ctx_background(), &root_key, &found);
        rn_time start;

        for (long i = 1; i < n; i++)
                ctx = rn_ctx_with_value(ctx, &other_key, &found);
        start = rn_now();
        for (long i = 0; i < ops; i++)
                found += rn_ctx_value(ctx, &root_key) == &found;
        print_ns("ns_value", start, ops);
        must(found == ops, "depth");
}

static void width(void)
{
        const long n = option("-n", 10), rounds = 500000 / n + 1;
        rn_ctx **child = calloc((size_t)n, sizeof *child);
        rn_time start = rn_now();
        bool right = child != NULL;

        must(right, "memory");
        for (long r = 0; r < rounds; r++) {
                rn_ctx *parent = rn_ctx_with_cancel(rn_ctx_background());

                for (long i = 0; i < n; i++)
                        child[i] = rn_ctx_with_cancel(parent);
                rn_ctx_cancel(parent);
                for (long i = 0; i < n; i++) {
                        right &= rn_ctx_err(child[i]) == -ECANCELED;
                        rn_unref(child[i]);
                }
                rn_unref(parent);
        }
        print_ns("ns_child", start, rounds * n);
        must(right, "width");
}

int main(int argc, char **argv)
{
        static const struct work works[] = {
                { "ring", ring }, { "chans", chans }, { "settimer", timers },
                { "waiters", waiters }, { "cases", cases }, { "depth", depth },
                { "width", width },
        };

        (void)argc;
        return bench_main(argv, works, sizeof(works) / sizeof(works[0]));
}
