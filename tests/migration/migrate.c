/* SPDX-License-Identifier: MIT
 * A goroutine that goes on on another thread finds its own errno and the other thread's
 * thread-local variables there. Compilers keep the addresses of both across calls, so they are
 * looked at in functions of their own; what a program may rely on is what run.sh has checked with
 * several compilers and options.
 *
 * How a move is forced: A waits on a channel. H, which got A's processor when A parked, sends, and
 * then computes until A has run: so A, at the head of H's queue, can only run if another thread
 * takes it. Where H itself was taken first, nothing has moved and it is tried again. */
#define _GNU_SOURCE
#include <errno.h>
#include <runnel.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOVES = 30, TRIES = 100000, A_ERRNO = 1000, H_ERRNO = 2000, LATER_ERRNO = 3000 };

int migrate(void);

static atomic_int failures, ran;
static __thread int number_of_thread;

#define CHECK(x) ((x) ? (void)0 : failed(#x, __LINE__))

static void failed(const char *what, int line)
{
        atomic_fetch_add(&failures, 1);
        fprintf(stderr, "migrate.c:%d: not so: %s\n", line, what);
}

static int thread_now(void)
{
        return (int)syscall(SYS_gettid);
}

/* The asm keeps a compiler from seeing that there is nothing new to see. */
static __attribute__((noinline)) int thread_local_number(void)
{
        __asm__ volatile("" ::: "memory");
        if (number_of_thread == 0)
                number_of_thread = thread_now();
        return number_of_thread;
}

static __attribute__((noinline)) void put_errno(int v)
{
        __asm__ volatile("" ::: "memory");
        errno = v;
}

static __attribute__((noinline)) int get_errno(void)
{
        __asm__ volatile("" ::: "memory");
        return errno;
}

static void helper(rn_chan(int) c, int round)
{
        int thread;

        put_errno(H_ERRNO + round);
        rn_send(c, round);
        thread = thread_local_number();   /* the send may have moved it, too */
        while (atomic_load(&ran) < round)
                continue;
        CHECK(get_errno() == H_ERRNO + round);
        CHECK(thread_local_number() == thread && thread == thread_now());
}

static void note(int value, double half, int *out)
{
        *out = value + (int)(half * 2);
}

/* One park; whether it ended on another thread. */
static bool one_round(rn_chan(int) c, int round)
{
        int before = thread_local_number(), after, got, out = 0;
        uint64_t id = rn_goid();
        double half = round * 0.5;
        rn_wg wg = { { 0 } };

        CHECK(before == thread_now());
        rn_wg_go(&wg, helper, c, round);
        put_errno(A_ERRNO + round);
        got = rn_get(c);
        CHECK(get_errno() == A_ERRNO + round);
        put_errno(LATER_ERRNO);
        after = thread_local_number();
        CHECK(after == thread_now());
        atomic_store(&ran, round);
        CHECK(got == round && half == round * 0.5 && rn_goid() == id);
        rn_wg_go(&wg, note, round, half, &out);
        rn_wg_wait(&wg);
        CHECK(out == 2 * round);
        return after != before;
}

static void move_often(void)
{
        rn_chan(int) c = rn_make(int, 0);
        int moved = 0;

        atomic_store(&ran, 0);
        for (int round = 1; moved < MOVES && round < TRIES && atomic_load(&failures) < 10; round++)
                moved += one_round(c, round);
        CHECK(moved == MOVES);
        rn_unref(c);
}

int migrate(void)
{
        rn_wg wg = { { 0 } };

        rn_maxprocs(2);
        move_often();
        rn_wg_go(&wg, move_often);
        rn_wg_wait(&wg);
        return atomic_load(&failures) != 0;
}
