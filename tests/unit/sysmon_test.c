/* SPDX-License-Identifier: MIT
 * sysmon from within: what it does when more goroutines compute without a P than may. That takes
 * more processors than there may be here, so the limit is made small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <runnel.h>

#include "sched/core/sched.h"

enum { LOOPS = 6, TURNS = 20 };

static atomic_bool stop;

/* The number says to the test that it has begun. */
static void loops(atomic_int *begun, rn_wg *wg)
{
        atomic_fetch_add(begun, 1);
        while (!atomic_load(&stop))
                continue;
        rn_wg_done(wg);
}

static void takes_turns(atomic_int *begun, rn_wg *wg)
{
        while (atomic_load(begun) < LOOPS)
                rn_yield();
        for (int i = 0; i < TURNS; i++)
                rn_yield();
        atomic_store(&stop, true);
        rn_wg_done(wg);
}

/* One P, two loops may go on without it, and there are six. With one processor, or a busy machine,
 * the six may share so little that they are never too many, and the test shows nothing. */
static void nobody_waits_for_ever_beside_too_many_loops(void **state)
{
        atomic_int begun = 0;
        rn_wg wg = { 0 };

        (void)state;
        rn_maxprocs(1);
        rni_compute_least = 1;
        rn_wg_add(&wg, LOOPS + 1);
        for (int i = 0; i < LOOPS; i++)
                rn_go(loops, &begun, &wg);
        rn_go(takes_turns, &begun, &wg);
        rn_wg_wait(&wg);
        assert_int_equal(atomic_load(&begun), LOOPS);
        assert_true(atomic_load(&stop));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nobody_waits_for_ever_beside_too_many_loops),
        };

        rn_main_foreign();   /* cmocka stays on its thread */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
