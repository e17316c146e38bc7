/* SPDX-License-Identifier: MIT
 * The naive baseline: threads of the system, and a channel made of a mutex and two condition
 * variables. Takes the words of ../chan.c and ../sched.c for what threads can do at all, fewer
 * times, and prints the same keys; says nothing to other words. RUNNEL_MAXPROCS=1 keeps all on one
 * processor. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void must(bool right)
{
        if (!right) {
                fprintf(stderr, "threads: wrong result\n");
                exit(1);
        }
}

/* A buffered one with room for cap; with cap 0, a send returns when its value was taken. */
struct chan {
        pthread_mutex_t mu;
        pthread_cond_t more, room;
        long cap, n, first, sent, taken, *buf;
        bool closed;
};

static struct chan *chan_new(long cap)
{
        struct chan *c = calloc(1, sizeof *c);

        must(c != NULL && (c->buf = calloc((size_t)cap + 1, sizeof *c->buf)) != NULL);
        pthread_mutex_init(&c->mu, NULL);
        pthread_cond_init(&c->more, NULL);
        pthread_cond_init(&c->room, NULL);
        c->cap = cap;
        return c;
}

static void chan_send(struct chan *c, long v)
{
        long size = c->cap ? c->cap : 1, mine;

        pthread_mutex_lock(&c->mu);
        while (c->n == size)
                pthread_cond_wait(&c->room, &c->mu);
        c->buf[(c->first + c->n++) % size] = v;
        mine = ++c->sent;
        pthread_cond_signal(&c->more);
        while (c->cap == 0 && c->taken < mine)
                pthread_cond_wait(&c->room, &c->mu);
        pthread_mutex_unlock(&c->mu);
}

static bool chan_recv(struct chan *c, long *v)
{
        long size = c->cap ? c->cap : 1;
        bool got;

        pthread_mutex_lock(&c->mu);
        while (c->n == 0 && !c->closed)
                pthread_cond_wait(&c->more, &c->mu);
        got = c->n > 0;
        if (got) {
                *v = c->buf[c->first];
                c->first = (c->first + 1) % size;
                c->n--;
                c->taken++;
                if (c->cap)
                        pthread_cond_signal(&c->room);
                else
                        pthread_cond_broadcast(&c->room);
        }
        pthread_mutex_unlock(&c->mu);
        return got;
}

static void chan_close(struct chan *c)
{
        pthread_mutex_lock(&c->mu);
        c->closed = true;
        pthread_cond_broadcast(&c->more);
        pthread_mutex_unlock(&c->mu);
}

static pthread_t start(void *(*f)(void *), void *arg)
{
        pthread_t t;

        must(pthread_create(&t, NULL, f, arg) == 0);
        return t;
}

static long option(char **argv, const char *name, long otherwise)
{
        for (char **o = argv + 2; o[0] && o[1]; o += 2)
                if (strcmp(o[0], name) == 0)
                        return strtol(o[1], NULL, 10);
        return otherwise;
}

/* -- works -- */

static void *yielder(void *arg)
{
        for (long n = *(long *)arg; n > 0; n--)
                sched_yield();
        return NULL;
}

static void yield(long k)
{
        long n = 1000000, each = n / k;
        pthread_t *t = calloc((size_t)k, sizeof *t);
        double begun = now();

        must(t != NULL);
        for (long i = 0; i < k; i++)
                t[i] = start(yielder, &each);
        for (long i = 0; i < k; i++)
                pthread_join(t[i], NULL);
        printf("ns_yield=%.2f\n", (now() - begun) / (double)n);
}

static void *nothing(void *arg)
{
        return arg;
}

static void spawn(long b)
{
        long n = 5000;
        pthread_t *t = calloc((size_t)b, sizeof *t);
        double begun = now();

        must(t != NULL);
        for (long i = 0; i < n; i += b) {
                for (long j = 0; j < b; j++)
                        t[j] = start(nothing, NULL);
                for (long j = 0; j < b; j++)
                        pthread_join(t[j], NULL);
        }
        printf("ns_spawn=%.2f\n", (now() - begun) / (double)n);
}

static struct chan *ping, *pong;

static void *ponger(void *arg)
{
        for (long v; chan_recv(ping, &v);)
                chan_send(pong, v + 1);
        return arg;
}

static void pingpong(void)
{
        long n = 100000, sum = 0, v;
        double begun;

        ping = chan_new(0), pong = chan_new(0);
        start(ponger, NULL);
        begun = now();
        for (long i = 0; i < n; i++) {
                chan_send(ping, i);
                must(chan_recv(pong, &v));
                sum += v;
        }
        printf("ns_roundtrip=%.2f\n", (now() - begun) / (double)n);
        must(sum == n * (n + 1) / 2);
}

static struct chan *pipe_of_all;
static long each_sends;

static void *producer(void *arg)
{
        for (long i = 0; i < each_sends; i++)
                chan_send(pipe_of_all, i);
        return arg;
}

static void *consumer(void *arg)
{
        long sum = 0;

        for (long v; chan_recv(pipe_of_all, &v);)
                sum += v;
        *(long *)arg = sum;
        return NULL;
}

static void many(long side, long cap)
{
        long n = cap < 16 ? 400000 : 4000000, sum = 0, sums[4];
        pthread_t from[4], to[4];
        double begun;

        pipe_of_all = chan_new(cap), each_sends = n / side;
        begun = now();
        for (long i = 0; i < side; i++) {
                from[i] = start(producer, NULL);
                to[i] = start(consumer, &sums[i]);
        }
        for (long i = 0; i < side; i++)
                pthread_join(from[i], NULL);
        chan_close(pipe_of_all);
        for (long i = 0; i < side; i++) {
                pthread_join(to[i], NULL);
                sum += sums[i];
        }
        printf("ns_item=%.2f\n", (now() - begun) / (double)n);
        must(sum == side * (each_sends * (each_sends - 1) / 2));
}

int main(int argc, char **argv)
{
        const char *procs = getenv("RUNNEL_MAXPROCS"), *work = argc > 1 ? argv[1] : "";

        if (procs && strcmp(procs, "1") == 0) {
                cpu_set_t one;

                CPU_ZERO(&one);
                CPU_SET(0, &one);
                sched_setaffinity(0, sizeof one, &one);
        }
        if (strcmp(work, "yield") == 0 && option(argv, "-k", 2) <= 1000)
                yield(option(argv, "-k", 2));
        else if (strcmp(work, "spawn") == 0 && option(argv, "-b", 1000) <= 1000)
                spawn(option(argv, "-b", 1000));
        else if (strcmp(work, "pingpong") == 0)
                pingpong();
        else if (strcmp(work, "spsc") == 0)
                many(1, option(argv, "-cap", 128));
        else if (strcmp(work, "mpmc") == 0)
                many(4, option(argv, "-cap", 128));
        return 0;
}
