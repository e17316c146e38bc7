/* SPDX-License-Identifier: MIT
 * Whole programs that Go uses to show and to test channels: sieves, mixes of plain and selecting
 * partners, streams that produce on demand. Where the originals leave their goroutines behind,
 * these are asked to go: every operation of theirs is a select with a quit channel beside. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

typedef rn_chan(int) chan_int;

/* A program's goroutines and channels, ended and freed together. */
enum { WORLD_CHANNELS = 8192 };

struct world {
        rn_chan(rn_nothing) quit;
        rn_wg wg;
        chan_int all[WORLD_CHANNELS];
        atomic_int n;
};

static struct world *world_new(void)
{
        struct world *w = calloc(1, sizeof *w);

        if (!w)
                abort();
        w->quit = rn_make(rn_nothing, 0);
        return w;
}

static void world_end(struct world *w)
{
        rn_close(w->quit);
        rn_wg_wait(&w->wg);
        for (int i = 0; i < atomic_load(&w->n); i++)
                rn_unref(w->all[i]);
        rn_unref(w->quit);
        free(w);
}

static chan_int world_chan(struct world *w, int cap)
{
        int i = atomic_fetch_add(&w->n, 1);

        if (i >= WORLD_CHANNELS)
                abort();
        return w->all[i] = rn_make(int, cap);
}

/* False: the program is to end. */
static bool put(struct world *w, chan_int c, int v)
{
        return rn_select(rn_on_send(c, v), rn_on_signal(w->quit)) == 0;
}

static bool take(struct world *w, chan_int c, int *v)
{
        return rn_select(rn_on_recv(c, v), rn_on_signal(w->quit)) == 0;
}

static bool is_prime(int n)
{
        for (int i = 2; i * i <= n; i++)
                if (n % i == 0)
                        return false;
        return n > 1;
}

static void check_primes(struct world *w, chan_int c, int count)
{
        for (int want = 2; count > 0; want++) {
                int p = -1;

                if (!is_prime(want))
                        continue;
                CHECK(take(w, c, &p));
                if (!CHECK_EQ(p, want))
                        return;
                count--;
        }
}

/* -- prime sieve: one goroutine for each prime -- */

static void count_from_2(struct world *w, chan_int out)
{
        for (int i = 2; put(w, out, i); i++)
                ;
}

static void filter(struct world *w, chan_int in, chan_int out, int prime)
{
        int v = 0;

        while (take(w, in, &v))
                if (v % prime != 0 && !put(w, out, v))
                        return;
}

static void sieve(struct world *w, chan_int primes)
{
        chan_int c = world_chan(w, 0);
        int p = 0;

        rn_wg_go(&w->wg, count_from_2, w, c);
        while (take(w, c, &p) && put(w, primes, p)) {
                chan_int next = world_chan(w, 0);

                rn_wg_go(&w->wg, filter, w, c, next, p);
                c = next;
        }
}

static void prime_sieve_yields_the_primes(void)
{
        struct world *w = world_new();
        chan_int primes = world_chan(w, 0);

        rn_wg_go(&w->wg, sieve, w, primes);
        check_primes(w, primes, BEHAVE_SCALE(500));
        world_end(w);
}

/* -- sieve by merging: the multiples of each prime are a stream, the smallest comes off a heap
 * -- */

struct head {
        int value;
        chan_int rest;
};

struct heap {
        struct head at[1024];
        int n;
};

static void heap_push(struct heap *h, struct head x)
{
        int i = h->n++;

        for (; i > 0 && x.value < h->at[(i - 1) / 2].value; i = (i - 1) / 2)
                h->at[i] = h->at[(i - 1) / 2];
        h->at[i] = x;
}

static struct head heap_pop(struct heap *h)
{
        struct head top = h->at[0], x = h->at[--h->n];
        int i = 0;

        for (;;) {
                int child = 2 * i + 1;

                if (child + 1 < h->n && h->at[child + 1].value < h->at[child].value)
                        child++;
                if (child >= h->n || h->at[child].value >= x.value)
                        break;
                h->at[i] = h->at[child];
                i = child;
        }
        h->at[i] = x;
        return top;
}

