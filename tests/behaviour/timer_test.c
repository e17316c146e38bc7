/* SPDX-License-Identifier: MIT
 * One-shot timers: never early, at most one value, none of an earlier life after stop or reset, and
 * calls that are made once or not at all. How late one fires is a matter of the machine: no limit
 * is tested here but the program's own. */
#define _GNU_SOURCE
#define BEHAVE_COUNTING
#include "tests/support/behave.h"

#define FAR (3600 * RN_SEC)

static int take(rn_timer *t)
{
        rn_time v;

        return rn_try_recv(rn_timer_chan(t), &v);
}

/* -- firing -- */

static void a_timer_fires_not_before_its_time_and_says_when(void)
{
        static const rn_dur lengths[] = {
                0, 1, 100, RN_USEC, 100 * RN_USEC, RN_MSEC, 10 * RN_MSEC
        };

        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                rn_time begun = rn_now(), fired;
                rn_timer *t = rn_timer_new(lengths[i]);

                CHECK(rn_recv(rn_timer_chan(t), &fired));
                CHECK(fired >= begun + lengths[i] && fired <= rn_now());
                CHECK_EQ(take(t), -EAGAIN);
                rn_unref(t);
        }
}

static void a_negative_time_fires_at_once_and_an_endless_one_never(void)
{
        rn_timer *past = rn_timer_new(-RN_SEC), *never = rn_timer_new(RN_NEVER),
                 *late = rn_timer_new(RN_NEVER / 2);

        CHECK(rn_wait(rn_timer_chan(past)));
        rn_sleep(2 * RN_MSEC);
        CHECK_EQ(take(never), -EAGAIN);
        CHECK_EQ(take(late), -EAGAIN);
        CHECK(rn_timer_stop(never));
        CHECK(rn_timer_stop(late));
        CHECK(!rn_timer_stop(never));
        rn_unref(past);
        rn_unref(never);
        rn_unref(late);
}

static void ten_timers_one_after_the_other_take_ten_times_as_long(void)
{
        rn_time begun = rn_now();

        for (int i = 0; i < 10; i++) {
                rn_timer *t = rn_timer_new(3 * RN_MSEC);

                rn_wait(rn_timer_chan(t));
                rn_unref(t);
        }
        CHECK(rn_now() - begun >= 30 * RN_MSEC);
}

static void log_value(int i, rn_chan(int) log)
{
        rn_send(log, i);
}

/* On one processor, where what is due is fired in the order of the times. Rounds in which the
 * machine was too slow to set all up in time say nothing. */
static void timers_fire_in_the_order_of_their_times(void)
{
        static const int slots[] = { 5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0 };
        enum { N = sizeof slots / sizeof *slots };
        bool in_time = false;

        while (!in_time && rn_maxprocs(0) == 1) {
                rn_time fired[N], begun = rn_now();
                rn_chan(int) log = rn_make(int, N);
                rn_timer *t[N];
                int last = -1;

                for (int i = 0; i < N; i++) {
                        t[i] = rn_timer_new((10 + 5 * slots[i]) * RN_MSEC);
                        rn_unref(rn_after_func((10 + 5 * slots[i]) * RN_MSEC, log_value, i, log));
                }
                in_time = rn_now() - begun < 5 * RN_MSEC;
                for (int i = 0; i < N; i++) {
                        fired[i] = rn_get(rn_timer_chan(t[i]));
                        rn_unref(t[i]);
                }
                for (int i = 0; i < N; i++) {
                        int slot = slots[rn_get(log)];

                        CHECK(!in_time || slot >= last);
                        last = slot;
                        for (int j = 0; j < N; j++)
                                CHECK(!in_time || slots[i] >= slots[j] || fired[i] <= fired[j]);
                }
                rn_unref(log);
        }
}

static void the_value_is_the_time_of_firing_not_of_receiving(void)
{
        rn_timer *t = rn_timer_new(RN_MSEC);
        rn_time seen;

        while (rn_len(rn_timer_chan(t)) == 0)
                rn_sleep(100 * RN_USEC);
        seen = rn_now();
        rn_sleep(5 * RN_MSEC);
        CHECK(rn_get(rn_timer_chan(t)) <= seen);
        rn_unref(t);
}

