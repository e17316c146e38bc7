/* SPDX-License-Identifier: MIT
 * The fault sweep's programs, one for each scenario: tests/faults/scenarios NAME. Started by
 * tests/faults/sweep with RUNNEL_FAULT set. A scenario that was refused something is run again in
 * the same process, and must succeed then unless the failure lasts: so whatever the failed call
 * left behind is used, and half-made objects show. Exit status: 0 all was done; 3 it was refused,
 * cleanly, and done at the second try; 4 refused both times; 1 wrong; 2 the library ended it. */
#include "tests/faults/scenario.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void wrong(const char *file, int line, const char *what, long long got, long long want)
{
        fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", file, line, what, got, want);
        _exit(1);
}

/* -- goroutines -- */

static int boot(void)
{
        SAME(rn_numgoroutine(), 1);
        SAME(rn_goid(), 1);
        return 0;
}

struct many {
        rn_wg wg;
        atomic_long sum;
        rn_chan(int) go;
        rn_chan(long) out;
};

static void add(struct many *m, long v)
{
        atomic_fetch_add(&m->sum, v);
        rn_wg_done(&m->wg);
}

static int spawn(void)
{
        struct many *m = lasting(sizeof *m);
        long want = 0;
        int r = 0;

        for (long i = 0; i < 1000 && r == 0; i++) {
                rn_wg_add(&m->wg, 1);
                r = rn_try_go(add, m, i);
                if (r == 0)
                        want += i;
                else
                        rn_wg_done(&m->wg);
        }
        rn_wg_wait(&m->wg);
        SAME(atomic_load(&m->sum), want);
        return r;
}

static void use_stack(struct many *m, size_t n)
{
        volatile char *room = __builtin_alloca(n);

        for (size_t i = 0; i < n; i += 1024)
                room[i] = (char)i;
        rn_yield();
        for (size_t i = 0; i < n; i += 1024)
                SAME(room[i], (char)i);
        add(m, 1);
}

static int spawn_sized(void)
{
        struct many *m = lasting(sizeof *m);
        long want = 0;
        int r = 0;

        for (size_t i = 0; i < 12 && r == 0; i++) {
                rn_attr attr = { .stack = (size_t)32768 << i % 4, .name = "sized" };

                rn_wg_add(&m->wg, 1);
                r = rn_go_attr(&attr, use_stack, m, attr.stack / 2);
                want += r == 0;
                if (r != 0)
                        rn_wg_done(&m->wg);
        }
        rn_wg_wait(&m->wg);
        SAME(atomic_load(&m->sum), want);
        return r;
}

static void stay(struct many *m)
{
        int v = 0;

        if (rn_recv(m->go, &v))
                wrong(__FILE__, __LINE__, "received", v, 0);
        add(m, 1);
}

/* More at once than need no leave to begin, all with a stack. */
static int grow(void)
{
        struct many *m = lasting(sizeof *m);
        long want = 0;
        int r = rn_try_make(int, 0, &m->go);

        if (r < 0)
                return r;
        for (int i = 0; i < 1300 && r == 0; i++) {
                rn_wg_add(&m->wg, 1);
                r = rn_try_go(stay, m);
                want += r == 0;
                if (r != 0)
                        rn_wg_done(&m->wg);
        }
        for (int i = 0; i < 3; i++)
                rn_yield();
        rn_close(m->go);
        rn_wg_wait(&m->wg);
        SAME(atomic_load(&m->sum), want);
        rn_unref(m->go);
        return r;
}

struct block { struct many *m; int v[200]; };

static void take_block(struct block *b)
{
        for (int i = 0; i < 200; i++)
                SAME(b->v[i], b->v[0] + i);
        add(b->m, b->v[0]);
}

static int copies(void)
{
        struct many *m = lasting(sizeof *m);
        struct block b = { .m = m };

        for (int k = 1; k <= 50; k++) {
                for (int i = 0; i < 200; i++)
                        b.v[i] = k + i;
                rn_wg_add(&m->wg, 1);
                rn_go_copy(take_block, struct block, b);
        }
        rn_wg_wait(&m->wg);
        SAME(atomic_load(&m->sum), 50 * 51 / 2);
        return 0;
}

