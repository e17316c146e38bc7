/* SPDX-License-Identifier: MIT
 * What the macros do at run time, apart from the library: the functions behind them are stand-ins
 * that count. Each argument is evaluated once, a loop ends where it says, deferred calls come and
 * go in order, and the code after a capture is reached whatever the captured function promises
 * about itself. Exit status 0, or 1 with the lines that failed. */
#include <runnel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failed;
#define CHECK(x) \
        ((x) ? (void)0 : (void)(failed = 1, printf("# %s:%d: %s\n", __FILE__, __LINE__, #x)))

/* A channel that gives 1 to 5 and is then closed; what is sent is kept as bytes. */
struct feed {
        int left;
        size_t size;
        char sent[64];
};

static int spawned, stubs, cases_seen;
static void (*last_fn)(void);
static const struct rn_case *last_cases;
static const struct rn_deferred *pushed[8];
static int npushed;
static char copied[64];
static size_t copied_size, copied_align;

static void stub(void)
{
        stubs++;
}
void (*const volatile rn_capture)(void) = stub;

const struct rn_call *rn_captured(void (*fn)(void))
{
        last_fn = fn;
        return NULL;
}
void rn_spawn(const struct rn_call *call)
{
        spawned += call == NULL;
}
void rn_spawn_copy(void (*fn)(void), const void *arg, size_t size, size_t align)
{
        last_fn = fn;
        memcpy(copied, arg, size);
        copied_size = size;
        copied_align = align;
}
void rn_wg_spawn(rn_wg *wg, const struct rn_call *call)
{
        wg->w_[0]++;
        spawned += call == NULL;
}
bool rn_pcall_into(struct rn_recovered *p, const struct rn_call *call)
{
        return p == NULL && call == NULL;
}
void rn_defer_push(struct rn_deferred *d, const struct rn_call *call)
{
        CHECK(call == NULL && npushed < 8);
        pushed[npushed++] = d;
}
void rn_defer_run(struct rn_deferred *d)
{
        CHECK(npushed > 0 && pushed[npushed - 1] == d);
        npushed--;
}
void *rn_chan_new(size_t size, size_t align, ptrdiff_t cap, const char *type)
{
        static struct feed feeds[32];
        static int n;
        struct feed *f = &feeds[n++];

        CHECK(n < 32 && cap >= 0 && align <= size && type[0]);
        f->left = 5;
        f->size = size;
        return f;
}
void rn_chan_send(rn_anychan c, const void *elem)
{
        struct feed *f = (struct feed *)(uintptr_t)c;
        memcpy(f->sent, elem, f->size);
}
bool rn_chan_recv(rn_anychan c, void *elem)
{
        struct feed *f = (struct feed *)(uintptr_t)c;
        int v = f->left ? 6 - f->left : 0;

        if (elem) {
                memset(elem, 0, f->size);
                memcpy(elem, &v, sizeof(v));
        }
        f->left -= v != 0;
        return v != 0;
}
void *rn_chan_get(rn_anychan c, void *elem)
{
        rn_chan_recv(c, elem);
        return elem;
}
void *rn_obj_ref(rn_anychan obj)
{
        return (void *)(uintptr_t)obj;
}
int rn_selectv(const struct rn_case *cases, size_t n, rn_time deadline)
{
        CHECK(deadline == RN_NEVER);
        last_cases = cases;
        cases_seen = (int)n;
        return (int)n - 1;
}

struct pair {
        int a, b;
        double d[2];
};
struct box {
        struct pair p;
};

static _Noreturn void die0(void) { exit(3); }
static _Noreturn void die1(long x) { exit((int)x); }
static void gnu_die0(void) __attribute__((__noreturn__));
static void gnu_die0(void) { exit(3); }
static int same(int x) __attribute__((__const__));
static int same(int x) { return x; }
static void use(const struct pair *p) { (void)p; }
static void two(int a, double b) { (void)a, (void)b; }

static void captures(void)
{
        void (*table[2])(int, double) = { two, NULL };
        rn_wg wgs[2] = { { { 0 } }, { { 0 } } };
        rn_wg *wg = wgs;
        int i = 0, at = 0, reached = 0;

        rn_go(two, i++, 0.5f), reached++;
        CHECK(i == 1 && spawned == 1 && stubs == 1 && last_fn == (void (*)(void))two);
        rn_go(table[at++], i, 1), reached++;
        CHECK(at == 1 && last_fn == (void (*)(void))two);
        rn_wg_go(wg++, table[at], i++, 1), reached++;
        CHECK(wg == wgs + 1 && wgs[0].w_[0] == 1 && i == 2 && last_fn == NULL);
        rn_go(die0), reached++;
        rn_go(&die0), reached++;
        rn_go(gnu_die0), reached++;
        rn_go(die1, 1), reached++;
        rn_go(abort), reached++;
        rn_go(exit, 1), reached++;
        rn_go(rn_forever), reached++;
        rn_go(same, i++), reached++;
        CHECK(last_fn == (void (*)(void))same && i == 3);
        CHECK(rn_pcall(NULL, die1, 5));
        CHECK(reached == 11 && spawned == 11 && stubs == 12);
        rn_go_copy(use, struct pair, { .a = i++, .d = { 1, 2 } });
        CHECK(i == 4 && copied_size == sizeof(struct pair) &&
              copied_align == _Alignof(struct pair));
        CHECK(((struct pair *)(void *)copied)->a == 3 && last_fn == (void (*)(void))use);
}

static int defers(int n)
{
        rn_defer(two, 1, 1);
        rn_defer(two, 2, 2); rn_defer(die0);
        CHECK(npushed == 3);
        for (int i = 0; i < n; i++) {
                rn_defer(two, i, i);
                CHECK(npushed == 4);
                if (i == 1)
                        continue;
                if (i == 2)
                        break;
        }
        CHECK(npushed == 3);
        return npushed;
}

static rn_chan(int) make_feed(int *count)
{
        ++*count;
        return rn_make(int, 0);
}

static void ranges(void)
{
        int made = 0, sum = 0, rounds = 0;

        rn_range(x, make_feed(&made))
                sum += x;
        CHECK(made == 1 && sum == 15);
        rn_range(x, make_feed(&made)) {
                if (x == 2)
                        continue;
                if (x == 4)
                        break;
                sum += x;
        }
        CHECK(made == 2 && sum == 19);
        while (rounds++ < 2) {
                rn_range(x, make_feed(&made))
                        break;
                rn_range(x, make_feed(&made)) rn_range(y, make_feed(&made)) {
                        if (y == 2)
                                break;
                        sum += x * y;
                }
        }
        CHECK(rounds == 3 && made == 16 && sum == 49);
}

static void values(void)
{
        rn_chan(struct box) boxes = rn_make(struct box, 1);
        rn_chan(int) ints[2] = { NULL, NULL };
        struct box b = { { 1, 2, { 3, 4 } } };
        struct feed *f = (struct feed *)(uintptr_t)boxes;
        int i = 0;

        ints[0] = rn_ref(rn_make(int, (unsigned char)1));
        rn_send(boxes, b);
        CHECK(memcmp(f->sent, &b, sizeof(b)) == 0);
        rn_send(boxes, { .p.b = 7 });
        CHECK(((struct box *)(void *)f->sent)->p.b == 7 &&
              ((struct box *)(void *)f->sent)->p.a == 0);
        CHECK(rn_get(boxes).p.a == 1 && rn_get(boxes).p.d[1] == 0);
        rn_send(ints[i++], 40);
        CHECK(i == 1);
        f->left = 0;
        memset(&b, 1, sizeof(b));
        b = rn_get(boxes);
        CHECK(b.p.a == 0 && b.p.b == 0 && b.p.d[1] == 0);
}

static void selects(void)
{
        enum { A, GAP, B, C };
        int v = 0, n = 0, m = 0, made = 0;
        bool ok = false;
        rn_chan(int) c = make_feed(&made);
        rn_chan(struct pair) pairs = rn_make(struct pair, 0);

        CHECK(rn_select([B] = rn_on_send(c, ++n), [A] = rn_on_recv_ok(make_feed(&made), &v, &ok),
                        [C] = rn_on_send(pairs, { .b = ++m })) == C);
        CHECK(n == 1 && m == 1 && made == 2 && cases_seen == 4 && last_cases[GAP].op == 0 &&
              last_cases[B].op == 1);
        CHECK(last_cases[A].op == 2 && last_cases[A].into == &v && last_cases[A].ok == &ok &&
              last_cases[B].chan == c);
        CHECK(*(const int *)last_cases[B].elem + ((const struct pair *)last_cases[C].elem)->b == 2);
        CHECK(rn_select(rn_on_signal(c)) == 0 && cases_seen == 1 && last_cases[0].into == NULL);
}

int main(void)
{
        alarm(10); /* a loop that does not end is a failure */
        captures();
        CHECK(defers(4) == 3 && npushed == 0);
        values();
        spawned = 0;
        selects();
        failed |= cases_seen != 1;
        ranges();
        return failed;
}
_Noreturn void rn_forever(void)
{
        exit(4);
}
