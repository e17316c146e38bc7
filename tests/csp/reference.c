/* SPDX-License-Identifier: MIT
 * The reference: Go's rules for channels as an abstract machine, and a search through all its runs.
 * A state is where each process stands, what lies in each channel, who waits in which order, and
 * what everybody has seen so far. From each state every step that any process can take is tried;
 * states that were met before are not entered again; a state without a step is the end of a run,
 * and what was seen in it is an allowed outcome. Nothing here is clever on purpose: channels are
 * small arrays, a step copies the whole state.
 *
 * A step is what the library does as of one moment: an operation begins, and is done if it can be,
 * or else its process waits (or tries no longer, if it was to try only). Who waits is served by
 * somebody else's step, first come first served, or gives up if it waits for a while only. Sleeping
 * and yielding are steps without effect. */
#include "tests/csp/reference.h"

#include <stdlib.h>
#include <string.h>

struct chan {
        uint8_t closed, n;
        uint16_t buf[MAX_CAP];   /* buf[0] is the oldest */
};

/* Only bytes, unused ones zero: equal states are equal memory. */
struct state {
        struct chan chan[CHAN_END_];
        uint8_t pc[MAX_PROCS];        /* the operation that each process is at */
        uint8_t waiting[MAX_PROCS];   /* the processes that wait, in the order in which they came;
                                       * one more than their number */
        uint8_t nwaiting;
        uint8_t pad;
        struct outcome seen;
};

struct search {
        const struct program *p;
        struct state *set;            /* a hash table, at most half full; `used` says which places
                                       * are taken */
        bool *used;
        size_t size, n, limit;
        struct outcomes *out;
        size_t room;
        bool over;
};

static void explore(struct search *x, const struct state *s);

/* -- small things about a state -- */

static unsigned cap_of(const struct search *x, unsigned chan)
{
        return chan < MAX_CHANS ? x->p->cap[chan] : 0;
}

static const struct op *op_of(const struct search *x, const struct state *s, unsigned proc)
{
        return &x->p->proc[proc].op[s->pc[proc]];
}

static bool is_waiting(const struct state *s, unsigned proc)
{
        for (unsigned i = 0; i < s->nwaiting; i++)
                if (s->waiting[i] == proc + 1)
                        return true;
        return false;
}

static void stop_waiting(struct state *s, unsigned proc)
{
        unsigned kept = 0;

        for (unsigned i = 0; i < s->nwaiting; i++)
                if (s->waiting[i] != proc + 1)
                        s->waiting[kept++] = s->waiting[i];
        if (kept < s->nwaiting)
                s->waiting[--s->nwaiting] = 0;
}

/* The operation of proc is over with this result; it goes on to the next. */
static void finish(struct state *s, unsigned proc, unsigned kind, unsigned which, unsigned value)
{
        s->seen.of[proc][s->pc[proc]] = (struct result){ (uint8_t)kind, (uint8_t)which,
                                                         (uint16_t)value };
        s->pc[proc]++;
        stop_waiting(s, proc);
}

static void push(struct chan *c, unsigned value)
{
        c->buf[c->n++] = (uint16_t)value;
}

static unsigned pop(struct chan *c)
{
        unsigned value = c->buf[0];

        c->n--;
        memmove(c->buf, c->buf + 1, sizeof c->buf - sizeof *c->buf);
        c->buf[MAX_CAP - 1] = 0;
        return value;
}

/* The process that has waited longest to send to chan (or to receive from it), -1 for none. Go's
 * queues of waiters are FIFO. One process is never its own partner: who begins an operation does
 * not wait. */
static int first_waiter(const struct search *x, const struct state *s, unsigned chan, bool send)
{
        for (unsigned i = 0; i < s->nwaiting; i++) {
                unsigned proc = s->waiting[i] - 1u;
                const struct op *o = op_of(x, s, proc);

                for (unsigned k = 0; k < o->n; k++)
                        if (o->comm[k].chan == chan && o->comm[k].send == send)
                                return (int)proc;
        }
        return -1;
}

/* "If one or more of the communications can proceed": a receive can when a value is there, when
 * somebody waits to send one, or when the channel is closed; a send when there is room, when
 * somebody waits to receive, or when the channel is closed, in which case it panics. A nil channel
 * is never ready. */
static bool can_proceed(const struct search *x, const struct state *s, struct comm m)
{
        const struct chan *c = &s->chan[m.chan];

        if (m.chan == CHAN_NIL)
                return false;
        if (c->closed)
                return true;
        if (m.send)
                return c->n < cap_of(x, m.chan) || first_waiter(x, s, m.chan, false) >= 0;
        return c->n > 0 || first_waiter(x, s, m.chan, true) >= 0;
}

/* -- steps -- */

