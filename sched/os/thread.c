/* SPDX-License-Identifier: MIT
 * Threads: starting them, knowing when they end, their alternate signal stack, how many there are.
 * What a thread notes here dies with it, in a destructor of one pthread key. Callers: core (Ms,
 * sysmon, helpers, attached foreign threads), core/deadlock. */
#include "sched/os/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

enum { CREATE_TRIES = 20 };
typedef void *start_fn(void *);

/* The number of threads is limited for the user or the group, and others end some. Go tries as
 * often and as long: 0.2 s. */
static int create(const pthread_attr_t *attr, start_fn *fn, void *arg)
{
        pthread_t t;
        int r = pthread_create(&t, attr, fn, arg);

        for (int tries = 1; r == EAGAIN && tries < CREATE_TRIES; tries++) {
                nanosleep(&(struct timespec){ 0, tries * 1000000 }, NULL);
                r = pthread_create(&t, attr, fn, arg);
        }
        return r;
}

/* 0 or a positive error number. */
static int create_detached(start_fn *fn, void *arg, size_t stack)
{
        pthread_attr_t attr;
        size_t least = (size_t)sysconf(_SC_THREAD_STACK_MIN);
        int r = pthread_attr_init(&attr);

        if (r != 0)
                return r;
        if (stack < least)
                stack = least;
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        r = pthread_attr_setstacksize(&attr, (stack + rni_page - 1) / rni_page * rni_page);
        if (r == 0)
                r = create(&attr, fn, arg);
        pthread_attr_destroy(&attr);
        return r;
}

/* Of the thread that booted the runtime. Ms run with it, whoever starts them: what they block their
 * children would inherit, and be deaf to SIGTERM. */
static sigset_t first_mask;

/* What RUNNEL_TURNS says: '0', '1', or 0, nothing. */
static char turns;

void rni_thread_init(void)
{
        const char *env = rni_os_env("RUNNEL_TURNS");

        turns = env && (env[0] == '0' || env[0] == '1') && env[1] == 0 ? env[0] : 0;
        pthread_sigmask(SIG_BLOCK, NULL, &first_mask);
}

int rni_thread_start(start_fn *fn, void *arg, size_t stack, bool mask_all)
{
        int keep = errno, r;
        sigset_t all, old;

        sigfillset(&all);
        /* inherited: it never runs with another */
        pthread_sigmask(SIG_SETMASK, mask_all ? &all : &first_mask, &old);
        r = create_detached(fn, arg, stack);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        errno = keep;
        return -r;
}