static void a_timer_of_no_time_is_never_missed(void)
{
        int n = BEHAVE_SCALE(rn_goid() ? 100000 : 5000);   /* a thread sleeps and is woken by a
                                                            * system call each time */

        for (int i = 0; i < n; i++) {
                rn_timer *t = rn_timer_new(0);

                rn_wait(rn_timer_chan(t));
                rn_unref(t);
        }
}

/* -- calls -- */

static void note_goid(rn_chan(uint64_t) c, uint64_t starter)
{
        CHECK(rn_goid() != 0);
        CHECK(rn_goid() != starter);
        rn_send(c, rn_goid());
}

static void a_call_runs_in_a_goroutine_of_its_own(void)
{
        rn_chan(uint64_t) c = rn_make(uint64_t, 2);
        rn_timer *a = rn_after_func(RN_MSEC, note_goid, c, rn_goid());
        rn_timer *b = rn_after_func(0, note_goid, c, rn_goid());

        CHECK(rn_timer_chan(a) == NULL);
        CHECK(rn_get(c) != rn_get(c));
        CHECK(!rn_timer_stop(a));
        CHECK(!rn_timer_stop(b));
        rn_unref(a);
        rn_unref(b);
        rn_unref(c);
}

static void chain(int left, rn_chan(int) done)
{
        if (left == 0) {
                rn_send(done, 1);
                return;
        }
        rn_unref(rn_after_func(0, chain, left - 1, done));
        rn_sleep(RN_MSEC);
}

static void a_call_may_start_the_next_and_sleep(void)
{
        rn_chan(int) done = rn_make(int, 0);

        rn_unref(rn_after_func(0, chain, 10, done));
        rn_wait(done);
        rn_unref(done);
}

static void set(atomic_bool *b)
{
        atomic_store(b, true);
}

static void read_plain(const int *x, rn_chan(int) c)
{
        rn_send(c, *x);
}

/* For the race detector, too. */
static void all_before_the_start_of_a_timer_happens_before_the_call(void)
{
        rn_chan(int) c = rn_make(int, 0);
        int x = 1;
        rn_timer *t = rn_after_func(RN_MSEC, read_plain, &x, c);

        CHECK_EQ(rn_get(c), 1);
        x = 2;
        CHECK(!rn_timer_reset(t, 0));
        CHECK_EQ(rn_get(c), 2);
        rn_unref(t);
        rn_unref(c);
}

/* -- stop and reset -- */

static void stop_before_firing_is_true_once_and_nothing_fires(void)
{
        atomic_bool ran = false;
        rn_timer *t = rn_timer_new(FAR), *f = rn_after_func(2 * RN_MSEC, set, &ran);

        if (rn_timer_stop(f)) {
                rn_sleep(5 * RN_MSEC);
                CHECK(!atomic_load(&ran));
        } else {   /* a slow machine */
                BEHAVE_UNTIL(atomic_load(&ran));
        }
        CHECK(!rn_timer_stop(f));
        CHECK(rn_timer_stop(t));
        CHECK(!rn_timer_stop(t));
        CHECK_EQ(take(t), -EAGAIN);
        rn_unref(t);
        rn_unref(f);
}

static void stop_takes_back_a_value_that_nobody_has_received(void)
{
        rn_timer *t = rn_timer_new(0);

        while (rn_len(rn_timer_chan(t)) == 0)
                rn_sleep(100 * RN_USEC);
        CHECK(rn_timer_stop(t));
        CHECK_EQ(rn_len(rn_timer_chan(t)), 0);
        CHECK_EQ(take(t), -EAGAIN);
        CHECK(!rn_timer_stop(t));
        CHECK_EQ(rn_cap(rn_timer_chan(t)), 1);
        rn_unref(t);
}

static void stop_after_the_value_was_received_is_false(void)
{
        rn_timer *t = rn_timer_new(0);

        rn_wait(rn_timer_chan(t));
        CHECK(!rn_timer_stop(t));
        rn_unref(t);
}

