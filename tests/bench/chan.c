/* SPDX-License-Identifier: MIT
 * Goroutines that talk over channels: from two that play ping-pong to the 4,000 of the prime sieve.
 * Elements are 64-bit integers, Go's int. As in Go, goroutines that nobody needs any more stay
 * parked when main returns. */
#include "tests/bench/bench.h"

static void ponger(rn_recv_chan(long) in, rn_send_chan(long) out)
{
        rn_range(v, in)
                rn_send(out, v + 1);
}

/* 2 million round trips over two unbuffered channels. */
static void pingpong(void)
{
        const long n = 2000000;
        rn_chan(long) ping = rn_make(long, 0), pong = rn_make(long, 0);
        rn_time start;
        long sum = 0;

        rn_go(ponger, ping, pong);
        start = rn_now();
        for (long i = 0; i < n; i++) {
                rn_send(ping, i);
                sum += rn_get(pong);
        }
        print_ns("ns_roundtrip", start, n);
        rn_close(ping);
        must(sum == n * (n + 1) / 2, "pingpong");
}

static void ring_member(long id, rn_recv_chan(long) in, rn_send_chan(long) out,
                        rn_send_chan(long) last)
{
        long token;

        while ((token = rn_get(in)) != 0)
                rn_send(out, token - 1);
        rn_send(last, id);
}

/* A token goes 5 million hops around a ring of 503. */
static void threadring(void)
{
        const long n = 5000000, ring = 503;
        rn_chan(long) first = rn_make(long, 0), last = rn_make(long, 0), in = first, out;
        rn_time start;

        for (long i = 1; i <= ring; i++) {
                out = i < ring ? rn_make(long, 0) : first;
                rn_go(ring_member, i, in, out, last);
                in = out;
        }
        start = rn_now();
        rn_send(first, n);
        must(rn_get(last) == n % ring + 1, "threadring");
        print_ns("ns_hop", start, n);
}

static void producer(rn_send_chan(long) c, long n, rn_wg *wg)
{
        for (long i = 0; i < n; i++)
                rn_send(c, i);
        rn_wg_done(wg);
}

static void consumer(rn_recv_chan(long) c, long *sum, rn_wg *wg)
{
        long s = 0;

        rn_range(v, c)
                s += v;
        *sum = s;
        rn_wg_done(wg);
}

static void producer_closes(rn_send_chan(long) c, long n)
{
        for (long i = 0; i < n; i++)
                rn_send(c, i);
        rn_close(c);
}

/* One producer, and main consumes: 10 million, 5 million if unbuffered. */
static void spsc(void)
{
        const long capacity = option("-cap", 128), n = capacity == 0 ? 5000000 : 10000000;
        rn_chan(long) c = rn_make(long, capacity);
        rn_time start = rn_now();
        long sum = 0;

        rn_go(producer_closes, c, n);
        rn_range(v, c)
                sum += v;
        print_ns("ns_item", start, n);
        must(sum == n * (n - 1) / 2, "spsc");
}

/* 4 producers and 4 consumers on one channel: 10 million. */
static void mpmc(void)
{
        enum { SIDE = 4 };
        const long n = 10000000, each = n / SIDE;
        rn_chan(long) c = rn_make(long, option("-cap", 128));
        rn_wg producers = { 0 }, consumers = { 0 };
        long sums[SIDE], sum = 0;
        rn_time start = rn_now();

        for (int i = 0; i < SIDE; i++) {
                rn_wg_add(&producers, 1);
                rn_go(producer, c, each, &producers);
        }
        for (int i = 0; i < SIDE; i++) {
                rn_wg_add(&consumers, 1);
                rn_go(consumer, c, &sums[i], &consumers);
        }
        rn_wg_wait(&producers);
        rn_close(c);
        rn_wg_wait(&consumers);
        print_ns("ns_item", start, n);
        for (int i = 0; i < SIDE; i++)
                sum += sums[i];
        must(sum == SIDE * (each * (each - 1) / 2), "mpmc");
}

static void worker(rn_recv_chan(long) jobs, rn_send_chan(long) results)
{
        rn_range(job, jobs)
                rn_send(results, job * 2);
}

/* 8 workers between a channel of jobs and one of results: 5 million jobs. */
static void workerpool(void)
{
        const long n = 5000000;
        rn_chan(long) jobs = rn_make(long, 100), results = rn_make(long, 100);
        rn_time start = rn_now();
        long sum = 0;

        for (int i = 0; i < 8; i++)
                rn_go(worker, jobs, results);
        rn_go(producer_closes, jobs, n);
        for (long i = 0; i < n; i++)
                sum += rn_get(results);
        print_ns("ns_job", start, n);
        must(sum == n * (n - 1), "workerpool");
}

/* main selects over two channels with a producer each: 5 million values. */
static void selectloop(void)
{
        const long n = 5000000, capacity = option("-cap", 0);
        rn_chan(long) a = rn_make(long, capacity), b = rn_make(long, capacity);
        rn_wg producers = { 0 };
        long of_a = 0, of_b = 0, sum = 0, v;
        rn_time start = rn_now();

        rn_wg_add(&producers, 2);
        rn_go(producer, a, n / 2, &producers);
        rn_go(producer, b, n / 2, &producers);
        for (long i = 0; i < n; i++) {
                switch (rn_select(rn_on_recv(a, &v), rn_on_recv(b, &v))) {
                case 0:
                        of_a++;
                        break;
                case 1:
                        of_b++;
                        break;
                }
                sum += v;
        }
        rn_wg_wait(&producers);
        print_ns("ns_select", start, n);
        must(of_a == n / 2 && of_b == n / 2 && sum == n / 2 * (n / 2 - 1), "selectloop");
}

static void count_from_two(rn_send_chan(long) out)
{
        for (long i = 2;; i++)
                rn_send(out, i);
}

static void filter(rn_recv_chan(long) in, rn_send_chan(long) out, long prime)
{
        for (;;) {
                long i = rn_get(in);

                if (i % prime != 0)
                        rn_send(out, i);
        }
}

/* The concurrent prime sieve up to the 4,000th prime, over unbuffered channels. */
static void sieve(void)
{
        rn_chan(long) in = rn_make(long, 0);
        rn_time start = rn_now();
        long prime = 0;

        rn_go(count_from_two, in);
        for (int i = 0; i < 4000; i++) {
                rn_chan(long) out = rn_make(long, 0);

                prime = rn_get(in);
                rn_go(filter, in, out, prime);
                in = out;
        }
        print_ms("ms_sieve", start);
        must(prime == 37813, "sieve");
}

int main(int argc, char **argv)
{
        static const struct work works[] = {
                { "pingpong", pingpong },
                { "threadring", threadring },
                { "spsc", spsc },
                { "mpmc", mpmc },
                { "workerpool", workerpool },
                { "selectloop", selectloop },
                { "sieve", sieve },
        };

        (void)argc;
        return bench_main(argv, works, sizeof(works) / sizeof(works[0]));
}
