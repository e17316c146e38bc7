/* SPDX-License-Identifier: MIT
 * Nobody waits for ever: not beside goroutines that hand over to each other, spin in library calls,
 * take their turns without end, or whose timers are always due. Nothing here measures but the
 * shares of two pairs; who is starved hangs its test. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* -- turns that are taken, not given: library calls that do not park -- */

static void poll_until(rn_chan(int) never, atomic_int *turn, int mine, int rounds)
{
        int v;

        for (int i = 0; i < rounds; i++) {
                while (atomic_load(turn) % 2 != mine)
                        CHECK_EQ(rn_try_recv(never, &v), -EAGAIN);
                atomic_fetch_add(turn, 1);
        }
}

static void goroutines_that_spin_with_library_calls_hand_over(void)
{
        rn_chan(int) never = rn_make(int, 0);
        atomic_int turn = 0;
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, poll_until, never, &turn, 0, 5);
        rn_wg_go(&wg, poll_until, never, &turn, 1, 5);
        rn_wg_wait(&wg);
        CHECK_EQ(turn, 10);
        rn_unref(never);
}

static void spin_polling(rn_chan(int) never, atomic_bool *stop)
{
        int v;

        while (!atomic_load(stop))
                CHECK_EQ(rn_try_recv(never, &v), -EAGAIN);
}

static void echo(rn_chan(int) in, rn_chan(int) out)
{
        rn_range(v, in)
                rn_send(out, v);
}

static void ping_pong(rn_chan(int) a, rn_chan(int) b, int rounds, atomic_bool *stop)
{
        for (int i = 0; i < rounds; i++) {
                rn_send(a, i);
                CHECK_EQ(rn_get(b), i);
        }
        rn_close(a);
        atomic_store(stop, true);
}

static void pair_advances_although_a_third_spins_with_try_recv(void)
{
        rn_chan(int) a = rn_make(int, 0), b = rn_make(int, 0), never = rn_make(int, 0);
        atomic_bool stop = false;
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, echo, a, b);
        rn_wg_go(&wg, ping_pong, a, b, 40, &stop);
        rn_wg_go(&wg, spin_polling, never, &stop);
        rn_wg_wait(&wg);
        CHECK(stop);
        rn_unref(a);
        rn_unref(b);
        rn_unref(never);
}

/* -- a pair that hands over to each other -- */

static void third_of_a_pair(atomic_bool *stop, atomic_int *n)
{
        while (!atomic_load(stop)) {
                atomic_fetch_add(n, 1);
                rn_yield();
        }
}

static void pair_that_wakes_each_other_does_not_starve_a_third(void)
{
        rn_chan(int) a = rn_make(int, 0), b = rn_make(int, 0);
        atomic_bool stop = false;
        atomic_int n = 0;
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, third_of_a_pair, &stop, &n);
        rn_wg_go(&wg, echo, a, b);
        for (int i = 0; atomic_load(&n) < 20; i++) {
                rn_send(a, i);
                CHECK_EQ(rn_get(b), i);
        }
        rn_close(a);
        atomic_store(&stop, true);
        rn_wg_wait(&wg);
        rn_unref(a);
        rn_unref(b);
}

static void bounce(rn_chan(int) in, rn_chan(int) out, atomic_bool *stop)
{
        do {
                rn_send(out, 1);
                rn_wait(in);
        } while (!atomic_load(stop));
        rn_close(out);
}

static void answer(rn_chan(int) in, rn_chan(int) out)
{
        while (rn_wait(in))
                rn_send(out, 1);
}


static void set(atomic_bool *b)
{
        atomic_store(b, true);
}

/* It would never end if the call were starved. */
static void a_call_is_not_starved_by_a_busy_pair(void)
{
        rn_chan(int) ping = rn_make(int, 0), pong = rn_make(int, 0);
        atomic_bool stop = false;
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, answer, ping, pong);
        rn_wg_go(&wg, bounce, pong, ping, &stop);
        rn_unref(rn_after_func(0, set, &stop));
        rn_wg_wait(&wg);
        rn_unref(ping);
        rn_unref(pong);
}

struct hogs {
        rn_chan(int) wake;
        rn_recv_chan(rn_nothing) done;
        long work;
        long *count;
};

static __attribute__((noinline)) void burn(long n, volatile long *count)
{
        for (long i = 0; i < n; i++)
                (*count)++;
}

static void hog(struct hogs *h)
{
        enum { DONE, WAKE };

        for (;;)
                switch (rn_select([DONE] = rn_on_signal(h->done), [WAKE] = rn_on_signal(h->wake))) {
                case WAKE:
                        burn(h->work, h->count);
                        if (rn_select([DONE] = rn_on_signal(h->done), [WAKE] = rn_on_send(
                                                                              h->wake, 1)) == DONE)
                                return;
                        break;
                default:
                        return;
                }
}

