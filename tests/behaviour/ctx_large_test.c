/* SPDX-License-Identifier: MIT
 * Trees of contexts too wide or too deep for recursion: the bodies run on a goroutine's usual small
 * stack. And trees so large that a cancel surely comes while another is still at work in them. */
#define _GNU_SOURCE
#include "tests/support/behave.h"
#include "tests/support/contexts.h"

static const char key;
static atomic_long drops;

enum kind { CANCEL, TIMEOUT, VALUE };

/* A new child of p; a value is counted in drops. */
static rn_ctx *make(enum kind kind, rn_ctx *p)
{
        switch (kind) {
        case CANCEL: return rn_ctx_with_cancel(p);
        case TIMEOUT: return rn_ctx_with_timeout(p, FAR);
        default: return rn_ctx_with_value_free(p, &key, &drops, count_drop);
        }
}

static void a_hundred_thousand_children_end_and_are_freed(void)
{
        int n = BEHAVE_SCALE(100000);
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background()), **c = calloc((size_t)n, sizeof *c);
        long before = atomic_load(&drops);

        if (!c)
                abort();
        for (int i = 0; i < n; i++) {
                rn_ctx *v = make(VALUE, p);

                c[i] = make(i % 10 ? CANCEL : TIMEOUT, v);
                rn_unref(v);
        }
        CHECK_EQ(atomic_load(&drops), before);
        rn_ctx_cancel_cause(p, -EIO);
        for (int i = 0; i < n; i++)
                CHECK_EQ(rn_ctx_cause(c[i]), -EIO);
        for (int i = 0; i < n; i++)
                rn_unref(c[i]);
        CHECK_EQ(atomic_load(&drops), before + n);
        rn_unref(p);
        free(c);
}

/* Returns the last of n, which holds all others. */
static rn_ctx *chain(rn_ctx *from, int n)
{
        rn_ctx *c = rn_ref(from);

        for (int i = 0; i < n; i++) {
                rn_ctx *next = make(i % 4 == 0 ? VALUE : i % 16 == 1 ? TIMEOUT : CANCEL, c);

                rn_unref(c);
                c = next;
        }
        return c;
}

static void a_chain_of_a_hundred_thousand_ends_and_is_freed(void)
{
        int n = BEHAVE_SCALE(100000);
        long before = atomic_load(&drops);
        rn_ctx *top = rn_ctx_with_cancel(rn_ctx_background()), *half = chain(top, n / 2);
        rn_ctx *inner = rn_ctx_with_cancel(half), *bottom = chain(inner, n / 2),
               *open = chain(top, n);

        CHECK_OPEN(bottom);
        rn_ctx_cancel_cause(inner, -EIO);
        CHECK_ENDED(bottom, -ECANCELED, -EIO);
        CHECK_OPEN(half);
        rn_unref(open);   /* that has not ended */
        CHECK_EQ(atomic_load(&drops), before + n / 4);
        rn_ctx_cancel(top);
        CHECK_ENDED(half, -ECANCELED, -ECANCELED);
        CHECK_ENDED(bottom, -ECANCELED, -EIO);
        rn_unref(half);
        rn_unref(inner);
        rn_unref(top);
        CHECK_EQ(atomic_load(&drops), before + n / 4);   /* the last holds them all */
        rn_unref(bottom);
        CHECK_EQ(atomic_load(&drops), before + n / 2);
}

/* -- two cancels, the second while the first is at work -- */

struct helped {
        rn_ctx *top, *middle, *bottom;
        rn_ctx *second;      /* which the second cancels */
        atomic_int ready;
};

static void check_finished(const struct helped *h)
{
        CHECK(rn_ctx_err(h->bottom) == -ECANCELED);
        CHECK(is_done(h->bottom));
}

static void cancel_second(void *arg)
{
        struct helped *h = arg;

        flag_set(&h->ready, 1);
        while (rn_ctx_err(h->second) == 0)
                continue;
        rn_ctx_cancel(h->second);
        check_finished(h);
}

/* It has a thread of its own, so that the two run at the same time whatever the number of Ps. */
static void a_cancel_of_what_is_being_cancelled_returns_when_all_has_ended(void)
{
        for (int i = 0; i < 40; i++) {
                struct helped h = { .top = rn_ctx_with_cancel(rn_ctx_background()) };
                rn_wg wg = { { 0 } };
                rn_ctx *half;

                half = chain(h.top, BEHAVE_SCALE(10000));
                h.middle = rn_ctx_with_cancel(half);
                h.bottom = chain(h.middle, BEHAVE_SCALE(10000));
                h.second = i % 2 ? h.top : h.middle;
                if (i % 4 < 2)
                        rn_ctx_done(h.bottom);
                behave_go(THREAD, &wg, cancel_second, &h);
                BEHAVE_UNTIL(flag_get(&h.ready));
                rn_ctx_cancel(h.top);
                check_finished(&h);
                rn_wg_wait(&wg);
                rn_unref(half);
                rn_unref(h.top);
                rn_unref(h.middle);
                rn_unref(h.bottom);
        }
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(a_hundred_thousand_children_end_and_are_freed),
        BEHAVE_BOTH(a_chain_of_a_hundred_thousand_ends_and_is_freed),
        BEHAVE_BOTH(a_cancel_of_what_is_being_cancelled_returns_when_all_has_ended),
};

BEHAVE_MAIN(tests)
