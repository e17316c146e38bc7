/* SPDX-License-Identifier: MIT
 * Where addresses are short: RLIMIT_AS leaves room for a few hundred stacks. Who was told that a
 * goroutine was started sees it run. */
#define _GNU_SOURCE
#include "tests/crash/cases.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/resource.h>

enum { ROOM = 400 };   /* MiB: more stacks than eight processors cache descriptors of the dead */
enum { ROUNDS = 20, SPAWNERS = 4, FEW = 60, LEAST = 100 };

/* As many as the process has now, and so many MiB. */
static void leave_addresses(unsigned long mib)
{
        unsigned long pages = 0;
        FILE *statm = fopen("/proc/self/statm", "r");
        struct rlimit r;

        if (!statm || fscanf(statm, "%lu", &pages) != 1 || getrlimit(RLIMIT_AS, &r) != 0)
                abort();
        fclose(statm);
        r.rlim_cur = pages * (unsigned long)sysconf(_SC_PAGESIZE) + (mib << 20);
        if (setrlimit(RLIMIT_AS, &r) != 0)
                abort();
}

struct crowd {
        rn_chan(rn_nothing) start, gate;
        rn_wg coming, alive, spawners, ready;
        atomic_int size;
        atomic_bool all_came;
};

static void comes(struct crowd *c)
{
        rn_wg_done(&c->coming);
        rn_wait(c->gate);
        rn_wg_done(&c->alive);
}

static int start_one(struct crowd *c)
{
        int err;

        rn_wg_add(&c->coming, 1);
        rn_wg_add(&c->alive, 1);
        err = rn_try_go(comes, c);
        if (err == 0) {
                atomic_fetch_add(&c->size, 1);
        } else {
                rn_wg_done(&c->coming);
                rn_wg_done(&c->alive);
        }
        return err;
}

static void fills(struct crowd *c)
{
        int err;

        rn_wait(c->start);
        while ((err = start_one(c)) == 0)
                continue;
        if (err != -EAGAIN)
                abort();
}

static void nothing(void)
{
}

/* The stacks that ended here lie in this processor's cache while it computes, and the goroutines
 * that it has started need as many. */
static void computes(struct crowd *c)
{
        rn_wg few = { { 0 } };

        for (int i = 0; i < FEW; i++)
                rn_wg_go(&few, nothing);
        rn_wg_wait(&few);
        for (int i = 0; i < FEW; i++)
                start_one(c);
        rn_wg_done(&c->ready);
        while (!atomic_load(&c->all_came))
                AFTERWARDS();
}

/* As many as there can be all come to the gate, and go. */
static void gather(bool computing)
{
        struct crowd c = { .start = rn_make(rn_nothing, 0), .gate = rn_make(rn_nothing, 0) };
        rn_wg computer = { { 0 } };

        if (computing) {
                rn_wg_add(&c.ready, 1);
                rn_wg_go(&computer, computes, &c);
                rn_wg_wait(&c.ready);
        }
        for (int i = 0; i < SPAWNERS; i++)
                rn_wg_go(&c.spawners, fills, &c);
        rn_close(c.start);
        rn_wg_wait(&c.spawners);
        rn_wg_wait(&c.coming);
        atomic_store(&c.all_came, true);
        rn_close(c.gate);
        rn_wg_wait(&computer);
        rn_wg_wait(&c.alive);
        rn_unref(c.start);
        rn_unref(c.gate);
        if (atomic_load(&c.size) < LEAST)
                abort();
}

static void gather_often(bool computing)
{
        leave_addresses(ROOM);
        for (int i = 0; i < ROUNDS; i++)
                gather(computing);
        say("all ran\n");
}

CASE(all_run_that_were_started)
{
        gather_often(false);
}

CASE(all_run_beside_one_that_computes)
{
        gather_often(true);
}

CASE(own_stacks_are_refused)
{
        rn_chan(rn_nothing) gate = rn_make(rn_nothing, 0);
        int n = 0, err;

        leave_addresses(ROOM);
        while ((err = rn_go_attr(&(rn_attr){ .stack = 1 << 20 }, rn_chan_recv, gate, NULL)) == 0)
                n++;
        printf("%d %d\n", n > 0 && n < ROOM, err == -ENOMEM || err == -EAGAIN);
        rn_close(gate);
        while (rn_numgoroutine() > 1)
                rn_yield();
        printf("%d\n", rn_go_attr(&(rn_attr){ .stack = 1 << 20 }, nothing));
}