static void count_by(struct world *w, chan_int out, int from, int step)
{
        for (int n = from; put(w, out, n); n += step)
                ;
}

static chan_int stream_of(struct world *w, int cap, int from, int step)
{
        chan_int c = world_chan(w, cap);

        rn_wg_go(&w->wg, count_by, w, c, from, step);
        return c;
}

/* Takes the smallest off and puts its stream's next back. */
static bool heap_advance(struct world *w, struct heap *h)
{
        struct head x = heap_pop(h);

        if (!take(w, x.rest, &x.value))
                return false;
        heap_push(h, x);
        return true;
}

static void merge_multiples(struct world *w, chan_int primes, chan_int composites)
{
        struct heap *h = calloc(1, sizeof *h);
        int p = 0, first = 0;
        bool on = true;

        while (on && take(w, primes, &p)) {
                chan_int own = stream_of(w, 10, p * p, 2 * p);

                on = take(w, own, &first);
                while (on && h->n > 0 && h->at[0].value < first)
                        on = put(w, composites, h->at[0].value) && heap_advance(w, h);
                while (on && h->n > 0 && h->at[0].value == first)
                        on = heap_advance(w, h);
                if (on && put(w, composites, first) && take(w, own, &first))
                        heap_push(h, (struct head){ first, own });
                else
                        on = false;
        }
        free(h);
}

/* Sending to `in` never blocks for long: what `out` does not take yet is kept in a ring that
 * grows. */
static void buffer_without_limit(struct world *w, chan_int in, chan_int out)
{
        size_t size = 16, from = 0, n = 0;
        int *ring = malloc(size * sizeof *ring), v = 0;

        for (;;) {
                const int *first = n > 0 ? &ring[from] : &v;
                int k = rn_select(rn_on_recv(in, &v), rn_on_send_from(n > 0 ? out : NULL, first),
                                  rn_on_signal(w->quit));

                if (k == 2)
                        break;
                if (k == 1) {
                        from = (from + 1) % size;
                        n--;
                        continue;
                }
                if (n == size) {
                        int *larger = malloc(2 * size * sizeof *ring);

                        for (size_t i = 0; i < n; i++)
                                larger[i] = ring[(from + i) % size];
                        free(ring);
                        ring = larger;
                        size *= 2;
                        from = 0;
                }
                ring[(from + n++) % size] = v;
        }
        free(ring);
}

static void sieve_out(struct world *w, chan_int composites, chan_int primes, chan_int out)
{
        chan_int candidates = stream_of(w, 50, 5, 2);
        int p = 0, c = 0;

        if (!put(w, out, 2) || !put(w, out, 3) || !put(w, primes, 3) || !take(w, candidates, &p))
                return;
        while (take(w, composites, &c)) {
                while (p < c)
                        if (!put(w, primes, p) || !put(w, out, p) || !take(w, candidates, &p))
                                return;
                if (p == c && !take(w, candidates, &p))
                        return;
        }
}

static void merging_sieve_with_growing_buffer_yields_the_primes(void)
{
        struct world *w = world_new();
        chan_int out = world_chan(w, 10), primes = world_chan(w, 10), proxy = world_chan(w, 10),
                 composites = world_chan(w, 50);

        rn_wg_go(&w->wg, merge_multiples, w, primes, composites);
        rn_wg_go(&w->wg, buffer_without_limit, w, proxy, primes);
        rn_wg_go(&w->wg, sieve_out, w, composites, proxy, out);
        check_primes(w, out, BEHAVE_SCALE(2000));
        world_end(w);
}

/* -- one select sends to four, four forward to one: nothing comes twice -- */

static void send_somewhere(chan_int c0, chan_int c1, chan_int c2, chan_int c3, int n)
{
        for (int i = 0; i < n; i++)
                rn_select(rn_on_send(c0, i), rn_on_send(c1, i), rn_on_send(c2, i),
                          rn_on_send(c3, i));
        rn_close(c0);
        rn_close(c1);
        rn_close(c2);
        rn_close(c3);
}

static void forward(chan_int out, chan_int in, chan_int done)
{
        rn_range(v, in)
                rn_send(out, v);
        rn_send(done, 1);
}

