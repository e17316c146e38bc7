/* SPDX-License-Identifier: MIT
 * Every macro of <runnel.h> in the shapes programs use them in; all of it compiles without one
 * diagnostic. */
#include <runnel.h>
#include <stdlib.h>

struct job {
        int id;
        double weight;
        const char *tags[2];
};
struct tree {
        struct job jobs[2];
        struct tree *next;
};
enum colour { RED, GREEN };
typedef int (*handler)(int, const char *);

void worker(int id, rn_recv_chan(struct job) in, rn_send_chan(int) out);
void six(long a, unsigned b, char *c, enum colour d, bool e, rn_chan(rn_chan(int)) f);
void none(void);
int say(const char *text);
int mixed(double w, unsigned char b, bool on, unsigned long p, float f);
void work(struct job *j);
int peek(const struct job *j);
void bytes(void *p);
void row(int (*r)[3]);
_Noreturn void quit(int code);
int pure(int) __attribute__((__const__));
int handle(int n, const char *s);
handler find(int n);
void elements(void);
void starts(void);
int deferred(int n);
int ranges(rn_recv_chan(int) in, rn_chan(rn_chan(int)) chans);
int selects(rn_chan(int) a, rn_send_chan(int) b, rn_recv_chan(rn_nothing) quit,
            rn_chan(struct job) jobs);
int waits(rn_chan(int) c, rn_time t);
int many(rn_chan(int) c);

static rn_wg group = { 0 };
static rn_wg ready;
static rn_chan(int) shared;

/* One declaration per type, from two places. */
extern rn_chan(struct job) the_jobs;
extern __typeof__(struct job *(**)[77]) the_jobs;

void worker(int id, rn_recv_chan(struct job) in, rn_send_chan(int) out)
{
        rn_range(j, in)
                rn_send(out, id * 100 + j.id);
        rn_close(out);
}

void elements(void)
{
        size_t n = 3;
        unsigned char few = 2;
        struct job j = { 1, 2.0, { "a", "b" } };
        struct tree t = { 0 };
        int three[3] = { 1, 2, 3 };
        int i = 0;
        rn_chan(struct job) jobs = rn_make(struct job, n);
        rn_chan(const char *) names = rn_make(const char *, few);
        rn_chan(rn_chan(int)) chans = rn_make(rn_chan(int), GREEN);
        rn_chan(rn_recv_chan(int)) views = rn_make(rn_recv_chan(int), 0);
        rn_chan(int[3]) rows = rn_make(int[3], sizeof(three));
        rn_chan(handler) handlers = rn_make(handler, 1ULL);
        rn_chan(rn_nothing) done = rn_make(rn_nothing, 0);
        rn_chan(struct tree) trees = rn_make(struct tree, 'a');
        rn_chan(double) doubles = rn_make(double, true);
        rn_chan(enum colour) colours = rn_make(enum colour, -1L);
        rn_chan(char) chars = rn_make(char, 1);
        rn_chan(bool) const bools = rn_make(bool, 1);
        rn_chan(int) few_ints[2] = { rn_make(int, 1), NULL };
        rn_chan(int) made = NULL;
        rn_recv_chan(int) in = few_ints[0];
        rn_send_chan(int) out = few_ints[0];

        if (rn_try_make(int, n, &made) < 0 || rn_try_make(struct job, few, &jobs) == -ENOMEM)
                return;
        rn_send(jobs, j);
        rn_send(jobs, *&j);
        rn_send(jobs, { .id = 2 });
        rn_send(jobs, { 3, 1.5, { "x", "y, z" } });
        rn_send(jobs, rn_get(jobs));
        rn_send(names, "abc");
        rn_send(names, i ? "abc" : NULL);
        rn_send(chans, made);
        rn_send(views, made);
        rn_send(views, in);
        rn_send(rows, { 1, 2, 3 });
        rn_send(handlers, handle);
        rn_send(handlers, &handle);
        rn_send(done, { 0 });
        rn_send(trees, { .jobs[1].id = 1 });
        rn_send(trees, rn_get(trees));
        rn_send(chans, rn_try_send(made, rn_get(made)) ? made : few_ints[0]);
        rn_send(doubles, 1);
        rn_send(colours, RED);
        rn_send(chars, 'c');
        rn_send(bools, i > 3);
        rn_send(few_ints[i++], 3 + 4);
        rn_send(rn_get(chans), 5);
        rn_send(*&out, 1 ? 2 : 3);
        rn_recv(jobs, &j);
        rn_recv(jobs, &t.jobs[0]);
        rn_recv(rows, &three);
        rn_recv(in, three);
        rn_recv(few_ints[i++], &three[1]);
        rn_wait(done);
        rn_wait(bools);
        j = rn_get(jobs);
        t = rn_get(trees);
        i = rn_get(rows)[2] + rn_get(jobs).id + rn_get(in);
        i += rn_get(handlers)(1, rn_get(names));
        if (rn_get(bools) && rn_get(doubles) > 1.0 && rn_get(colours) == GREEN &&
            rn_get(chars) == 'x')
                shared = rn_ref(made);
        the_jobs = rn_ref(jobs);
        in = rn_ref(rn_get(views));
        rn_close(jobs);
        rn_close(out);
        rn_close(bools);
        i = rn_len(in) + rn_cap(out) + rn_len(rows) + rn_cap(bools);
        rn_unref(rn_ref(bools));
        rn_unref(rn_ref(few_ints[0]));
        rn_unref(in);
        (void)i;
        (void)j;
        (void)t;
}

