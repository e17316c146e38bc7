/* SPDX-License-Identifier: MIT
 * The comparison and the shrinker. A run is right if its outcome is in the reference's set; that
 * nobody can wait for ever in an outcome where somebody did, or the other way round, is part of
 * that, since what was not done is in the outcome too. Invariant: a program that the reference
 * cannot go through is counted, never passed. */
#include "tests/csp/check.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHRINK_SECONDS = 120, ALLOWED_SHOWN = 8 };

/* -- the plan of a program's runs -- */

/* Run i of a program on so many Ps: in a quarter of them some processes are plain threads, and of
 * the others every second is a deterministic one. */
static struct how how_of(const struct budget *b, uint64_t seed, uint8_t procs, unsigned i)
{
        uint64_t s = seed + 1000003u * i + procs;
        struct how h = { .mode = MODE_REAL, .sabotage = b->sabotage, .procs = procs };

        h.seed = csp_rand(&s);
        if (csp_below(&s, 4) == 0)
                h.threads = (uint8_t)csp_below(&s, 1 << MAX_PROCS);
        else if (!b->sabotage && csp_below(&s, 2) == 0)
                h.mode = MODE_SIM;
        return h;
}

/* Runs of one program. One that may block for ever has fewer, since each may cost a process. */
static size_t runs_of(const struct budget *b, bool may_block)
{
        return strlen((const char *)b->procs) * (may_block ? b->blocked : b->runs);
}

static size_t plan(const struct budget *b, const struct program *p, uint64_t seed, bool may_block,
                   struct job *jobs)
{
        size_t n = runs_of(b, may_block), each = n / strlen((const char *)b->procs);

        for (size_t i = 0; i < n; i++) {
                jobs[i].program = *p;
                jobs[i].how = how_of(b, seed, b->procs[i / each], (unsigned)(i % each));
                jobs[i].how.threads &= (uint8_t)((1u << p->nprocs) - 1);
        }
        return n;
}

/* -- judging -- */

bool job_allowed(const struct job *j, const struct outcomes *allowed)
{
        return (j->verdict == RAN || j->verdict == BLOCKED) && outcomes_have(allowed, &j->outcome);
}

static void count(struct tally *t, const struct job *jobs, size_t n, const struct outcomes *allowed)
{
        bool *met = calloc(allowed->n, sizeof *met);
        size_t different = 0;

        if (!met)
                abort();
        for (size_t i = 0; i < n; i++) {
                t->blocked += jobs[i].verdict == BLOCKED;
                t->threads += jobs[i].how.threads != 0;
                for (size_t k = 0; k < allowed->n; k++)
                        if (memcmp(&allowed->at[k], &jobs[i].outcome, sizeof allowed->at[k]) == 0) {
                                different += !met[k];
                                met[k] = true;
                        }
        }
        free(met);
        t->runs += n;
        t->allowed += allowed->n;
        t->seen += different;
        t->varied += different > 1;
}

/* The first job that is not allowed goes to f, with its text; the other texts are freed. */
static bool judge(struct job *jobs, size_t n, const struct outcomes *allowed, uint64_t seed,
                  struct failure *f)
{
        bool well = true;

        for (size_t i = 0; i < n; i++) {
                if (well && !job_allowed(&jobs[i], allowed)) {
                        *f = (struct failure){ jobs[i], seed };
                        well = false;
                } else {
                        free(jobs[i].text);
                }
        }
        return well;
}

/* -- checking -- */

enum { GROUP = 8 };   /* programs whose runs share children */

struct group {
        struct program program[GROUP];
        uint64_t seed[GROUP];
        struct outcomes allowed[GROUP];
        size_t n;
};

static bool group_run(const struct budget *b, struct group *g, struct tally *t, struct failure *f)
{
        struct job *jobs = calloc(GROUP * (runs_of(b, false) + runs_of(b, true)), sizeof *jobs),
                   *mine = jobs;
        size_t n = 0;
        bool well = true;

        if (!jobs)
                abort();
        for (size_t i = 0; i < g->n; i++)
                n += plan(b, &g->program[i], g->seed[i], g->allowed[i].may_block, jobs + n);
        jobs_run(jobs, n);
        for (size_t i = 0; i < g->n; i++) {
                size_t each = runs_of(b, g->allowed[i].may_block);
                struct failure more;

                if (judge(mine, each, &g->allowed[i], g->seed[i], well ? f : &more)) {
                        count(t, mine, each, &g->allowed[i]);
                } else {
                        if (!well)
                                failure_free(&more);
                        well = false;
                }
                mine += each;
                outcomes_free(&g->allowed[i]);
        }
        free(jobs);
        g->n = 0;
        return well;
}