static void reset_starts_anew_from_now_pending_or_not(void)
{
        rn_timer *t = rn_timer_new(FAR);
        rn_time begun = rn_now();

        CHECK(rn_timer_reset(t, 2 * RN_MSEC));
        CHECK(rn_get(rn_timer_chan(t)) >= begun + 2 * RN_MSEC);
        begun = rn_now();
        CHECK(!rn_timer_reset(t, 2 * RN_MSEC));
        CHECK(rn_get(rn_timer_chan(t)) >= begun + 2 * RN_MSEC);
        CHECK(!rn_timer_stop(t));
        CHECK(!rn_timer_reset(t, FAR));
        CHECK(rn_timer_stop(t));
        rn_unref(t);
}

/* The moment of stop and reset moves over that of firing. */
static void nothing_stale_is_received_after_stop_or_reset(void)
{
        rn_timer *t = rn_timer_new(FAR);

        for (int i = 0; i < BEHAVE_SCALE(20000); i++) {
                rn_time until = rn_now() + i % 50 * 200;

                rn_timer_reset(t, i % 37 * 200);
                while (rn_now() < until)
                        rn_yield();
                if (i % 2)
                        rn_timer_stop(t);
                else
                        rn_timer_reset(t, FAR);
                CHECK_EQ(take(t), -EAGAIN);
                CHECK_EQ(rn_timer_stop(t), i % 2 == 0);
        }
        rn_unref(t);
}

static void add_one(atomic_long *n)
{
        atomic_fetch_add(n, 1);
}

static void race_stops(void *arg)
{
        atomic_long *calls = arg, *stopped = calls + 1;

        for (int i = 0; i < 100; i++) {
                rn_timer *t = rn_timer_new(i % 7), *f = rn_after_func(i % 5, add_one, calls);
                bool stop;

                rn_yield();
                stop = rn_timer_stop(t);
                CHECK_EQ(take(t), -EAGAIN);   /* stopped or not: nobody else receives, so a value
                                               * would be stale */
                CHECK(!stop || !rn_timer_stop(t));
                atomic_fetch_add(stopped, rn_timer_stop(f));
                rn_unref(t);
                rn_unref(f);
        }
}

static void stop_racing_with_firing_says_what_has_happened(void)
{
        atomic_long n[2] = { 0, 0 };
        int gs = BEHAVE_SCALE(1000);
        rn_wg wg = { { 0 } };

        for (int i = 0; i < gs; i++)
                behave_go(i % 50 ? GOROUTINE : THREAD, &wg, race_stops, n);
        rn_wg_wait(&wg);
        BEHAVE_UNTIL(atomic_load(&n[0]) + atomic_load(&n[1]) == gs * 100);
        behave_turns();
        CHECK_EQ(atomic_load(&n[0]) + atomic_load(&n[1]), gs * 100);
}

/* Each reset that finds the timer pending replaces a call, each that does not adds one. */
static void reset_racing_with_firing_says_what_has_happened(void)
{
        atomic_long calls = 0;
        long expected = 1;
        rn_timer *f = rn_after_func(0, add_one, &calls);

        for (int i = 0; i < BEHAVE_SCALE(10000); i++) {
                if (i % 3 == 0)
                        rn_yield();
                expected += !rn_timer_reset(f, i % 11 * 100);
        }
        BEHAVE_UNTIL(atomic_load(&calls) == expected);
        behave_turns();
        CHECK_EQ(atomic_load(&calls), expected);
        rn_unref(f);
}

static void moving_a_timer_to_an_earlier_time_does_not_lose_it(void)
{
        rn_timer *t = rn_timer_new(FAR);

        for (int i = 0; i < 100; i++) {
                CHECK(rn_timer_reset(t, FAR));
                for (rn_dur d = FAR / 2; d > 100 * RN_SEC; d /= 2)
                        CHECK(rn_timer_reset(t, d));
                CHECK(rn_timer_reset(t, i % 2 ? 0 : -RN_SEC));
                CHECK(rn_wait(rn_timer_chan(t)));
                CHECK(!rn_timer_reset(t, FAR));
        }
        rn_unref(t);
}

