/* SPDX-License-Identifier: MIT
 * C code that blocks or computes does not freeze the scheduler: nothing is said about it
 * beforehand, and others run. Most bodies need no clock: what ends the C code is done by a
 * goroutine that can only run if the processor is taken away. retake_full_test is the same without
 * membarrier. */
#define _GNU_SOURCE
#include "tests/support/behave.h"
#include "tests/support/gate.h"

#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sys/socket.h>

/* TSan takes the start of a thread for a write to its errno that nothing orders before us. */
static __attribute__((noinline, no_sanitize_thread)) int errno_now(void)
{
        __asm__ volatile("" ::: "memory");
        return errno;
}

static __attribute__((noinline, no_sanitize_thread)) void set_errno(int e)
{
        __asm__ volatile("" ::: "memory");
        errno = e;
}

/* -- others run -- */

static void passer(struct gate *g, rn_wg *wg)
{
        gate_pass(g);
        rn_wg_done(wg);
}

static void goroutines_that_read_an_empty_pipe_let_run_who_fills_it(void)
{
        int n = 2 * behave_procs + 3;
        struct gate g;
        rn_wg wg = { { 0 } };

        gate_make(&g);
        rn_wg_add(&wg, n);
        for (int i = 0; i < n; i++)
                rn_go(passer, &g, &wg);
        BEHAVE_UNTIL(atomic_load(&g.inside) == n);
        gate_open(&g, n);
        rn_wg_wait(&wg);
        gate_end(&g);
}

static void freader(FILE *f, atomic_int *inside, rn_wg *wg)
{
        char line[16];

        atomic_fetch_add(inside, 1);
        CHECK(fread(line, 1, 4, f) == 4 && memcmp(line, "line", 4) == 0);
        rn_wg_done(wg);
}

static void fread_lets_others_run(void)
{
        atomic_int inside = 0;
        struct gate g;
        rn_wg wg = { { 0 } };
        FILE *f;

        gate_make(&g);
        f = fdopen(g.fd[0], "r");
        rn_wg_add(&wg, 1);
        rn_go(freader, f, &inside, &wg);
        BEHAVE_UNTIL(atomic_load(&inside) == 1);
        behave_turns();
        CHECK(write(g.fd[1], "line", 4) == 4);
        rn_wg_wait(&wg);
        fclose(f);
        close(g.fd[1]);
}

#ifdef __GLIBC__   /* musl's resolver is told by a file alone whom to ask */
/* A name server that knows nothing: the question comes back with the code for that. */
static void answer_nothing(int fd, rn_wg *wg)
{
        unsigned char q[512];
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        ssize_t n = rn_fd_recvfrom_until(fd, q, sizeof q, (struct sockaddr *)&from, &len, RN_NEVER);

        if (CHECK(n > 12)) {
                q[2] |= 0x80;                              /* an answer */
                q[3] = (unsigned char)((q[3] & 0xf0) | 3);   /* no such name */
                CHECK_EQ(rn_fd_sendto_until(fd, q, (size_t)n, (struct sockaddr *)&from, len,
                                            RN_NEVER),
                         n);
        }
        rn_wg_done(wg);
}

/* TSan takes what one goroutine after the other writes into the thread's resolver for a race. */
static __attribute__((noinline, no_sanitize_thread)) void asks(const struct sockaddr_in *server,
                                                               int *result)
{
        const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
        struct addrinfo *list = NULL;

        res_init();
        _res.nscount = 1;
        _res.nsaddr_list[0] = *server;
        _res.options &= ~(unsigned long)(RES_DEFNAMES | RES_DNSRCH);
        _res.retrans = 60;
        *result = getaddrinfo("nobody.invalid.", "80", &hints, &list);
        if (list)
                freeaddrinfo(list);
}

