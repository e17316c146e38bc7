/* SPDX-License-Identifier: MIT
 * The runtime's lock from within: exclusion, and that nobody sleeps for ever behind a cheap unlock,
 * with membarrier and without. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sched/core/lock.h"

enum { THREADS = 4, ROUNDS = 100000 };

static struct lock lock;
static long counter;
static a32 in_section, overlaps;

static void *hammer(void *arg)
{
        (void)arg;
        for (int i = 0; i < ROUNDS; i++) {
                lock_acquire(&lock, RANK_LEAF);
                if (fetch_add(&in_section, 1) != 0)
                        fetch_add(&overlaps, 1);
                counter++;
                if (i % 1000 == 0)
                        rni_cpu_yield();   /* a holder that loses its processor: the others go to
                                            * sleep */
                fetch_add(&in_section, (unsigned)-1);
                lock_release(&lock, RANK_LEAF);
        }
        return NULL;
}

static void hammer_all(void)
{
        pthread_t t[THREADS];

        counter = 0;
        for (int i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&t[i], NULL, hammer, NULL), 0);
        for (int i = 0; i < THREADS; i++)
                pthread_join(t[i], NULL);
        assert_int_equal(counter, (long)THREADS * ROUNDS);
        assert_int_equal(load_rlx(&overlaps), 0);        /* rlx: joined */
        assert_int_equal(load_rlx(&lock.word), 0);       /* rlx: joined */
        assert_int_equal(load_rlx(&lock.sleepers), 0);   /* rlx: joined */
}

static void excludes_and_loses_no_wake(void **state)
{
        (void)state;
        hammer_all();
}

static void holds_with_full_fences_too(void **state)
{
        bool had = rni_membarrier_on;

        (void)state;
        rni_membarrier_on = false;
        hammer_all();
        rni_membarrier_on = had;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(excludes_and_loses_no_wake),
                cmocka_unit_test(holds_with_full_fences_too),
        };

        rni_os_init();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
