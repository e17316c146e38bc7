/* SPDX-License-Identifier: MIT
 * Trees of contexts: an end reaches all below and nothing else, cancels that run at the same time,
 * children that come and go meanwhile, and that everything is freed when nobody holds it. Very
 * large trees are in ctx_large_test. */
#define _GNU_SOURCE
#include "tests/support/behave.h"
#include "tests/support/contexts.h"

static const char key;
static atomic_long drops;

enum kind { CANCEL, TIMEOUT, VALUE, WITHOUT, KINDS };

/* A new child of p; a value is counted in drops. */
static rn_ctx *make(enum kind kind, rn_ctx *p)
{
        switch (kind) {
        case CANCEL: return rn_ctx_with_cancel(p);
        case TIMEOUT: return rn_ctx_with_timeout(p, FAR);
        case VALUE: return rn_ctx_with_value_free(p, &key, &drops, count_drop);
        default: return rn_ctx_without_cancel(p);
        }
}

/* -- a tree that remembers its shape -- */

enum { NODES = 100 };
enum shape { ANY, CHAIN, STAR, SHAPES };

struct tree {
        rn_ctx *node[NODES];
        enum kind kind[NODES];
        int up[NODES];
        int next;            /* of those who cancel */
        atomic_int go, turn;
        long values;
};

static bool can_end(const struct tree *t, int i)
{
        return t->kind[i] == CANCEL || t->kind[i] == TIMEOUT;
}

/* Does i end with j? */
static bool below(const struct tree *t, int i, int j)
{
        while (i > j && t->kind[i] != WITHOUT)
                i = t->up[i];
        return i == j;
}

static void grow(struct tree *t, enum shape shape, uint64_t *s)
{
        *t = (struct tree){ .values = 0 };
        atomic_store(&drops, 0);
        t->node[0] = rn_ctx_with_cancel(rn_ctx_background());
        for (int i = 1; i < NODES; i++) {
                unsigned dice = behave_below(s, 10);

                t->up[i] = shape == CHAIN  ? i - 1
                           : shape == STAR ? 0
                                           : (int)behave_below(s, (unsigned)i);
                t->kind[i] = dice < 5                     ? CANCEL
                             : dice < 7                   ? TIMEOUT
                             : dice < 9 || shape == CHAIN ? VALUE
                                                          : WITHOUT;
                t->values += t->kind[i] == VALUE;
                t->node[i] = make(t->kind[i], t->node[t->up[i]]);
                if (behave_below(s, 2))
                        rn_ctx_done(t->node[i]);
        }
}

/* In any order. */
static void fell(struct tree *t, uint64_t *s)
{
        for (int left = NODES; left > 0; left--) {
                int i = (int)behave_below(s, (unsigned)left);

                rn_unref(t->node[i]);
                t->node[i] = t->node[left - 1];
        }
        BEHAVE_UNTIL(atomic_load(&drops) == t->values);
}

static void check_ended_below(const struct tree *t, int j)
{
        for (int i = j; i < NODES; i++)
                if (below(t, i, j)) {
                        CHECK(rn_ctx_err(t->node[i]) == -ECANCELED);
                        CHECK(is_done(t->node[i]));
                }
}

static void an_end_reaches_all_below_and_nothing_else(void)
{
        uint64_t s = behave_stream(1);

        for (int round = 0; round < BEHAVE_SCALE(200); round++) {
                struct tree t;
                int j;

                grow(&t, (enum shape)(round % SHAPES), &s);
                do
                        j = (int)behave_below(&s, NODES);
                while (!can_end(&t, j));
                rn_ctx_cancel_cause(t.node[j], -EIO);
                for (int i = 0; i < NODES; i++)
                        if (below(&t, i, j))
                                CHECK_ENDED(t.node[i], -ECANCELED, -EIO);
                        else
                                CHECK_OPEN(t.node[i]);
                rn_ctx_cancel(t.node[0]);
                check_ended_below(&t, 0);
                fell(&t, &s);
        }
}