static void getaddrinfo_lets_run_the_server_that_it_asks(void)
{
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
        int fd = socket(AF_INET, SOCK_DGRAM, 0), result = 0;
        socklen_t len = sizeof a;
        rn_wg asking = { { 0 } }, answering = { { 0 } };

        CHECK_EQ(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
        CHECK_EQ(getsockname(fd, (struct sockaddr *)&a, &len), 0);
        rn_wg_add(&answering, 1);
        rn_go(answer_nothing, fd, &answering);
        rn_wg_go(&asking, asks, &a, &result);
        rn_wg_wait(&asking);
        CHECK_EQ(result, EAI_NONAME);
        rn_fd_close(fd);   /* a machine that asks no name servers has not asked this one */
        rn_wg_wait(&answering);
}
#endif

static void spinner(atomic_int *inside, atomic_bool *stop, rn_wg *wg)
{
        atomic_fetch_add(inside, 1);
        while (!atomic_load_explicit(stop, memory_order_relaxed))
                continue;
        rn_wg_done(wg);
}

static void loops_without_a_call_let_run_who_ends_them(void)
{
        enum { N = 3 };
        atomic_int inside = 0;
        atomic_bool stop = false;
        rn_wg wg = { { 0 } };

        rn_wg_add(&wg, N);
        for (int i = 0; i < N; i++)
                rn_go(spinner, &inside, &stop, &wg);
        BEHAVE_UNTIL(atomic_load(&inside) == N);
        atomic_store(&stop, true);
        rn_wg_wait(&wg);
}

static void sets(atomic_int *n)
{
        atomic_fetch_add(n, 1);
}

static void a_timer_fires_while_all_processors_are_in_c(void)
{
        int n = behave_procs;
        atomic_int fired = 0;
        struct gate g;
        rn_wg wg = { { 0 } };
        rn_timer *t = rn_after_func(3 * RN_MSEC, sets, &fired);

        gate_make(&g);
        rn_wg_add(&wg, n - 1);
        for (int i = 1; i < n; i++)
                rn_go(passer, &g, &wg);
        while (atomic_load(&fired) == 0)
                nap(500);
        gate_open(&g, n - 1);
        rn_wg_wait(&wg);
        gate_end(&g);
        rn_unref(t);
}

/* -- a plain thread beside goroutines in C -- */

static void a_thread_is_served_while_goroutines_are_in_c(void)
{
        int n = 2 * behave_procs + 1;
        rn_chan(int) c = rn_make(int, 0);
        struct gate g;
        rn_wg wg = { { 0 } };

        gate_make(&g);
        rn_wg_add(&wg, n);
        for (int i = 0; i < n; i++)
                rn_go(passer, &g, &wg);
        while (atomic_load(&g.inside) < n)
                rn_sleep(100 * RN_USEC);
        rn_unref(rn_after_func(0, (rn_close), c));
        CHECK(!rn_wait(c));
        gate_open(&g, n);
        rn_wg_wait(&wg);
        gate_end(&g);
        rn_unref(c);
}

/* -- what a goroutine does whose processor was taken -- */

static void errno_and_number_survive(void)
{
        uint64_t id = rn_goid();

        for (int i = 1; i <= 5; i++) {
                lose_the_processor();
                set_errno(1000 + i);
                rn_yield();
                CHECK_EQ(errno_now(), 1000 + i);
                lose_the_processor();
                set_errno(2000 + i);
                rn_block_exit();   /* nothing but an entry */
                CHECK_EQ(errno_now(), 2000 + i);
                CHECK(rn_goid() == id);
        }
}

static void send_one(rn_chan(int) c)
{
        rn_send(c, 7);
}

static void parks_in_a_receive(void)
{
        rn_chan(int) c = rn_make(int, 0);

        lose_the_processor();
        rn_go(send_one, c);
        lose_the_processor();
        CHECK_EQ(rn_get(c), 7);
        rn_unref(c);
}

static void get_one(rn_chan(int) c, rn_wg *wg)
{
        CHECK_EQ(rn_get(c), 7);
        rn_wg_done(wg);
}

static void readies_a_receiver(void)
{
        rn_chan(int) c = rn_make(int, 0);
        rn_wg wg = { { 0 } };

        rn_wg_add(&wg, 1);
        rn_go(get_one, c, &wg);
        lose_the_processor();
        rn_send(c, 7);
        rn_wg_wait(&wg);
        rn_unref(c);
}

static void sleeps_and_times_out(void)
{
        rn_chan(int) c = rn_make(int, 0);
        int v;

        lose_the_processor();
        rn_sleep(RN_MSEC);
        lose_the_processor();
        CHECK_EQ(rn_recv_until(rn_deadline(RN_MSEC), c, &v), -ETIMEDOUT);
        lose_the_processor();
        CHECK_EQ(rn_select_for(RN_MSEC, rn_on_signal(c)), RN_TIMEOUT);
        rn_unref(c);
}

static void parks_in_a_select(void)
{
        rn_chan(int) a = rn_make(int, 0), b = rn_make(int, 0);
        int v = 0;

        rn_go(send_one, b);
        lose_the_processor();
        CHECK_EQ(rn_select(rn_on_signal(a), rn_on_recv(b, &v)), 1);
        CHECK_EQ(v, 7);
        rn_unref(a);
        rn_unref(b);
}

static void done_later(rn_wg *wg)
{
        lose_the_processor();
        rn_wg_done(wg);
}

static void waits_for_a_group(void)
{
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 3; i++) {
                rn_wg_add(&wg, 2);
                rn_go(done_later, &wg);
                rn_go(done_later, &wg);
                lose_the_processor();
                rn_wg_wait(&wg);
        }
}

