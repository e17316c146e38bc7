/* SPDX-License-Identifier: MIT
 * What the behaviour tests share. Each test is a body `void f(void)` that runs as a goroutine
 * (BEHAVE), on the plain main thread (BEHAVE_THREAD), or once as each (BEHAVE_BOTH); the whole
 * list runs with 1, 2 and 8 Ps. Invariant: cmocka is only called on the main thread, which stays
 * a plain one, because its asserts jump and its state belongs to the thread. A body says CHECK,
 * which counts and goes on, from any goroutine and any thread. Included once by each test
 * program, which ends with BEHAVE_MAIN. BEHAVE_SEED repeats a run's random numbers. */
#ifndef BEHAVE_H
#define BEHAVE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <pthread.h>
#include <runnel.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define BEHAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BEHAVE_ASAN 1
#elif __has_feature(thread_sanitizer)
#define BEHAVE_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define BEHAVE_TSAN 1
#endif
#ifndef BEHAVE_ASAN
#define BEHAVE_ASAN 0
#endif
#ifndef BEHAVE_TSAN
#define BEHAVE_TSAN 0
#endif

/* A number of repetitions, of goroutines alive at once: less of each under a sanitizer, and fewer
 * goroutines where addresses end at 3 GiB. */
#if BEHAVE_ASAN || BEHAVE_TSAN
#define BEHAVE_SCALE(n) ((n) >= 200 ? (n) / 10 : (n) > 20 ? 20 : (n))
#define BEHAVE_LIVE(n)  ((n) > 2000 ? 2000 : (n))
#else
#define BEHAVE_SCALE(n) (n)
#define BEHAVE_LIVE(n)  (sizeof(void *) > 4 || (n) < 2000 ? (n) : 2000)
#endif

enum { BEHAVE_LIMIT = 240 };    /* seconds for the program; who hangs is named */
enum { BEHAVE_SHOWN = 20 };     /* failures of one test that are printed */
enum { BEHAVE_DUMP = 1 << 22 }; /* bytes of a dump that are looked at */

typedef void behave_fn(void);
typedef void behave_arg_fn(void *);

struct behave_test {
        const char *name;
        behave_fn *fn;
        bool thread;
};

static atomic_int behave_failures;
static const struct behave_test *behave_now;
static int behave_procs;
static uint64_t behave_seed;

/* -- checks -- */

static inline __attribute__((format(printf, 3, 4))) void behave_fail(const char *file, int line,
                                                                     const char *fmt, ...)
{
        char text[512];
        va_list ap;

        if (atomic_fetch_add(&behave_failures, 1) >= BEHAVE_SHOWN)
                return;
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
        fprintf(stderr, "%s:%d: %s (in %s, %d Ps, BEHAVE_SEED=%" PRIu64 ")\n", file, line, text,
                behave_now ? behave_now->name : "main", behave_procs, behave_seed);
}

/* bool: whether it held. Both may be used on any goroutine and thread. */
#define CHECK(x) behave_check((x), __FILE__, __LINE__, #x)
#define CHECK_EQ(a, b) behave_check_eq((long long)(a), (long long)(b), __FILE__, __LINE__, #a, #b)

static inline bool behave_check(bool ok, const char *file, int line, const char *text)
{
        if (!ok)
                behave_fail(file, line, "not so: %s", text);
        return ok;
}

static inline bool behave_check_eq(long long a, long long b, const char *file, int line,
                                   const char *ta, const char *tb)
{
        if (a != b)
                behave_fail(file, line, "%s is %lld, %s is %lld", ta, a, tb, b);
        return a == b;
}

/* CHECK_PANICS(what, f, ...): f(...) panics, as the library itself does, with exactly this text. */
#define CHECK_PANICS(what, ...) \
        do { \
                struct rn_recovered caught_ = { .text = "" }; \
                bool returned_ = rn_pcall(&caught_, __VA_ARGS__); \
                behave_check_panic(returned_, &caught_, (what), __FILE__, __LINE__); \
        } while (0)