/* -- cancels at the same time -- */

/* Each its own node, causes tell them apart. When a cancel returns all below has ended, whoever did
 * it. */
static void cancel_one(void *arg)
{
        struct tree *t = arg;
        int i = (atomic_fetch_add(&t->turn, 1) * 37 + t->next) % NODES;

        BEHAVE_UNTIL(flag_get(&t->go));
        if (!can_end(t, i))
                return;
        rn_ctx_cancel_cause(t->node[i], -1 - i);
        check_ended_below(t, i);
}

/* What ended with its parent says the same as that. */
static void check_causes(const struct tree *t)
{
        for (int i = 1; i < NODES; i++) {
                int cause = rn_ctx_cause(t->node[i]), above = rn_ctx_cause(t->node[t->up[i]]);

                if (t->kind[i] == WITHOUT)
                        CHECK_EQ(cause, 0);
                else if (cause != above)
                        CHECK(can_end(t, i) && cause == -1 - i);
        }
}

static void cancel_many(int cancels, int threads)
{
        uint64_t s = behave_stream((uint64_t)cancels);

        for (int round = 0; round < BEHAVE_SCALE(rn_goid() ? 200 : 20); round++) {
                struct tree t;
                rn_wg wg = { { 0 } };

                grow(&t, (enum shape)(round % SHAPES), &s);
                t.next = (int)behave_below(&s, NODES);
                for (int k = 0; k < cancels; k++)
                        behave_go(k < threads && round % 8 == 0 ? THREAD : GOROUTINE, &wg,
                                  cancel_one, &t);
                flag_set(&t.go, 1);
                if (round % 2) {
                        rn_ctx_cancel_cause(t.node[0], -1);
                        check_ended_below(&t, 0);
                }
                rn_wg_wait(&wg);
                check_causes(&t);
                rn_ctx_cancel(t.node[0]);
                check_ended_below(&t, 0);
                fell(&t, &s);
        }
}

static void each_of_two_cancels_at_once_finds_all_below_ended(void)
{
        cancel_many(1, 1);
        cancel_many(2, 1);
}

static void each_of_many_cancels_at_once_finds_all_below_ended(void)
{
        cancel_many(8, 3);
        cancel_many(NODES, 6);
}

/* The two walks are in the same large subtree for most of their time. */
enum { LENGTH = 200 };
struct path {
        rn_ctx *node[LENGTH];
        atomic_int go;
        int from;
        bool forked;         /* a binary tree instead of a chain */
};

static int step_up(const struct path *p, int i)
{
        return p->forked ? i / 2 : i - 1;
}

static void check_path_ended(const struct path *p, int from)
{
        for (int i = from; i < LENGTH; i++) {
                int at = i;

                while (at > from)
                        at = step_up(p, at);
                if (at == from)
                        CHECK(rn_ctx_err(p->node[i]) != 0 && is_done(p->node[i]));
        }
}

static void cancel_from(void *arg)
{
        struct path *p = arg;

        BEHAVE_UNTIL(flag_get(&p->go));
        rn_ctx_cancel_cause(p->node[p->from], -EPIPE);
        check_path_ended(p, p->from);
}

