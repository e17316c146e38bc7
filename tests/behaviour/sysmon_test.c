/* SPDX-License-Identifier: MIT
 * When a processor is taken from C code, by the clock: soon enough, and at no cost when nothing
 * goes on. */
#define _GNU_SOURCE
#include "tests/support/behave.h"
#include "tests/support/machine.h"
#include "tests/support/gate.h"

#include <dirent.h>

/* How long each thread of this process has waited for a processor of the machine. */
enum { THREADS = 64 };
struct waits {
        int n;
        struct { long tid; long long waited; } of[THREADS];
};

static void waits_read(struct waits *w)
{
        DIR *d = opendir("/proc/self/task");
        struct dirent *e;
        long long ran, waited;

        w->n = 0;
        while ((e = readdir(d)) != NULL && w->n < THREADS) {
                char path[300];
                FILE *f;

                snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", e->d_name);
                f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
                if (f && fscanf(f, "%lld %lld", &ran, &waited) == 2) {
                        w->of[w->n].tid = atol(e->d_name);
                        w->of[w->n++].waited = waited;
                }
                if (f)
                        fclose(f);
        }
        closedir(d);
}

/* All together, from one reading to the next; a thread that has ended meanwhile does not count. */
static rn_dur waited_between(const struct waits *before, const struct waits *after)
{
        rn_dur sum = 0;

        for (int i = 0; i < after->n; i++) {
                sum += after->of[i].waited;
                for (int j = 0; j < before->n; j++)
                        if (before->of[j].tid == after->of[i].tid)
                                sum -= before->of[j].waited;
        }
        return sum;
}

struct ticks {
        atomic_bool stop;
        atomic_llong worst_stall;   /* of a thread that does nothing but sleep */
        long n;
        rn_dur latest;
};

static void *sleeps_only(void *arg)
{
        struct ticks *t = arg;

        while (!atomic_load(&t->stop)) {
                rn_time begun = rn_now();

                nap(1000);
                if (rn_now() - begun > atomic_load(&t->worst_stall))
                        atomic_store(&t->worst_stall, rn_now() - begun);
        }
        return NULL;
}

/* What the machine did to the process's threads meanwhile does not count. */
static void ticker(struct ticks *t, rn_wg *wg)
{
        struct waits before, after;

        while (!atomic_load(&t->stop)) {
                rn_dur late;
                rn_time due;

                waits_read(&before);
                due = rn_deadline(RN_MSEC);
                rn_sleep_until(due);
                late = rn_now() - due;
                if (late > t->latest) {
                        waits_read(&after);
                        late -= waited_between(&before, &after);
                        t->latest = late > t->latest ? late : t->latest;
                }
                t->n++;
        }
        rn_wg_done(wg);
}

static void ping(rn_chan(int) there, rn_chan(int) back, atomic_bool *stop, rn_wg *begun, rn_wg *wg)
{
        rn_send(there, 1);
        rn_wait(back);
        rn_wg_done(begun);
        while (!atomic_load(stop)) {
                rn_send(there, 1);
                rn_wait(back);
                rn_sleep(10 * RN_MSEC);
        }
        rn_close(there);
        rn_wg_done(wg);
}

static void pong(rn_chan(int) there, rn_chan(int) back, rn_wg *wg)
{
        rn_range(v, there)
                rn_send(back, v);
        rn_unref(there);
        rn_unref(back);
        rn_wg_done(wg);
}

static void computes(rn_time until, rn_wg *wg)
{
        while (rn_now() < until)
                continue;
        rn_wg_done(wg);
}

static void sleeps_in_c(rn_wg *wg)
{
        sleep(2);
        rn_wg_done(wg);
}

/* 1,000 others, one that sleeps in C for 2 s and one that computes as long, all on one processor.
 * The others have their stacks before: what the machine's first access to fresh memory costs is not
 * the subject. */