static void close_after_four(chan_int out, chan_int done)
{
        for (int i = 0; i < 4; i++)
                CHECK(rn_wait(done));
        rn_close(out);
}

static void value_sent_by_one_select_to_four_comes_once(void)
{
        struct world *w = world_new();
        chan_int c[4], out = world_chan(w, 0), done = world_chan(w, 0);
        int n = BEHAVE_SCALE(50000), count = 0;
        bool *seen = calloc((size_t)n, sizeof *seen);

        for (int i = 0; i < 4; i++) {
                c[i] = world_chan(w, 0);
                rn_wg_go(&w->wg, forward, out, c[i], done);
        }
        rn_wg_go(&w->wg, send_somewhere, c[0], c[1], c[2], c[3], n);
        rn_wg_go(&w->wg, close_after_four, out, done);
        rn_range(v, out) {
                if (CHECK(v >= 0 && v < n) && CHECK(!seen[v]))
                        seen[v] = true;
                count++;
        }
        CHECK_EQ(count, n);
        free(seen);
        world_end(w);
}

/* -- twelve channels, plain and selecting on either side: each stream stays in sequence -- */

enum { STREAM = 76 };

struct stream {
        chan_int to, from;      /* the same channel, or NULL when that side is done */
        int sent, received;     /* each side's own */
};

struct mix {
        struct world *w;
        struct stream s[12];
        atomic_int sent, received;
};

static void mix_sent(struct mix *m, struct stream *s)
{
        atomic_fetch_add(&m->sent, 1);
        if (++s->sent == STREAM)
                s->to = NULL;
}

static void mix_received(struct mix *m, struct stream *s, int v)
{
        CHECK_EQ(v, s->received);
        atomic_fetch_add(&m->received, 1);
        if (++s->received == STREAM)
                s->from = NULL;
}

static void some_turns(uint64_t *random, unsigned most)
{
        for (unsigned i = behave_below(random, most); i > 0; i--)
                rn_yield();
}

static void mix_send(struct mix *m, int at)
{
        uint64_t random = behave_stream((uint64_t)at);
        struct stream *s = &m->s[at];

        while (s->to) {
                some_turns(&random, 5);
                rn_send(s->to, s->sent);
                mix_sent(m, s);
        }
}

static void mix_recv(struct mix *m, int at)
{
        uint64_t random = behave_stream((uint64_t)at);
        struct stream *s = &m->s[at];

        while (s->from) {
                some_turns(&random, 5);
                mix_received(m, s, rn_get(s->from));
        }
}

/* Receives from four streams and sends to four, each range possibly empty (-1). */
static void mix_select(struct mix *m, int in, int out)
{
        static struct stream none;
        struct stream *r[4], *s[4];
        uint64_t random = behave_stream((uint64_t)(in * 16 + out + 17));

        for (int i = 0; i < 4; i++) {
                r[i] = in < 0 ? &none : &m->s[in + i];
                s[i] = out < 0 ? &none : &m->s[out + i];
        }
        for (;;) {
                int v = -1, k, live = 0;

                for (int i = 0; i < 4; i++)
                        live += (r[i]->from != NULL) + (s[i]->to != NULL);
                if (live == 0)
                        break;
                some_turns(&random, 3);
                k = rn_select(rn_on_recv(r[0]->from, &v), rn_on_send(s[0]->to, s[0]->sent),
                              rn_on_recv(r[1]->from, &v), rn_on_send(s[1]->to, s[1]->sent),
                              rn_on_recv(r[2]->from, &v), rn_on_send(s[2]->to, s[2]->sent),
                              rn_on_recv(r[3]->from, &v), rn_on_send(s[3]->to, s[3]->sent));
                if (k % 2 == 0)
                        mix_received(m, r[k / 2], v);
                else
                        mix_sent(m, s[k / 2]);
        }
}

static struct mix *mix_new(int cap)
{
        struct mix *m = calloc(1, sizeof *m);

        m->w = world_new();
        for (int i = 0; i < 12; i++)
                m->s[i].to = m->s[i].from = world_chan(m->w, cap);
        return m;
}

