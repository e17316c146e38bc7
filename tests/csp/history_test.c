/* SPDX-License-Identifier: MIT
 * Histories of goroutines and threads on one channel, judged by the checker (history.c); and the
 * checker itself, on histories made by hand, which it must accept or refuse, and on recorded ones
 * that are falsified. A call is stamped by a counter, not by the clock: its increments are full
 * barriers, so that a call that ended before another began is also visible to it. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include "tests/csp/history.h"

/* -- the checker, by hand -- */

#define SENT(v, b, e)     { CALL_SEND, CALL_DONE, (v), (b), (e) }
#define GOT(v, b, e)      { CALL_RECV, CALL_DONE, (v), (b), (e) }
#define SAW_CLOSED(b, e)  { CALL_RECV, CALL_CLOSED, 0, (b), (e) }
#define NO_ROOM(b, e)     { CALL_SEND, CALL_NOT, 0, (b), (e) }
#define NOTHING(b, e)     { CALL_RECV, CALL_NOT, 0, (b), (e) }
#define CLOSED(b, e)      { CALL_CLOSE, CALL_DONE, 0, (b), (e) }
#define CLOSED_TWICE(b, e) { CALL_CLOSE, CALL_PANIC, 0, (b), (e) }
#define SEND_PANICS(b, e) { CALL_SEND, CALL_PANIC, 0, (b), (e) }
#define POSSIBLE(cap, ...) \
        history_possible((const struct call[]){ __VA_ARGS__ }, \
                         sizeof((const struct call[]){ __VA_ARGS__ }) / sizeof(struct call), \
                         (cap))

static void what_a_queue_does_is_possible(void)
{
        CHECK(POSSIBLE(1, SENT(1, 1, 2), GOT(1, 3, 4)));
        CHECK(POSSIBLE(2, SENT(1, 1, 2), SENT(2, 3, 4), GOT(1, 5, 6), GOT(2, 7, 8), CLOSED(9, 10),
                       SAW_CLOSED(11, 12)));
        /* sends that overlap */
        CHECK(POSSIBLE(2, SENT(1, 1, 4), SENT(2, 2, 3), GOT(2, 5, 6), GOT(1, 7, 8)));
        /* receives that do */
        CHECK(POSSIBLE(2, SENT(1, 1, 2), SENT(2, 3, 4), GOT(2, 5, 8), GOT(1, 6, 7)));
        CHECK(POSSIBLE(1, GOT(1, 1, 4), SENT(1, 2, 3)));   /* it waited */
        /* a waiting sender's value moves up */
        CHECK(POSSIBLE(1, SENT(1, 1, 2), SENT(2, 3, 6), NO_ROOM(4, 7), GOT(1, 5, 8),
                       GOT(2, 9, 10)));
        CHECK(POSSIBLE(1, NOTHING(1, 2), SENT(1, 3, 4), NO_ROOM(5, 6), GOT(1, 7, 8),
                       NOTHING(9, 10)));
        CHECK(POSSIBLE(1, CLOSED(1, 4), SENT(1, 2, 3), GOT(1, 5, 6), SAW_CLOSED(7, 8),
                       SEND_PANICS(9, 10), CLOSED_TWICE(11, 12)));
        CHECK(POSSIBLE(0, SENT(1, 1, 3), GOT(1, 2, 4)));
        CHECK(POSSIBLE(0, SENT(1, 1, 9), GOT(2, 2, 4), SENT(2, 3, 5), NO_ROOM(6, 7),
                       GOT(1, 8, 10)));
        CHECK(POSSIBLE(0, NOTHING(1, 2), CLOSED(3, 4), SAW_CLOSED(1, 6), SEND_PANICS(2, 5)));
}

static void what_no_queue_does_is_refused(void)
{
        /* a value twice */
        CHECK(!POSSIBLE(2, SENT(1, 1, 2), GOT(1, 3, 4), GOT(1, 5, 6)));
        /* ... whatever overlaps */
        CHECK(!POSSIBLE(2, SENT(1, 1, 8), GOT(1, 2, 7), GOT(1, 3, 6)));
        /* a value lost */
        CHECK(!POSSIBLE(2, SENT(1, 1, 2), SENT(2, 3, 4), GOT(2, 5, 6)));
        CHECK(!POSSIBLE(2, SENT(1, 1, 2), NOTHING(3, 4)));
        /* not the oldest */
        CHECK(!POSSIBLE(2, SENT(1, 1, 2), SENT(2, 3, 4), GOT(2, 5, 6), GOT(1, 7, 8)));
        CHECK(!POSSIBLE(1, GOT(1, 1, 2), SENT(1, 3, 4)));   /* before it was sent */
        CHECK(!POSSIBLE(1, GOT(2, 1, 4), SENT(1, 2, 3)));   /* never sent */
        /* closed while a value is left */
        CHECK(!POSSIBLE(2, SENT(1, 1, 2), CLOSED(3, 4), SAW_CLOSED(5, 6), GOT(1, 7, 8)));
        CHECK(!POSSIBLE(2, CLOSED(1, 2), SENT(1, 3, 4)));   /* sent after the close */
        CHECK(!POSSIBLE(2, SAW_CLOSED(1, 2), CLOSED(3, 4)));
        CHECK(!POSSIBLE(2, SEND_PANICS(1, 2), CLOSED(3, 4)));
        CHECK(!POSSIBLE(2, CLOSED(1, 2), CLOSED(3, 4)));
        CHECK(!POSSIBLE(2, CLOSED(1, 2), NOTHING(3, 4)));   /* a closed one is ready */
        CHECK(!POSSIBLE(2, CLOSED_TWICE(1, 2)));
        CHECK(!POSSIBLE(1, SENT(1, 1, 2), SENT(2, 3, 4)));   /* more than there is room for */
        CHECK(!POSSIBLE(2, SENT(1, 1, 2), NO_ROOM(3, 4)));   /* there was room */
}

