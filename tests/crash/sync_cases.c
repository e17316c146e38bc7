/* SPDX-License-Identifier: MIT
 * The synchronisation objects where they go wrong: misuse, and deadlocks in each of their waits. */
#define _GNU_SOURCE
#include "tests/crash/cases.h"

static rn_mutex mutex;
static rn_rwmutex rwmutex;
static rn_cond cond;
static rn_once once;
static rn_sem sem = RN_SEM(2);

/* -- locks: what is fatal, caught or not -- */

VISIBLE(void, unlocks, (rn_mutex *m))
{
        rn_mutex_unlock(m);
        AFTERWARDS();
}

CASE(unlock_of_unlocked)
{
        unlocks(&mutex);
}

CASE(unlock_twice)
{
        rn_mutex_lock(&mutex);
        rn_mutex_unlock(&mutex);
        unlocks(&mutex);
}

CASE(unlock_is_not_caught)
{
        rn_pcall(NULL, unlocks, &mutex);
        say("caught\n");
}

CASE(unlock_by_another_goroutine)
{
        rn_mutex_lock(&mutex);
        rn_go(unlocks, &mutex);
        rn_mutex_lock(&mutex);
        rn_mutex_unlock(&mutex);
        say("locked twice\n");
}

CASE(rwmutex_unlock_of_unlocked)
{
        rn_rwmutex_unlock(&rwmutex);
}

CASE(rwmutex_unlock_of_read_locked)
{
        rn_rwmutex_rlock(&rwmutex);
        rn_rwmutex_unlock(&rwmutex);
}

CASE(rwmutex_runlock_of_unlocked)
{
        rn_rwmutex_runlock(&rwmutex);
}

CASE(rwmutex_runlock_of_write_locked)
{
        rn_rwmutex_lock(&rwmutex);
        rn_rwmutex_runlock(&rwmutex);
}

static void reads(rn_rwmutex *m)
{
        rn_rwmutex_rlock(m);
}

static void writes(rn_rwmutex *m)
{
        rn_rwmutex_lock(m);
}

/* Others read, so a writer waits: nobody writes yet. */
CASE(rwmutex_unlock_before_the_writer_has_it)
{
        rn_rwmutex_rlock(&rwmutex);
        rn_go(writes, &rwmutex);
        while (rn_rwmutex_tryrlock(&rwmutex)) {
                rn_rwmutex_runlock(&rwmutex);
                rn_yield();
        }
        rn_rwmutex_unlock(&rwmutex);
}

/* A reader that comes while others write is counted, but has nothing to release. */
CASE(rwmutex_runlock_while_readers_wait)
{
        rn_rwmutex_lock(&rwmutex);
        rn_go(reads, &rwmutex);
        for (int i = 0; i < 100; i++)
                rn_yield();
        rn_rwmutex_runlock(&rwmutex);
}

CASE(rwmutex_runlock_twice)
{
        rn_rwmutex_rlock(&rwmutex);
        rn_rwmutex_runlock(&rwmutex);
        rn_rwmutex_runlock(&rwmutex);
}

static void runlocks_rwmutex(void)
{
        rn_rwmutex_runlock(&rwmutex);
}

CASE(rwmutex_runlock_is_not_caught)
{
        rn_pcall(NULL, runlocks_rwmutex);
        say("caught\n");
}

static void unlocks_rwmutex(void)
{
        rn_rwmutex_unlock(&rwmutex);
}

CASE(rwmutex_unlock_is_not_caught)
{
        rn_pcall(NULL, unlocks_rwmutex);
        say("caught\n");
}

CASE(sem_release_of_more_than_held)
{
        rn_sem_acquire(&sem, 1);
        rn_sem_release(&sem, 1);
        rn_sem_release(&sem, 1);
}

VISIBLE(void, panics_in_it, (const char *text))
{
        rn_panic("%s", text);
}

CASE(once_function_panics)
{
        rn_once_do(&once, panics_in_it, "first and only");
}

/* -- deadlocks -- */

VISIBLE(void, locks, (rn_mutex *m))
{
        rn_mutex_lock(m);
        AFTERWARDS();
}

CASE(lock_twice)
{
        locks(&mutex);
        locks(&mutex);
}

static void locks_both(rn_mutex *a, rn_mutex *b, rn_wg *have_one)
{
        rn_mutex_lock(a);
        rn_wg_done(have_one);
        rn_wg_wait(have_one);
        locks(b);
}

CASE(lock_in_both_orders)
{
        static rn_mutex other;
        rn_wg have_one = { { 0 } };

        rn_wg_add(&have_one, 2);
        rn_go(locks_both, &other, &mutex, &have_one);
        locks_both(&mutex, &other, &have_one);
}

CASE(rlock_under_lock)
{
        rn_rwmutex_lock(&rwmutex);
        rn_rwmutex_rlock(&rwmutex);
        AFTERWARDS();
}

