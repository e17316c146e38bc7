/* SPDX-License-Identifier: MIT
 * Who gets a processor, and when: what rni_thread_soon may change of a thread (its turns), and of those that it starts (nothing); and that who waits for a thread of any priority lets
 * it run. Each case plays on a thread of its own, which it may spoil. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "sched/os/sys.h"

enum { RESET_ON_FORK = 0x40000000, TRIES = 100 };

/* What sched_getattr tells, of which musl and old headers know nothing. */
struct standing {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t turn, deadline, period;
};

static struct standing mine(void)
{
        struct standing s = { 0 };

        rni_sys(SYS_sched_getattr, 0, rni_ptr(&s), sizeof s, 0, 0, 0);
        return s;
}

struct scenario {
        void (*before)(void);
        struct standing start, then, child;
};

static void *stands(void *standing)
{
        *(struct standing *)standing = mine();
        return NULL;
}

static void *comes_soon(void *scenario)
{
        struct scenario *s = scenario;
        pthread_t t;

        if (s->before)
                s->before();
        s->start = mine();
        rni_thread_soon();
        s->then = mine();
        if (pthread_create(&t, NULL, stands, &s->child) != 0)
                abort();
        pthread_join(t, NULL);
        return NULL;
}

static struct scenario play(void (*before)(void))
{
        struct scenario s = { .before = before };
        pthread_t t;

        assert_int_equal(pthread_create(&t, NULL, comes_soon, &s), 0);
        pthread_join(t, NULL);
        return s;
}

static bool ranks_as(struct standing a, struct standing b)
{
        return a.policy == b.policy && a.nice == b.nice && a.priority == b.priority;
}

static bool equal(struct standing a, struct standing b)
{
        return ranks_as(a, b) && a.turn == b.turn && a.flags == b.flags;
}

static void who_comes_soon_starts_others_as_they_would_have_been(void **state)
{
        struct scenario s = play(NULL);

        (void)state;
        assert_true(ranks_as(s.then, s.start));
        assert_true(s.then.turn <= s.start.turn);
        assert_true(equal(s.child, s.start));
}

static void be_polite(void)
{
        setpriority(PRIO_PROCESS, (id_t)rni_thread_id(), 19);
}

static void be_batch(void)
{
        struct sched_param none = { 0 };

        rni_sys(SYS_sched_setscheduler, 0, SCHED_BATCH, rni_ptr(&none), 0, 0, 0);
}

static void what_the_user_chose_stays(void **state)
{
        struct scenario polite = play(be_polite), batch = play(be_batch);

        (void)state;
        assert_true(ranks_as(polite.then, polite.start));
        assert_true(equal(polite.child, polite.start));
        assert_true(equal(batch.then, batch.start));
        assert_true(equal(batch.child, batch.start));
}

/* A yield does not sleep, and lets none run whose priority is lower. */
static void who_waits_long_sleeps(void **state)
{
        int64_t before = rni_clock();

        (void)state;
        for (unsigned i = 0; i < TRIES; i++)
                rni_cpu_wait(TRIES + i);
        assert_true(rni_clock() - before >= TRIES * INT64_C(50000));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(who_comes_soon_starts_others_as_they_would_have_been),
                cmocka_unit_test(what_the_user_chose_stays),
                cmocka_unit_test(who_waits_long_sleeps),
        };

        rni_os_init();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
