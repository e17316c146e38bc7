/* SPDX-License-Identifier: MIT
 * A context as its own layer sees it. A tree of contexts is two structures over the same objects:
 *
 *   up, by `parent`   every context holds a reference to the one it was made from: that is what
 *                     values and deadlines go by
 *   down, by `set`    a context that can end (a struct cancel) has in its set what must end with
 *                     it: the nearest ones below that can end, and after-funcs. These links hold
 *                     nothing: who is in a set holds a reference upwards, and takes itself out,
 *                     under the lock of the set, before it goes
 *
 *             end: ended = word | ENDING, close done, ended = word
 *   ended: 0 -----------------------------------------------------> word
 *             (0 -> word at once if nobody has asked for done)
 *
 * A context has ended for everybody at one moment: who sees done closed finds an error, who sees an
 * error finds done closed. The bug would be one of the two seen without the other while the first
 * is being told. So rn_ctx_err, when it sees ENDING, waits for the lock under which the rest is
 * done; ended is stored before the close.
 *
 * Cancelling (tree.c) is finished when the whole subtree is: a walk without recursion and never
 * with two locks held. A child leaves the set only when everything under it has ended, so a second
 * cancel that comes meanwhile finds it there and helps, and neither returns too early. */
#ifndef RNI_CTX_CTX_H
#define RNI_CTX_CTX_H

#include <runnel/ctx.h>

#include "chan/hchan.h"

struct rn_ctx {
        struct obj obj;
        struct rn_ctx *parent;    /* holds a reference; NULL: a root */
        struct cancel *cancel;    /* the nearest that can end, this one or above; NULL: it never
                                   * ends */
        rn_time deadline;         /* the earliest from here up to one without_cancel */
};

/* A place in a set. */
struct member {
        struct member *next, *prev;   /* a ring, under the lock of the set's context */
        a32 in_set;                   /* under that lock; goes to 0 once and for all, which whoever
                                       * owns the member may read without it */
        bool is_stop;                 /* a struct rn_ctx_stop, otherwise a struct cancel */
};

enum { ENDING = 1 };   /* in ended, beside the errno << 1 */

/* A context that can end. */
struct cancel {
        struct rn_ctx ctx;
        struct member at;             /* in the set of the next one above */
        struct lock lock;             /* RANK_CTX: set, ended, cause, done */
        struct member *set;           /* the first; NULL: empty */
        a32 ended;                    /* 0, or errno << 1; read without the lock */
        int cause;                    /* -errno; written before ended */
        aword done;                   /* struct hchan *, when somebody has asked for it; then it
                                       * stays */
};

struct deadline {
        struct cancel cancel;
        struct timer timer;           /* started and stopped under the lock */
        int cause;                    /* when it expires */
};

struct value {
        struct rn_ctx ctx;
        const void *key;
        void *value;
        void (*drop)(void *);         /* may be NULL */
};

/* An after-func: in the set until its context ends, or it is stopped. It holds its context, and
 * while in the set itself. */
struct rn_ctx_stop {
        struct obj obj;
        struct rn_ctx *ctx;
        struct member at;
        struct rn_call call;
};

extern const struct obj_class rni_ctx_cancel_class, rni_ctx_deadline_class, rni_ctx_value_class,
        rni_ctx_signal_class;

/* Who runs user code or readies must know where it is: inside the runtime (a timer's fire, a
 * goroutine's end), or called by the user. */
enum where { OUTSIDE, ENTERED };

/* -- tree.c -- */

/* Makes n, whose kind's own fields are set, a context below parent with one reference: in the set
 * above, or ended already if that has. */
void rni_ctx_adopt(struct cancel *n, struct rn_ctx *parent, rn_time deadline,
                   const struct obj_class *class);
/* Ends n and all below. err: ECANCELED, ETIMEDOUT. cause: -errno, 0 for the same as err. The first
 * end counts. The caller holds a reference. */
void rni_ctx_end(struct cancel *n, int err, int cause, enum where where);
/* One reference less; frees what nobody holds any more, upwards. */
void rni_ctx_put(struct rn_ctx *ctx, enum where where);
/* The last reference to ctx has gone. */
void rni_ctx_last(struct obj *o);
/* n's lock is held. */
void rni_ctx_set_add(struct cancel *n, struct member *m);
/* True: it was in there. */
bool rni_ctx_set_remove(struct cancel *n, struct member *m);

static inline void ctx_lock(struct cancel *n)
{
        lock_acquire(&n->lock, RANK_CTX);
}

static inline void ctx_unlock(struct cancel *n)
{
        lock_release(&n->lock, RANK_CTX);
}

/* A reference for somebody inside; the caller has one, or an object that holds one. */
static inline struct rn_ctx *rni_ctx_hold(struct rn_ctx *ctx)
{
        return rn_obj_ref(ctx);
}

/* -- ctx.c -- */

/* Memory for a context below parent. Panics if there is none, or no parent. */
void *rni_ctx_block(const rn_ctx *parent, size_t size);

/* -- signal.c -- */

/* n, of rni_ctx_signal_class, watches no signals any more; settle as in rni_signal_remove. */
void rni_ctx_signal_stop(struct cancel *n, bool settle);

/* -- after.c -- */

/* s has been taken out of the set of a context that has ended: starts its goroutine. Gives back
 * what the set held. */
void rni_ctx_stop_run(struct rn_ctx_stop *s, enum where where);

#endif