/* "A send on a closed channel proceeds by causing a run-time panic." Who waits to receive gets the
 * value (the buffer is empty then); if its select names the same receive twice, either case may be
 * the one. Else the value goes to the end of the buffer. */
static void step_send(struct search *x, const struct state *s, unsigned proc, unsigned k)
{
        unsigned chan = op_of(x, s, proc)->comm[k].chan, value = value_of(proc, s->pc[proc], k);
        int receiver = first_waiter(x, s, chan, false);
        struct state t = *s;

        if (s->chan[chan].closed) {
                finish(&t, proc, R_PANIC_SEND, 0, 0);
                explore(x, &t);
        } else if (receiver < 0) {
                push(&t.chan[chan], value);
                finish(&t, proc, R_DONE, k, 0);
                explore(x, &t);
        } else {
                const struct op *o = op_of(x, s, (unsigned)receiver);

                for (unsigned j = 0; j < o->n; j++) {
                        if (o->comm[j].chan != chan || o->comm[j].send)
                                continue;
                        t = *s;
                        finish(&t, proc, R_DONE, k, 0);
                        finish(&t, (unsigned)receiver, R_VALUE, j, value);
                        explore(x, &t);
                }
        }
}

/* The oldest value of the buffer; the value of the sender that has waited longest then takes the
 * last place. Without a buffer the receiver gets that value itself. "A receive on a closed channel
 * can always proceed immediately, yielding the zero value after any previously sent values have
 * been received." */
static void step_recv(struct search *x, const struct state *s, unsigned proc, unsigned k)
{
        unsigned chan = op_of(x, s, proc)->comm[k].chan;
        int sender = first_waiter(x, s, chan, true);
        struct state t = *s;

        if (sender < 0) {
                if (t.chan[chan].n > 0)
                        finish(&t, proc, R_VALUE, k, pop(&t.chan[chan]));
                else
                        finish(&t, proc, R_CLOSED, k, 0);
                explore(x, &t);
        } else {
                const struct op *o = op_of(x, s, (unsigned)sender);

                for (unsigned j = 0; j < o->n; j++) {
                        unsigned sent = value_of((unsigned)sender, s->pc[sender], j), got = sent;

                        if (o->comm[j].chan != chan || !o->comm[j].send)
                                continue;
                        t = *s;
                        if (t.chan[chan].n > 0) {
                                got = pop(&t.chan[chan]);
                                push(&t.chan[chan], sent);
                        }
                        finish(&t, proc, R_VALUE, k, got);
                        finish(&t, (unsigned)sender, R_DONE, j, 0);
                        explore(x, &t);
                }
        }
}

/* The first of those who wait on a channel that has just been closed goes on, in each way it can;
 * then the next, until nobody is left: all in one step. Receivers get the zero value, senders
 * panic. */
static void wake_all(struct search *x, const struct state *s, unsigned chan)
{
        int proc = first_waiter(x, s, chan, false);
        bool send = proc < 0;
        const struct op *o;

        if (send)
                proc = first_waiter(x, s, chan, true);
        if (proc < 0) {
                explore(x, s);
                return;
        }
        o = op_of(x, s, (unsigned)proc);
        for (unsigned k = 0; k < o->n; k++) {
                struct state t = *s;

                if (o->comm[k].chan != chan)
                        continue;
                if (o->comm[k].send)
                        finish(&t, (unsigned)proc, R_PANIC_SEND, 0, 0);
                else
                        finish(&t, (unsigned)proc, R_CLOSED, k, 0);
                wake_all(x, &t, chan);
        }
}

/* "Closing a closed channel causes a run-time panic. Closing the nil channel too." A context may be
 * cancelled again, which does nothing. */
static void step_close(struct search *x, const struct state *s, unsigned proc, unsigned chan,
                       bool again_panics)
{
        struct state t = *s;

        if (chan == CHAN_NIL || (s->chan[chan].closed && again_panics)) {
                finish(&t, proc, chan == CHAN_NIL ? R_PANIC_NIL : R_PANIC_CLOSE, 0, 0);
                explore(x, &t);
                return;
        }
        finish(&t, proc, R_DONE, 0, 0);
        t.chan[chan].closed = 1;
        wake_all(x, &t, chan);
}

/* "If one or more of the communications can proceed, a single one that can proceed is chosen"; any
 * one, so each is tried. "Otherwise, if there is a default case, that case is chosen. If there is
 * no default case, the select blocks." A plain operation is a select of one case. */
static void step_communicate(struct search *x, const struct state *s, unsigned proc)
{
        const struct op *o = op_of(x, s, proc);
        bool ready = false;
        struct state t = *s;

        for (unsigned k = 0; k < o->n; k++) {
                if (!can_proceed(x, s, o->comm[k]))
                        continue;
                ready = true;
                if (o->comm[k].send)
                        step_send(x, s, proc, k);
                else
                        step_recv(x, s, proc, k);
        }
        if (ready)
                return;
        if (op_tries(o->kind))
                finish(&t, proc, R_DEFAULT, 0, 0);
        else
                t.waiting[t.nwaiting++] = (uint8_t)(proc + 1);
        explore(x, &t);
}