/* -- channels -- */

typedef struct wide { _Alignas(128) long v[16]; } wide;

static void square(struct many *m)
{
        rn_range(v, m->go)
                rn_send(m->out, (long)v * v);
        rn_close(m->out);
}

static int channels(void)
{
        struct many *m = lasting(sizeof *m);
        rn_chan(wide) w;
        long sum = 0;
        int r = rn_try_make(wide, 100, &w);

        if (r < 0)
                return r;
        for (long i = 0; i < 100; i++)
                rn_send(w, (wide){ { i } });
        for (long i = 0; i < 100; i++)
                SAME(rn_get(w).v[0], i);
        rn_unref(w);
        m->go = rn_make(int, 0);
        m->out = rn_make(long, 3);
        rn_go(square, m);
        for (int i = 0; i < 300; i++) {
                rn_send(m->go, i);
                if (i >= 3)
                        sum += rn_get(m->out);
        }
        rn_close(m->go);
        rn_range(v, m->out)
                sum += v;
        SAME(sum, 299L * 300 * 599 / 6);
        return 0;
}

enum { CASES = 300 };

struct wide_select {
        rn_chan(int) c[CASES];
        int v[CASES];
        struct rn_case cases[CASES];
};

static void send_some(struct wide_select *s, int from, int step)
{
        for (int i = from; i < CASES; i += step)
                rn_send(s->c[i], i);
}

static int selects(void)
{
        struct wide_select *s = lasting(sizeof *s);
        long sum = 0;

        for (int i = 0; i < CASES; i++) {
                s->c[i] = rn_make(int, i % 2);
                s->cases[i] = rn_on_recv(s->c[i], &s->v[i]);
        }
        SAME(rn_selectv_try(s->cases, CASES), RN_DEFAULT);
        for (int i = 0; i < 3; i++)
                rn_go(send_some, s, i, 3);
        for (int i = 0; i < CASES; i++) {
                int got = rn_selectv(s->cases, CASES, RN_NEVER);

                SAME(s->v[got], got);
                sum += got;
        }
        SAME(sum, CASES * (CASES - 1) / 2);
        SAME(rn_selectv(s->cases, CASES, rn_deadline(RN_MSEC)), RN_TIMEOUT);
        for (int i = 0; i < CASES; i++)
                rn_unref(s->c[i]);
        return 0;
}

/* -- time -- */

static void nap(struct many *m, long us)
{
        rn_time until = rn_deadline(us * RN_USEC);

        rn_sleep(us * RN_USEC);
        SAME(rn_now() >= until, true);
        add(m, 1);
}

static int timers(void)
{
        struct many *m = lasting(sizeof *m);
        rn_ticker *tick;
        rn_timer *t[40];

        rn_wg_add(&m->wg, 140);
        for (long i = 0; i < 100; i++)
                rn_go(nap, m, 10 + i * 7 % 90 * 10);
        for (int i = 0; i < 40; i++)
                t[i] = rn_after_func(i % 4 * RN_MSEC / 2, add, m, 1L);
        rn_wg_wait(&m->wg);
        SAME(atomic_load(&m->sum), 140);
        for (int i = 0; i < 40; i++) {
                SAME(rn_timer_stop(t[i]), false);
                rn_unref(t[i]);
        }
        t[0] = rn_timer_new(RN_SEC * 60);
        SAME(rn_timer_reset(t[0], RN_MSEC / 2), true);
        (void)rn_get(rn_timer_chan(t[0]));
        rn_unref(t[0]);
        tick = rn_ticker_new(RN_MSEC / 2);
        for (int i = 0; i < 3; i++)
                (void)rn_get(rn_ticker_chan(tick));
        rn_ticker_stop(tick);
        rn_unref(tick);
        return 0;
}

