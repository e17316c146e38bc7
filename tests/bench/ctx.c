/* SPDX-License-Identifier: MIT
 * Contexts: what one costs from its making to its end, and how long it takes to end 100,000. Go
 * leaves its contexts to the collector; here each is unreferenced, and in the costs of one that
 * counts. */
#include "tests/bench/bench.h"

#include <errno.h>

enum { N = 1000000, CHILDREN = 100000, FAN = 10, DEPTH = 5 };
static const rn_dur HOUR = 3600 * RN_SEC;

/* -- one -- */

static void one(const char *key, rn_ctx *parent, rn_dur timeout)
{
        rn_time start = rn_now();

        for (long i = 0; i < N; i++)
                rn_ctx_release(timeout ? rn_ctx_with_timeout(parent, timeout)
                                       : rn_ctx_with_cancel(parent));
        print_ns(key, start, N);
}

static void single(void)
{
        rn_ctx *parent = rn_ctx_with_cancel(rn_ctx_background());

        one("ns_with_cancel", rn_ctx_background(), 0);
        one("ns_with_timeout", rn_ctx_background(), HOUR);
        one("ns_child_with_cancel", parent, 0);
        one("ns_child_with_timeout", parent, HOUR);
        rn_ctx_release(parent);
}

/* -- many -- */

static rn_ctx *all[200000];
static size_t count;

static void check_and_drop(int err)
{
        bool right = true;

        for (size_t i = 0; i < count; i++) {
                right &= rn_ctx_err(all[i]) == err;
                rn_unref(all[i]);
        }
        count = 0;
        must(right, "contexts ended");
}

static void children(void)
{
        rn_ctx *parent = rn_ctx_with_cancel(rn_ctx_background());
        rn_time start = rn_now();

        while (count < CHILDREN)
                all[count++] = rn_ctx_with_cancel(parent);
        print_ms("ms_children_create", start);
        start = rn_now();
        rn_ctx_cancel(parent);
        print_ms("ms_children_cancel", start);
        check_and_drop(-ECANCELED);
        rn_unref(parent);
}

static void grow(rn_ctx *parent, int depth)
{
        for (int i = 0; depth > 0 && i < FAN; i++) {
                all[count] = rn_ctx_with_cancel(parent);
                grow(all[count++], depth - 1);
        }
}

static void tree(void)
{
        rn_ctx *root = rn_ctx_with_cancel(rn_ctx_background());
        rn_time start = rn_now();

        grow(root, DEPTH);
        print_ms("ms_tree_create", start);
        start = rn_now();
        rn_ctx_cancel(root);
        print_ms("ms_tree_cancel", start);
        check_and_drop(-ECANCELED);
        rn_unref(root);
}

static void wait_for_end(rn_ctx *ctx, rn_wg *coming, rn_wg *leaving)
{
        rn_recv_chan(rn_nothing) done = rn_ctx_done(ctx);

        rn_wg_done(coming);
        rn_wait(done);
        rn_unref(ctx);
        rn_wg_done(leaving);
}

static rn_time end_under_waiters(void)
{
        rn_ctx *parent = rn_ctx_with_cancel(rn_ctx_background());
        rn_wg coming = { 0 }, leaving = { 0 };
        rn_time start;

        rn_wg_add(&coming, CHILDREN);
        rn_wg_add(&leaving, CHILDREN);
        for (int i = 0; i < CHILDREN; i++)
                rn_go(wait_for_end, rn_ctx_with_cancel(parent), &coming, &leaving);
        rn_wg_wait(&coming);
        rn_sleep(100 * RN_MSEC); /* the last have said that they come, and are about to wait */
        start = rn_now();
        rn_ctx_cancel(parent);
        rn_wg_wait(&leaving);
        rn_unref(parent);
        return start;
}

/* A goroutine waits for each. The first time is for the memory to come. */
static void waiters(void)
{
        end_under_waiters();
        print_ms("ms_waiters_cancel", end_under_waiters());
}

int main(int argc, char **argv)
{
        static const struct work works[] = { { "single", single }, { "children", children },
                                             { "tree", tree }, { "waiters", waiters } };

        (void)argc;
        return bench_main(argv, works, sizeof(works) / sizeof(works[0]));
}
