/* SPDX-License-Identifier: MIT
 * One program on the library. Each process is a goroutine or a plain thread that does its
 * operations one after the other and writes down how each ended; between them it may be disturbed
 * (yields, short loops, short sleeps), by random numbers of the run's seed, so that one program
 * meets many schedules. A value that is sent is an index of `payload`, plain memory that the sender
 * writes before and the receiver reads after: what the race detector, and the value itself, say if
 * a channel does not order them. Invariant: nothing here waits for anything that the program does
 * not wait for, but the start, so a deadlock of the program is one of the whole process. */
#include "tests/csp/run.h"

#include <errno.h>
#include <pthread.h>
#include <runnel.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDE = 6, UNTOUCHED = 0x5a5a5a5a };

/* One element of any of the sizes: its first word is the value. */
struct element {
        int32_t word[WIDE];
};

struct running {
        const struct program *p;
        const struct how *how;
        volatile struct outcome *o;
        void *chan[CHAN_END_];
        rn_ctx *ctx;
        rn_wg wg;
        atomic_bool go;
        bool gate;
        size_t size;                /* of an element */
        int payload[MAX_VALUE + 1];
};

struct proc {
        struct running *r;
        unsigned id, at;
        uint64_t rand, level;       /* of its disturbances */
        struct rn_case cases[MAX_CASES];
        struct element out[MAX_CASES], in[MAX_CASES];
        bool ok[MAX_CASES];
        struct result result;
};

/* -- disturbances -- */

static void spin(unsigned n)
{
        for (volatile unsigned i = 0; i < n; i++)
                continue;
}

static void disturb(struct proc *me)
{
        unsigned x = csp_below(&me->rand, 16);

        if (me->level == 0 || x < 16 - 5 * me->level)
                return;
        if (x % 4 == 0)
                rn_yield();
        else if (x % 4 == 1)
                spin(1u << csp_below(&me->rand, 12));
        else if (x % 4 == 2)
                spin(csp_below(&me->rand, 64));
        else if (csp_below(&me->rand, 4) == 0)
                rn_sleep(1 + csp_below(&me->rand, 20000));
        else
                for (unsigned i = csp_below(&me->rand, 5); i > 0; i--)
                        rn_yield();
}

/* -- one operation -- */

static unsigned value_at(struct proc *me, unsigned k)
{
        return value_of(me->id, me->at, k);
}

static void *give(struct proc *me, unsigned k)
{
        unsigned v = value_at(me, k);

        me->r->payload[v] = (int)v;
        for (unsigned i = 0; i < WIDE; i++)
                me->out[k].word[i] = (int32_t)(v + i);
        return &me->out[k];
}

/* The words of an element of communication k's channel. */
static unsigned room_words(const struct proc *me, unsigned k)
{
        return me->r->p->proc[me->id].op[me->at].comm[k].chan == CHAN_DONE
                       ? 0
                       : (unsigned)me->r->size / 4;
}

/* Receive k brought something, or did not (ok == false): what is in its room must be a whole
 * element that somebody sent, or zeroes. */
static void took(struct proc *me, unsigned k, bool ok)
{
        const struct element *e = &me->in[k];
        bool sound = true;
        unsigned v = (unsigned)e->word[0];

        for (unsigned i = 0; i < WIDE; i++)
                sound &= i >= room_words(me, k) ? e->word[i] == UNTOUCHED
                                                : e->word[i] == (ok ? (int32_t)(v + i) : 0);
        if (ok && sound)
                sound = room_words(me, k) > 0 && v > 0 && v <= MAX_VALUE &&
                        me->r->payload[v] == (int)v;
        me->result = (struct result){ (uint8_t)(!sound ? R_ODD : ok ? R_VALUE : R_CLOSED),
                                      (uint8_t)k, (uint16_t)(ok ? v : 0) };
}

static void nothing(struct proc *me, unsigned kind, unsigned n)
{
        bool sound = true;

        for (unsigned k = 0; k < n; k++)
                for (unsigned i = 0; i < WIDE; i++)
                        sound &= me->in[k].word[i] == UNTOUCHED;
        me->result.kind = (uint8_t)(sound ? kind : R_ODD);
}

static rn_time moment(struct proc *me)
{
        return rn_deadline(csp_below(&me->rand, 8) == 0 ? 0 : 1 + csp_below(&me->rand, 30000));
}

static void do_send(struct proc *me, unsigned kind, void *c)
{
        void *elem = give(me, 0);

        me->result.kind = R_DONE;
        if (kind == OP_SEND)
                rn_chan_send(c, elem);
        else if (kind == OP_TRY_SEND && !rn_chan_send_try(c, elem))
                me->result.kind = R_DEFAULT;
        else if (kind == OP_SEND_FOR && rn_chan_send_until(c, elem, moment(me)) != 0)
                me->result.kind = R_TIMEOUT;
}

/* A receive from the done channel, whose elements are nothing, has no room. */
static void *room(struct proc *me, const struct op *o, unsigned k)
{
        return o->comm[k].chan == CHAN_DONE ? NULL : &me->in[k];
}