static void move_about(void *arg)
{
        uint64_t s = behave_stream((uint64_t)(uintptr_t)arg);
        rn_timer *t = rn_timer_new(FAR);

        for (int i = 0; i < BEHAVE_SCALE(500); i++) {
                switch (behave_below(&s, 3)) {
                case 0: rn_timer_reset(t, FAR); break;
                case 1: rn_timer_stop(t); break;
                default:
                        rn_timer_reset(t, behave_below(&s, 1000));
                        rn_wait(rn_timer_chan(t));   /* hangs if it is lost */
                }
        }
        rn_unref(t);
}

static void any_mix_of_far_stop_and_near_loses_nothing(void)
{
        rn_wg wg = { { 0 } };

        for (uintptr_t i = 0; i < 100; i++)
                behave_go(i % 20 ? GOROUTINE : THREAD, &wg, move_about, (void *)i);
        rn_wg_wait(&wg);
}

static void sleep_shortly(int i)
{
        rn_sleep(i % 100 * 10 * RN_USEC);
}

static void timers_are_moved_while_thousands_of_sleeps_end(void)
{
        int sleeps = BEHAVE_LIVE(5000);
        rn_timer *t = rn_timer_new(FAR);
        rn_wg wg = { { 0 } };

        for (int i = 0; i < sleeps; i++)
                rn_wg_go(&wg, sleep_shortly, i);
        for (int i = 0; i < BEHAVE_SCALE(50000); i++) {
                rn_timer_reset(t, FAR + i % 1000 * RN_SEC);
                if (i % 100 == 0)
                        rn_yield();
        }
        rn_wg_wait(&wg);
        CHECK(rn_timer_stop(t));
        rn_unref(t);
}

static void stop_one(void *t)
{
        rn_timer_stop(t);
}

static void timers_stopped_from_elsewhere_do_not_fire(void)
{
        enum { N = 100 };
        atomic_bool ran = false;
        rn_timer *t[N];
        rn_wg wg = { { 0 } };

        for (int i = 0; i < N; i++)
                t[i] = rn_after_func(FAR, set, &ran);
        for (int i = 0; i < N; i++)
                behave_go(i % 10 ? GOROUTINE : THREAD, &wg, stop_one, t[i]);
        rn_wg_wait(&wg);
        for (int i = 0; i < N; i++) {
                CHECK(!rn_timer_stop(t[i]));
                rn_unref(t[i]);
        }
        CHECK(!atomic_load(&ran));
}

/* -- several at one timer -- */

struct listener {
        rn_timer *t;
        rn_chan(int) got;
};

static void listen(void *arg)
{
        struct listener *l = arg;

        rn_set_name("listener");
        rn_wait(rn_timer_chan(l->t));
        rn_send(l->got, 1);
}

static void of_two_that_wait_one_gets_the_value(void)
{
        struct listener l = { rn_timer_new(FAR), rn_make(int, 0) };
        int v;
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 2; i++)
                behave_go(GOROUTINE, &wg, listen, &l);
        behave_until_parked("listener", 2);
        CHECK(rn_timer_reset(l.t, RN_MSEC));   /* who is parked already sees an earlier time */
        rn_wait(l.got);
        behave_turns();
        CHECK_EQ(rn_try_recv(l.got, &v), -EAGAIN);
        CHECK_EQ(behave_parked("listener", "chan receive"), 1);
        CHECK(!rn_timer_reset(l.t, 0));
        rn_wait(l.got);
        rn_wg_wait(&wg);
        rn_unref(l.t);
        rn_unref(l.got);
}

static void who_waits_keeps_waiting_when_the_time_is_moved_away(void)
{
        struct listener l = { rn_timer_new(FAR), rn_make(int, 0) };
        rn_wg wg = { { 0 } };

        behave_go(GOROUTINE, &wg, listen, &l);
        behave_until_parked("listener", 1);
        CHECK(rn_timer_reset(l.t, 20 * RN_MSEC));
        if (rn_timer_reset(l.t, FAR)) {   /* else the machine was slow and it has fired */
                rn_sleep(30 * RN_MSEC);
                CHECK_EQ(behave_parked("listener", "chan receive"), 1);
                CHECK(rn_timer_reset(l.t, 0));
        }
        rn_wait(l.got);
        rn_wg_wait(&wg);
        rn_unref(l.t);
        rn_unref(l.got);
}

