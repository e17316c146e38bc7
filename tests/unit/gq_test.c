/* SPDX-License-Identifier: MIT
 * The global run queue from within: first in, first out through any mix of batches; a P's share;
 * what happens without memory for a block. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "sched/base/rand.h"
#include "sched/core/gq.h"
#include "sched/core/sched.h"
#include "tests/support/machine.h"

enum { MANY = 20000 };

/* No address more. */
static void refuse(bool refusing)
{
        static struct rlimit before;
        struct rlimit r;

        if (refusing)
                assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
        r = before;
        if (refusing)
                r.rlim_cur = 1;
        assert_int_equal(setrlimit(RLIMIT_AS, &r), 0);
}

static union { struct g g; char slot[RNI_GSLOT]; } slots[MANY] rni_aligned(GQ_RUN);
static struct p *p;

/* Some are neighbours, as slots are that were taken together, runs of them longer than one word can
 * tell; others are not. */
static struct g *at(unsigned i)
{
        return &slots[i < MANY / 2 ? i : i ^ 1].g;
}

static int setup(void **state)
{
        (void)state;
        rni_os_init();
        p = aligned_alloc(RNI_APART, (sizeof *p + RNI_APART - 1) / RNI_APART * RNI_APART);
        assert_non_null(p);
        *p = (struct p){ .id = 0 };
        rni_sched.nprocs = 1;
        return 0;
}

static void put(unsigned from, unsigned n, bool as_list)
{
        struct g *some[300];
        struct g_list l = { NULL, NULL, 0 };

        for (unsigned i = 0; i < n; i++) {
                some[i] = at(from + i);
                if (as_list)
                        g_list_push(&l, at(from + i));
        }
        if (as_list)
                rni_gq_put_list(&l);
        else
                rni_gq_put(some, n);
        assert_null(l.head);
}

static void first_in_first_out_in_any_batches(void **state)
{
        uint64_t rand = 5;
        unsigned in = 0, out = 0;

        (void)state;
        while (out < MANY) {
                unsigned n = rni_rand_below(&rand, 300);

                if (n > MANY - in)
                        n = MANY - in;
                put(in, n, rni_rand_below(&rand, 2));
                in += n;
                for (n = rni_rand_below(&rand, 4); n-- > 0 && out < in;) {
                        bool few = rni_rand_below(&rand, 2);

                        for (struct g *g = few ? rni_gq_get_few(p) : rni_gq_get(p); g;
                             g = runq_get(&p->runq))
                                assert_ptr_equal(g, at(out++));
                }
                assert_int_equal(rni_sched.gq_n, in - out);
        }
        assert_null(rni_gq_get(p));
        assert_null(rni_gq_get_few(p));
        assert_null(rni_sched.gq.head);
}

static void a_p_takes_its_share_as_far_as_there_is_room(void **state)
{
        (void)state;
        rni_sched.nprocs = 4;
        put(0, 40, false);
        assert_ptr_equal(rni_gq_get(p), at(0));   /* 40 / 4 + 1 in all */
        assert_int_equal(runq_len(&p->runq), 10);
        rni_sched.nprocs = 1;
        put(40, 300, false);
        assert_ptr_equal(rni_gq_get(p), at(11));
        assert_int_equal(runq_len(&p->runq), 10 + (RUNQ_SIZE - 10) / 2 - 1);
        for (unsigned room = 2; room > 1;) {
                unsigned len = runq_len(&p->runq), out = 340 - rni_sched.gq_n;

                room = (RUNQ_SIZE - len) / 2;
                assert_ptr_equal(rni_gq_get_few(p), at(out));
                assert_int_equal(runq_len(&p->runq), len + (room < 32 ? room : 32) - 1);
        }
        while (runq_len(&p->runq) < RUNQ_SIZE)
                assert_true(runq_put(&p->runq, at(0)));
        assert_non_null(rni_gq_get_few(p));   /* the ring is full: one, and none into it */
        assert_int_equal(runq_len(&p->runq), RUNQ_SIZE);
        while (runq_get(&p->runq) || rni_gq_get(p))
                continue;
        assert_int_equal(rni_sched.gq_n, 0);
}

static void without_memory_for_a_block_nothing_is_lost(void **state)
{
        enum { FROM = MANY / 2 };   /* no neighbours */
        static bool seen[MANY];

        (void)state;
        if (RNI_ASAN || RNI_TSAN ||
            not_emulated("without_memory_for_a_block_nothing_is_lost",
                         "it takes RLIMIT_AS without a word and without effect"))
                skip();
        put(FROM, 200, false);
        rni_gq_trim();
        assert_null(rni_sched.gq.spare);
        refuse(true);
        for (unsigned i = 200; i < 1500; i += 100)
                put(FROM + i, 100, i % 200 == 0);
        assert_non_null(rni_sched.gq.links.head);
        assert_int_equal(rni_sched.gq_n, 1500);
        for (int n = 0; n < 1500; n++) {
                struct g *g = runq_get(&p->runq);

                if (!g)
                        g = rni_gq_get(p);
                assert_non_null(g);
                assert_false(seen[((char *)g - (char *)slots) / RNI_GSLOT]);
                seen[((char *)g - (char *)slots) / RNI_GSLOT] = true;
        }
        refuse(false);
        assert_null(rni_gq_get(p));
        assert_non_null(rni_sched.gq.spare);   /* those that were in use */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(first_in_first_out_in_any_batches),
                cmocka_unit_test(a_p_takes_its_share_as_far_as_there_is_room),
                cmocka_unit_test(without_memory_for_a_block_nothing_is_lost),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