static void do_recv(struct proc *me, const struct op *o, void *c)
{
        void *into = room(me, o, 0);
        int got;

        if (o->kind == OP_TRY_RECV)
                got = rn_chan_recv_try(c, into);
        else if (o->kind == OP_RECV_FOR)
                got = rn_chan_recv_until(c, into, moment(me));
        else
                got = rn_chan_recv(c, into);
        if (got >= 0)
                took(me, 0, got == 1);
        else
                nothing(me, got == -EAGAIN ? R_DEFAULT : got == -ETIMEDOUT ? R_TIMEOUT : R_ODD, 1);
}

static void do_select(struct proc *me, const struct op *o)
{
        int i;

        for (unsigned k = 0; k < o->n; k++) {
                struct rn_case *c = &me->cases[k];

                *c = (struct rn_case){ .op = o->comm[k].send ? 1 : 2,
                                       .chan = me->r->chan[o->comm[k].chan] };
                if (o->comm[k].send) {
                        c->elem = give(me, k);
                } else {
                        c->into = room(me, o, k);
                        c->ok = &me->ok[k];
                }
        }
        if (o->kind == OP_TRY_SELECT)
                i = rn_selectv_try(me->cases, o->n);
        else
                i = rn_selectv(me->cases, o->n, o->kind == OP_SELECT ? RN_NEVER : moment(me));
        if (i >= 0 && i < o->n && o->comm[i].send)
                me->result = (struct result){ R_DONE, (uint8_t)i, 0 };
        else if (i >= 0 && i < o->n)
                took(me, (unsigned)i, me->ok[i]);
        else
                nothing(me,
                        i == RN_DEFAULT   ? R_DEFAULT
                        : i == RN_TIMEOUT ? R_TIMEOUT
                                          : R_ODD,
                        o->n);
}

static void do_op(struct proc *me)
{
        const struct op *o = &me->r->p->proc[me->id].op[me->at];
        void *c = o->n ? me->r->chan[o->comm[0].chan] : NULL;

        me->result = (struct result){ R_DONE, 0, 0 };
        if (op_is_select(o->kind))
                do_select(me, o);
        else if (o->kind == OP_SEND || o->kind == OP_TRY_SEND || o->kind == OP_SEND_FOR)
                do_send(me, o->kind, c);
        else if (op_communicates(o->kind))
                do_recv(me, o, c);
        else if (o->kind == OP_CLOSE)
                (rn_close)(c);
        else if (o->kind == OP_CANCEL)
                rn_ctx_cancel(me->r->ctx);
        else if (o->kind == OP_ERR)
                me->result.kind = rn_ctx_err(me->r->ctx) == 0            ? R_DONE
                                  : rn_ctx_err(me->r->ctx) == -ECANCELED ? R_CLOSED
                                                                         : R_ODD;
        else if (o->kind == OP_SLEEP)
                rn_sleep(1 + csp_below(&me->rand, 40000));
        else
                rn_yield();
}

static unsigned kind_of_panic(const struct rn_recovered *p)
{
        if (p->runtime && strcmp(p->text, "send on closed channel") == 0)
                return R_PANIC_SEND;
        if (p->runtime && strcmp(p->text, "close of closed channel") == 0)
                return R_PANIC_CLOSE;
        if (p->runtime && strcmp(p->text, "close of nil channel") == 0)
                return R_PANIC_NIL;
        fprintf(stderr, "odd panic: %s\n", p->text);
        return R_ODD;
}

/* -- sabotage -- */

static bool ready_to_recv(void *c)
{
        return c && (rn_len)(c) > 0;
}

/* A broken library in place of do_op; what it does not break it leaves to it. */
static void do_op_wrongly(struct proc *me)
{
        const struct op *o = &me->r->p->proc[me->id].op[me->at];
        void *c = o->n ? me->r->chan[o->comm[0].chan] : NULL;
        unsigned sabotage = me->r->how->sabotage;
        struct op first = *o;

        me->result = (struct result){ R_DONE, 0, 0 };
        if (sabotage == SAB_LOSE && o->kind == OP_SEND && (rn_cap)(c) > 0) {
                give(me, 0);
        } else if (sabotage == SAB_TWICE && o->kind == OP_SEND) {
                do_op(me);
                rn_chan_send_try(c, give(me, 0));
        } else if (sabotage == SAB_SWAP && o->kind == OP_RECV && ready_to_recv(c)) {
                struct element e;

                if ((rn_len)(c) > 1 && rn_chan_recv_try(c, &e) == 1)
                        rn_chan_send_try(c, &e);
                do_op(me);
        } else if (sabotage == SAB_SPURIOUS && o->kind == OP_TRY_RECV && ready_to_recv(c)) {
                me->result.kind = R_DEFAULT;
        } else if (sabotage == SAB_DEAF && o->kind == OP_SELECT) {
                first.n = 1;
                do_select(me, &first);
        } else if (sabotage == SAB_QUIET && o->kind == OP_CLOSE) {
                return;
        } else if (sabotage == SAB_DIES && o->kind == OP_CLOSE) {
                _exit(0);
        } else if (sabotage == SAB_HANGS && o->kind == OP_RECV) {
                for (;;)
                        rn_yield();
        } else if (sabotage == SAB_ZERO && o->kind == OP_RECV) {
                do_op(me);
                if (me->result.kind == R_CLOSED)
                        me->result = (struct result){ R_VALUE, 0,
                                                      (uint16_t)value_of(me->id, me->at, 0) };
        } else {
                do_op(me);
        }
}

