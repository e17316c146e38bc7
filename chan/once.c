/* SPDX-License-Identifier: MIT
 * Once: one word and a list of waiters under its lock bit (chan/parking.h).
 *
 *                                             returns, panics or exits:
 *        first call: RUNNING                  store DONE, then ready all
 *   {} -----------------------> its function ----------------------------> DONE
 *
 * The word may be gone as soon as a call can return: so DONE and the release of the lock are one
 * store, the runner's last access. The bug would be a call that finds DONE while the runner still
 * has to unlock. DONE with the lock held is a later call that came before it was done; whoever
 * frees the object waits for that one, too. The function's end is a deferred call, so a panic and
 * rn_exit come by it too; it runs outside of the runtime with nothing held. */
#include <runnel/sync.h>

#include "chan/parking.h"
#include "sched/core/panic.h"

enum { RUNNING = 2, DONE = 4 };   /* beside WORD_LOCK */

struct once {
        a32 word;
        struct waiter *waiters;   /* newest first */
};
_Static_assert(sizeof(struct once) <= sizeof(rn_once), "fits");
_Static_assert(DONE == 4 && offsetof(struct once, word) == 0, "rn_once_done_ in <runnel/sync.h>");

static struct once *inside(rn_once *o)
{
        return (struct once *)(void *)o;
}

static void commit_unlock(struct g *g, void *arg)
{
        struct once *o = arg;

        (void)g;
        rni_word_unlock(&o->word, RUNNING);
}

/* o is locked and RUNNING. */
static void wait_locked(struct once *o)
{
        struct g *g = rt_enter_locked()->g;
        struct waiter *w = &g->u.run.w;

        *w = (struct waiter){ .g = g, .obj = o, .next = o->waiters };
        o->waiters = w;
        rni_park(commit_unlock, o, WAIT_ONCE);
        rt_leave();
}

static void complete(struct once *o)
{
        struct g_list woken = { NULL, NULL, 0 };
        struct waiter *w, *next;

        san_release(o);
        rni_word_lock(&o->word);
        w = o->waiters;
        rni_word_unlock(&o->word, DONE);
        for (; w; w = next) {
                next = w->next;
                g_list_push(&woken, w->g);
        }
        rni_ready_woken(&woken);
}

static void run(struct once *o, const struct rn_call *call)
{
        struct rn_deferred end;

        rn_defer_push(&end, RN_CALL_(complete, o));
        if (unlikely(!call->fn))
                rni_runtime_panic("invalid memory address or nil pointer dereference");
        rni_call_run(call);
        rn_defer_run(&end);
}

/* Named like a part of the public function, which has no frame: a dump shows that. */
static rni_noinline void call_slow(struct once *o,
                                   const struct rn_call *call) __asm__("rn_once_call.slow");
static rni_noinline void call_slow(struct once *o, const struct rn_call *call)
{
        struct rn_call own = *call;   /* it lies where the next capture goes */
        unsigned state;

        rni_m();
        state = rni_word_lock(&o->word);
        if (state == RUNNING) {
                wait_locked(o);
        } else {
                rni_word_unlock(&o->word, state ? state : RUNNING);
                if (state == 0)
                        run(o, &own);
        }
        san_acquire(o);
        rni_compiler_barrier();   /* no tail call: a frame for the dump */
}

void rn_once_call(rn_once *once, const struct rn_call *call)
{
        struct once *o = inside(once);

        /* Fast path: done. */
        if (unlikely(!(load_acq(&o->word) & DONE)))   /* acq: pairs with rel in rni_word_unlock */
                call_slow(o, call);
        else
                san_acquire(o);
}

bool (rn_once_done)(const rn_once *once)
{
        const struct once *o = (const struct once *)(const void *)once;
        bool done = (load_acq(&o->word) & DONE) != 0;   /* acq: pairs with rel in rni_word_unlock */

        if (done)
                san_acquire(o);
        return done;
}
