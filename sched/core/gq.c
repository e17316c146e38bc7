/* SPDX-License-Identifier: MIT
 * The global run queue. Invariants: gq.h. */
#include "sched/core/gq.h"

#include "sched/core/sched.h"

enum { BATCH = RUNQ_SIZE / 2, FEW = 32, CROWD = 1024 };

#define sched rni_sched

/* -- under sched.lock -- */

static void count(unsigned change)
{
        unsigned n = load_rlx(&sched.gq_n);   /* rlx: under the lock */

        store_rel(&sched.gq_n, n + change);   /* rel: pairs with acq in work_anywhere */
}

static unsigned run_more(uintptr_t run)
{
        return run % GQ_RUN;
}

static struct g *run_at(uintptr_t run, unsigned i)
{
        return (struct g *)(run - run_more(run) + (size_t)i * RNI_GSLOT);
}

/* As many as the last block has room for. */
static unsigned fill_tail(struct g *const *g, unsigned n)
{
        struct gq_block *b = sched.gq.tail;
        unsigned i;

        if (!b)
                return 0;
        for (i = 0; i < n; i++) {
                uintptr_t *last = b->end > b->first ? &b->run[b->end - 1] : NULL;

                rni_assert((uintptr_t)g[i] % GQ_RUN == 0);
                if (last && run_more(*last) < GQ_RUN - 1 &&
                    g[i] == run_at(*last, run_more(*last) + 1))
                        ++*last;
                else if (b->end < GQ_BLOCK)
                        b->run[b->end++] = (uintptr_t)g[i];
                else
                        break;
        }
        return i;
}

static void append_block(struct gq_block *b)
{
        b->next = NULL;
        b->first = b->end = 0;
        if (sched.gq.tail)
                sched.gq.tail->next = b;
        else
                sched.gq.head = b;
        sched.gq.tail = b;
}

static struct gq_block *spare_get(void)
{
        struct gq_block *b = sched.gq.spare;

        if (b)
                sched.gq.spare = b->next;
        return b;
}

static void drop_head(void)
{
        struct gq_block *b = sched.gq.head;

        sched.gq.head = b->next;
        if (!b->next)
                sched.gq.tail = NULL;
        b->next = sched.gq.spare;
        sched.gq.spare = b;
}

/* n Gs at most, into out. */
static unsigned take(struct g **out, unsigned n)
{
        unsigned got = 0;

        while (got < n && sched.gq.links.head)
                out[got++] = g_list_pop(&sched.gq.links);
        while (got < n && sched.gq.head) {
                struct gq_block *b = sched.gq.head;
                uintptr_t *run = &b->run[b->first];

                out[got++] = run_at(*run, 0);
                if (run_more(*run) > 0)
                        *run += RNI_GSLOT - 1;   /* begins with the next one */
                else if (++b->first == b->end)
                        drop_head();
        }
        return got;
}

void rni_gq_trim(void)
{
        struct gq_block *b, *next;

        lock_acquire(&sched.lock, RANK_SCHED);
        b = sched.gq.spare;
        sched.gq.spare = NULL;
        lock_release(&sched.lock, RANK_SCHED);
        for (; b; b = next) {
                next = b->next;
                rni_vm_free(b, sizeof *b);
        }
}

/* -- in -- */

void rni_gq_put(struct g *const *g, unsigned n)
{
        unsigned done = 0;

        lock_acquire(&sched.lock, RANK_SCHED);
        while ((done += fill_tail(g + done, n - done)) < n) {
                struct gq_block *b = spare_get();

                if (!b) {
                        lock_release(&sched.lock, RANK_SCHED);
                        b = rni_vm_reserve(sizeof *b);
                        lock_acquire(&sched.lock, RANK_SCHED);
                }
                if (b)
                        append_block(b);
                while (!b && done < n)
                        g_list_push(&sched.gq.links, g[done++]);
        }
        count(n);
        lock_release(&sched.lock, RANK_SCHED);
}

void rni_gq_put_locked(struct g_list *l)
{
        count((unsigned)l->n);
        g_list_append(&sched.gq.links, l);
}

void rni_gq_put_list(struct g_list *l)
{
        struct g *some[FEW];   /* not more: we may stand on a goroutine's stack */

        while (l->head) {
                unsigned n = 0;

                while (n < FEW && l->head)
                        some[n++] = g_list_pop(l);
                rni_gq_put(some, n);
        }
}

/* -- out -- */

/* They will run soon, and nobody has looked at them for long. */
static void prefetch(struct g *const *g, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                g_prefetch(g[i]);
}

/* p's share, as far as there is room in its ring and in some, which takes `most`. */
static inline struct g *get(struct p *p, struct g **some, unsigned most)
{
        unsigned room = (RUNQ_SIZE - runq_len(&p->runq)) / 2, n;

        if (most > room)
                most = room ? room : 1;
        lock_acquire(&sched.lock, RANK_SCHED);
        n = load_rlx(&sched.gq_n) / load_rlx(&sched.nprocs) + 1;   /* rlx: under the lock */
        n = take(some, n < most ? n : most);
        count(0 - n);
        p->crowded = load_rlx(&sched.gq_n) > CROWD;   /* rlx: under the lock */
        lock_release(&sched.lock, RANK_SCHED);
        prefetch(some, n);
        for (unsigned i = 1; i < n; i++)
                runq_put(&p->runq, some[i]);
        if (n > 1)
                rni_wake_p();   /* who looked meanwhile found them neither there nor here */
        return n ? some[0] : NULL;
}

struct g *rni_gq_get(struct p *p)
{
        struct g *some[BATCH];

        return get(p, some, BATCH);
}

struct g *rni_gq_get_few(struct p *p)
{
        struct g *some[FEW];

        return get(p, some, FEW);
}