CASE(lock_under_rlock)
{
        rn_rwmutex_rlock(&rwmutex);
        rn_rwmutex_lock(&rwmutex);
        AFTERWARDS();
}

VISIBLE(void, locks_to_write, (rn_rwmutex *m))
{
        rn_rwmutex_lock(m);
        AFTERWARDS();
}

VISIBLE(void, locks_to_read, (rn_rwmutex *m))
{
        rn_rwmutex_rlock(m);
        AFTERWARDS();
}

/* A reader reads again while a writer waits: the writer waits for the reader, the reader behind the
 * writer. */
CASE(rlock_again_behind_a_writer)
{
        rn_rwmutex_rlock(&rwmutex);
        rn_go(locks_to_write, &rwmutex);
        while (rn_rwmutex_tryrlock(&rwmutex)) {
                rn_rwmutex_runlock(&rwmutex);
                rn_yield();
        }
        locks_to_read(&rwmutex);
}

VISIBLE(void, waits_for_a_signal_that, (rn_cond *c, rn_mutex *m))
{
        rn_mutex_lock(m);
        rn_cond_wait(c, m);
        AFTERWARDS();
}

CASE(cond_wait)
{
        waits_for_a_signal_that(&cond, &mutex);
}

/* The signal comes first: it is not kept. */
CASE(cond_signal_too_early)
{
        rn_cond_signal(&cond);
        rn_cond_broadcast(&cond);
        waits_for_a_signal_that(&cond, &mutex);
}

CASE(cond_wait_without_the_lock)
{
        rn_cond_wait(&cond, &mutex);
}

CASE(cond_wait_until_without_the_lock)
{
        rn_cond_wait_until(&cond, &mutex, rn_deadline(1000 * RN_SEC));
}

static void waits_for_a_signal_until(rn_dur d)
{
        rn_mutex_lock(&mutex);
        if (rn_cond_wait_until(&cond, &mutex, rn_deadline(d)) == -ETIMEDOUT)
                say("timeout\n");
        rn_mutex_unlock(&mutex);
}

CASE(timed_wait_holds_it_off)
{
        rn_go(waits_for_a_signal_until, 200 * RN_MSEC);
        waits_for_a_signal_that(&cond, &mutex);
}

static void does_again(void)
{
        rn_once_do(&once, does_again);
        AFTERWARDS();
}

CASE(once_in_itself)
{
        rn_once_do(&once, does_again);
}

VISIBLE(void, acquires, (rn_sem *s, int64_t n))
{
        rn_sem_acquire(s, n);
        AFTERWARDS();
}

CASE(sem_all_taken)
{
        acquires(&sem, 2);
        acquires(&sem, 1);
}

CASE(sem_more_than_there_are)
{
        acquires(&sem, 3);
}

static void *locks_on_thread(void *m)
{
        locks(m);
        return NULL;
}

static void *acquires_on_thread(void *s)
{
        acquires(s, 1);
        return NULL;
}

static void *waits_on_thread(void *arg)
{
        static rn_mutex own;

        (void)arg;
        waits_for_a_signal_that(&cond, &own);
        return NULL;
}

CASE(threads_parked_in_locks)
{
        rn_mutex_lock(&mutex);
        rn_sem_acquire(&sem, 2);
        plain_thread(locks_on_thread, &mutex);
        plain_thread(acquires_on_thread, &sem);
        plain_thread(waits_on_thread, NULL);
        locks(&mutex);
}

static void takes_a_permit_until(rn_sem *s, rn_dur d)
{
        if (rn_sem_acquire_until(s, 1, rn_deadline(d)) == -ETIMEDOUT)
                say("timeout\n");
}

CASE(timed_acquire_holds_it_off)
{
        rn_sem_acquire(&sem, 2);
        rn_go(takes_a_permit_until, &sem, 200 * RN_MSEC);
        acquires(&sem, 1);
}

/* One goroutine in each kind of wait. */
static void all_wait(void)
{
        static rn_mutex free_mutex;
        static rn_rwmutex written, read;

        rn_mutex_lock(&mutex);
        rn_rwmutex_lock(&written);
        rn_rwmutex_rlock(&read);
        rn_sem_acquire(&sem, 2);
        rn_go(locks, &mutex);
        rn_go(locks_to_read, &written);
        rn_go(locks_to_write, &read);
        rn_go(waits_for_a_signal_that, &cond, &free_mutex);
        rn_go(acquires, &sem, 1);
        rn_go(does_again);
}

CASE(every_reason)
{
        all_wait();
        rn_forever();
}

static void says_ready(void)
{
        say("ready\n");
        sleeps_long();
}

CASE(every_reason_until_a_signal)
{
        all_wait();
        for (int i = 0; i < 100; i++)
                rn_yield();
        rn_go(says_ready);
        rn_forever();
}