/* -- a process -- */

static void process(struct proc *me)
{
        struct running *r = me->r;
        static const char *const names[MAX_PROCS] = { "p0", "p1", "p2", "p3" };
        void (*perform)(struct proc *) = r->how->sabotage ? do_op_wrongly : do_op;
        struct rn_recovered panic;

        rn_set_name(names[(me->id + (r->how->sabotage == SAB_NAMES)) % MAX_PROCS]);
        while (r->gate && !atomic_load(&r->go))
                rn_yield();
        for (me->at = 0; me->at < r->p->proc[me->id].n; me->at++) {
                disturb(me);
                memset(me->in, UNTOUCHED & 0xff, sizeof me->in);
                if (!rn_pcall(&panic, perform, me))
                        me->result = (struct result){ (uint8_t)kind_of_panic(&panic), 0, 0 };
                r->o->of[me->id][me->at].which = me->result.which;
                r->o->of[me->id][me->at].value = me->result.value;
                r->o->of[me->id][me->at].kind = me->result.kind;
        }
}

static void goroutine(struct proc *me)
{
        struct running *r = me->r;

        process(me);
        rn_wg_done(&r->wg);
}

/* A thread waits inside the library for the others: one that is about to end could still call it,
 * and a deadlock would be declared a second later. */
static void *thread(void *arg)
{
        struct proc *me = arg;

        process(me);
        rn_wg_done(&me->r->wg);
        rn_wg_wait(&me->r->wg);
        return NULL;
}

/* Starts the processes and waits until the last has ended. */
static void run_processes(struct running *r)
{
        struct proc *procs = calloc(r->p->nprocs, sizeof *procs);
        pthread_t threads[MAX_PROCS];
        uint64_t rand = r->how->seed;
        unsigned first = csp_below(&rand, r->p->nprocs);

        if (!procs)
                abort();
        rn_wg_add(&r->wg, r->p->nprocs);
        for (unsigned i = 0; i < r->p->nprocs; i++) {
                unsigned id = (first + i) % r->p->nprocs;
                struct proc *me = &procs[id];

                me->r = r;
                me->id = id;
                me->level = csp_below(&rand, 4);
                me->rand = csp_rand(&rand);
        }
        for (unsigned i = 0; i < r->p->nprocs; i++) {
                unsigned id = (first + i) % r->p->nprocs;

                if (r->how->threads >> id & 1) {
                        if (pthread_create(&threads[id], NULL, thread, &procs[id]) != 0)
                                abort();
                } else {
                        rn_go(goroutine, &procs[id]);
                }
        }
        atomic_store(&r->go, true);
        rn_wg_wait(&r->wg);
        for (unsigned id = 0; id < r->p->nprocs; id++)
                if (r->how->threads >> id & 1)
                        pthread_join(threads[id], NULL);
        free(procs);
}

/* False: a deadlock. */
static bool run_simulated(struct running *r)
{
        struct rn_sim_opts o = { .seed = r->how->seed,
                                 .strategy = r->how->seed >> 32 & 1 ? RN_SIM_PCT : RN_SIM_RANDOM,
                                 .report = -1 };
        int outcome = rn_sim_run(&o, NULL, run_processes, r);

        if (outcome != 0 && outcome != -EDEADLK)
                abort();
        return outcome == 0;
}

void run_program(const struct program *p, const struct how *how, volatile struct outcome *o)
{
        static const size_t sizes[] = { 4, 8, 4 * WIDE };
        struct running *r = calloc(1, sizeof *r);
        uint64_t rand = ~how->seed;

        if (!r)
                abort();
        r->p = p;
        r->how = how;
        r->o = o;
        r->size = sizes[csp_below(&rand, 3)];
        r->gate = csp_below(&rand, 2);
        r->ctx = rn_ctx_with_cancel(rn_ctx_background());
        for (unsigned c = 0; c < p->nchans; c++)
                r->chan[c] = rn_chan_new(r->size, 4, p->cap[c], "csp");
        r->chan[CHAN_DONE] = (void *)(uintptr_t)rn_ctx_done(r->ctx);
        switch (how->mode) {
        case MODE_REAL:
                rn_maxprocs(how->procs);
                run_processes(r);
                break;
        case MODE_SIM:
                if (!run_simulated(r))
                        return;   /* with what those who wait for ever wait on */
                break;
        default:
                abort();
        }
        for (unsigned c = 0; c < p->nchans; c++)
                rn_unref(r->chan[c]);
        rn_ctx_release(r->ctx);
        free(r);
}
