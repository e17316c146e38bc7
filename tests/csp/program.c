/* SPDX-License-Identifier: MIT
 * Programs from bytes, and the text of programs and outcomes. The generator has two aims beside
 * chance. Operations are to find partners: half of the programs choose the direction of each plain
 * operation by what the other processes lack. And most programs are to end, since one that blocks
 * for ever costs a process: in seven of eight the last process is a janitor, who sleeps a little
 * and then closes everything, so that who still waits is seen to wait, and goes on. The text has a
 * line `chans` with the capacities and then a line for each process, operations separated by `;`,
 * so a failure can be kept in a test as it was printed. */
#include "tests/csp/program.h"

#include <stdlib.h>
#include <string.h>

/* -- from bytes -- */

struct bytes {
        const uint8_t *at;
        size_t left;
};

static unsigned next(struct bytes *b)
{
        if (!b->left)
                return 0;
        b->left--;
        return *b->at++;
}

/* How often each kind comes. */
static const uint8_t kinds[32] = {
        OP_SEND, OP_SEND, OP_SEND, OP_SEND, OP_SEND, OP_RECV, OP_RECV, OP_RECV, OP_RECV, OP_RECV,
        OP_TRY_SEND, OP_TRY_SEND, OP_TRY_RECV, OP_TRY_RECV, OP_SEND_FOR, OP_RECV_FOR,
        OP_SELECT, OP_SELECT, OP_SELECT, OP_SELECT, OP_SELECT, OP_TRY_SELECT, OP_TRY_SELECT,
        OP_SELECT_FOR, OP_SELECT_FOR, OP_CLOSE, OP_CLOSE, OP_CANCEL, OP_ERR,
        OP_SLEEP, OP_YIELD, OP_RECV,
};

/* Operations of one process; fewer if there are many, or the reference would seldom come to an
 * end. */
static const uint8_t most_ops[MAX_PROCS + 1] = { 0, MAX_OPS, MAX_OPS, MAX_OPS, 5 };

struct balance {
        bool on;
        bool ends;   /* there is a janitor: nobody may wait on what he cannot close */
        int8_t own[MAX_CHANS], others[MAX_CHANS];   /* sends less receives: of this process, of
                                                     * those before it */
};

static unsigned choose_chan(struct bytes *b, const struct program *p, bool nil, bool in_select)
{
        unsigned x = next(b);

        if (x % 32 == 31 && nil)
                return CHAN_NIL;
        if (in_select && x % 8 == 7)
                return CHAN_DONE;
        return x / 32 % p->nchans;
}

static struct comm choose_comm(struct bytes *b, const struct program *p, struct balance *bal,
                               int send, bool nil, bool in_select)
{
        struct comm c = { .chan = (uint8_t)choose_chan(b, p, nil, in_select) };
        bool sends = send < 0 ? next(b) & 1 : send != 0;

        if (c.chan == CHAN_DONE)
                sends = false;
        if (c.chan < MAX_CHANS && bal->on && !in_select) {
                int others = bal->others[c.chan], net = others + bal->own[c.chan];

                if (others != 0)
                        sends = net == 0 ? sends : net < 0;
                bal->own[c.chan] = (int8_t)(bal->own[c.chan] + (sends ? 1 : -1));
        }
        c.send = sends;
        return c;
}

static struct op choose_op(struct bytes *b, const struct program *p, struct balance *bal)
{
        struct op o = { .kind = kinds[next(b) % 32] };
        bool waits = !op_tries(o.kind) && !op_is_timed(o.kind);

        if (op_is_select(o.kind)) {
                o.n = (uint8_t)(1 + next(b) % MAX_CASES);
                for (unsigned i = 0; i < o.n; i++)
                        o.comm[i] = choose_comm(b, p, bal, -1, i > 0 || !(waits && bal->ends),
                                                true);
        } else if (op_communicates(o.kind)) {
                o.n = 1;
                o.comm[0] = choose_comm(b, p, bal, o.kind % 2 == OP_SEND, !(waits && bal->ends),
                                        false);
                /* they come in pairs */
                o.kind = (uint8_t)(o.kind - o.kind % 2 + !o.comm[0].send);
        } else if (o.kind == OP_CLOSE) {
                o.n = 1;
                o.comm[0].chan = (uint8_t)choose_chan(b, p, true, false);
        }
        return o;
}

/* Sleeps, closes all channels from any one on, and ends the context. */
static void make_janitor(struct bytes *b, const struct program *p, struct process *proc)
{
        unsigned x = next(b);

        for (unsigned i = x % 3; i > 0; i--)
                proc->op[proc->n++].kind = OP_SLEEP;
        for (unsigned i = 0; i < p->nchans; i++)
                proc->op[proc->n++] =
                        (struct op){ OP_CLOSE, 1, { { 0, (uint8_t)((x / 4 + i) % p->nchans) } } };
        proc->op[proc->n++].kind = OP_CANCEL;
}

