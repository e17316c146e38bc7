/* SPDX-License-Identifier: MIT
 * Wing and Gong's search: take a call that may have been the first, which is one that began before
 * any other had ended, and whose answer fits the channel's state; do it; go on with the rest; if
 * the rest has no order, take it back and try another. States that were met before are not tried
 * again: which calls are done and what lies in the channel is all that matters. Without a buffer a
 * send and its receive are one step, for which both must be under way. */
#include "tests/csp/history.h"

#include <stdlib.h>
#include <string.h>

enum { PLACES = 1 << 16 };   /* for states; a history that needs more has far more overlap than any
                              * test makes */

/* Only bytes, unused ones zero. */
struct state {
        uint64_t done;           /* bit i: call i */
        int queue[MAX_QUEUE];    /* the oldest first */
        uint16_t n;
        uint8_t closed, used;
};

struct search {
        const struct call *calls;
        size_t n;
        unsigned cap;
        struct state *met;
        size_t nmet;
};

static bool search(struct search *x, const struct state *s);

/* False: this state was met before, and led nowhere. */
static bool enter(struct search *x, const struct state *s)
{
        uint64_t h = s->done * UINT64_C(0x9e3779b97f4a7c15);
        struct state mark = *s;
        size_t i;

        for (unsigned k = 0; k < s->n; k++)
                h = (h ^ (unsigned)s->queue[k]) * UINT64_C(0x100000001b3);
        mark.used = 1;
        for (i = (size_t)(h >> 48) & (PLACES - 1); x->met[i].used; i = (i + 1) & (PLACES - 1))
                if (memcmp(&x->met[i], &mark, sizeof mark) == 0)
                        return false;
        if (++x->nmet > PLACES / 4 * 3)
                abort();
        x->met[i] = mark;
        return true;
}

static bool is_done(const struct state *s, size_t i)
{
        return s->done >> i & 1;
}

/* The calls that may be next: not done, and begun before any that is not done had ended. */
static uint64_t candidates(const struct search *x, const struct state *s)
{
        uint64_t first_end = UINT64_MAX, set = 0;

        for (size_t i = 0; i < x->n; i++)
                if (!is_done(s, i) && x->calls[i].end < first_end)
                        first_end = x->calls[i].end;
        for (size_t i = 0; i < x->n; i++)
                if (!is_done(s, i) && x->calls[i].begin <= first_end)
                        set |= UINT64_C(1) << i;
        return set;
}

/* The sequential channel: call c as the next one. False: it would have answered otherwise. An
 * unbuffered one passes values in search_pairs. */
static bool apply(const struct search *x, const struct call *c, struct state *s)
{
        if (c->kind == CALL_CLOSE) {
                bool fits = (c->result == CALL_PANIC) == s->closed;

                s->closed = 1;
                return fits && (c->result == CALL_DONE || c->result == CALL_PANIC);
        }
        if (c->result == CALL_PANIC)
                return c->kind == CALL_SEND && s->closed;
        if (c->result == CALL_CLOSED)
                return c->kind == CALL_RECV && s->closed && s->n == 0;
        if (c->result == CALL_NOT)
                return !s->closed && (x->cap == 0 || s->n == (c->kind == CALL_SEND ? x->cap : 0));
        if (x->cap == 0)
                return false;
        if (c->kind == CALL_SEND) {
                if (s->closed || s->n == x->cap)
                        return false;
                s->queue[s->n++] = c->value;
                return true;
        }
        if (s->n == 0 || s->queue[0] != c->value)
                return false;
        s->n--;
        memmove(s->queue, s->queue + 1, sizeof s->queue - sizeof *s->queue);
        s->queue[MAX_QUEUE - 1] = 0;
        return true;
}

/* An unbuffered send and a receive of its value, both under way, as one step. */
static bool search_pairs(struct search *x, const struct state *s, uint64_t next)
{
        for (size_t i = 0; i < x->n; i++) {
                if (!(next >> i & 1) || x->calls[i].kind != CALL_SEND ||
                    x->calls[i].result != CALL_DONE || s->closed)
                        continue;
                for (size_t k = 0; k < x->n; k++) {
                        struct state t = *s;

                        if (!(next >> k & 1) || x->calls[k].kind != CALL_RECV ||
                            x->calls[k].result != CALL_DONE)
                                continue;
                        if (x->calls[k].value != x->calls[i].value)
                                continue;
                        t.done |= UINT64_C(1) << i | UINT64_C(1) << k;
                        if (search(x, &t))
                                return true;
                }
        }
        return false;
}

static bool search(struct search *x, const struct state *s)
{
        uint64_t next = candidates(x, s);

        if (next == 0)
                return true;
        if (!enter(x, s))
                return false;
        for (size_t i = 0; i < x->n; i++) {
                struct state t = *s;

                if (!(next >> i & 1) || !apply(x, &x->calls[i], &t))
                        continue;
                t.done |= UINT64_C(1) << i;
                if (search(x, &t))
                        return true;
        }
        return x->cap == 0 && search_pairs(x, s, next);
}

bool history_possible(const struct call *calls, size_t n, unsigned cap)
{
        struct search x = { .calls = calls, .n = n, .cap = cap };
        struct state start;
        bool possible;

        if (n > MAX_CALLS || cap > MAX_QUEUE)
                abort();
        memset(&start, 0, sizeof start);
        x.met = calloc(PLACES, sizeof *x.met);
        if (!x.met)
                abort();
        possible = search(&x, &start);
        free(x.met);
        return possible;
}