struct guarded {
        rn_mutex mu;
        int n;
};

static void adds_under_the_mutex(struct guarded *s)
{
        for (int i = 0; i < 3; i++) {
                rn_mutex_lock(&s->mu);
                lose_the_processor();
                s->n++;
                rn_mutex_unlock(&s->mu);
        }
}

static void holds_a_mutex_in_c(void)
{
        struct guarded s = { .n = 0 };
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 4; i++)
                rn_wg_go(&wg, adds_under_the_mutex, &s);
        rn_wg_wait(&wg);
        CHECK_EQ(s.n, 12);
}

static void waits_at_a_semaphore(void)
{
        rn_sem s;

        rn_sem_init(&s, 1);
        rn_sem_acquire(&s, 1);
        lose_the_processor();
        CHECK_EQ(rn_sem_acquire_until(&s, 1, rn_deadline(RN_MSEC)), -ETIMEDOUT);
        lose_the_processor();
        rn_sem_release(&s, 1);
        CHECK(rn_sem_tryacquire(&s, 1));
}

static void ends_early(atomic_int *n)
{
        rn_defer(sets, n);
        lose_the_processor();
        rn_exit();
}

static void ends(void)
{
        lose_the_processor();
}

static void panics(void)
{
        lose_the_processor();
        rn_panic("in C");
}

static void spawns_ends_exits_and_panics(void)
{
        atomic_int n = 0;
        int before = rn_numgoroutine();
        rn_wg wg = { { 0 } };
        struct rn_recovered p;

        lose_the_processor();
        for (int i = 0; i < 5; i++) {
                rn_wg_go(&wg, ends);
                rn_wg_go(&wg, ends_early, &n);
        }
        CHECK(!rn_pcall(&p, panics) && strcmp(p.text, "in C") == 0);
        rn_wg_wait(&wg);
        CHECK_EQ(n, 5);
        BEHAVE_UNTIL(rn_numgoroutine() <= before);
}

static void uses_fast_paths_only(void)
{
        rn_chan(int) c = rn_make(int, 1);

        lose_the_processor();
        for (int i = 0; i < 1000; i++) {
                rn_send(c, i);
                CHECK_EQ(rn_get(c), i);
        }
        rn_unref(c);
}

/* -- while other things go on -- */

static void in_and_out(atomic_bool *stop, rn_wg *wg)
{
        uint64_t r = behave_stream((uint64_t)(uintptr_t)&r);

        while (!atomic_load(stop)) {
                nap(behave_below(&r, 300));
                rn_yield();
        }
        rn_wg_done(wg);
}

static void start_in_and_out(atomic_bool *stop, rn_wg *wg)
{
        int n = 3 + behave_procs;

        rn_wg_add(wg, n);
        for (int i = 0; i < n; i++)
                rn_go(in_and_out, stop, wg);
}

static void the_number_of_processors_may_change(void)
{
        atomic_bool stop = false;
        rn_wg wg = { { 0 } };

        start_in_and_out(&stop, &wg);
        for (int i = 0; i < BEHAVE_SCALE(200); i++) {
                rn_maxprocs(1 + i % 5);
                nap(i % 3 ? 0 : 200);
                rn_yield();
        }
        rn_maxprocs(behave_procs);
        atomic_store(&stop, true);
        rn_wg_wait(&wg);
}

static void dumps_may_be_made(void)
{
        atomic_bool stop = false;
        rn_wg wg = { { 0 } };

        start_in_and_out(&stop, &wg);
        for (int i = 0; i < BEHAVE_SCALE(100); i++) {
                behave_parked("nobody", NULL);
                nap(i % 3 ? 0 : 200);
                rn_yield();
        }
        atomic_store(&stop, true);
        rn_wg_wait(&wg);
}

/* -- everything at random, with counts that must add up -- */

struct mix {
        rn_chan(int) unbuffered, buffered;
        struct guarded guarded;
        atomic_int sent, got, spawned, ended;
};