static void group_add(const struct budget *b, struct group *g, const struct program *p,
                      uint64_t seed, struct tally *t)
{
        t->programs++;
        if (!reference_explore(p, b->states, &g->allowed[g->n])) {
                t->skipped++;
                return;
        }
        g->program[g->n] = *p;
        g->seed[g->n++] = seed;
}

bool check_seeds(const struct budget *b, uint64_t seed, size_t n, struct tally *t,
                 struct failure *f)
{
        struct group *g = calloc(1, sizeof *g);
        bool well = true;

        if (!g)
                abort();
        for (; n > 0 && well; n--, seed++) {
                struct program p;

                program_from_seed(&p, seed);
                group_add(b, g, &p, seed, t);
                if (g->n == GROUP || n == 1)
                        well = group_run(b, g, t, f);
        }
        free(g);
        return well;
}

bool check_program(const struct budget *b, const struct program *p, uint64_t seed, struct tally *t,
                   struct failure *f)
{
        struct group *g = calloc(1, sizeof *g);
        bool well;

        if (!g)
                abort();
        group_add(b, g, p, seed, t);
        well = group_run(b, g, t, f);
        free(g);
        return well;
}

/* -- shrinking -- */

/* What can be taken away, the largest first. */
enum cut { CUT_PROC, CUT_OP, CUT_CASE, CUT_SELECT, CUT_TIME, CUT_CAP, CUT_CHAN, CUT_END_ };

static void cut_op(struct process *proc, unsigned k)
{
        memmove(&proc->op[k], &proc->op[k + 1], (MAX_OPS - k - 1) * sizeof *proc->op);
        memset(&proc->op[MAX_OPS - 1], 0, sizeof *proc->op);
        proc->n--;
}

static bool cut_proc(struct program *q, unsigned i)
{
        if (i >= q->nprocs || q->nprocs == 1)
                return false;
        memmove(&q->proc[i], &q->proc[i + 1], (MAX_PROCS - i - 1) * sizeof *q->proc);
        memset(&q->proc[MAX_PROCS - 1], 0, sizeof *q->proc);
        q->nprocs--;
        return true;
}

static bool cut_case(struct op *o, unsigned c)
{
        if (!op_is_select(o->kind) || o->n == 1 || c >= o->n)
                return false;
        memmove(&o->comm[c], &o->comm[c + 1], (MAX_CASES - c - 1) * sizeof *o->comm);
        memset(&o->comm[MAX_CASES - 1], 0, sizeof *o->comm);
        o->n--;
        return true;
}

/* A select of one case becomes the plain operation. */
static bool cut_select(struct op *o)
{
        int send = o->kind == OP_SELECT       ? OP_SEND
                   : o->kind == OP_TRY_SELECT ? OP_TRY_SEND
                                              : OP_SEND_FOR;

        if (!op_is_select(o->kind) || o->n != 1)
                return false;
        o->kind = (uint8_t)(send + !o->comm[0].send);
        return true;
}

static bool cut_time(struct op *o)
{
        if (!op_is_timed(o->kind))
                return false;
        o->kind = (uint8_t)(o->kind == OP_SELECT_FOR ? OP_SELECT : o->kind - OP_SEND_FOR + OP_SEND);
        return true;
}

/* A channel that nobody uses goes. */
static bool cut_chan(struct program *q, unsigned chan)
{
        if (chan >= q->nchans || q->nchans == 1)
                return false;
        for (unsigned i = 0; i < q->nprocs; i++)
                for (unsigned k = 0; k < q->proc[i].n; k++)
                        for (unsigned c = 0; c < q->proc[i].op[k].n; c++) {
                                uint8_t *used = &q->proc[i].op[k].comm[c].chan;

                                if (*used == chan)
                                        return false;
                                if (*used < MAX_CHANS && *used > chan)
                                        --*used;
                        }
        memmove(&q->cap[chan], &q->cap[chan + 1], MAX_CHANS - chan - 1);
        q->cap[MAX_CHANS - 1] = 0;
        q->nchans--;
        return true;
}

