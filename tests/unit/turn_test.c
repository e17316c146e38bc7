/* SPDX-License-Identifier: MIT
 * For how long threads ask for a processor: what rni_thread_turn changes of a thread, and what not,
 * and which Ms have short turns (sched/core/turn.c). Where the system has no turns to ask for, or
 * does not let us, the cases say so. Each case of the first kind plays on a thread of its own,
 * which it may spoil. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

#include <runnel.h>

#include "sched/os/sys.h"

enum { TURN = 200000 };

static struct rni_rank rank_of(int tid)
{
        struct rni_rank r = { 0 };

        rni_sys(SYS_sched_getattr, tid, rni_ptr(&r), sizeof r, 0, 0, 0);
        return r;
}

static bool equal(struct rni_rank a, struct rni_rank b)
{
        return a.policy == b.policy && a.nice == b.nice && a.priority == b.priority &&
               a.turn == b.turn && a.flags == b.flags;
}

/* -- what may be changed of a thread -- */

struct scenario {
        void (*before)(void);
        int64_t was, was_then;
        struct rni_rank first, then, last, thread, process;
};

static void *stands(void *rank)
{
        *(struct rni_rank *)rank = rank_of(0);
        return NULL;
}

static struct rni_rank of_a_thread(void)
{
        struct rni_rank r = { 0 };
        pthread_t t;

        if (pthread_create(&t, NULL, stands, &r) != 0)
                abort();
        pthread_join(t, NULL);
        return r;
}

static struct rni_rank of_a_process(void)
{
        struct rni_rank r = { 0 };
        int ends[2];
        pid_t pid;

        if (pipe(ends) != 0 || (pid = fork()) < 0)
                abort();
        if (pid == 0) {
                r = rank_of(0);
                _exit(write(ends[1], &r, sizeof r) != sizeof r);
        }
        if (read(ends[0], &r, sizeof r) != sizeof r)
                abort();
        waitpid(pid, NULL, 0);
        close(ends[0]);
        close(ends[1]);
        return r;
}

static void *plays(void *scenario)
{
        struct scenario *s = scenario;

        if (s->before)
                s->before();
        s->first = rank_of(0);
        s->was = rni_thread_turn(0, TURN);
        s->then = rank_of(0);
        s->thread = of_a_thread();
        s->process = of_a_process();
        if (s->was != 0)
                s->was_then = rni_thread_turn(rni_thread_id(), s->was);
        s->last = rank_of(0);
        return NULL;
}

static struct scenario play(void (*before)(void))
{
        struct scenario s = { .before = before };
        pthread_t t;

        assert_int_equal(pthread_create(&t, NULL, plays, &s), 0);
        pthread_join(t, NULL);
        return s;
}

static void system_must_have_turns(void)
{
        if (play(NULL).was == 0) {
                print_message("no turns to ask for\n");
                skip();
        }
}

static void a_turn_is_all_that_changes(void **state)
{
        struct scenario s = play(NULL);

        (void)state;
        system_must_have_turns();
        assert_int_equal(s.was, s.first.turn);
        assert_int_equal(s.then.turn, TURN);
        assert_int_equal(s.was_then, TURN);
        s.then.turn = s.first.turn;
        s.then.flags = s.last.flags = s.first.flags;   /* "not for those that it starts" stays */
        assert_true(equal(s.then, s.first));
        assert_true(equal(s.last, s.first));
}

static void who_is_started_has_the_systems_turns(void **state)
{
        struct scenario s = play(NULL);

        (void)state;
        assert_true(equal(s.thread, s.first));
        assert_true(equal(s.process, s.first));
}

static void be_polite(void)
{
        setpriority(PRIO_PROCESS, (id_t)rni_thread_id(), 19);
}

static void be_batch(void)
{
        struct sched_param none = { 0 };

        rni_sys(SYS_sched_setscheduler, 0, SCHED_BATCH, rni_ptr(&none), 0, 0, 0);
}

static void be_preferred(void)
{
        setpriority(PRIO_PROCESS, (id_t)rni_thread_id(), -1);   /* refused, and then shows nothing,
                                                                 * unless we are privileged */
}