int rni_thread_id(void)
{
        return (int)rni_sys(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

bool rni_thread_initial(void)
{
        return rni_thread_id() == getpid();
}

/* One note for the end of a thread. Owned by the thread. */
struct at_exit { struct at_exit *next; void (*fn)(void *); void *arg; };

static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static int exit_key_error;              /* written once */

/* Newest first. A note made meanwhile starts a new list, for which pthread calls again. */
static void run_exits(void *p)
{
        for (struct at_exit *e = p, *next; e; e = next) {
                next = e->next;
                e->fn(e->arg);
                free(e);
        }
}

/* Whoever has PTHREAD_KEYS_MAX keys already keeps them: it is not tried again. */
static void make_exit_key(void)
{
        exit_key_error = pthread_key_create(&exit_key, run_exits);
}

int rni_thread_on_exit(void (*fn)(void *), void *arg)
{
        int keep = errno, r;
        struct at_exit *e = NULL;

        pthread_once(&exit_once, make_exit_key);
        r = exit_key_error;
        if (r == 0 && !(e = malloc(sizeof *e)))
                r = ENOMEM;
        if (r == 0) {
                *e = (struct at_exit){ pthread_getspecific(exit_key), fn, arg };
                r = pthread_setspecific(exit_key, e);
        }
        if (r != 0)
                free(e);
        errno = keep;
        return -r;
}

int rni_thread_on_fork(void (*fn)(void))
{
        return -pthread_atfork(NULL, NULL, fn);
}

/* The initial thread's: the C library would look it up in /proc/self/maps, which takes as long as
 * all of our start. On top of it the kernel puts the name of the program and a word of zeroes. */
static bool initial_stack(void **lo, void **hi)
{
        const char *name = (const char *)getauxval(AT_EXECFN);  /* NOLINT: an address, by the
                                                                 * kernel's interface */
        struct rlimit size;

        if (!name || !rni_thread_initial() || getrlimit(RLIMIT_STACK, &size) != 0 ||
            size.rlim_cur == RLIM_INFINITY)
                return false;
        *hi = (void *)(((uintptr_t)name + strlen(name)) / rni_page * rni_page + rni_page);
        *lo = (char *)*hi - size.rlim_cur / rni_page * rni_page;
        return (char *)&size > (char *)*lo && (char *)&size < (char *)*hi;
}

void rni_thread_stack(void **lo, void **hi)
{
        pthread_attr_t attr;
        size_t size = 0;
        int keep = errno;

        if (!RNI_ASAN && initial_stack(lo, hi))
                return;
        *lo = *hi = NULL;
        if (pthread_getattr_np(pthread_self(), &attr) == 0) {
                pthread_attr_getstack(&attr, lo, &size);
                pthread_attr_destroy(&attr);
                *hi = (char *)*lo + size;
        }
        errno = keep;
}

void rni_thread_slack(void)
{
        rni_sys(SYS_prctl, PR_SET_TIMERSLACK, 1, 0, 0, 0, 0);
}

enum { RESET_ON_FORK = 1, FILTERED = 2 };

/* A filter of system calls may kill for one that it does not know. */
static bool may_ask(void)
{
        return turns != 0 ? turns == '1'
                          : rni_sys(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0, 0) != FILTERED;
}

/* Who has a higher priority would lose it by the flag for those it starts. Before Linux 6.12 turn
 * is 0. */
int64_t rni_thread_turn(int tid, int64_t turn)
{
        struct rni_rank r = { 0 };
        int64_t was;

        if (!may_ask() || rni_sys(SYS_sched_getattr, tid, rni_ptr(&r), sizeof r, 0, 0, 0) != 0 ||
            r.policy != SCHED_OTHER || r.nice < 0 || r.turn == 0)
                return 0;
        was = (int64_t)r.turn;
        r.turn = (uint64_t)turn;
        r.flags |= RESET_ON_FORK;
        return rni_sys(SYS_sched_setattr, tid, rni_ptr(&r), 0, 0, 0, 0) == 0 ? was : 0;
}

/* What the kernel puts on the stack for a handler. */
static long signal_frame(void)
{
#ifdef _SC_MINSIGSTKSZ
        return sysconf(_SC_MINSIGSTKSZ);
#else                                   /* musl */
        enum { MINSIGSTKSZ_NOW = 51 };  /* AT_MINSIGSTKSZ, where the headers know it */
        int keep = errno;
        long n = (long)getauxval(MINSIGSTKSZ_NOW);

        errno = keep;
        return n;
#endif
}

static size_t altstack_size(void)
{
        long least = signal_frame();
        size_t size = 65536;

        if (least > 0 && (size_t)least + 32768 > size)
                size = (size_t)least + 32768;
        return (size + rni_page - 1) / rni_page * rni_page;
}

/* p: the guard page, then the stack. Somebody may have put another stack in its place, which is
 * theirs to remove. */
static void altstack_end(void *p)
{
        stack_t now, off = { .ss_flags = SS_DISABLE };

        if (sigaltstack(NULL, &now) == 0 && now.ss_sp == (char *)p + rni_page)
                sigaltstack(&off, NULL);
        rni_vm_free(p, rni_page + altstack_size());
}

int rni_thread_altstack(void)
{
        stack_t now;
        size_t size = altstack_size();
        char *p;
        int keep = errno, r;

        if (sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_DISABLE) == 0)
                return 0;
        p = rni_vm_reserve(rni_page + size);
        if (!p)
                return -ENOMEM;
        r = rni_vm_guard_mprotect(p, rni_page);
        if (r == 0)
                r = rni_thread_on_exit(altstack_end, p);   /* first, for it may be refused; until
                                                            * then nothing is noted */
        if (r != 0)
                rni_vm_free(p, rni_page + size);
        else   /* none is active, and it is large enough */
                sigaltstack(&(stack_t){ .ss_sp = p + rni_page, .ss_size = size }, NULL);
        errno = keep;
        return r;
}

/* Threads by their directory entries; 0 when there is no /proc. */
static size_t count_entries(void)
{
        struct entry {
                uint64_t ino;
                int64_t off;
                unsigned short len;
                unsigned char type;
                char name[];
        };
        rni_aligned(8) char buf[2048];
        size_t count = 0;
        long n, fd = rni_sys(SYS_openat, AT_FDCWD, rni_ptr("/proc/self/task"),
                             O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0, 0);

        if (fd < 0)
                return 0;
        while ((n = rni_sys(SYS_getdents64, fd, rni_ptr(buf), sizeof buf, 0, 0, 0)) > 0)
                for (char *p = buf; p < buf + n; p += ((struct entry *)(void *)p)->len)
                        count += ((struct entry *)(void *)p)->name[0] != '.';
        rni_sys(SYS_close, fd, 0, 0, 0, 0, 0);
        return count;
}

static size_t count_links(void)
{
        struct stat st;
        int keep = errno;
        bool known = stat("/proc/self/task", &st) == 0 && st.st_nlink > 2;
        size_t n = known ? (size_t)st.st_nlink - 2 : 0;

        errno = keep;
        return n;
}

/* The link count is one cheap call, but only Linux's own /proc is known to keep it: it is believed
 * once it has agreed with the entries. */
size_t rni_task_count(void)
{
        static a32 links_tell;
        size_t n = count_links();

        if (n > 0 && load_rlx(&links_tell))             /* set once, and guards no other data */
                return n;
        for (int i = 0; i < 3; i++) {
                size_t before = count_links(), entries = count_entries();
                if (entries > 0 && before == entries && entries == count_links()) {
                        store_rlx(&links_tell, 1);      /* read by later calls; guards no other
                                                         * data */
                        return entries;
                }
                n = entries;
        }
        return n > 0 ? n : SIZE_MAX;
}

/* -- looking at another thread -- */

int64_t rni_thread_cpu(int tid)
{
        /* the kernel's encoding of "this thread's processor time" */
        clockid_t id = (clockid_t)(~(unsigned)tid << 3 | 6);
        struct timespec ts;
        int keep = errno, r = clock_gettime(id, &ts);

        errno = keep;
        return r == 0 ? (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec : -1;
}

/* "TID (NAME) S ...", and NAME may hold anything. */
bool rni_thread_asleep(int tid)
{
        char path[64], line[256], *name_end;

        snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
        if (!rni_text_head(path, line, sizeof line))
                return true;            /* no /proc: its clock has stood still, so believe it */
        name_end = strrchr(line, ')');
        return name_end && name_end[1] == ' ' && name_end[2] != 'R';
}
