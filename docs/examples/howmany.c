/* SPDX-License-Identifier: MIT
 * howmany [N]: how many goroutines does this machine hold, and at what price? Ten thousand report
 * for work first; then N, a million unless told otherwise, park on one channel, all at the same
 * time, until it is closed. Ends with status 1 if memory is out before all N live, and then as
 * tidily as otherwise. */
#include <runnel.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REPORTERS = 10000, CROWD = 1000000, BAR = 50 };
static const rn_dur PERIOD = 50 * RN_MSEC; /* of the monitor */

/* What main, the monitor and the crowd share. It may live on main's stack, because main waits for
 * all of them. */
struct crowd {
        rn_chan(rn_nothing) gate; /* they park here; nothing is ever sent, closing it lets all of
                                   * them go */
        rn_wg coming;             /* those that were started and do not run yet */
        rn_wg alive;              /* those that have not ended */
        long wanted;
        atomic_long gathered;         /* those that have come to the gate */
        rn_chan(rn_nothing) complete; /* closed when nobody more will come */
        rn_wg monitor;
};

/* The whole life of one of them. To park is nothing but to wait, anywhere in a function: each has a
 * stack of its own. */
static void wait_at_gate(struct crowd *crowd)
{
        rn_wg_done(&crowd->coming);
        rn_wait(crowd->gate);
        rn_wg_done(&crowd->alive);
}

/* -- what is measured -- */

struct memory {
        double resident, tables; /* bytes */
};

/* What the kernel says of this process, from /proc. Page tables do not count as resident, but are
 * paid for all the same. */
static struct memory memory_used(void)
{
        struct memory used = { 0, 0 };
        char line[256];
        long kib;
        FILE *status = fopen("/proc/self/status", "r");

        if (!status)
                return used;
        while (fgets(line, sizeof(line), status)) {
                if (sscanf(line, "VmRSS: %ld", &kib) == 1)
                        used.resident = 1024.0 * (double)kib;
                else if (sscanf(line, "VmPTE: %ld", &kib) == 1)
                        used.tables = 1024.0 * (double)kib;
        }
        fclose(status);
        return used;
}

static double ms_since(rn_time start)
{
        return (double)(rn_now() - start) / (double)RN_MSEC;
}

/* A bar that is drawn over itself on a terminal; elsewhere a line for every tenth. */
static void show_progress(long before, long now, long all, bool last)
{
        static const char bar[] = "##################################################";
        int filled = (int)(BAR * now / all);

        if (isatty(STDOUT_FILENO))
                printf("\r[%-*.*s] %ld parked%s", BAR, filled, bar, now, last ? "\n" : "");
        else {
                for (long tenth = 10 * before / all + 1; tenth <= 10 * now / all; tenth++)
                        printf("%3ld %% parked\n", 10 * tenth);
        }
        fflush(stdout);
}

/* Shows the progress at each tick, and once more when there is none any more. */
static void monitor(struct crowd *crowd)
{
        enum { TICK, COMPLETE };
        rn_ticker *ticker = rn_ticker_new(PERIOD);
        long shown = 0;
        bool last = false;

        rn_defer(rn_unref, ticker);
        while (!last) {
                long now;

                last = rn_select([TICK] = rn_on_signal(rn_ticker_chan(ticker)),
                                 [COMPLETE] = rn_on_signal(crowd->complete)) == COMPLETE;
                now = atomic_load(&crowd->gathered);
                show_progress(shown, now, crowd->wanted, last);
                shown = now;
        }
}

/* -- what is done -- */

/* Starts n goroutines that have nothing to do but to report. */
static int roll_call(long n)
{
        rn_wg reports = { 0 };
        rn_time start = rn_now();
        int err = 0;

        for (long i = 0; i < n && err == 0; i++) {
                rn_wg_add(&reports, 1);
                err = rn_try_go(rn_wg_done, &reports);
                if (err < 0)
                        rn_wg_done(&reports);
        }
        rn_wg_wait(&reports);
        if (err == 0)
                printf("%ld goroutines reported after %.1f ms\n", n, ms_since(start));
        return err;
}

static int add_one(struct crowd *crowd)
{
        int err;

        rn_wg_add(&crowd->coming, 1);
        rn_wg_add(&crowd->alive, 1);
        err = rn_try_go(wait_at_gate, crowd);
        if (err < 0) {
                rn_wg_done(&crowd->coming);
                rn_wg_done(&crowd->alive);
        }
        return err;
}

/* Gathers the wanted number at the gate, a hundredth at a time, so that the monitor counts
 * goroutines that have run, not ones that only were started. Returns how many there are: less than
 * wanted if memory is out, and *err says so. */
static long gather(struct crowd *crowd, int *err)
{
        long size = 0, group = crowd->wanted / 100 + 1;

        *err = 0;
        rn_wg_go(&crowd->monitor, monitor, crowd);
        while (size < crowd->wanted && *err == 0) {
                for (long i = 0; i < group && size < crowd->wanted && (*err = add_one(crowd)) == 0;
                     i++)
                        size++;
                rn_wg_wait(&crowd->coming);
                atomic_store(&crowd->gathered, size);
        }
        rn_close(crowd->complete);
        rn_wg_wait(&crowd->monitor);
        return size;
}

static void dismiss(struct crowd *crowd)
{
        rn_close(crowd->gate);
        rn_wg_wait(&crowd->alive);
        rn_unref(crowd->gate);
        rn_unref(crowd->complete);
}

/* Gathers a crowd, looks at the bill and lets it go. Returns 0, or the -errno that kept it smaller
 * than n. */
static int hold(long n)
{
        struct crowd crowd = { .gate = rn_make(rn_nothing, 0),
                               .complete = rn_make(rn_nothing, 0),
                               .wanted = n };
        struct memory before = memory_used(), after;
        rn_time start = rn_now();
        double resident, tables;
        long size;
        int err;

        size = gather(&crowd, &err);
        printf("spawned, run and parked in %.1f ms\n", ms_since(start));
        if (err < 0)
                fprintf(stderr, "howmany: no goroutine more after %ld: %s\n", size, strerror(-err));

        after = memory_used();
        resident = (after.resident - before.resident) / (double)(size > 0 ? size : 1);
        tables = (after.tables - before.tables) / (double)(size > 0 ? size : 1);
        printf("%d goroutines live, main is one of them\n", rn_numgoroutine());
        printf("%.0f bytes resident and %.0f of page tables each\n", resident, tables);

        start = rn_now();
        dismiss(&crowd);
        printf("woken and ended in %.1f ms\n", ms_since(start));
        printf("%s: %ld of %ld goroutines at the same time, %.2f KiB each all told\n",
               err < 0 ? "OUT OF MEMORY" : "OK", size, n, (resident + tables) / 1024);
        return err;
}

int main(int argc, char **argv)
{
        char *end = NULL;
        long n = argc > 1 ? strtol(argv[1], &end, 10) : CROWD;
        int err;

        if (argc > 2 || n < 1 || n > INT32_MAX || (end && *end != '\0')) {
                fprintf(stderr, "usage: howmany [N], N from 1 to %d\n", INT32_MAX);
                return 2;
        }
        printf("%d processors, %d of them run goroutines\n", rn_numcpu(), rn_maxprocs(0));
        err = roll_call(REPORTERS);
        if (err < 0)
                fprintf(stderr, "howmany: not even %d goroutines: %s\n", REPORTERS, strerror(-err));
        else
                err = hold(n);
        return err < 0 ? 1 : 0;
}