static void an_inner_and_an_outer_cancel_wait_for_no_less_than_all(void)
{
        uint64_t s = behave_stream(2);

        for (int round = 0; round < BEHAVE_SCALE(rn_goid() ? 500 : 50); round++) {
                struct path p = { .forked = round % 2,
                                  .from = (int)behave_below(&s, round % 2 ? LENGTH / 8 : LENGTH) };
                rn_wg wg = { { 0 } };

                p.node[0] = rn_ctx_with_cancel(rn_ctx_background());
                for (int i = 1; i < LENGTH; i++) {
                        p.node[i] = rn_ctx_with_cancel(p.node[step_up(&p, i)]);
                        rn_ctx_done(p.node[i]);
                }
                behave_go(round % 8 ? GOROUTINE : THREAD, &wg, cancel_from, &p);
                flag_set(&p.go, 1);
                if (round % 3)
                        rn_yield();
                rn_ctx_cancel_cause(p.node[0], -EIO);
                check_path_ended(&p, 0);
                rn_wg_wait(&wg);
                for (int i = 0; i < LENGTH; i++) {   /* with the parent, but for the inner one */
                        int cause = rn_ctx_cause(p.node[i]);

                        CHECK(i == p.from ||
                              cause == (i ? rn_ctx_cause(p.node[step_up(&p, i)]) : -EIO));
                        CHECK(cause == -EIO || cause == -EPIPE);
                }
                for (int i = 0; i < LENGTH; i++)
                        rn_unref(p.node[i]);
        }
}

struct pair {
        rn_ctx *parent, *child;
};

static void cancel_the_child_then(void *arg)
{
        struct pair *p = arg;

        wait_done(p->parent);
        rn_ctx_cancel(p->child);
        CHECK(is_done(p->child));
}

static void who_waits_for_the_parent_may_cancel_the_child(void)
{
        for (int i = 0; i < BEHAVE_SCALE(500); i++) {
                struct pair p = { .parent = rn_ctx_with_cancel(rn_ctx_background()) };
                rn_wg wg = { { 0 } };

                p.child = rn_ctx_with_cancel(p.parent);
                behave_go(i % 16 ? GOROUTINE : THREAD, &wg, cancel_the_child_then, &p);
                if (i % 2)
                        rn_yield();
                rn_ctx_cancel(p.parent);
                CHECK_ENDED(p.child, -ECANCELED, -ECANCELED);
                rn_wg_wait(&wg);
                rn_unref(p.child);
                rn_unref(p.parent);
        }
}

/* -- children that come and go -- */

static void a_child_that_is_cancelled_leaves_parent_and_siblings_open(void)
{
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background()), *c[8];

        for (int i = 0; i < 8; i++)
                c[i] = i % 2 ? rn_ctx_with_timeout(p, FAR) : rn_ctx_with_cancel(p);
        for (int i = 0; i < 8; i += 3) {
                rn_ctx_cancel_cause(c[i], -EIO);
                CHECK_ENDED(c[i], -ECANCELED, -EIO);
        }
        for (int i = 0; i < 8; i++)
                if (i % 3)
                        CHECK_OPEN(c[i]);
        CHECK_OPEN(p);
        rn_ctx_cancel(p);
        for (int i = 0; i < 8; i++) {
                CHECK_ENDED(c[i], -ECANCELED, i % 3 ? -ECANCELED : -EIO);
                rn_unref(c[i]);
        }
        rn_unref(p);
}

/* A parent that still knew one that is gone would touch freed memory when it ends. */
static void children_that_are_gone_are_forgotten(void)
{
        enum { N = 1000 };
        rn_ctx *p = rn_ctx_with_cancel(rn_ctx_background()), *c[N];
        uint64_t s = behave_stream(3);
        int left = 0;

        for (int i = 0; i < N; i++) {
                c[left++] = make((enum kind)behave_below(&s, KINDS), p);
                if (behave_below(&s, 4))
                        continue;
                for (int k = (int)behave_below(&s, (unsigned)left); k > 0; k--) {
                        unsigned at = behave_below(&s, (unsigned)left);

                        rn_unref(c[at]);
                        c[at] = c[--left];
                }
        }
        rn_ctx_cancel(p);
        for (int i = 0; i < left; i++)
                rn_unref(c[i]);
        rn_unref(p);
}