void program_from_bytes(struct program *p, const uint8_t *bytes, size_t n)
{
        struct bytes b = { bytes, n };
        unsigned first = next(&b);
        struct balance bal = { .on = first & 1, .ends = first / 2 % 8 != 7 };

        memset(p, 0, sizeof *p);
        p->nchans = (uint8_t)(1 + next(&b) % MAX_CHANS);
        p->nprocs = (uint8_t)(2 + next(&b) % (MAX_PROCS - 1));
        for (unsigned c = 0; c < p->nchans; c++)
                p->cap[c] = (uint8_t)(next(&b) % 8 < 4 ? 0 : next(&b) % (MAX_CAP + 1));
        for (unsigned i = 0; i < p->nprocs; i++) {
                struct process *proc = &p->proc[i];

                if (bal.ends && i > 0 && i == p->nprocs - 1u) {
                        make_janitor(&b, p, proc);
                        break;
                }
                proc->n = (uint8_t)(1 + next(&b) % most_ops[p->nprocs]);
                for (unsigned k = 0; k < proc->n; k++)
                        proc->op[k] = choose_op(&b, p, &bal);
                for (unsigned c = 0; c < MAX_CHANS; c++)
                        bal.others[c] = (int8_t)(bal.others[c] + bal.own[c]);
                memset(bal.own, 0, sizeof bal.own);
        }
}

void program_from_seed(struct program *p, uint64_t seed)
{
        uint8_t bytes[PROGRAM_BYTES];
        uint64_t s = seed;

        for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (uint8_t)(csp_rand(&s) >> 32);
        program_from_bytes(p, bytes, sizeof bytes);
}

static bool op_valid(const struct program *p, const struct op *o)
{
        if (o->kind >= OP_END_)
                return false;
        if (op_is_select(o->kind) ? o->n < 1 || o->n > MAX_CASES
                                  : o->n != (o->kind <= OP_RECV_FOR || o->kind == OP_CLOSE))
                return false;
        for (unsigned i = 0; i < o->n; i++) {
                const struct comm *c = &o->comm[i];

                if (c->chan >= p->nchans && c->chan != CHAN_DONE && c->chan != CHAN_NIL)
                        return false;
                /* its owner alone closes it */
                if (c->chan == CHAN_DONE && (c->send || o->kind == OP_CLOSE))
                        return false;
                if (o->kind <= OP_RECV_FOR && c->send != (o->kind % 2 == OP_SEND))
                        return false;
        }
        return true;
}

bool program_valid(const struct program *p)
{
        if (p->nchans < 1 || p->nchans > MAX_CHANS || p->nprocs < 1 || p->nprocs > MAX_PROCS)
                return false;
        for (unsigned c = 0; c < p->nchans; c++)
                if (p->cap[c] > MAX_CAP)
                        return false;
        for (unsigned i = 0; i < p->nprocs; i++) {
                if (p->proc[i].n > MAX_OPS)
                        return false;
                for (unsigned k = 0; k < p->proc[i].n; k++)
                        if (!op_valid(p, &p->proc[i].op[k]))
                                return false;
        }
        return true;
}

/* -- text of programs -- */

static const char *const op_names[OP_END_] = {
        "send", "recv", "try_send", "try_recv", "send_for", "recv_for", "select", "try_select",
        "select_for", "close", "cancel", "err", "sleep", "yield",
};

static void print_chan(FILE *out, unsigned chan)
{
        if (chan == CHAN_DONE)
                fputs(" done", out);
        else if (chan == CHAN_NIL)
                fputs(" nil", out);
        else
                fprintf(out, " %u", chan);
}

void program_print(FILE *out, const struct program *p)
{
        fputs("chans", out);
        for (unsigned c = 0; c < p->nchans; c++)
                fprintf(out, " %u", p->cap[c]);
        fputc('\n', out);
        for (unsigned i = 0; i < p->nprocs; i++) {
                fputs("proc", out);
                for (unsigned k = 0; k < p->proc[i].n; k++) {
                        const struct op *o = &p->proc[i].op[k];

                        fprintf(out, "%s %s", k ? " ;" : "", op_names[o->kind]);
                        for (unsigned c = 0; c < o->n; c++) {
                                if (op_is_select(o->kind))
                                        fprintf(out, " %s", o->comm[c].send ? "send" : "recv");
                                print_chan(out, o->comm[c].chan);
                        }
                }
                fputc('\n', out);
        }
}

/* Words of a text, one at a time; a newline is a word. */
struct words {
        const char *at;
        char word[16];
};

static bool word(struct words *w)
{
        size_t n;

        w->at += strspn(w->at, " \t");
        n = *w->at == '\n' ? 1 : strcspn(w->at, " \t\n");
        if (n == 0 || n >= sizeof w->word)
                return false;
        memcpy(w->word, w->at, n);
        w->word[n] = '\0';
        w->at += n;
        return true;
}