static void mix_end(struct mix *m, int channels)
{
        rn_wg_wait(&m->w->wg);
        CHECK_EQ(atomic_load(&m->sent), channels * STREAM);
        CHECK_EQ(atomic_load(&m->received), channels * STREAM);
        world_end(m->w);
        free(m);
}

static void streams_over_plain_sends_and_receives_stay_in_sequence(void)
{
        for (int cap = 0; cap <= 100; cap = cap ? cap * 10 : 1) {
                struct mix *m = mix_new(cap);

                for (int i = 0; i < 4; i++) {
                        rn_wg_go(&m->w->wg, mix_send, m, i);
                        rn_wg_go(&m->w->wg, mix_recv, m, i);
                }
                mix_end(m, 4);
        }
}

static void streams_over_selects_on_one_side_stay_in_sequence(void)
{
        for (int cap = 0; cap <= 100; cap = cap ? cap * 10 : 1) {
                struct mix *m = mix_new(cap);

                for (int i = 0; i < 4; i++) {
                        rn_wg_go(&m->w->wg, mix_send, m, i);
                        rn_wg_go(&m->w->wg, mix_recv, m, 4 + i);
                }
                rn_wg_go(&m->w->wg, mix_select, m, 0, -1);
                rn_wg_go(&m->w->wg, mix_select, m, -1, 4);
                mix_end(m, 8);
        }
}

static void streams_over_selects_on_both_sides_stay_in_sequence(void)
{
        for (int cap = 0; cap <= 100; cap = cap ? cap * 10 : 1) {
                struct mix *m = mix_new(cap);

                rn_wg_go(&m->w->wg, mix_select, m, -1, 0);
                rn_wg_go(&m->w->wg, mix_select, m, 0, -1);
                rn_wg_go(&m->w->wg, mix_select, m, 4, 8);
                rn_wg_go(&m->w->wg, mix_select, m, 8, 4);
                mix_end(m, 12);
        }
}

static void streams_over_twelve_channels_in_any_mix_stay_in_sequence(void)
{
        for (int cap = 0; cap <= 100; cap = cap ? cap * 10 : 1) {
                struct mix *m = mix_new(cap);

                for (int i = 0; i < 4; i++) {
                        rn_wg_go(&m->w->wg, mix_send, m, 4 + i);
                        rn_wg_go(&m->w->wg, mix_recv, m, 8 + i);
                }
                rn_wg_go(&m->w->wg, mix_select, m, 4, 0);
                rn_wg_go(&m->w->wg, mix_select, m, 0, 8);
                mix_end(m, 12);
        }
}

/* -- power series: streams of coefficients that are worked out when asked for -- */

struct series {
        chan_int ask, tell;
};

static struct series series_new(struct world *w)
{
        return (struct series){ world_chan(w, 0), world_chan(w, 0) };
}

static bool series_get(struct world *w, struct series s, int *v)
{
        return put(w, s.ask, 1) && take(w, s.tell, v);
}

/* Asks both and takes the answers in whatever order they come: each case goes when it is done. */
static bool series_get_two(struct world *w, struct series a, struct series b, int *x, int *y)
{
        chan_int ask[2] = { a.ask, b.ask }, tell[2] = { NULL, NULL };

        for (int left = 4; left > 0; left--) {
        switch (rn_select(rn_on_send(ask[0], 1), rn_on_send(ask[1], 1), rn_on_recv(tell[0], x),
                                  rn_on_recv(tell[1], y), rn_on_signal(w->quit))) {
                case 0:
                        ask[0] = NULL;
                        tell[0] = a.tell;
                        break;
                case 1:
                        ask[1] = NULL;
                        tell[1] = b.tell;
                        break;
                case 2:
                        tell[0] = NULL;
                        break;
                case 3:
                        tell[1] = NULL;
                        break;
                default:
                        return false;
                }
        }
        return true;
}

struct term {
        struct world *w;
        struct series a, b, z, z2;
        int factor;
};

static void run_ones(struct term *t)
{
        int asked;

        while (take(t->w, t->z.ask, &asked) && put(t->w, t->z.tell, 1))
                ;
}