void starts(void)
{
        rn_chan(struct job) jobs = rn_make(struct job, 10);
        rn_chan(int) out = rn_make(int, 0);
        rn_chan(rn_chan(int)) chans = NULL;
        void (*unset)(void) = NULL;
        void (*later)(int) = NULL;
        void (*table[2])(void) = { none, NULL };
        rn_attr attr = { .stack = 1 << 20, .name = "big" };
        struct rn_recovered p;
        struct job j = { 0 };
        rn_wg wg = { 0 };
        int i = 0;

        rn_go(worker, 3, jobs, out);
        rn_go(six, 1L, 2u, (char *)NULL, GREEN, true, chans);
        rn_go(none);
        rn_go(&none);
        rn_go(table[0]);
        rn_go(unset);
        rn_go(later, i++);
        rn_go(find(1), 2, "text");
        rn_go(mixed, 1.5, (unsigned char)3, true, 4000000000u, 2.5f);
        rn_go(rn_close, out);
        rn_go(say, "a string literal that is longer than sixteen bytes");
        rn_go(quit, 1);
        rn_go(exit, 1);
        rn_go(abort);
        rn_go(rn_forever);
        rn_go(rn_panic, "%d", 3);
        rn_go(pure, 1);
        rn_go(free, NULL);
        rn_go(handle, rn_get(out), rn_pcall(NULL, none) ? "y" : "n");
        if (rn_try_go(none) < 0 || rn_try_go(say, "x") == -EAGAIN || rn_go_attr(&attr, none) ||
            rn_go_attr(NULL, worker, 1, jobs, out))
                rn_wg_wait(&ready);
        rn_go_copy(work, struct job, { .id = 1, .tags = { "a", "b" } });
        rn_go_copy(work, struct job, j);
        rn_go_copy(peek, struct job, rn_get(jobs));
        rn_go_copy(bytes, struct job, { 0 });
        rn_go_copy(bytes, int, 3);
        rn_go_copy(row, int[3], { 1, 2, 3 });
        rn_wg_go(&wg, worker, 1, jobs, out);
        rn_wg_go(&group, none);
        rn_wg_add(&wg, -1);
        rn_wg_wait(&wg);
        if (!rn_pcall(&p, quit, 1) || !rn_pcall(NULL, none) ||
            !rn_pcall(&p, six, 1, 2, NULL, RED, false, NULL))
                rn_repanic(&p);
}