static bool is(const struct words *w, const char *s)
{
        return strcmp(w->word, s) == 0;
}

static bool ends_op(const struct words *w)
{
        return is(w, ";") || is(w, "\n");
}

static bool number(const char *s, unsigned most, unsigned *n)
{
        char *end;
        unsigned long x = strtoul(s, &end, 10);

        *n = (unsigned)x;
        return end != s && !*end && x <= most;
}

static bool parse_chan(struct words *w, uint8_t *chan)
{
        unsigned n = is(w, "done") ? CHAN_DONE : CHAN_NIL;

        if (!is(w, "done") && !is(w, "nil") && !number(w->word, MAX_CHANS - 1, &n))
                return false;
        *chan = (uint8_t)n;
        return true;
}

/* From the operation's name to what ends it. */
static bool parse_op(struct words *w, struct op *o)
{
        unsigned kind = 0;

        while (kind < OP_END_ && !is(w, op_names[kind]))
                kind++;
        if (kind == OP_END_)
                return false;
        o->kind = (uint8_t)kind;
        while (word(w) && !ends_op(w)) {
                struct comm *c = &o->comm[o->n];

                if (o->n++ == MAX_CASES)
                        return false;
                c->send = kind % 2 == OP_SEND && kind <= OP_RECV_FOR;
                if (op_is_select(kind)) {
                        c->send = is(w, "send");
                        if ((!c->send && !is(w, "recv")) || !word(w))
                                return false;
                }
                if (!parse_chan(w, &c->chan))
                        return false;
        }
        return ends_op(w);
}

static bool parse_proc(struct words *w, struct process *proc)
{
        if (!word(w))
                return false;
        while (!is(w, "\n")) {
                if (proc->n == MAX_OPS || !parse_op(w, &proc->op[proc->n]))
                        return false;
                proc->n++;
                if (is(w, ";") && (!word(w) || ends_op(w)))
                        return false;
        }
        return true;
}

bool program_parse(struct program *p, const char *text)
{
        struct words w = { .at = text };
        unsigned n;

        memset(p, 0, sizeof *p);
        if (!word(&w) || !is(&w, "chans"))
                return false;
        while (word(&w) && !is(&w, "\n")) {
                if (p->nchans == MAX_CHANS || !number(w.word, MAX_CAP, &n))
                        return false;
                p->cap[p->nchans++] = (uint8_t)n;
        }
        while (word(&w)) {
                if (!is(&w, "proc") || p->nprocs == MAX_PROCS ||
                    !parse_proc(&w, &p->proc[p->nprocs++]))
                        return false;
        }
        return program_valid(p);
}

/* -- text of outcomes -- */

static const char *const result_names[R_END_] = {
        "blocked", "done", "", "closed", "default", "timeout", "panic_send", "panic_close",
        "panic_nil", "ODD",
};

static void print_result(FILE *out, const struct op *o, const struct result *r)
{
        fputc(' ', out);
        if (op_is_select(o->kind) && r->kind >= R_DONE && r->kind <= R_CLOSED)
                fprintf(out, "%u:", r->which);
        if (r->kind == R_VALUE)
                fprintf(out, "%u", r->value);
        else
                fputs(result_names[r->kind < R_END_ ? r->kind : R_ODD], out);
}

void outcome_print(FILE *out, const struct program *p, const struct outcome *o)
{
        for (unsigned i = 0; i < p->nprocs; i++) {
                fputs("saw", out);
                for (unsigned k = 0; k < p->proc[i].n; k++) {
                        print_result(out, &p->proc[i].op[k], &o->of[i][k]);
                        if (o->of[i][k].kind == R_NONE)
                                break;
                }
                fputc('\n', out);
        }
}

static bool parse_result(const char *s, struct result *r)
{
        unsigned n;

        if (s[0] && s[1] == ':') {
                r->which = (uint8_t)(s[0] - '0');
                s += 2;
        }
        if (number(s, MAX_VALUE, &n)) {
                r->kind = R_VALUE;
                r->value = (uint16_t)n;
                return true;
        }
        for (r->kind = 0; r->kind < R_END_; r->kind++)
                if (strcmp(s, result_names[r->kind]) == 0)
                        return true;
        return false;
}

bool outcome_parse(const struct program *p, struct outcome *o, const char *text)
{
        struct words w = { .at = text };

        memset(o, 0, sizeof *o);
        for (unsigned i = 0; i < p->nprocs; i++) {
                if (!word(&w) || !is(&w, "saw"))
                        return false;
                for (unsigned k = 0; word(&w) && !is(&w, "\n"); k++)
                        if (k == p->proc[i].n || !parse_result(w.word, &o->of[i][k]))
                                return false;
        }
        return !*w.at;
}