static inline void behave_check_panic(bool returned, const struct rn_recovered *p, const char *text,
                                      const char *file, int line)
{
        if (returned)
                behave_fail(file, line, "no panic instead of: %s", text);
        else if (!p->runtime || strcmp(p->text, text) != 0)
                behave_fail(file, line, "panic (runtime %d) \"%s\" instead of: %s", p->runtime,
                            p->text, text);
}

/* -- waiting for a condition, without a clock -- */

#define BEHAVE_UNTIL(cond) \
        do { \
                while (!(cond)) \
                        rn_yield(); \
        } while (0)

/* Turns given to the others before it is said that something has not happened. */
static inline void behave_turns(void)
{
        for (int i = 0; i < 200; i++)
                rn_yield();
}

/* How many goroutines of this name (rn_set_name) are parked, by the library's own dump; reason:
 * only those that wait for this, NULL: any. */
static inline int behave_parked(const char *name, const char *reason)
{
        int fd = memfd_create("dump", MFD_CLOEXEC), n = 0;
        char head[96];
        char *text = malloc(BEHAVE_DUMP), *at;
        ssize_t got;

        if (fd < 0 || !text)
                abort();
        rn_dump(fd);
        got = pread(fd, text, BEHAVE_DUMP - 1, 0);
        text[got > 0 ? got : 0] = '\0';
        snprintf(head, sizeof head, " \"%s\" [", name);
        for (at = text; (at = strstr(at, head)) != NULL; at++) {
                const char *state = at + strlen(head);

                if (reason)
                        n += strncmp(state, reason, strlen(reason)) == 0 &&
                             state[strlen(reason)] == ']';
                else
                        n += strncmp(state, "running]", 8) != 0 &&
                             strncmp(state, "runnable]", 9) != 0;
        }
        free(text);
        close(fd);
        return n;
}

static inline void behave_until_parked(const char *name, int n)
{
        BEHAVE_UNTIL(behave_parked(name, NULL) >= n);
}

/* -- goroutines and plain threads, counted by a WaitGroup -- */

enum behave_kind { GOROUTINE, THREAD, BEHAVE_KINDS };

struct behave_start {
        behave_arg_fn *fn;
        void *arg;
        rn_wg *wg;
};

static inline void *behave_thread(void *p)
{
        struct behave_start s = *(struct behave_start *)p;

        free(p);
        s.fn(s.arg);
        rn_wg_done(s.wg);
        return NULL;
}

/* Runs fn(arg) as a goroutine or as a plain thread; wg is done when it returns. */
static inline void behave_go(enum behave_kind kind, rn_wg *wg, behave_arg_fn *fn, void *arg)
{
        struct behave_start *s;
        pthread_t t;

        if (kind == GOROUTINE) {
                rn_wg_go(wg, fn, arg);
                return;
        }
        s = malloc(sizeof *s);
        if (!s)
                abort();
        *s = (struct behave_start){ fn, arg, wg };
        rn_wg_add(wg, 1);
        if (pthread_create(&t, NULL, behave_thread, s))
                abort();
        pthread_detach(t);
}

static inline void behave_crowd(rn_wg *wg, int goroutines, int threads, behave_arg_fn *fn,
                                void *arg)
{
        for (int i = 0; i < goroutines; i++)
                behave_go(GOROUTINE, wg, fn, arg);
        for (int i = 0; i < threads; i++)
                behave_go(THREAD, wg, fn, arg);
}

/* -- random numbers -- */