static double cpu_seconds(void)
{
        struct timespec t;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

enum { PAIRS = 4 };   /* at most */

/* Runs pairs together as long as meanwhile(x) takes; what each did goes to its count. Returns the
 * processor time that all took. */
static double hogs_during(void (*meanwhile)(int64_t), int64_t x, int n, const long *work,
                          long *count)
{
        double before = cpu_seconds();
        rn_chan(rn_nothing) done = rn_make(rn_nothing, 0);
        struct hogs pair[PAIRS];
        rn_wg wg = { { 0 } };

        for (int i = 0; i < n; i++) {
                count[i] = 0;
                pair[i] = (struct hogs){ rn_make(int, 0), done, work[i], &count[i] };
                rn_wg_go(&wg, hog, &pair[i]);
                rn_wg_go(&wg, hog, &pair[i]);
        }
        for (int i = 0; i < n; i++)
                rn_send(pair[i].wake, 1);
        meanwhile(x);
        rn_close(done);
        rn_wg_wait(&wg);
        for (int i = 0; i < n; i++)
                rn_unref(pair[i].wake);
        rn_unref(done);
        return cpu_seconds() - before;
}

/* Two pairs on one processor; the one works a thousand times longer between its hand-overs. Each
 * pair must share a time slice, not get one per hand-over. The share of each is what it did, by
 * what it does in a second of a processor when it is alone. */
static void pair_of_hogs_and_light_pair_share_time_within_a_factor_of_20(void)
{
        static const long work[2] = { 1000000, 1000 };
        long alone[2], together[2];
        double took[2], share[2];

        if (rn_maxprocs(0) > 1)
                return;
        for (int i = 0; i < 2; i++)
                took[i] = hogs_during(rn_sleep, 100 * RN_MSEC, 1, &work[i], &alone[i]);
        hogs_during(rn_sleep, 200 * RN_MSEC, 2, work, together);
        for (int i = 0; i < 2; i++)
                share[i] = (double)together[i] * took[i] / (double)(alone[i] ? alone[i] : 1);
        if (share[0] > 20 * share[1] || share[1] > 20 * share[0])
                behave_fail(__FILE__, __LINE__,
                            "alone the heavy pair got %ld in %.3f s and the light one %ld in "
                            "%.3f s, together %ld and %ld",
                            alone[0], took[0], alone[1], took[1], together[0], together[1]);
}

/* -- somebody who never gives way -- */

static void keeps_it(atomic_bool *here, const atomic_bool *stop)
{
        atomic_store(here, true);
        while (!atomic_load(stop))
                continue;
}

/* Others are idle or going idle while we change places with it; one of them has to find us. */
static void who_gives_way_to_a_loop_is_found_by_others(void)
{
        for (int i = 0; i < BEHAVE_SCALE(rn_maxprocs(0) > 1 ? 300 : 20); i++) {
                atomic_bool here = false, stop = false;
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, keeps_it, &here, &stop);
                BEHAVE_UNTIL(atomic_load(&here));
                atomic_store(&stop, true);
                rn_wg_wait(&wg);
        }
}

/* -- who is left over when a queue is full -- */

enum { TOO_MANY = 600 };   /* for a processor's queue */

static void run_once(void)
{
}

/* Does not yield meanwhile: who yields looks around, and finds them. */
static void all_run(int64_t n)
{
        rn_wg wg = { { 0 } };

        for (int64_t i = 0; i < n; i++)
                rn_wg_go(&wg, run_once);
        rn_wg_wait(&wg);
}

static void waits_for_what_is_due(atomic_bool *stop)
{
        while (!atomic_load(stop)) {
                rn_timer *t = rn_timer_new(0);

                rn_yield();
                rn_wait(rn_timer_chan(t));
                rn_unref(t);
        }
}

static void all_run_beside_goroutines_whose_timers_are_always_due(void)
{
        atomic_bool stop = false;
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 8; i++)
                rn_wg_go(&wg, waits_for_what_is_due, &stop);
        all_run(TOO_MANY);
        atomic_store(&stop, true);
        rn_wg_wait(&wg);
}

static void reads_a_byte(int fd)
{
        char byte;

        CHECK_EQ(rn_fd_read(fd, &byte, 1), 1);
}

/* Each turn takes so long that it is time to look at the network again. */
static void all_run_beside_pairs_that_compute_while_one_waits_for_a_descriptor(void)
{
        static const long work[PAIRS] = { 100000, 100000, 100000, 100000 };
        long count[PAIRS];
        rn_wg wg = { { 0 } };
        int ends[2];

        CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
        rn_wg_go(&wg, reads_a_byte, ends[0]);
        hogs_during(all_run, TOO_MANY, PAIRS, work, count);
        CHECK_EQ(write(ends[1], "", 1), 1);
        rn_wg_wait(&wg);
        close(ends[0]);
        close(ends[1]);
}

static const struct behave_test tests[] = {
        BEHAVE(goroutines_that_spin_with_library_calls_hand_over),
        BEHAVE(pair_advances_although_a_third_spins_with_try_recv),
        BEHAVE_BOTH(pair_that_wakes_each_other_does_not_starve_a_third),
        BEHAVE(a_call_is_not_starved_by_a_busy_pair),
        BEHAVE(pair_of_hogs_and_light_pair_share_time_within_a_factor_of_20),
        BEHAVE(who_gives_way_to_a_loop_is_found_by_others),
        BEHAVE(all_run_beside_pairs_that_compute_while_one_waits_for_a_descriptor),
        BEHAVE(all_run_beside_goroutines_whose_timers_are_always_due),
};

BEHAVE_MAIN(tests)
