/* SPDX-License-Identifier: MIT
 * What the tests of contexts look at: whether a context has ended, by every question that can be
 * put to it. Included after behave.h. */
#ifndef CONTEXTS_H
#define CONTEXTS_H

#include <errno.h>

#define FAR (3600 * RN_SEC)

/* Makes the done channel if there is none yet. */
static inline bool is_done(const rn_ctx *ctx)
{
        rn_recv_chan(rn_nothing) done = rn_ctx_done(ctx);
        rn_nothing none;

        return done && rn_try_recv(done, &none) == 0;
}

static inline void ctx_check(const rn_ctx *ctx, int err, int cause, const char *file, int line)
{
        int has_err = rn_ctx_err(ctx), has_cause = rn_ctx_cause(ctx);
        bool done = is_done(ctx);

        if (has_err != err || has_cause != cause || done != (err != 0))
                behave_fail(file, line, "error %d, cause %d, done %d instead of %d, %d, %d",
                            has_err, has_cause, done, err, cause, err != 0);
}

#define CHECK_OPEN(ctx)              ctx_check((ctx), 0, 0, __FILE__, __LINE__)
#define CHECK_ENDED(ctx, err, cause) ctx_check((ctx), (err), (cause), __FILE__, __LINE__)

/* Waits for who does not show itself in any other way. */
static inline void wait_done(const rn_ctx *ctx)
{
        CHECK(!rn_wait(rn_ctx_done(ctx)));
}

/* Two threads or goroutines meet without any order between them. */
static inline void flag_set(atomic_int *flag, int v)
{
        atomic_store_explicit(flag, v, memory_order_relaxed);
}

static inline int flag_get(atomic_int *flag)
{
        return atomic_load_explicit(flag, memory_order_relaxed);
}

/* The drop of a value that counts: an atomic_long. */
static inline void count_drop(void *n)
{
        atomic_fetch_add((atomic_long *)n, 1);
}

#endif