static void check_born_dead(rn_ctx *p, int err, int cause)
{
        rn_ctx *c[] = { rn_ctx_with_cancel(p), rn_ctx_with_timeout(p, FAR),
                        rn_ctx_with_timeout_cause(p, 0, -EDOM), rn_ctx_with_value(p, &key, NULL),
                        rn_ctx_with_deadline_cause(p, rn_now() + FAR, -EDOM),
                        rn_ctx_with_timeout(p, RN_NEVER) };

        for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
                rn_ctx *below = rn_ctx_with_cancel(c[i]);

                CHECK_ENDED(c[i], err, cause);
                if (i != 3)
                        rn_ctx_cancel_cause(c[i], -ERANGE);
                CHECK_ENDED(c[i], err, cause);
                CHECK_ENDED(below, err, cause);
                rn_unref(c[i]);
                rn_unref(below);
        }
}

static void a_child_of_one_that_has_ended_has_ended_too(void)
{
        rn_ctx *a = rn_ctx_with_cancel(rn_ctx_background()), *b = rn_ctx_with_timeout(a, 0);
        rn_ctx *c = rn_ctx_with_timeout_cause(a, 10 * RN_USEC, -EPIPE);

        rn_ctx_done(a);
        wait_done(c);
        check_born_dead(b, -ETIMEDOUT, -ETIMEDOUT);
        check_born_dead(c, -ETIMEDOUT, -EPIPE);
        rn_ctx_cancel_cause(a, -EIO);
        check_born_dead(a, -ECANCELED, -EIO);
        rn_unref(b);
        rn_unref(c);
        rn_unref(a);
}

enum { BROOD = 300 };
struct makers {
        rn_ctx *p;
        atomic_int made;
        rn_ctx *child[BROOD];
};

/* Until one is born dead. */
static void make_children(void *arg)
{
        struct makers *m = arg;
        bool dead = false;

        for (int i; !dead && (i = atomic_fetch_add(&m->made, 1)) < BROOD;) {
                m->child[i] = make(i % 3 ? CANCEL : TIMEOUT, m->p);
                if (i % 5 == 0)
                        rn_ctx_done(m->child[i]);
                dead = rn_ctx_err(m->child[i]) != 0;
                if (i % 7 == 0)
                        rn_yield();
        }
}

static void a_child_made_while_its_parent_ends_ends_with_it(void)
{
        uint64_t s = behave_stream(4);

        for (int i = 0; i < BEHAVE_SCALE(rn_goid() ? 500 : 100); i++) {
                struct makers m = { .p = rn_ctx_with_cancel(rn_ctx_background()) };
                rn_wg wg = { { 0 } };
                int start = (int)behave_below(&s, BROOD / 2);

                for (int k = 0; k < 4; k++)
                        behave_go(i % 8 == 0 && k == 0 ? THREAD : GOROUTINE, &wg, make_children,
                                  &m);
                BEHAVE_UNTIL(flag_get(&m.made) >= start);
                rn_ctx_cancel_cause(m.p, -EIO);
                rn_wg_wait(&wg);
                for (int k = 0; k < BROOD && m.child[k]; k++) {
                        CHECK_ENDED(m.child[k], -ECANCELED, -EIO);
                        rn_unref(m.child[k]);
                }
                rn_unref(m.p);
        }
}

static void make_and_unref(void *arg)
{
        struct makers *m = arg;
        bool dead = false;

        for (int i; !dead;) {
                rn_ctx *c = make((enum kind)((i = atomic_fetch_add(&m->made, 1)) % 3), m->p);

                dead = rn_ctx_err(c) != 0;
                if (i % 7 == 0)
                        rn_yield();
                if (i % 2 && !dead)
                        rn_ctx_done(c);
                rn_unref(c);
        }
}

static void children_may_go_while_their_parent_ends(void)
{
        for (int i = 0; i < BEHAVE_SCALE(rn_goid() ? 500 : 100); i++) {
                struct makers m = { .p = rn_ctx_with_cancel(rn_ctx_background()) };
                rn_wg wg = { { 0 } };

                for (int k = 0; k < 4; k++)
                        behave_go(i % 8 == 0 && k == 0 ? THREAD : GOROUTINE, &wg, make_and_unref,
                                  &m);
                BEHAVE_UNTIL(flag_get(&m.made) >= i % 100);
                rn_ctx_cancel(m.p);
                rn_wg_wait(&wg);
                rn_unref(m.p);
        }
}