static void select_on_a_stopped_timer(rn_timer *t, rn_chan(int) other, rn_chan(int) which)
{
        enum { TIMER, OTHER };

        rn_set_name("selects");
        rn_send(which,
                rn_select([TIMER] = rn_on_signal(rn_timer_chan(t)), [OTHER] = rn_on_signal(other)));
}

static void a_stopped_timer_just_blocks_and_another_case_goes(void)
{
        rn_timer *t = rn_timer_new(FAR);
        rn_chan(int) other = rn_make(int, 0), which = rn_make(int, 1);

        CHECK(rn_timer_stop(t));
        rn_go(select_on_a_stopped_timer, t, other, which);
        behave_until_parked("selects", 1);
        rn_send(other, 1);
        CHECK_EQ(rn_get(which), 1);
        rn_unref(t);
        rn_unref(other);
        rn_unref(which);
}

/* It would never end if the timer were not seen. */
static void a_select_that_always_finds_another_case_sees_the_timer(void)
{
        enum { RECV, SEND, TIMER };
        rn_timer *t = rn_timer_new(RN_MSEC);
        rn_chan(int) busy = rn_make(int, 1);

        while (rn_select([RECV] = rn_on_signal(busy), [SEND] = rn_on_send(busy, 1),
                         [TIMER] = rn_on_signal(rn_timer_chan(t))) != TIMER)
                continue;
        CHECK_EQ(take(t), -EAGAIN);
        rn_unref(t);
        rn_unref(busy);
}

static void wake_and_reset(void *arg)
{
        rn_timer *t = arg;

        for (int i = 0; i < BEHAVE_SCALE(2000); i++) {
                rn_time v;

                rn_timer_reset(t, i % 3);
                rn_recv_for(2 * RN_USEC, rn_timer_chan(t), &v);
                if (i % 16 == 0)
                        rn_timer_stop(t);
        }
}

static void many_wake_and_reset_one_timer(void)
{
        rn_timer *t = rn_timer_new(0);
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 16; i++)
                behave_go(i % 8 ? GOROUTINE : THREAD, &wg, wake_and_reset, t);
        rn_wg_wait(&wg);
        rn_timer_reset(t, 0);
        rn_wait(rn_timer_chan(t));
        rn_unref(t);
}

/* -- lifetime -- */

static void the_last_unref_stops_a_timer(void)
{
        for (int i = 0; i < BEHAVE_SCALE(20000); i++)   /* whatever it is doing just now */
                rn_unref(rn_timer_new(i % 13 * 100));
}

static void a_pending_call_is_made_after_the_unref(void)
{
        atomic_long calls = 0;

        for (int i = 0; i < 100; i++)
                rn_unref(rn_after_func(i % 13 * 100, add_one, &calls));
        BEHAVE_UNTIL(atomic_load(&calls) == 100);
}

static void the_channel_keeps_its_timer(void)
{
        rn_timer *t = rn_timer_new(RN_MSEC);
        rn_recv_chan(rn_time) c = rn_ref(rn_timer_chan(t));

        rn_unref(t);
        CHECK(rn_wait(c));
        rn_unref(c);
}

static void a_null_timer_panics(void)
{
        CHECK_PANICS("time: Stop called on uninitialized Timer", rn_timer_stop, (rn_timer *)NULL);
        CHECK_PANICS("time: Reset called on uninitialized Timer", rn_timer_reset, (rn_timer *)NULL,
                     (rn_dur)1);
        CHECK(rn_timer_chan(NULL) == NULL);
}

#if BEHAVE_COUNTS
static long allocations(void (*f)(void))
{
        long before = atomic_load(&behave_allocations);

        atomic_store(&behave_counting, 1);
        f();
        atomic_store(&behave_counting, 0);
        return atomic_load(&behave_allocations) - before;
}

