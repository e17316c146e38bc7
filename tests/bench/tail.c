/* SPDX-License-Identifier: MIT
 * How long who is woken waits until it runs: not on the average, but at worst. With more than one
 * processor the waker keeps its own, so that another has to come. idle: nobody else is there; busy:
 * every processor has goroutines that compute, and give way now and then; greedy: they never give
 * way, and the clock alone can take their processor from them; held: as many as there are
 * processors keep all of them until the woken one has run. */
#include "tests/bench/bench.h"

enum { SAMPLES = 5000, GREEDY_SAMPLES = 300 };

static rn_dur sample[SAMPLES];

static int compare(const void *a, const void *b)
{
        rn_dur x = *(const rn_dur *)a, y = *(const rn_dur *)b;

        return (x > y) - (x < y);
}

static void print_quantile(const char *name, int n, double q)
{
        char key[64];

        snprintf(key, sizeof key, "us_%s_p%g", name, 100 * q);
        print_value(key, (double)sample[(int)((n - 1) * q)] / (double)RN_USEC);
}

static void print_tail(const char *name, int n)
{
        qsort(sample, (size_t)n, sizeof sample[0], compare);
        print_quantile(name, n, 0.5);
        print_quantile(name, n, 0.99);
        print_quantile(name, n, 0.999);
        print_quantile(name, n, 1);
}

static bool stop;
static int ran;   /* how many have been woken */
static int round_no, holding;   /* held: which wake-up it is; how many holders have begun, of all */

/* Takes the time at which it was sent something. */
static void woken(rn_recv_chan(rn_time) in, rn_send_chan(rn_nothing) done, int n)
{
        rn_time sent;

        for (int i = 0; i < n; i++) {
                sent = rn_get(in);
                sample[i] = rn_now() - sent;
                __atomic_store_n(&ran, i + 1, __ATOMIC_RELEASE);   /* pairs with keep_it */
                rn_send(done, (rn_nothing){ 0 });
        }
}

/* Computes for some 20 us. */
static void compute(void)
{
        rn_time end = rn_now() + 20 * RN_USEC;

        while (rn_now() < end)
                continue;
}

static bool going_on(void)
{
        return !__atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static void polite(rn_wg *wg)
{
        while (going_on()) {
                compute();
                rn_yield();
        }
        rn_wg_done(wg);
}

static void greedy(rn_wg *wg)
{
        while (going_on())
                compute();
        rn_wg_done(wg);
}

/* Keeps the processor, as those do whom the woken one has to wait for, until the n-th has run. One
 * processor is left to it. */
static void keep_it(void (*other)(rn_wg *), int n)
{
        const int procs = rn_maxprocs(0);

        while (procs > 1 && __atomic_load_n(&ran, __ATOMIC_ACQUIRE) < n) {   /* pairs with woken */
                compute();
                if (other == polite)
                        rn_yield();
        }
}

/* Gives way until the next round, and then keeps its processor until the woken one has run. */
static void holds(int n, rn_wg *wg)
{
        for (int i = 0; i < n; i++) {
                while (__atomic_load_n(&round_no, __ATOMIC_ACQUIRE) <= i)   /* pairs with held */
                        rn_yield();
                __atomic_fetch_add(&holding, 1, __ATOMIC_RELEASE);   /* pairs with held */
                while (__atomic_load_n(&ran, __ATOMIC_ACQUIRE) <= i)   /* pairs with woken */
                        continue;
        }
        rn_wg_done(wg);
}

/* n wake-ups while every processor is kept by somebody, the waker among them: one has to be taken
 * from them. */
static void held(void)
{
        enum { N = GREEDY_SAMPLES };
        const int others = rn_maxprocs(0) - 1;
        rn_chan(rn_time) c = rn_make(rn_time, 0);
        rn_chan(rn_nothing) done = rn_make(rn_nothing, 0);
        rn_wg wg = { 0 };

        rn_wg_add(&wg, others);
        for (int i = 0; i < others; i++)
                rn_go(holds, N, &wg);
        rn_go(woken, c, done, N);
        for (int i = 0; i < N; i++) {
                rn_sleep(50 * RN_USEC);
                __atomic_store_n(&round_no, i + 1, __ATOMIC_RELEASE);   /* pairs with holds */
                while (__atomic_load_n(&holding, __ATOMIC_ACQUIRE) < (i + 1) * others)
                        rn_yield();   /* pairs with holds */
                rn_send(c, rn_now());
                while (__atomic_load_n(&ran, __ATOMIC_ACQUIRE) <= i)   /* pairs with woken */
                        continue;
                rn_wait(done);
        }
        rn_wg_wait(&wg);
        print_tail("wake_held", N);
        rn_unref(c);
        rn_unref(done);
}

/* n wake-ups, with a rest before each, beside twice as many others as there are processors. */
static void wake(const char *name, void (*other)(rn_wg *), int n)
{
        rn_chan(rn_time) c = rn_make(rn_time, 0);
        rn_chan(rn_nothing) done = rn_make(rn_nothing, 0);
        int others = other ? 2 * rn_maxprocs(0) : 0;
        rn_wg wg = { 0 };

        rn_wg_add(&wg, others);
        for (int i = 0; i < others; i++)
                rn_go(other, &wg);
        rn_go(woken, c, done, n);
        for (int i = 0; i < n; i++) {
                rn_sleep(50 * RN_USEC);
                rn_send(c, rn_now());
                keep_it(other, i + 1);
                rn_wait(done);
        }
        __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
        rn_wg_wait(&wg);
        print_tail(name, n);
        rn_unref(c);
        rn_unref(done);
}

static void idle(void)
{
        wake("wake_idle", NULL, SAMPLES);
}

static void busy(void)
{
        wake("wake_busy", polite, SAMPLES / 5);
}

static void beside_greedy(void)
{
        wake("wake_greedy", greedy, GREEDY_SAMPLES);
}

int main(int argc, char **argv)
{
        static const struct work works[] = { { "idle", idle },
                                             { "busy", busy },
                                             { "greedy", beside_greedy },
                                             { "held", held } };

        (void)argc;
        return bench_main(argv, works, sizeof(works) / sizeof(works[0]));
}