/* One step of proc, in each way it can be made. False: it cannot make one. */
static bool step(struct search *x, const struct state *s, unsigned proc)
{
        const struct op *o = op_of(x, s, proc);
        struct state t = *s;

        if (s->pc[proc] == x->p->proc[proc].n)
                return false;
        if (is_waiting(s, proc)) {
                if (!op_is_timed(o->kind))
                        return false;
                finish(&t, proc, R_TIMEOUT, 0, 0);
                explore(x, &t);
        } else if (op_communicates(o->kind)) {
                step_communicate(x, s, proc);
        } else if (o->kind == OP_CLOSE) {
                step_close(x, s, proc, o->comm[0].chan, true);
        } else if (o->kind == OP_CANCEL) {
                step_close(x, s, proc, CHAN_DONE, false);
        } else {
                bool ended = o->kind == OP_ERR && s->chan[CHAN_DONE].closed;

                finish(&t, proc, ended ? R_CLOSED : R_DONE, 0, 0);
                explore(x, &t);
        }
        return true;
}

/* -- the search -- */

static uint64_t hash(const struct state *s)
{
        const unsigned char *b = (const unsigned char *)s;
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < sizeof *s; i++)
                h = (h ^ b[i]) * UINT64_C(0x100000001b3);
        return h ^ h >> 32;
}

/* Where s is, or would be. */
static size_t place(const struct search *x, const struct state *s)
{
        size_t i = (size_t)hash(s) & (x->size - 1);

        while (x->used[i] && memcmp(&x->set[i], s, sizeof *s) != 0)
                i = (i + 1) & (x->size - 1);
        return i;
}

static void table_make(struct search *x, size_t size)
{
        x->size = size;
        x->set = malloc(size * sizeof *x->set);
        x->used = calloc(size, sizeof *x->used);
        if (!x->set || !x->used)
                abort();
}

static void table_grow(struct search *x)
{
        struct search old = *x;

        table_make(x, 2 * old.size);
        for (size_t i = 0; i < old.size; i++)
                if (old.used[i]) {
                        size_t to = place(x, &old.set[i]);

                        x->set[to] = old.set[i];
                        x->used[to] = true;
                }
        free(old.set);
        free(old.used);
}

/* True if s was not met before. */
static bool enter(struct search *x, const struct state *s)
{
        size_t i = place(x, s);

        if (x->used[i])
                return false;
        if (x->n == x->limit) {
                x->over = true;
                return false;
        }
        x->used[i] = true;
        x->set[i] = *s;
        if (2 * ++x->n > x->size)
                table_grow(x);
        return true;
}

static void add_outcome(struct search *x, const struct state *s)
{
        if (x->out->n == x->room) {
                x->room = x->room ? 2 * x->room : 64;
                x->out->at = realloc(x->out->at, x->room * sizeof *x->out->at);
                if (!x->out->at)
                        abort();
        }
        x->out->at[x->out->n++] = s->seen;
        x->out->may_block |= s->nwaiting > 0;
}

static void explore(struct search *x, const struct state *s)
{
        bool moved = false;

        if (x->over || !enter(x, s))
                return;
        for (unsigned proc = 0; proc < x->p->nprocs; proc++)
                moved |= step(x, s, proc);
        if (!moved)
                add_outcome(x, s);
}

static int compare(const void *a, const void *b)
{
        return memcmp(a, b, sizeof(struct outcome));
}

static void sort_once(struct outcomes *o)
{
        size_t kept = 0;

        if (o->n == 0)
                return;
        qsort(o->at, o->n, sizeof *o->at, compare);
        for (size_t i = 0; i < o->n; i++)
                if (kept == 0 || compare(&o->at[kept - 1], &o->at[i]) != 0)
                        o->at[kept++] = o->at[i];
        o->n = kept;
}

bool reference_explore(const struct program *p, size_t limit, struct outcomes *o)
{
        struct search x = { .p = p, .limit = limit, .out = o };
        struct state start;

        memset(&start, 0, sizeof start);
        *o = (struct outcomes){ 0 };
        table_make(&x, 256);
        explore(&x, &start);
        free(x.set);
        free(x.used);
        o->states = x.n;
        if (x.over) {
                outcomes_free(o);
                return false;
        }
        sort_once(o);
        return true;
}

bool outcomes_have(const struct outcomes *set, const struct outcome *o)
{
        return set->n && bsearch(o, set->at, set->n, sizeof *o, compare) != NULL;
}

void outcomes_free(struct outcomes *set)
{
        free(set->at);
        *set = (struct outcomes){ 0 };
}