/* -- layers -- */

/* n contexts below each other, of which one ends all below it; *at is that. Counts the values among
 * them. */
static rn_ctx *layers(bool by_time, uint64_t *s, rn_ctx **at, long *values)
{
        int n = 30 + (int)behave_below(s, 20), ends = (int)behave_below(s, (unsigned)n);
        rn_ctx *c = rn_ctx_background();

        for (int i = 0; i < n; i++) {
                enum kind kind = i == ends ? CANCEL : (enum kind)behave_below(s, WITHOUT);
                rn_ctx *next = i == ends && by_time
                                       ? rn_ctx_with_timeout(c, behave_below(s, 300) * RN_USEC)
                                       : make(kind, c);

                *values += kind == VALUE;
                rn_unref(c);
                c = next;
                if (i == ends)
                        *at = rn_ref(c);
        }
        return c;
}

static void through_layers(bool by_time)
{
        uint64_t s = behave_stream(5);
        long values = atomic_load(&drops);

        for (int round = 0; round < BEHAVE_SCALE(100); round++) {
                rn_ctx *at = NULL, *c = layers(by_time, &s, &at, &values);

                if (by_time) {
                        wait_done(c);
                        CHECK_ENDED(c, -ETIMEDOUT, -ETIMEDOUT);
                        wait_done(at);
                } else {
                        CHECK_OPEN(c);
                        rn_ctx_cancel(at);
                        CHECK_ENDED(c, -ECANCELED, -ECANCELED);
                }
                rn_unref(at);
                rn_unref(c);
        }
        BEHAVE_UNTIL(atomic_load(&drops) == values);   /* who fires the deadline may be the last to
                                                        * hold them */
}

static void a_cancel_goes_through_any_layers(void)
{
        through_layers(false);
}

static void a_deadline_goes_through_any_layers(void)
{
        through_layers(true);
}

/* -- all at once: whatever is still held ends up freed -- */

enum { SLOTS = 16 };
struct slot {
        rn_mutex mu;
        rn_ctx *ctx;
        bool cancels, loose;   /* can be cancelled; is below one without cancel */
};
struct storm {
        struct slot slot[SLOTS];
        rn_ctx *root;
        atomic_long values, calls, expected;
        atomic_int who;
};

static struct slot look(struct slot *slot)
{
        struct slot seen;

        rn_mutex_lock(&slot->mu);
        rn_ref(slot->ctx);
        seen = *slot;
        rn_mutex_unlock(&slot->mu);
        return seen;
}

static void replace(struct slot *slot, struct slot by)
{
        rn_ctx *old;

        rn_mutex_lock(&slot->mu);
        old = slot->ctx;
        slot->ctx = by.ctx;
        slot->cancels = by.cancels;
        slot->loose = by.loose;
        rn_mutex_unlock(&slot->mu);
        rn_unref(old);
}

static void beget(struct storm *st, struct slot *slot, struct slot p, uint64_t *s)
{
        unsigned dice = behave_below(s, 12);
        enum kind kind = dice < 4 ? CANCEL : dice < 7 ? TIMEOUT : dice < 10 ? VALUE : WITHOUT;
        struct slot c = { .cancels = kind == CANCEL || kind == TIMEOUT,
                          .loose = p.loose || kind == WITHOUT };

        if (behave_below(s, 16) == 0)   /* a new beginning */
                c = (struct slot){ .ctx = rn_ctx_with_cancel(st->root), .cancels = true };
        else if (kind == TIMEOUT)
                c.ctx = rn_ctx_with_timeout(p.ctx, behave_below(s, 200) * RN_USEC);
        else
                c.ctx = make(kind, p.ctx);
        if (kind == VALUE && !c.cancels)
                atomic_fetch_add(&st->values, 1);
        replace(slot, c);
}

