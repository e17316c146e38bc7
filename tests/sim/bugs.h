/* SPDX-License-Identifier: MIT
 * The classic mistakes of concurrent programs, each as small as it gets, with what puts it right
 * beside it. The shapes are those of Tu et al., "Understanding Real-World Concurrency Bugs in Go"
 * (ASPLOS 2019), and of the classics before it. Included by bugs_test.c only.
 *
 * Invariant: a program makes all that it uses itself, so that a run that is given up leaves nothing
 * to the next. What is done wrong is marked in the text; `right` avoids it. */
#define MS INT64_C(1000000)

/* Memory of a run that may be given up: freed by whoever is last, or by nobody. Blocks of one test
 * are kept in a list and freed when it is over. */
static struct block {
        struct block *next;
        max_align_t room[16];
} *blocks;
static pthread_mutex_t blocks_lock = PTHREAD_MUTEX_INITIALIZER;

static void *room(size_t size)
{
        struct block *b = calloc(1, sizeof *b);

        if (!b || size > sizeof b->room)
                abort();
        pthread_mutex_lock(&blocks_lock);
        b->next = blocks;
        blocks = b;
        pthread_mutex_unlock(&blocks_lock);
        return b->room;
}

static void rooms_free(void)
{
        while (blocks) {
                struct block *b = blocks;

                blocks = b->next;
                free(b);
        }
}

/* -- 1. lock order: two locks, taken in either order -- */

struct account {
        rn_mutex mu;
        int balance;
};

static void transfer(struct account *from, struct account *to, bool right)
{
        struct account *first = right && from > to ? to : from, *second = first == from ? to : from;

        rn_mutex_lock(&first->mu);   /* wrong: whichever is the source */
        rn_mutex_lock(&second->mu);
        from->balance--;
        to->balance++;
        rn_mutex_unlock(&second->mu);
        rn_mutex_unlock(&first->mu);
}

static void lock_order(bool right)
{
        struct account *a = room(2 * sizeof *a);

        rn_go(transfer, &a[0], &a[1], right);
        rn_go(transfer, &a[1], &a[0], right);
}

/* -- 2. missed close: the last producer closes, and two think that they are not the last -- */

struct work {
        rn_mutex mu;
        rn_chan(int) c;
        int left;
};

static void produce(struct work *w, bool right)
{
        int left;

        rn_send(w->c, 1);
        rn_mutex_lock(&w->mu);
        left = w->left;
        if (!right) {   /* wrong: what was read is old when it is written */
                rn_mutex_unlock(&w->mu);
                rn_mutex_lock(&w->mu);
        }
        w->left = left - 1;
        rn_mutex_unlock(&w->mu);
        if (left == 1)
                rn_close(w->c);
}

static void missed_close(bool right)
{
        struct work *w = room(sizeof *w);

        w->c = rn_make(int, 2);
        w->left = 2;
        rn_go(produce, w, right);
        rn_go(produce, w, right);
        rn_range(v, w->c)
                CHECK_EQ(v, 1);
        rn_unref(w->c);
}

/* -- 3. published too early: a flag is seen, what it stands for is not there yet -- */

struct service {
        rn_mutex mu;
        rn_mutex log;
        _Atomic bool started;
        int *_Atomic config;
};

static void start_service(struct service *s, bool right)
{
        rn_mutex_lock(&s->mu);
        if (!s->started) {
                if (right)
                        s->config = room(sizeof *s->config);
                s->started = true;   /* wrong: the rest comes after */
                rn_mutex_lock(&s->log);
                rn_mutex_unlock(&s->log);
                if (!right)
                        s->config = room(sizeof *s->config);
        }
        rn_mutex_unlock(&s->mu);
}

static void use_service(struct service *s, bool right)
{
        if (!s->started)   /* the double-checked flag */
                start_service(s, right);
        if (!s->config)
                rn_panic("no configuration");
}

static void double_checked(bool right)
{
        struct service *s = room(sizeof *s);

        rn_go(use_service, s, right);
        rn_go(use_service, s, right);
}

/* -- 4. a goroutine behind an unbuffered result: nobody takes it after a time-out -- */

static void answer(rn_chan(int) c)
{
        rn_sleep(MS);
        rn_send(c, 42);
        rn_unref(c);
}

static void leaked_result(bool right)
{
        rn_chan(int) c = rn_make(int, right ? 1 : 0);   /* wrong: no room for who comes too late */
        int v;

        rn_go(answer, rn_ref(c));
        rn_select_for(MS, rn_on_recv(c, &v));
        rn_unref(c);
}

/* -- 5. WaitGroup: add inside the goroutine -- */

static void count_late(rn_wg *wg, atomic_int *n, bool right)
{
        if (!right)
                rn_wg_add(wg, 1);   /* wrong: wait may be over */
        ++*n;
        rn_wg_done(wg);
}