int deferred(int n)
{
        rn_chan(int) c = rn_make(int, n);

        rn_defer(rn_unref, c);
        rn_defer(rn_close, c); rn_defer(none);
        int after = n + 1;
        if (n > 3) {
                rn_defer(say, "inner");
                return after;
        }
        for (int i = 0; i < n; i++) {
                rn_defer(handle, i, "loop");
                if (i == 2)
                        continue;
                rn_send(c, i);
        }
        return n;
}

int ranges(rn_recv_chan(int) in, rn_chan(rn_chan(int)) chans)
{
        int sum = 0;
        rn_recv_chan(int) nothing = NULL;

        rn_range(c, chans) rn_range(x, c) rn_range(y, in) sum += x * y;
        rn_range(x, in) {
                rn_range(x2, in)
                        if (x2 > x)
                                break;
                if (x == 3)
                        continue;
                if (x == 4)
                        break;
                switch (rn_select(rn_on_recv(in, &sum), rn_on_signal(nothing))) {
                case 0:
                        continue;
                default:
                        break;
                }
        }
        if (sum)
                rn_range(x, rn_get(chans))
                        sum += x;
        else
                rn_range(x, nothing)
                        return x;
        while (rn_wait(in))
                sum++;
        return sum;
}

int selects(rn_chan(int) a, rn_send_chan(int) b, rn_recv_chan(rn_nothing) quit_chan,
            rn_chan(struct job) jobs)
{
        enum { A, B, GAP, JOB, TAKE, FROM, QUIT };
        int v = 0;
        int next = 0;
        bool ok = false;
        struct job j = { 0 };
        const int fixed = 3;
        struct rn_case cases[3];
        struct rn_case one = rn_on_recv(a, &v);

        for (;;) {
                switch (rn_select([A] = rn_on_recv(a, &v), [B] = rn_on_send(b, next++),
                                  [JOB] = rn_on_send(jobs, { .id = 1, .weight = 2 }),
                                  [TAKE] = rn_on_recv_ok(jobs, &j, &ok),
                                  [FROM] = rn_on_send_from(b, &fixed),
                                  [QUIT] = rn_on_signal_ok(quit_chan, NULL))) {
                case A:
                        continue;
                case B:
                        break;
                case QUIT:
                        return v;
                default:
                        goto out;
                }
                if (rn_select(rn_on_signal(quit_chan)) == 0)
                        break;
        }
out:
        cases[0] = rn_on_send_from(b, &v);
        cases[1] = v ? one : rn_on_signal_ok(a, &ok);
        cases[2] = (struct rn_case){ 0 };
        while (rn_try_select(cases[0], one, rn_on_send(a, next++)) == RN_DEFAULT)
                if (rn_select_for(3 * RN_MSEC, [B] = rn_on_recv(a, &v)) == RN_TIMEOUT ||
                    rn_select_until(RN_NEVER, rn_on_recv(a, &v), rn_on_send(b, v)) == 1)
                        break;
        return rn_selectv(cases, 3, RN_NEVER) +
               rn_selectv_try(cases, sizeof(cases) / sizeof(cases[0]));
}

int waits(rn_chan(int) c, rn_time t)
{
        int v = 0;

        if (rn_try_send(c, 1) && rn_try_recv(c, &v) == 1)
                return v;
        if (rn_send_until(t, c, 1) == -ETIMEDOUT || rn_recv_until(t, c, &v) < 0)
                return 0;
        return rn_send_for(RN_SEC, c, v++) + rn_recv_for(-1, c, &v);
}

#define FOUR(case) case, case, case, case
#define SIXTEEN(case) FOUR(case), FOUR(case), FOUR(case), FOUR(case)

int many(rn_chan(int) c)
{
        int v = 0;
        return rn_select(SIXTEEN(rn_on_recv(c, &v)), SIXTEEN(rn_on_send(c, v)),
                         SIXTEEN(rn_on_signal(c)), SIXTEEN(rn_on_send_from(c, &v)));
}