static void without_a_buffer_both_must_be_there(void)
{
        CHECK(!POSSIBLE(0, SENT(1, 1, 2), GOT(1, 3, 4)));
        CHECK(!POSSIBLE(0, SENT(1, 1, 4), GOT(2, 2, 3)));
        CHECK(!POSSIBLE(0, SENT(1, 1, 4), GOT(1, 2, 5), GOT(1, 3, 6)));
        CHECK(!POSSIBLE(0, SENT(1, 1, 2)));
        CHECK(!POSSIBLE(0, CLOSED(1, 2), SENT(1, 3, 6), GOT(1, 4, 5)));
        CHECK(!POSSIBLE(0, CLOSED(1, 2), NO_ROOM(3, 4)));
}

/* -- recording -- */

enum { WORKERS = 4, VALUES = 4, VAIN = 3 };

struct record {
        rn_chan(int) c;
        unsigned cap, nsenders, nreceivers, early;   /* early: which sender closes after how many
                                                      * values; others close when all have ended */
        uint64_t rand;
        atomic_ulong clock;
        atomic_uint ncalls, ids, senders_left;
        struct call calls[MAX_CALLS];
};

static struct call *begin(struct record *r, unsigned kind, int value)
{
        unsigned i = atomic_fetch_add(&r->ncalls, 1);
        struct call *c = &r->calls[i];

        if (i >= MAX_CALLS)
                abort();
        c->kind = (uint8_t)kind;
        c->value = value;
        c->begin = atomic_fetch_add(&r->clock, 1);
        return c;
}

static void end(struct record *r, struct call *c, unsigned result)
{
        c->end = atomic_fetch_add(&r->clock, 1);
        c->result = (uint8_t)result;
}

static void send_plainly(struct record *r, int v)
{
        rn_send(r->c, v);
}

static void send_in_a_while(struct record *r, int v, bool *sent)
{
        *sent = rn_send_for(20 * RN_USEC, r->c, v) == 0;
}

static void send_at_once(struct record *r, int v, bool *sent)
{
        *sent = rn_try_send(r->c, v);
}

/* The channel is closed at once or not at all, so a panic here is always that of a closed channel;
 * its text is the behaviour tests' business. */
static void record_send(struct record *r, unsigned how, int v)
{
        bool sent = true, returned;
        struct call *c = begin(r, CALL_SEND, v);

        if (how == 0)
                returned = rn_pcall(NULL, send_at_once, r, v, &sent);
        else if (how == 1)
                returned = rn_pcall(NULL, send_in_a_while, r, v, &sent);
        else
                returned = rn_pcall(NULL, send_plainly, r, v);
        end(r, c, !returned ? CALL_PANIC : sent ? CALL_DONE : CALL_NOT);
}

static void close_it(struct record *r)
{
        rn_close(r->c);
}

static void record_close(struct record *r)
{
        struct call *c = begin(r, CALL_CLOSE, 0);

        end(r, c, rn_pcall(NULL, close_it, r) ? CALL_DONE : CALL_PANIC);
}

/* False: closed. */
static bool record_recv(struct record *r, unsigned how)
{
        int v = 0, got;
        struct call *c = begin(r, CALL_RECV, 0);

        if (how == 0)
                got = rn_try_recv(r->c, &v);
        else if (how == 1)
                got = rn_recv_for(20 * RN_USEC, r->c, &v);
        else
                got = rn_recv(r->c, &v);
        end(r, c, got == 1 ? CALL_DONE : got == 0 ? CALL_CLOSED : CALL_NOT);
        c->value = v;
        return got != 0;
}

static void sender(struct record *r, unsigned id, uint64_t *rand)
{
        for (unsigned i = 0; i < VALUES; i++) {
                if (r->early == id * VALUES + i)
                        record_close(r);
                record_send(r, behave_below(rand, 6), (int)(10 * (id + 1) + i));
        }
        if (atomic_fetch_sub(&r->senders_left, 1) == 1)
                record_close(r);
}