static void add_inside(bool right)
{
        struct {
                rn_wg wg;
                atomic_int n;
        } *s = room(sizeof *s);

        for (int i = 0; i < 3; i++) {
                if (right)
                        rn_wg_add(&s->wg, 1);
                rn_go(count_late, &s->wg, &s->n, right);
        }
        rn_wg_wait(&s->wg);
        if (s->n != 3)
                rn_panic("%d of 3", s->n);
}

/* -- 6. a stop that gets lost: told by a try, to one who is busy -- */

static void serve(rn_chan(int) jobs, rn_chan(rn_nothing) taken, rn_chan(rn_nothing) quit)
{
        bool ok = true;
        int job;

        while (ok) {
                switch (rn_select(rn_on_recv_ok(jobs, &job, &ok), rn_on_signal(quit))) {
                case 0: {
                        rn_time done = rn_deadline(MS);

                        rn_send(taken, (rn_nothing){ 0 });
                        rn_sleep_until(done);
                        break;
                }
                default:
                        ok = false;
                }
        }
        rn_unref(jobs);
        rn_unref(taken);
        rn_unref(quit);
}

static void lost_stop(bool right)
{
        rn_chan(int) jobs = rn_make(int, 1);
        rn_chan(rn_nothing) taken = rn_make(rn_nothing, 0), quit = rn_make(rn_nothing, 0);

        rn_go(serve, rn_ref(jobs), rn_ref(taken), rn_ref(quit));
        rn_send(jobs, 1);
        rn_wait(taken);
        rn_sleep(MS);   /* it should have done the job */
        if (right)
                rn_close(quit);
        else
                rn_try_send(quit, (rn_nothing){ 0 });   /* wrong: dropped if it does not listen just
                                                         * now */
        rn_unref(jobs);
        rn_unref(taken);
        rn_unref(quit);
}

/* -- 7. close, if nobody has yet: asked and done in two steps -- */

struct closer {
        rn_mutex mu;
        rn_chan(int) c;
        _Atomic bool closed;
};

static void close_once(struct closer *s, bool right)
{
        bool closed;

        rn_mutex_lock(&s->mu);
        closed = s->closed;
        if (right)
                s->closed = true;
        rn_mutex_unlock(&s->mu);
        if (closed)
                return;
        rn_close(s->c);   /* wrong: others have read the flag meanwhile */
        s->closed = true;
}

static void double_close(bool right)
{
        struct closer *s = room(sizeof *s);

        s->c = rn_make(int, 0);
        rn_go(close_once, s, right);
        rn_go(close_once, s, right);
        rn_wait(s->c);
}

/* -- 8. send on closed: the owner closes while a sender is on its way -- */

struct stream {
        rn_mutex mu;
        rn_chan(int) c;
        bool closed;
};

static void send_if_open(struct stream *s, bool right)
{
        bool open;

        rn_mutex_lock(&s->mu);
        open = !s->closed;
        if (!right)
                rn_mutex_unlock(&s->mu);   /* wrong: it may be closed before the send */
        if (open)
                rn_try_send(s->c, 1);
        if (right)
                rn_mutex_unlock(&s->mu);
}

static void send_on_closed(bool right)
{
        struct stream *s = room(sizeof *s);

        s->c = rn_make(int, 4);
        rn_go(send_if_open, s, right);
        rn_yield();
        rn_mutex_lock(&s->mu);
        s->closed = true;
        rn_close(s->c);
        rn_mutex_unlock(&s->mu);
}

/* -- 9. a signal before the wait: the condition is looked at without the lock -- */

struct gate {
        rn_mutex mu;
        rn_cond cond;
        bool open;
};

static void open_gate(struct gate *s)
{
        rn_mutex_lock(&s->mu);
        s->open = true;
        rn_cond_signal(&s->cond);
        rn_mutex_unlock(&s->mu);
}

static void lost_signal(bool right)
{
        struct gate *s = room(sizeof *s);
        bool open;

        rn_go(open_gate, s);
        rn_mutex_lock(&s->mu);
        open = s->open;
        if (!right) {
                rn_mutex_unlock(&s->mu);   /* wrong: the signal may come in between */
                rn_mutex_lock(&s->mu);
        }
        if (!open)
                rn_cond_wait(&s->cond, &s->mu);
        rn_mutex_unlock(&s->mu);
}

/* -- 10. a read lock in a read lock, and a writer in between -- */

static void read_size(rn_rwmutex *mu)
{
        rn_rwmutex_rlock(mu);
        rn_rwmutex_runlock(mu);
}

static void write_it(rn_rwmutex *mu)
{
        rn_rwmutex_lock(mu);
        rn_rwmutex_unlock(mu);
}

static void nested_rlock(bool right)
{
        rn_rwmutex *mu = room(sizeof *mu);

        rn_go(write_it, mu);
        rn_rwmutex_rlock(mu);
        if (!right)
                read_size(mu);   /* wrong: the writer waits for us, and we behind it */
        rn_rwmutex_runlock(mu);
}

/* -- 11. a lock held across a send: the receiver needs the lock to come to its receive -- */

struct mixed {
        rn_mutex mu;
        rn_chan(int) c;
};