/* Makes a cut at place i (a process or a channel), k (an operation), c (a case). False: there is
 * nothing to cut. */
static bool make_cut(struct program *q, enum cut cut, unsigned i, unsigned k, unsigned c)
{
        struct process *proc = &q->proc[i];

        if (cut == CUT_PROC)
                return k == 0 && c == 0 && cut_proc(q, i);
        if (cut == CUT_CHAN)
                return k == 0 && c == 0 && cut_chan(q, i);
        if (cut == CUT_CAP)
                return k == 0 && c == 0 && i < q->nchans && q->cap[i] > 0 && q->cap[i]-- > 0;
        if (i >= q->nprocs || k >= proc->n || (c > 0 && cut != CUT_CASE))
                return false;
        if (cut == CUT_OP)
                cut_op(proc, k);
        else if (cut == CUT_CASE)
                return cut_case(&proc->op[k], c);
        else
                return cut == CUT_SELECT ? cut_select(&proc->op[k]) : cut_time(&proc->op[k]);
        return true;
}

/* First a few runs, which is enough for most; then many at once. */
static bool fails_again(const struct budget *b, const struct program *p, struct failure *f)
{
        struct budget some = *b;
        struct failure found;

        some.runs = 2;
        some.blocked = 1;
        for (unsigned i = 0; i < 2; i++) {
                struct tally t = { 0 };

                if (!check_program(&some, p, i, &t, &found)) {
                        free(f->job.text);
                        f->job = found.job;
                        return true;
                }
                some.runs = b->tries;
                some.blocked = (b->tries + 3) / 4;
        }
        return false;
}

/* Tries each cut once and keeps those after which it still fails. Returns how many. */
static unsigned shrink_pass(const struct budget *b, struct failure *f, time_t end)
{
        unsigned cuts = 0;

        for (unsigned x = 0; x < CUT_END_ * MAX_PROCS * MAX_OPS * MAX_CASES && time(NULL) < end;
             x++) {
                unsigned c = x % MAX_CASES, k = x / MAX_CASES % MAX_OPS,
                         i = x / MAX_CASES / MAX_OPS % MAX_PROCS;

                for (;;) {
                        struct program q = f->job.program;

                        if (!make_cut(&q, x / MAX_CASES / MAX_OPS / MAX_PROCS, i, k, c) ||
                            !fails_again(b, &q, f))
                                break;
                        cuts++;
                }
        }
        return cuts;
}

unsigned failure_shrink(const struct budget *b, struct failure *f)
{
        time_t end = time(NULL) + SHRINK_SECONDS;
        unsigned cuts = 0, more;

        do {
                more = shrink_pass(b, f, end);
                cuts += more;
        } while (more > 0 && time(NULL) < end);
        return cuts;
}

/* -- telling -- */

static const char *const verdicts[] = {
        [RAN] = "an outcome that the rules do not allow",
        [BLOCKED] = "an outcome that the rules do not allow; those not done are blocked for ever",
        [MISTOLD] = "a deadlock whose report names others than those that are blocked",
        [CRASHED] = "the process died",
        [HUNG] = "nothing moved any more, and no deadlock was reported",
};

void failure_print(FILE *out, const struct budget *b, const struct failure *f)
{
        const struct job *j = &f->job;
        struct outcomes allowed;

        fprintf(out, "FAILED: seed %llu, %u Ps, threads %x, run %llx: %s\n",
                (unsigned long long)f->seed, j->how.procs, j->how.threads,
                (unsigned long long)j->how.seed, verdicts[j->verdict]);
        program_print(out, &j->program);
        outcome_print(out, &j->program, &j->outcome);
        if (j->text)
                fprintf(out, "its last words:\n%s\n", j->text);
        if (!reference_explore(&j->program, b->states, &allowed))
                return;
        fprintf(out, "%zu allowed%s\n", allowed.n, allowed.n > ALLOWED_SHOWN ? ", of which" : ":");
        for (size_t i = 0; i < allowed.n && i < ALLOWED_SHOWN; i++) {
                outcome_print(out, &j->program, &allowed.at[i]);
                fputc('\n', out);
        }
        outcomes_free(&allowed);
}

void failure_free(struct failure *f)
{
        free(f->job.text);
        f->job.text = NULL;
}