static void until_done(struct many *m, rn_ctx *ctx)
{
        (void)rn_wait(rn_ctx_done(ctx));
        SAME(rn_ctx_err(ctx), -ECANCELED);
        rn_unref(ctx);
        add(m, 1);
}

static int contexts(void)
{
        static const char key;
        struct many *m = lasting(sizeof *m);
        rn_ctx *root = rn_ctx_with_cancel(rn_ctx_background()), *at = root, *late;

        rn_defer(rn_ctx_release, root);
        rn_wg_add(&m->wg, 21);
        for (int i = 0; i < 20; i++) {
                rn_ctx *child = i % 2 ? rn_ctx_with_value(at, &key, m)
                                      : rn_ctx_with_timeout(at, 60 * RN_SEC);

                if (at != root)
                        rn_unref(at);
                at = child;
                rn_go(until_done, m, (rn_ctx *)rn_obj_ref(at));
        }
        SAME(rn_ctx_value(at, &key) == m, true);
        rn_unref(rn_ctx_after_func(at, add, m, 100L));
        late = rn_ctx_with_timeout(at, RN_MSEC);
        (void)rn_wait(rn_ctx_done(late));
        SAME(rn_ctx_err(late), -ETIMEDOUT);
        rn_ctx_release(late);
        rn_unref(at);
        rn_ctx_cancel(root);
        rn_wg_wait(&m->wg);
        SAME(atomic_load(&m->sum), 120);
        return 0;
}

/* -- locks -- */

struct shared {
        rn_wg wg;
        rn_mutex mutex;
        rn_rwmutex rw;
        rn_cond cond;
        rn_sem sem;
        rn_once once;
        long sum, waiting, turn, read;
        long first;
};

static void first(struct shared *s)
{
        s->first++;
}

static void contend(struct shared *s)
{
        for (int i = 0; i < 50; i++) {
                rn_once_do(&s->once, first, s);
                rn_mutex_lock(&s->mutex);
                s->sum++;
                if (i % 8 == 0)
                        rn_yield();
                rn_mutex_unlock(&s->mutex);
                rn_sem_acquire(&s->sem, 1 + i % 2);
                rn_rwmutex_rlock(&s->rw);
                SAME(s->read % 2, 0);
                rn_rwmutex_runlock(&s->rw);
                rn_sem_release(&s->sem, 1 + i % 2);
                if (i % 10 == 0) {
                        rn_rwmutex_lock(&s->rw);
                        s->read++;
                        rn_yield();
                        s->read++;
                        rn_rwmutex_unlock(&s->rw);
                }
        }
        rn_mutex_lock(&s->mutex);
        s->waiting++;
        while (!s->turn)
                rn_cond_wait(&s->cond, &s->mutex);
        rn_mutex_unlock(&s->mutex);
        rn_wg_done(&s->wg);
}

static void *contend_thread(void *arg)
{
        contend(arg);
        return NULL;
}

static void finish(struct shared *s, int n)
{
        rn_mutex_lock(&s->mutex);
        while (s->waiting < n) {
                rn_mutex_unlock(&s->mutex);
                rn_yield();
                rn_mutex_lock(&s->mutex);
        }
        s->turn = 1;
        rn_mutex_unlock(&s->mutex);
        rn_cond_broadcast(&s->cond);
        rn_wg_wait(&s->wg);
        SAME(s->sum, n * 50);
        SAME(s->read, n * 5 * 2);
        SAME(s->first, 1);
}

static int locks(void)
{
        struct shared *s = lasting(sizeof *s);

        rn_sem_init(&s->sem, 3);
        rn_wg_add(&s->wg, 16);
        for (int i = 0; i < 16; i++)
                rn_go(contend, s);
        finish(s, 16);
        return 0;
}