static void take_with_lock(struct mixed *s)
{
        rn_mutex_lock(&s->mu);
        rn_mutex_unlock(&s->mu);
        rn_wait(s->c);
        rn_unref(s->c);
}

static void lock_across_send(bool right)
{
        struct mixed *s = room(sizeof *s);

        s->c = rn_make(int, 0);
        rn_go(take_with_lock, s);
        rn_yield();
        rn_mutex_lock(&s->mu);
        if (right)
                rn_mutex_unlock(&s->mu);
        rn_send(s->c, 1);   /* wrong: with the lock */
        if (!right)
                rn_mutex_unlock(&s->mu);
}

/* -- 12. check and act: two withdraw what is there once -- */

static void withdraw(struct account *a, bool right)
{
        bool enough;

        rn_mutex_lock(&a->mu);
        enough = a->balance >= 10;
        if (!right) {   /* wrong: the answer does not outlive the lock */
                rn_mutex_unlock(&a->mu);
                rn_mutex_lock(&a->mu);
        }
        if (enough)
                a->balance -= 10;
        if (a->balance < 0)
                rn_panic("overdrawn");
        rn_mutex_unlock(&a->mu);
}

static void check_then_act(bool right)
{
        struct account *a = room(sizeof *a);

        a->balance = 10;
        rn_go(withdraw, a, right);
        rn_go(withdraw, a, right);
}

/* -- 13. started before it is complete: the goroutine uses a field that its maker sets later -- */

struct server {
        rn_mutex mu;
        int *_Atomic handler;
};

static void handle(struct server *s)
{
        rn_mutex_lock(&s->mu);
        if (!s->handler)
                rn_panic("no handler");
        rn_mutex_unlock(&s->mu);
}

static void started_too_early(bool right)
{
        struct server *s = room(sizeof *s);

        if (right)
                s->handler = room(sizeof *s->handler);
        rn_go(handle, s);
        if (!right)
                s->handler = room(sizeof *s->handler);   /* wrong: it may run already */
}

/* -- 14. a permit that is not given back, where two errors come together -- */

struct limited {
        rn_sem sem;
        rn_mutex mu;
        int inside;
};

static void limited_work(struct limited *s, bool right)
{
        bool crowded;

        rn_sem_acquire(&s->sem, 1);
        rn_mutex_lock(&s->mu);
        crowded = ++s->inside == 2;
        rn_mutex_unlock(&s->mu);
        if (crowded && !right)
                return;   /* wrong: with the permit */
        rn_mutex_lock(&s->mu);
        s->inside--;
        rn_mutex_unlock(&s->mu);
        rn_sem_release(&s->sem, 1);
}

static void lost_permit(bool right)
{
        struct limited *s = room(sizeof *s);

        rn_sem_init(&s->sem, 2);
        rn_go(limited_work, s, right);
        rn_go(limited_work, s, right);
        rn_sleep(MS);
        rn_sem_acquire(&s->sem, 2);
}

/* -- 15. select takes what is ready, not what comes first in the text: work is done after the end
 * -- */

struct stopping {
        rn_ctx *ctx;
        rn_ticker *ticker;
        int after;
};

static void tick(struct stopping *s, bool right)
{
        for (;;) {
                rn_time t;

                if (rn_select(rn_on_signal(rn_ctx_done(s->ctx)),
                              rn_on_recv(rn_ticker_chan(s->ticker), &t)) == 0)
                        return;
                if (right && rn_ctx_err(s->ctx))
                        return;
                if (rn_ctx_err(s->ctx))   /* wrong: both were ready, and nobody looked again */
                        rn_panic("a tick after the end");
        }
}

static void stop_and_tick(bool right)
{
        struct stopping *s = room(sizeof *s);

        s->ctx = rn_ctx_with_timeout(rn_ctx_background(), 3 * MS);
        s->ticker = rn_ticker_new(MS);
        tick(s, right);
        rn_unref(s->ticker);
        rn_ctx_release(s->ctx);
}

/* -- 16. a pool whose workers wait for their own results to be taken, by who still hands out work
 * -- */

static void pool_worker(rn_chan(int) jobs, rn_chan(int) results)
{
        rn_range(job, jobs)
                rn_send(results, job);
        rn_unref(jobs);
        rn_unref(results);
}

static void hand_out(rn_chan(int) jobs)
{
        for (int i = 0; i < 4; i++)
                rn_send(jobs, i);
        rn_close(jobs);
        rn_unref(jobs);
}

static void full_both_ways(bool right)
{
        rn_chan(int) jobs = rn_make(int, 1), results = rn_make(int, 1);

        rn_go(pool_worker, rn_ref(jobs), rn_ref(results));
        if (right) {
                rn_go(hand_out, rn_ref(jobs));
        } else {
                for (int i = 0; i < 4; i++)   /* wrong: takes no result before all is handed out */
                        rn_send(jobs, i);
                rn_close(jobs);
        }
        for (int i = 0; i < 4; i++)
                CHECK_EQ(rn_get(results), i);
        rn_unref(jobs);
        rn_unref(results);
}