static void register_call(struct storm *st, struct slot p, bool stop)
{
        rn_ctx_stop *h = rn_ctx_after_func(p.ctx, count_drop, &st->calls);

        if (!stop && !p.loose) {   /* nobody might ever end a loose one */
                rn_unref(h);
                atomic_fetch_add(&st->expected, 1);
        } else if (!rn_ctx_stop_call(h)) {
                atomic_fetch_add(&st->expected, 1);
        }
}

static void rage(void *arg)
{
        struct storm *st = arg;
        uint64_t s = behave_stream((uint64_t)atomic_fetch_add(&st->who, 1) + 100);

        for (int i = 0; i < BEHAVE_SCALE(2000); i++) {
                struct slot seen = look(&st->slot[behave_below(&s, SLOTS)]);

                switch (behave_below(&s, 8)) {
                case 0:
                        if (seen.cancels) {
                                rn_ctx_cancel(seen.ctx);
                                CHECK(is_done(seen.ctx));
                        }
                        break;
                case 1: register_call(st, seen, i % 2); break;
                case 2: rn_ctx_sleep(seen.ctx, 10 * RN_USEC); break;
                case 3: CHECK(!is_done(seen.ctx) || rn_ctx_err(seen.ctx) != 0); break;
                default: beget(st, &st->slot[behave_below(&s, SLOTS)], seen, &s);
                }
                rn_unref(seen.ctx);
        }
}

static void a_storm_of_everything_leaves_nothing_behind(void)
{
        struct storm st = { .root = rn_ctx_with_cancel(rn_ctx_background()) };
        rn_wg wg = { { 0 } };

        atomic_store(&drops, 0);
        for (int i = 0; i < SLOTS; i++) {
                st.slot[i].ctx = rn_ctx_with_cancel(st.root);
                st.slot[i].cancels = true;
        }
        for (int i = 0; i < 16; i++)
                behave_go(i % 8 ? GOROUTINE : THREAD, &wg, rage, &st);
        rn_wg_wait(&wg);
        rn_ctx_release(st.root);
        for (int i = 0; i < SLOTS; i++)
                rn_unref(st.slot[i].ctx);
        BEHAVE_UNTIL(atomic_load(&drops) == atomic_load(&st.values));
        BEHAVE_UNTIL(atomic_load(&st.calls) == atomic_load(&st.expected));
        behave_turns();
        CHECK_EQ(atomic_load(&drops), atomic_load(&st.values));
        CHECK_EQ(atomic_load(&st.calls), atomic_load(&st.expected));
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(an_end_reaches_all_below_and_nothing_else),
        BEHAVE_BOTH(each_of_two_cancels_at_once_finds_all_below_ended),
        BEHAVE_BOTH(each_of_many_cancels_at_once_finds_all_below_ended),
        BEHAVE_BOTH(an_inner_and_an_outer_cancel_wait_for_no_less_than_all),
        BEHAVE_BOTH(who_waits_for_the_parent_may_cancel_the_child),
        BEHAVE_BOTH(a_child_that_is_cancelled_leaves_parent_and_siblings_open),
        BEHAVE_BOTH(children_that_are_gone_are_forgotten),
        BEHAVE_BOTH(a_child_of_one_that_has_ended_has_ended_too),
        BEHAVE_BOTH(a_child_made_while_its_parent_ends_ends_with_it),
        BEHAVE_BOTH(children_may_go_while_their_parent_ends),
        BEHAVE_BOTH(a_cancel_goes_through_any_layers),
        BEHAVE_BOTH(a_deadline_goes_through_any_layers),
        BEHAVE_BOTH(a_storm_of_everything_leaves_nothing_behind),
};

BEHAVE_MAIN(tests)