static void waits_with_a_deadline(void)
{
        static rn_chan(int) c;
        int v;

        if (!c)
                c = rn_make(int, 0);
        for (int i = 0; i < 20; i++) {
                rn_sleep(10 * RN_USEC);
                CHECK_EQ(rn_select_for(10 * RN_USEC, rn_on_signal(c), rn_on_send(c, 1)),
                         RN_TIMEOUT);
                CHECK_EQ(rn_recv_for(10 * RN_USEC, c, &v), -ETIMEDOUT);
        }
}

static void one_timer(void)
{
        rn_unref(rn_timer_new(FAR));
}

/* The heaps of all Ps have grown before it is counted. */
static void sleep_and_timed_select_allocate_nothing_and_a_timer_is_one(void)
{
        long n = 1;

        for (int tries = 0; n && tries < 100; tries++)
                n = allocations(waits_with_a_deadline);
        CHECK_EQ(n, 0);
        CHECK_EQ(allocations(one_timer), 1);
}
#endif

/* The leak sanitizer sees whether it does. */
static void an_endless_call_is_pending_and_does_not_hold_itself(void)
{
        atomic_long calls = 0;
        rn_timer *t = rn_after_func(RN_NEVER, add_one, &calls);

        CHECK(rn_timer_stop(t));
        CHECK(!rn_timer_stop(t));
        CHECK(!rn_timer_reset(t, RN_NEVER));
        CHECK(rn_timer_reset(t, FAR));
        CHECK(rn_timer_reset(t, RN_NEVER));
        rn_unref(t);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(a_timer_fires_not_before_its_time_and_says_when),
        BEHAVE_BOTH(a_negative_time_fires_at_once_and_an_endless_one_never),
        BEHAVE_BOTH(ten_timers_one_after_the_other_take_ten_times_as_long),
        BEHAVE(timers_fire_in_the_order_of_their_times),
        BEHAVE_BOTH(the_value_is_the_time_of_firing_not_of_receiving),
        BEHAVE_BOTH(a_timer_of_no_time_is_never_missed),
        BEHAVE_BOTH(a_call_runs_in_a_goroutine_of_its_own),
        BEHAVE_BOTH(a_call_may_start_the_next_and_sleep),
        BEHAVE_BOTH(all_before_the_start_of_a_timer_happens_before_the_call),
        BEHAVE_BOTH(stop_before_firing_is_true_once_and_nothing_fires),
        BEHAVE_BOTH(stop_takes_back_a_value_that_nobody_has_received),
        BEHAVE_BOTH(stop_after_the_value_was_received_is_false),
        BEHAVE_BOTH(reset_starts_anew_from_now_pending_or_not),
        BEHAVE_BOTH(nothing_stale_is_received_after_stop_or_reset),
        BEHAVE(stop_racing_with_firing_says_what_has_happened),
        BEHAVE_BOTH(reset_racing_with_firing_says_what_has_happened),
        BEHAVE_BOTH(moving_a_timer_to_an_earlier_time_does_not_lose_it),
        BEHAVE(any_mix_of_far_stop_and_near_loses_nothing),
        BEHAVE(timers_are_moved_while_thousands_of_sleeps_end),
        BEHAVE(timers_stopped_from_elsewhere_do_not_fire),
        BEHAVE(of_two_that_wait_one_gets_the_value),
        BEHAVE(who_waits_keeps_waiting_when_the_time_is_moved_away),
        BEHAVE(a_stopped_timer_just_blocks_and_another_case_goes),
        BEHAVE_BOTH(a_select_that_always_finds_another_case_sees_the_timer),
        BEHAVE(many_wake_and_reset_one_timer),
        BEHAVE_BOTH(the_last_unref_stops_a_timer),
        BEHAVE_BOTH(a_pending_call_is_made_after_the_unref),
        BEHAVE_BOTH(the_channel_keeps_its_timer),
        BEHAVE_BOTH(an_endless_call_is_pending_and_does_not_hold_itself),
        BEHAVE_BOTH(a_null_timer_panics),
#if BEHAVE_COUNTS
        BEHAVE(sleep_and_timed_select_allocate_nothing_and_a_timer_is_one),
#endif
};

BEHAVE_MAIN(tests)