static void what_the_user_chose_stays(void **state)
{
        struct scenario polite = play(be_polite), batch = play(be_batch),
                        preferred = play(be_preferred);

        (void)state;
        assert_int_equal(polite.then.nice, 19);
        assert_true(equal(polite.process, polite.first));
        assert_int_equal(batch.was, 0);
        assert_true(equal(batch.then, batch.first));
        assert_true(equal(batch.process, batch.first));
        assert_true(preferred.first.nice != -1 || preferred.was == 0);
        assert_true(equal(preferred.process, preferred.first));
}

/* -- under a filter that kills for the question -- */

static bool filtered(void)
{
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_getattr, 1, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_setattr, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { sizeof code / sizeof code[0], code };

        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
               prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum { NOTHING_ASKED, ASKED, NO_FILTER };

/* How a child ends that asks with RUNNEL_TURNS as given. */
static int end_of_who_asks(const char *turns, bool with_filter)
{
        pid_t pid = fork();
        int status = 0;

        if (pid == 0) {
                if (turns)
                        setenv("RUNNEL_TURNS", turns, 1);
                else
                        unsetenv("RUNNEL_TURNS");
                rni_os_init();
                if (with_filter && !filtered())
                        _exit(NO_FILTER);
                _exit(rni_thread_turn(0, TURN) == 0 ? NOTHING_ASKED : ASKED);
        }
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == NO_FILTER) {
                print_message("no filters here\n");
                skip();
        }
        return status;
}

static bool asked_nothing(int status)
{
        return WIFEXITED(status) && WEXITSTATUS(status) == NOTHING_ASKED;
}

static void who_would_be_killed_for_it_does_not_ask(void **state)
{
        (void)state;
        assert_true(asked_nothing(end_of_who_asks(NULL, true)));
        assert_true(WIFSIGNALED(end_of_who_asks("1", true)));
}

static void turns_can_be_turned_off(void **state)
{
        (void)state;
        system_must_have_turns();
        assert_true(asked_nothing(end_of_who_asks("0", false)));
        assert_false(asked_nothing(end_of_who_asks("1", false)));
}

/* -- which Ms have short ones -- */

static atomic_int loop_tid;
static atomic_bool stop;
static struct rni_rank while_it_loops, beside_it;

static void loops(rn_wg *wg)
{
        atomic_store(&loop_tid, rni_thread_id());
        while (!atomic_load(&stop))
                continue;
        rn_wg_done(wg);
}

/* With one P it runs beside the loop only if the loop has lost that. */
static void looks(rn_wg *wg)
{
        while (atomic_load(&loop_tid) == 0)
                rn_yield();
        while_it_loops = rank_of(atomic_load(&loop_tid));
        beside_it = rank_of(0);
        atomic_store(&stop, true);
        rn_wg_done(wg);
}

/* Back from its loop, an M gets a P or goes to sleep for one, sooner or later. */
static void a_loop_without_a_p_has_the_systems_turns(void **state)
{
        rn_wg wg = { 0 };
        struct rni_rank usual = of_a_thread();
        unsigned tries = 0;

        (void)state;
        system_must_have_turns();
        rn_wg_add(&wg, 2);
        rn_go(loops, &wg);
        rn_go(looks, &wg);
        rn_wg_wait(&wg);
        assert_int_equal(while_it_loops.turn, usual.turn);
        assert_true(beside_it.turn < usual.turn);
        while (rank_of(atomic_load(&loop_tid)).turn != beside_it.turn)
                rni_cpu_wait(++tries);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_turn_is_all_that_changes),
                cmocka_unit_test(who_is_started_has_the_systems_turns),
                cmocka_unit_test(what_the_user_chose_stays),
                cmocka_unit_test(who_would_be_killed_for_it_does_not_ask),
                cmocka_unit_test(turns_can_be_turned_off),
                cmocka_unit_test(a_loop_without_a_p_has_the_systems_turns),
        };

        rn_main_foreign();   /* cmocka stays on its thread */
        rn_maxprocs(1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