/* Plain threads among goroutines. */
static int threads(void)
{
        struct shared *s = lasting(sizeof *s);
        pthread_t t[4];

        rn_sem_init(&s->sem, 3);
        rn_wg_add(&s->wg, 8);
        for (int i = 0; i < 4; i++)
                rn_go(contend, s);
        for (int i = 0; i < 4; i++)
                SAME(pthread_create(&t[i], NULL, contend_thread, s), 0);
        finish(s, 8);
        for (int i = 0; i < 4; i++)
                SAME(pthread_join(t[i], NULL), 0);
        return 0;
}

static int job(struct many *m, int i)
{
        rn_yield();
        atomic_fetch_add(&m->sum, i);
        return i == 7 ? -EILSEQ : 0;
}

static int groups(void)
{
        struct many *m = lasting(sizeof *m);
        rn_group *g = lasting(sizeof *g);
        rn_ctx *ctx = rn_group_ctx(g, rn_ctx_background());

        rn_group_limit(g, 3);
        for (int i = 0; i < 20; i++)
                rn_group_go(g, job, m, i);
        SAME(rn_group_wait(g), -EILSEQ);
        SAME(rn_ctx_cause(ctx), -EILSEQ);
        SAME(atomic_load(&m->sum), 190);
        rn_unref(ctx);
        return 0;
}

/* -- processors and threads -- */

static long sit(struct many *m, long us)
{
        usleep((useconds_t)us);
        atomic_fetch_add(&m->sum, 1);
        return us;
}

static void sits(struct many *m, bool told)
{
        if (told)
                SAME(rn_blocking(sit, m, 3000L), 3000);
        else
                sit(m, 3000);
        rn_wg_done(&m->wg);
}

static void from_pipe(struct many *m, int fd)
{
        char c = 0;

        SAME(read(fd, &c, 1), 1);
        SAME(c, 'x');
        add(m, 1);
}

/* Half of them say that they block, from the others the processor is taken. The one that waits for
 * the pipe in C can only end if another thread runs who writes. */
static int blocking(void)
{
        struct many *m = lasting(sizeof *m);
        int p[2];

        SAME(pipe(p), 0);
        owned(p[0]);
        owned(p[1]);
        rn_wg_add(&m->wg, 12);
        for (int i = 0; i < 10; i++)
                rn_go(sits, m, i % 2 == 0);
        rn_go(from_pipe, m, p[0]);
        for (int i = 0; i < 5; i++)
                rn_yield();
        rn_go(add, m, 1L);
        while (atomic_load(&m->sum) < 11)
                rn_sleep(RN_MSEC / 4);
        SAME(write(p[1], "x", 1), 1);
        rn_wg_wait(&m->wg);
        SAME(atomic_load(&m->sum), 12);
        return 0;
}

static void work(struct many *m)
{
        volatile unsigned x = 0;

        for (int i = 0; i < 20; i++) {
                for (int k = 0; k < 2000; k++)
                        x = x + 1;
                rn_yield();
        }
        add(m, 1);
}

static int processors(void)
{
        struct many *m = lasting(sizeof *m);

        for (int n = 1; n <= 9; n += 4) {
                rn_maxprocs(n);
                SAME(rn_maxprocs(0) <= n && rn_maxprocs(0) >= 1, true);
                rn_wg_add(&m->wg, 12);
                for (int i = 0; i < 12; i++)
                        rn_go(work, m);
                rn_wg_wait(&m->wg);
        }
        rn_maxprocs(4);
        SAME(atomic_load(&m->sum), 36);
        return 0;
}

/* -- running them -- */

static const struct scenario scenarios[] = {
        { "boot", boot, { 0 } },
        { "spawn", spawn, { -EAGAIN } },
        { "spawn_sized", spawn_sized, { -EAGAIN, -ENOMEM } },
        { "grow", grow, { -EAGAIN, -ENOMEM } },
        { "copies", copies, { 0 } },
        { "channels", channels, { -ENOMEM } },
        { "selects", selects, { 0 } },
        { "timers", timers, { 0 } },
        { "contexts", contexts, { 0 } },
        { "locks", locks, { 0 } },
        { "threads", threads, { 0 } },
        { "groups", groups, { 0 } },
        { "blocking", blocking, { 0 } },
        { "processors", processors, { 0 } },
        { NULL, NULL, { 0 } },
};

