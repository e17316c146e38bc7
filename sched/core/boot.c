/* SPDX-License-Identifier: MIT
 * The first call. There is no init function: whoever comes first boots the runtime; main becomes
 * goroutine 1 on the process's own stack if the first call comes from the initial thread, neither
 * rn_main_foreign nor RUNNEL_MAIN=foreign says otherwise, and the library was not loaded by dlopen
 * into a host that knows nothing of it; every other thread becomes a foreign one. Boot starts no
 * thread. Lock-free afterwards: rni_self() is set. */
#include "sched/core/boot.h"

#include <limits.h>
#include <runnel/go.h>
#include <stdlib.h>
#include <string.h>

#include "sched/base/rand.h"
#include "sched/core/sched.h"

#define sched rni_sched

a32 rni_boot_helpers;

enum boot_state { BOOT_NOT, BOOT_NOW, BOOT_DONE, BOOT_FORKED };
static a32 state;
static a32 main_foreign;

enum { G0_STACK = 256 * 1024 };
enum { MAX_M = 10000 };   /* Go's */

void rn_main_foreign(void)
{
        store_rel(&main_foreign, 1);   /* rel: pairs with acq in adopt_main */
}

/* The variable's value if it is a number >= 1, else otherwise; at most most. */
static int env_number(const char *name, int otherwise, int most)
{
        const char *env = rni_os_env(name);
        long v = env ? strtol(env, NULL, 10) : 0;

        if (v < 1)
                v = otherwise;
        return v < most ? (int)v : most;
}

/* The initial thread: an M whose scheduler loop has a stack of its own, since the thread's belongs
 * to goroutine 1. */
static struct m *adopt_main(void)
{
        static struct m m0;
        static struct stack main_stack;
        void *lo, *hi, *g0 = NULL, *slot;
        struct g *g;

        const char *env = rni_os_env("RUNNEL_MAIN");

        if (!rni_thread_initial() ||
            load_acq(&main_foreign) ||   /* acq: rn_main_foreign */
            (env && strcmp(env, "foreign") == 0) || !rni_loaded_at_start())
                return NULL;
        g0 = rni_vm_reserve(G0_STACK);
        if (!g0 || rni_gslab_take(&slot, 1, 0) != 1)
                rni_fatal("out of memory at start");
        rni_vm_guard_mprotect(g0, rni_page);
        g = slot;
        rni_thread_stack(&lo, &hi);
        main_stack.lo = main_stack.floor = lo;
        main_stack.hi = hi;
        g->stack = &main_stack;
        g->flags = GF_MAIN;
        g->id = 1;
        g->state = G_RUNNING;
        m0.g = g;
        m0.tid = rni_thread_id();
        m0.rand = rni_rand_seed((uint64_t)m0.tid);
        m0.errnop = rni_thread_errno();
        san_errno(m0.errnop);
        m0.budget = BUDGET;
        m0.stays = true;
        store_rlx(&m0.retake, RETAKE_GONE);   /* rlx: alone */
        m0.g0_stack.lo = m0.g0_stack.floor = (char *)g0 + rni_page;
        m0.g0_stack.hi = (char *)g0 + G0_STACK;
#if RNI_TSAN
        main_stack.san_fiber = __tsan_get_current_fiber();
        m0.g0_stack.san_fiber = rni_fiber_new();
#endif
        ctx_make(&m0.g0, m0.g0_stack.lo, m0.g0_stack.hi, rni_g0_first);
        sched.g1 = g;
        sched.nm = 1;
        sched.all_m = &m0;
        m0.nextp = rni_idle_p_get();
        rni_m_first(&m0);
        rni_self_set(&m0);
        rni_thread_slack();
        m0.turn = rni_turn_begin();
        rni_thread_altstack();
        return &m0;
}

/* The child of a fork has this thread and nothing else: no Ms, and locks that nobody will
 * release. */
static void in_child(void)
{
        rni_self_set(NULL);   /* so that each call comes to rni_attach */
        store_rel(&state, BOOT_FORKED);   /* rel: pairs with acq in rni_attach */
}

/* What the processors are is only looked up where nobody says it: it takes a sixth of the start of
 * a small program. */
static int first_procs(void)
{
        int n = env_number("RUNNEL_MAXPROCS", 0, MAXPROCS_MAX);

        if (n > 0)
                return n;
        n = rni_cpu_count();
        return n < MAXPROCS_MAX ? n : MAXPROCS_MAX;
}

static void boot(void)
{
        rni_os_init();
        rni_stack_init();
        sched.deadlock_at = TIMER_NEVER;
        store_rlx(&sched.goid, 1);   /* rlx: alone; 1 is main's */
#if RNI_TSAN
        store_rlx(&rni_boot_helpers, 1);   /* rlx: alone */
#endif
        sched.max_m = (unsigned)env_number("RUNNEL_MAXTHREADS", MAX_M, INT_MAX);
        rni_procs_init(first_procs());
        adopt_main();
        rni_overflow_init();
        rni_quit_init();
        if (rni_thread_on_fork(in_child) != 0 || atexit(rni_exit_guard) != 0)
                rni_fatal("out of memory at start");
}

struct m *rni_attach(void)
{
        while (load_acq(&state) != BOOT_DONE) {   /* acq: pairs with rel below */
                if (load_acq(&state) == BOOT_FORKED)   /* acq: pairs with rel in in_child */
                        rni_fatal("a call of runnel in the child of a fork: "
                                  "it may only exec or _exit");
                if (cas(&state, BOOT_NOT, BOOT_NOW)) {
                        boot();
                        store_rel(&state, BOOT_DONE);   /* rel: everything is set up */
                        rni_futex_wake(&state, INT32_MAX);
                } else {
                        rni_futex_wait(&state, BOOT_NOW);
                }
        }
        return rni_self() ? rni_self() : rni_foreign_new();
}