static void ticks_come_in_time_though_one_sleeps_in_c_and_one_computes(void)
{
        struct ticks t = { .latest = 0 };
        rn_wg others = { { 0 } }, begun = { { 0 } }, two = { { 0 } };
        pthread_t control;

        if (behave_procs != 1 || BEHAVE_ASAN || BEHAVE_TSAN)
                return;
        if (pthread_create(&control, NULL, sleeps_only, &t))
                abort();
        rn_wg_add(&others, 1001);
        rn_wg_add(&begun, 500);
        for (int i = 0; i < 500; i++) {
                rn_chan(int) there = rn_make(int, 0), back = rn_make(int, 0);

                rn_go(ping, there, back, &t.stop, &begun, &others);
                rn_go(pong, there, back, &others);
        }
        rn_wg_wait(&begun);
        rn_go(ticker, &t, &others);
        rn_wg_add(&two, 2);
        rn_go(sleeps_in_c, &two);
        rn_go(computes, rn_now() + 2 * RN_SEC, &two);
        rn_wg_wait(&two);
        atomic_store(&t.stop, true);
        rn_wg_wait(&others);
        pthread_join(control, NULL);
        if (t.latest >= 25 * RN_MSEC && t.latest > atomic_load(&t.worst_stall))
                behave_fail(__FILE__, __LINE__,
                            "a tick was %lld us late, a sleeping thread at most %lld us",
                            (long long)t.latest / 1000,
                            (long long)atomic_load(&t.worst_stall) / 1000);
        CHECK(t.n > 1);
}

static rn_dur process_time(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
        return ts.tv_sec * RN_SEC + ts.tv_nsec;
}

static void in_c_for_a_moment(rn_wg *wg)
{
        rn_blocking(usleep, 1000);
        rn_wg_done(wg);
}

static void computes_until(atomic_bool *fired, rn_time end, rn_wg *wg)
{
        while (!atomic_load(fired) && rn_now() < end)
                continue;
        rn_wg_done(wg);
}

static void fires(atomic_bool *fired)
{
        atomic_store(fired, true);
}

/* There are idle threads, but no idle processor: nobody but sysmon, which has lain down meanwhile,
 * hears of the timer. */
static void a_timer_that_is_added_while_all_compute_is_not_forgotten(void)
{
        enum { IDLE = 4 };
        rn_time begun = rn_now(), end = begun + 20 * RN_SEC;
        atomic_bool fired = false;
        rn_wg wg = { { 0 } };

        for (int i = 0; i < behave_procs + IDLE; i++) {
                rn_wg_add(&wg, 1);
                rn_go(in_c_for_a_moment, &wg);
        }
        rn_wg_wait(&wg);
        for (int i = 1; i < behave_procs; i++) {
                rn_wg_add(&wg, 1);
                rn_go(computes_until, &fired, end, &wg);
        }
        while (rn_now() < begun + 200 * RN_MSEC)
                continue;
        rn_unref(rn_after_func(RN_MSEC, fires, &fired));
        while (!atomic_load(&fired) && rn_now() < end)
                continue;
        CHECK(atomic_load(&fired));
        rn_wg_wait(&wg);
}

static void waits_for_ever(rn_chan(int) c, rn_wg *wg)
{
        rn_wait(c);
        rn_wg_done(wg);
}

/* Processor time, not time: a busy machine does not matter. */
static void idle_for_a_while(void)
{
        rn_chan(int) c = rn_make(int, 0);
        rn_wg wg = { { 0 } };
        rn_dur before;

        rn_wg_add(&wg, 2);
        rn_go(waits_for_ever, c, &wg);
        rn_go(waits_for_ever, c, &wg);
        nap(100000);
        before = process_time();
        for (int i = 0; i < 4; i++)
                nap(100000);
        /* an emulator's own work counts as ours */
        CHECK(emulated() || process_time() - before < 20 * RN_MSEC);
        rn_close(c);
        rn_wg_wait(&wg);
        rn_unref(c);
}

static void an_idle_process_uses_no_processor_time(void)
{
        idle_for_a_while();
}

static void nor_does_it_with_a_timer_that_is_far_away(void)
{
        atomic_bool fired = false;
        rn_timer *t = rn_after_func(3600 * RN_SEC, fires, &fired);

        idle_for_a_while();
        CHECK(rn_timer_stop(t));
        CHECK(!atomic_load(&fired));
        rn_unref(t);
}

static const struct behave_test tests[] = {
        BEHAVE(ticks_come_in_time_though_one_sleeps_in_c_and_one_computes),
        BEHAVE(a_timer_that_is_added_while_all_compute_is_not_forgotten),
        BEHAVE_THREAD(an_idle_process_uses_no_processor_time),
        BEHAVE_THREAD(nor_does_it_with_a_timer_that_is_far_away),
};

BEHAVE_MAIN(tests)