/* What lasts is found from here, so that a leak checker sees what the library lost and nothing of
 * ours. */
static bool panicked;
static struct kept { struct kept *next; max_align_t room[]; } *_Atomic all_kept;

void *lasting(size_t size)
{
        struct kept *k = calloc(1, sizeof *k + size);

        if (!k)
                abort();
        k->next = atomic_load(&all_kept);
        while (!atomic_compare_exchange_weak(&all_kept, &k->next, k))
                continue;
        return k->room;
}

static atomic_int fds[64], nfds;

int owned(int fd)
{
        if (fd >= 0)
                atomic_store(&fds[atomic_fetch_add(&nfds, 1)], fd);
        return fd;
}

static void close_owned(void)
{
        for (int i = 0; i < atomic_load(&nfds); i++) {
                int r = rn_fd_close(atomic_load(&fds[i]));

                SAME(r == 0 || r == -EBADF, true);
        }
        atomic_store(&nfds, 0);
}

/* Descriptors that are open now but those that the library keeps: one epoll set, one eventfd, and
 * perhaps one that names this process. */
static int open_fds(void)
{
        int n = 0, sets = 0, pokes = 0;
        DIR *d = opendir("/proc/self/fd");
        char path[300], to[100];

        SAME(d != NULL, true);
        for (struct dirent *e; (e = readdir(d)) != NULL;) {
                ssize_t len;

                snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
                len = readlink(path, to, sizeof to - 1);
                if (len < 0)
                        continue;
                to[len] = 0;
                n++;
                sets += strstr(to, "[eventpoll]") != NULL;
                pokes += strstr(to, "[eventfd]") != NULL;
        }
        closedir(d);
        SAME(sets <= 1 && pokes <= 1, true);
        return n - sets - pokes;
}

struct attempt { const struct scenario *s; int result; };

static void make_attempt(struct attempt *a)
{
        a->result = a->s->run();
}

/* True: it was done. */
static bool attempt(const struct scenario *s)
{
        struct attempt *a = lasting(sizeof *a);
        struct rn_recovered p;
        int listed = 0;

        a->s = s;
        if (!rn_pcall(&p, make_attempt, a)) {
                SAME(p.runtime, 1);
                printf("panic: %s\n", p.text);
                panicked = true;
                close_owned();
                return false;
        }
        close_owned();
        if (a->result == 0)
                return true;
        while (s->errors[listed] && s->errors[listed] != a->result)
                listed++;
        SAME(a->result, s->errors[listed]);
        printf("error: %s\n", strerror(-a->result));
        return false;
}

static const struct scenario *find(const struct scenario *s, const char *name)
{
        while (s->name && strcmp(s->name, name) != 0)
                s++;
        return s->name ? s : NULL;
}

static int list(void)
{
        for (const struct scenario *s = scenarios; s->name; s++)
                puts(s->name);
        for (const struct scenario *s = io_scenarios; s->name; s++)
                puts(s->name);
        return 0;
}

/* Second tries come a while later: a refusal for want of memory stands for a millisecond. A panic
 * has left things behind that a leak checker must not look for. */
int main(int argc, char **argv)
{
        const struct scenario *s = argc == 2 ? find(scenarios, argv[1]) : NULL;
        int before, status = 0;

        if (argc == 2 && !s)
                s = find(io_scenarios, argv[1]);
        if (!s)
                return argc == 1 ? list() : 64;
        setvbuf(stdout, NULL, _IONBF, 0);
        setenv("RUNNEL_MAXPROCS", "4", 0);
        before = open_fds();
        if (!attempt(s)) {
                usleep(3000);
                status = attempt(s) ? 3 : 4;
        }
        SAME(open_fds() <= before + 1, true);   /* the one more is the name of this process */
        if (panicked)
                _exit(status);
        return status;
}