/* z = factor * a + b */
static void run_sum(struct term *t)
{
        int asked, x = 0, y = 0;

        while (take(t->w, t->z.ask, &asked) && series_get_two(t->w, t->a, t->b, &x, &y) &&
               put(t->w, t->z.tell, t->factor * x + y))
                ;
}

/* z = factor * a */
static void run_scale(struct term *t)
{
        int asked, x = 0;

        while (take(t->w, t->z.ask, &asked) && series_get(t->w, t->a, &x) &&
               put(t->w, t->z.tell, t->factor * x))
                ;
}

/* z and z2 are both a: what one has asked for is kept for the other. */
static void run_split(struct term *t)
{
        enum { KEPT = 64 };
        int kept[KEPT], have = 0, at[2] = { 0, 0 }, asked, k;

        while ((k = rn_select(rn_on_recv(t->z.ask, &asked), rn_on_recv(t->z2.ask, &asked),
                              rn_on_signal(t->w->quit))) != 2) {
                if (at[k] == have && (have == KEPT || !series_get(t->w, t->a, &kept[have++])))
                        return;
                if (!put(t->w, k == 0 ? t->z.tell : t->z2.tell, kept[at[k]++]))
                        return;
        }
}

static void run_term(void (*run)(struct term *), struct term *t)
{
        run(t);
        free(t);
}

static struct term start(struct term t, void (*run)(struct term *))
{
        struct term *own = malloc(sizeof *own);

        t.z = series_new(t.w);
        t.z2 = series_new(t.w);
        *own = t;
        rn_wg_go(&t.w->wg, run_term, run, own);
        return t;
}

/* z = a * b: the first coefficients multiplied, then y * rest of a + x * rest of b + shifted
 * (rest of a * rest of b). */
static void run_product(struct term *t)
{
        struct world *w = t->w;
        int asked, x = 0, y = 0, u = 0, v = 0;
        struct term a, b, scaled, sum, rest;

        if (!take(w, t->z.ask, &asked) || !series_get_two(w, t->a, t->b, &x, &y) ||
            !put(w, t->z.tell, x * y))
                return;
        a = start((struct term){ .w = w, .a = t->a }, run_split);
        b = start((struct term){ .w = w, .a = t->b }, run_split);
        scaled = start((struct term){ .w = w, .a = b.z, .factor = x }, run_scale);
        sum = start((struct term){ .w = w, .a = a.z, .b = scaled.z, .factor = y }, run_sum);
        if (!take(w, t->z.ask, &asked) || !series_get(w, sum.z, &u) || !put(w, t->z.tell, u))
                return;
        rest = start((struct term){ .w = w, .a = a.z2, .b = b.z2 }, run_product);
        while (take(w, t->z.ask, &asked) && series_get_two(w, sum.z, rest.z, &u, &v) &&
               put(w, t->z.tell, u + v))
                ;
}

static void power_series_are_multiplied_on_demand(void)
{
        enum { N = 20 };
        struct world *w = world_new();
        struct term ones[3], square, cube;
        int v = -1;

        for (int i = 0; i < 3; i++)
                ones[i] = start((struct term){ .w = w }, run_ones);
        square = start((struct term){ .w = w, .a = ones[0].z, .b = ones[1].z }, run_product);
        cube = start((struct term){ .w = w, .a = square.z, .b = ones[2].z }, run_product);
        for (int n = 0; n < N; n++) {
                CHECK(series_get(w, cube.z, &v));
                CHECK_EQ(v, (n + 1) * (n + 2) / 2);
        }
        world_end(w);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(prime_sieve_yields_the_primes),
        BEHAVE_BOTH(merging_sieve_with_growing_buffer_yields_the_primes),
        BEHAVE_BOTH(value_sent_by_one_select_to_four_comes_once),
        BEHAVE_BOTH(streams_over_plain_sends_and_receives_stay_in_sequence),
        BEHAVE_BOTH(streams_over_selects_on_one_side_stay_in_sequence),
        BEHAVE_BOTH(streams_over_selects_on_both_sides_stay_in_sequence),
        BEHAVE_BOTH(streams_over_twelve_channels_in_any_mix_stay_in_sequence),
        BEHAVE_BOTH(power_series_are_multiplied_on_demand),
};

BEHAVE_MAIN(tests)