static void in_c(uint64_t *r)
{
        unsigned what = behave_below(r, 8);
        rn_time until;

        if (what < 3) {
                nap(behave_below(r, 400));
        } else if (what == 3) {
                for (until = rn_now() + behave_below(r, 300) * RN_USEC; rn_now() < until;)
                        continue;
        } else if (what == 4) {
                rn_block_enter();
                nap(behave_below(r, 200));
                rn_block_exit();
        }
}

static void small(struct mix *m)
{
        uint64_t r = behave_stream((uint64_t)rn_goid());

        in_c(&r);
        atomic_fetch_add(&m->ended, 1);
}

static void one_step(struct mix *m, uint64_t *r)
{
        int v = 1;

        switch (behave_below(r, 7)) {
        case 0:
                rn_send(m->unbuffered, v);
                atomic_fetch_add(&m->sent, 1);
                break;
        case 1:
                rn_send(m->buffered, v);
                atomic_fetch_add(&m->sent, 1);
                break;
        case 2:
                switch (rn_select(rn_on_send(m->unbuffered, 1), rn_on_send(m->buffered, 1))) {
                default:
                        atomic_fetch_add(&m->sent, 1);
                }
                break;
        case 3:
                rn_mutex_lock(&m->guarded.mu);
                in_c(r);
                m->guarded.n++;
                rn_mutex_unlock(&m->guarded.mu);
                break;
        case 4:
                atomic_fetch_add(&m->spawned, 1);
                rn_go(small, m);
                break;
        case 5:
                rn_sleep(behave_below(r, 200) * RN_USEC);
                break;
        default:
                rn_yield();
        }
}

static void mixer(void *arg)
{
        struct mix *m = arg;
        uint64_t r = behave_stream((uint64_t)(uintptr_t)&r);

        for (int i = 0; i < BEHAVE_SCALE(60); i++) {
                in_c(&r);
                one_step(m, &r);
        }
}

static void taker(struct mix *m, rn_chan(int) c, rn_wg *wg)
{
        uint64_t r = behave_stream((uint64_t)rn_goid());
        int v;

        while (rn_recv(c, &v)) {
                atomic_fetch_add(&m->got, v);
                in_c(&r);
        }
        rn_wg_done(wg);
}

static void nothing_is_lost_in_a_random_mix(void)
{
        struct mix m = { .unbuffered = rn_make(int, 0), .buffered = rn_make(int, 8) };
        rn_wg makers = { { 0 } }, takers = { { 0 } };
        int n = 12;

        rn_wg_add(&takers, 4);
        for (int i = 0; i < 4; i++)
                rn_go(taker, &m, i % 2 ? m.buffered : m.unbuffered, &takers);
        for (int i = 0; i < n; i++)
                behave_go(i % 6 ? GOROUTINE : THREAD, &makers, mixer, &m);
        rn_wg_wait(&makers);
        rn_close(m.unbuffered);
        rn_close(m.buffered);
        rn_wg_wait(&takers);
        while (atomic_load(&m.ended) < atomic_load(&m.spawned))
                rn_sleep(RN_MSEC);
        CHECK_EQ(m.got, m.sent);
        rn_unref(m.unbuffered);
        rn_unref(m.buffered);
}

static const struct behave_test tests[] = {
        BEHAVE(goroutines_that_read_an_empty_pipe_let_run_who_fills_it),
        BEHAVE(fread_lets_others_run),
#ifdef __GLIBC__
        BEHAVE(getaddrinfo_lets_run_the_server_that_it_asks),
#endif
        BEHAVE(loops_without_a_call_let_run_who_ends_them),
        BEHAVE(a_timer_fires_while_all_processors_are_in_c),
        BEHAVE_BOTH(a_thread_is_served_while_goroutines_are_in_c),
        BEHAVE(errno_and_number_survive),
        BEHAVE(parks_in_a_receive),
        BEHAVE(readies_a_receiver),
        BEHAVE(sleeps_and_times_out),
        BEHAVE(parks_in_a_select),
        BEHAVE(waits_for_a_group),
        BEHAVE(holds_a_mutex_in_c),
        BEHAVE(waits_at_a_semaphore),
        BEHAVE(spawns_ends_exits_and_panics),
        BEHAVE(uses_fast_paths_only),
        BEHAVE(the_number_of_processors_may_change),
        BEHAVE(dumps_may_be_made),
        BEHAVE_BOTH(nothing_is_lost_in_a_random_mix),
};

#ifdef WITHOUT_MEMBARRIER
int main(void)
{
        setenv("RUNNEL_MEMBARRIER", "0", 1);
        return behave_main(tests, sizeof tests / sizeof *tests);
}
#else
BEHAVE_MAIN(tests)
#endif