static inline uint64_t behave_rand(uint64_t *s)
{
        uint64_t z = (*s += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

/* The state of a stream of its own for each n. */
static inline uint64_t behave_stream(uint64_t n)
{
        uint64_t s = behave_seed + n;

        return behave_rand(&s);
}

static inline unsigned behave_below(uint64_t *s, unsigned n)
{
        return (unsigned)(behave_rand(s) % n);
}

/* -- counting allocations -- */

/* In a program that defines BEHAVE_COUNTING before the include, and where libc lets us, every
 * allocation of the process while behave_counting is on is counted, and those of this thread are
 * refused while behave_refusing is on. */
#if defined(BEHAVE_COUNTING) && defined(__GLIBC__) && !BEHAVE_ASAN && !BEHAVE_TSAN
#define BEHAVE_COUNTS 1
static atomic_int behave_counting;
static __thread volatile bool behave_refusing;  /* between the two stores nobody may park */
static atomic_long behave_allocations;

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static inline bool behave_allowed(void)
{
        if (atomic_load(&behave_counting))
                atomic_fetch_add(&behave_allocations, 1);
        return !behave_refusing;
}

void *malloc(size_t n)
{
        return behave_allowed() ? __libc_malloc(n) : NULL;
}

void *calloc(size_t n, size_t size)
{
        return behave_allowed() ? __libc_calloc(n, size) : NULL;
}

void *realloc(void *p, size_t n)
{
        return behave_allowed() ? __libc_realloc(p, n) : NULL;
}

void *aligned_alloc(size_t align, size_t n)
{
        return behave_allowed() ? __libc_memalign(align, n) : NULL;
}
#else
#define BEHAVE_COUNTS 0
#endif

/* -- running -- */

#define BEHAVE(f)        { #f, f, false }
#define BEHAVE_THREAD(f) { #f " on a thread", f, true }
#define BEHAVE_BOTH(f)   BEHAVE(f), BEHAVE_THREAD(f)

static void behave_one(void **state)
{
        const struct behave_test *t = *state;
        rn_wg wg = { { 0 } };

        behave_now = t;
        atomic_store(&behave_failures, 0);
        if (t->thread)
                t->fn();
        else
                rn_wg_go(&wg, t->fn);
        rn_wg_wait(&wg);
        assert_int_equal(atomic_load(&behave_failures), 0);
}

static void behave_late(int sig)
{
        const char *name = behave_now ? behave_now->name : "main";
        char procs[] = " hangs, Ps: ?\n";

        (void)sig;
        procs[sizeof procs - 3] = (char)('0' + behave_procs);
        if (write(2, name, strlen(name)) < 0 || write(2, procs, sizeof procs - 1) < 0)
                _exit(4);
        _exit(3);
}

static int behave_main(const struct behave_test *tests, size_t n)
{
        static const int procs[] = { 1, 2, 8 };
        const char *seed = getenv("BEHAVE_SEED");
        int failed = 0;

        rn_main_foreign();
        behave_seed = seed ? strtoull(seed, NULL, 10) : (uint64_t)rn_now();
        sigaction(SIGALRM,
                  &(struct sigaction){ .sa_handler = behave_late,
                                       .sa_flags = SA_ONSTACK | SA_RESTART },
                  NULL);
        alarm(BEHAVE_LIMIT);
        for (size_t round = 0; round < sizeof procs / sizeof *procs; round++) {
                struct CMUnitTest *list = calloc(n, sizeof *list);
                char (*names)[128] = calloc(n, sizeof *names), group[16];

                if (!list || !names)
                        abort();
                behave_procs = procs[round];
                rn_maxprocs(behave_procs);
                snprintf(group, sizeof group, "P%d", behave_procs);
                for (size_t i = 0; i < n; i++) {
                        struct behave_test test = tests[i];

                        snprintf(names[i], sizeof names[i], "%s, %s", test.name, group);
                        list[i] = (struct CMUnitTest){
                                .name = names[i], .test_func = behave_one,
                                .initial_state = (void *)(uintptr_t)&tests[i],
                        };
                }
                failed += _cmocka_run_group_tests(group, list, n, NULL, NULL);
                free(list);
                free(names);
        }
        return failed != 0;
}

#define BEHAVE_MAIN(tests) \
        int main(void) \
        { \
                return behave_main((tests), sizeof(tests) / sizeof *(tests)); \
        }

#endif