static void receiver(struct record *r, uint64_t *rand)
{
        for (unsigned vain = 0; ;) {
                unsigned before = behave_below(rand, 3),
                         how = behave_below(rand, vain < VAIN ? 6 : 4) + (vain < VAIN ? 0 : 2);

                vain += how < 2;
                if (before == 0)
                        rn_yield();
                if (!record_recv(r, how))
                        return;
        }
}

static void work(void *arg)
{
        struct record *r = arg;
        unsigned id = atomic_fetch_add(&r->ids, 1);
        uint64_t rand = r->rand + id;

        behave_rand(&rand);
        if (id < r->nsenders)
                sender(r, id, &rand);
        else
                receiver(r, &rand);
}

/* One history of 2 to 4 workers, the last of whom, or all, are plain threads. */
static void record(struct record *r, uint64_t *rand, unsigned threads)
{
        rn_wg wg = { { 0 } };

        memset(r, 0, sizeof *r);
        r->cap = behave_below(rand, MAX_QUEUE + 1);
        r->nsenders = 1 + behave_below(rand, 2);
        r->nreceivers = 1 + behave_below(rand, 2);
        r->early = behave_below(rand, 2) ? UINT32_MAX : behave_below(rand, r->nsenders * VALUES);
        r->rand = behave_rand(rand);
        r->c = rn_make(int, r->cap);
        atomic_store(&r->senders_left, r->nsenders);
        for (unsigned i = 0; i < r->nsenders + r->nreceivers; i++)
                behave_go(i < threads ? THREAD : GOROUTINE, &wg, work, r);
        rn_wg_wait(&wg);
        rn_unref(r->c);
}

static void show(const struct record *r)
{
        static const char *const kinds[] = { "send", "recv", "close" }, *const results[] = {
                "", " closed", " not", " panic"
        };

        for (unsigned i = 0; i < atomic_load(&r->ncalls); i++)
                fprintf(stderr, "  cap %u: %s %d%s [%d, %d]\n", r->cap, kinds[r->calls[i].kind],
                        r->calls[i].value, results[r->calls[i].result], (int)r->calls[i].begin,
                        (int)r->calls[i].end);
}

static void record_and_check(unsigned n, unsigned threads)
{
        uint64_t rand = behave_stream(threads);
        struct record *r = calloc(1, sizeof *r);

        if (!r)
                abort();
        for (unsigned i = 0; i < n; i++) {
                record(r, &rand, threads);
                if (!CHECK(history_possible(r->calls, atomic_load(&r->ncalls), r->cap)))
                        show(r);
        }
        free(r);
}

static void goroutines_have_possible_histories(void)
{
        record_and_check(BEHAVE_SCALE(1000), 0);
}

static void goroutines_and_a_thread_have_possible_histories(void)
{
        record_and_check(BEHAVE_SCALE(300), 1);
}

static void threads_have_possible_histories(void)
{
        record_and_check(BEHAVE_SCALE(300), WORKERS);
}

/* -- recorded, then falsified -- */

static struct call *find(struct record *r, unsigned kind, unsigned result)
{
        for (unsigned i = 0; i < atomic_load(&r->ncalls); i++)
                if (r->calls[i].kind == kind && r->calls[i].result == result)
                        return &r->calls[i];
        return NULL;
}

static bool still_possible(const struct record *r)
{
        return history_possible(r->calls, atomic_load(&r->ncalls), r->cap);
}

static void a_falsified_history_is_refused(void)
{
        uint64_t rand = behave_stream(99);
        struct record *r = calloc(1, sizeof *r);
        int falsified = 0;

        if (!r)
                abort();
        for (unsigned i = 0; i < BEHAVE_SCALE(200); i++) {
                struct call *got, *sent, *last, was;

                record(r, &rand, 0);
                got = find(r, CALL_RECV, CALL_DONE);
                sent = find(r, CALL_SEND, CALL_DONE);
                last = find(r, CALL_RECV, CALL_CLOSED);
                if (!got || !sent || !last)
                        continue;
                falsified++;
                was = *got;
                got->value = 999;   /* never sent */
                CHECK(!still_possible(r));
                /* nobody got it */
                *got = (struct call){ CALL_RECV, CALL_NOT, 0, was.begin, was.end };
                CHECK(!still_possible(r));
                *got = was;
                was = *last;
                /* another one got it too */
                *last = (struct call){ CALL_RECV, CALL_DONE, got->value, was.begin, was.end };
                CHECK(!still_possible(r));
                *last = was;
                sent->begin = sent->end = UINT64_MAX;   /* sent after all others */
                CHECK(!still_possible(r));
        }
        CHECK(falsified > 0);
        free(r);
}

static const struct behave_test tests[] = {
        BEHAVE(what_a_queue_does_is_possible),
        BEHAVE(what_no_queue_does_is_refused),
        BEHAVE(without_a_buffer_both_must_be_there),
        BEHAVE(goroutines_have_possible_histories),
        BEHAVE(goroutines_and_a_thread_have_possible_histories),
        BEHAVE(threads_have_possible_histories),
        BEHAVE_THREAD(threads_have_possible_histories),
        BEHAVE(a_falsified_history_is_refused),
};

BEHAVE_MAIN(tests)
