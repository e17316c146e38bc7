/* SPDX-License-Identifier: MIT
 * Signals, from the handler to those who watch them.
 *
 *   kernel -> on_signal, on any thread:  sets the signal's bit in pending, rings the bell
 *          -> postman, a thread of its own that lives while anybody watches: takes the bits, hands
 *          each signal to all its watchers
 *
 * The postman is the thread on which watched signals are not blocked, whatever the mask of the
 * others; it blocks all others. It is a plain thread in the eyes of the runtime, so while it lives
 * there is no deadlock.
 *
 * The end of a watch. A signal that arrives meanwhile is either delivered or has the effect it had
 * before the watch; it is not lost:
 *
 *   stop                                          on_signal
 *   1  the old action is installed                a  delivering += 1                  (full)
 *   2  its bit leaves wanted         (full)       b  wanted?  yes: bit into pending
 *                                                             no: does what the old action would
 *   3  waits for delivering == 0                  c  delivering -= 1                  (full)
 *   4  delivers pending, w included; w goes
 *
 * The bug would be a bit that is set after step 4, which nobody takes to w: then b read wanted
 * before 2, so a came before 2, and 3 waits for c. And if b finds the bit gone, step 1 has been
 * made: raising the signal again meets the old action, not us for ever. The handler touches nothing
 * but these words and the futex. */
#include "chan/signal.h"

#include <stdlib.h>
#include <string.h>

#include "chan/hchan.h"
#include "sched/core/panic.h"

enum { SIGNALS = 64, POSTMAN_STACK = 64 * 1024 };

/* -- the words of the handler -- */

static a32 pending[2], wanted[2];   /* bit sets of signals */
static a32 ignored[2];              /* by rn_signal_ignore */
static a32 delivering;              /* handlers between a and c */
static a32 bell;                    /* futex of the postman: it rings when this changes */

/* -- the registry: under the lock -- */

static struct lock registry;        /* RANK_SIGNAL */
static struct watcher *watchers;
static bool postman_lives;
static struct sigaction old[SIGNALS + 1];   /* what a signal did before us; read by the handler as
                                             * well: written only while it is not ours */
static uint64_t ours;               /* signals whose old[] is kept: watched or ignored */
static a32 mask_wanted, mask_done;  /* versions of the postman's mask; the second is a futex */

static uint64_t bit_of(int sig)
{
        return UINT64_C(1) << (sig - 1);
}

static unsigned part(uint64_t set, int word)
{
        return (unsigned)(set >> (32 * word));
}

static void change(a32 *word, unsigned set, unsigned clear)
{
        unsigned was;

        do
                was = load_rlx(word);   /* rlx: the CAS decides */
        while (!cas(word, was, (was | set) & ~clear));
}

static void ring(void)
{
        fetch_add(&bell, 1);
        rni_futex_wake(&bell, 1);
}

static void on_signal(int sig, siginfo_t *si, void *uc)
{
        int word = (sig - 1) / 32;
        unsigned bit = part(bit_of(sig), word);

        fetch_add(&delivering, 1);   /* a */
        if (load_acq(&wanted[word]) & bit) {   /* b; acq: after a, which is full; the argument is
                                                * above */
                change(&pending[word], bit, 0);
                fetch_add(&delivering, (unsigned)-1);   /* c */
                ring();
        } else {
                fetch_add(&delivering, (unsigned)-1);   /* c */
                if (!(load_acq(&ignored[word]) & bit))   /* acq: after wanted, which goes later */
                        rni_sig_chain(&old[sig], sig, si, uc);
        }
}

/* -- which signals there are -- */

static bool is_signal(int sig)
{
        /* between them are the C library's own */
        return sig >= 1 && sig <= SIGNALS && (sig < 32 || sig >= SIGRTMIN);
}

/* Not those that no handler gets, and not those that an instruction causes: they cannot wait for a
 * postman. */
static bool can_be_watched(int sig)
{
        switch (sig) {
        case SIGKILL: case SIGSTOP: case SIGSEGV: case SIGBUS:
        case SIGFPE: case SIGILL: case SIGTRAP: case SIGSYS:
                return false;
        default:
                return is_signal(sig);
        }
}

static void check(int sig)
{
        if (unlikely(!is_signal(sig)))
                rni_runtime_panic("signal: there is no signal %d", sig);
        if (unlikely(!can_be_watched(sig)))
                rni_runtime_panic("signal: signal %d cannot be watched", sig);
}

void rni_signal_check(const int *sigs, size_t n)
{
        for (size_t i = 0; i < n; i++)
                check(sigs[i]);
}

static uint64_t set_of(const int *sigs, size_t n)
{
        uint64_t set = 0;

        rni_signal_check(sigs, n);
        for (size_t i = 0; i < n; i++)
                set |= bit_of(sigs[i]);
        for (int sig = 1; n == 0 && sig <= SIGNALS; sig++)
                if (can_be_watched(sig))
                        set |= bit_of(sig);
        return set;
}

static uint64_t watched(void)
{
        uint64_t set = 0;

        for (const struct watcher *w = watchers; w; w = w->next)
                set |= w->set;
        return set;
}

/* -- delivering -- */

struct post {
        struct g_list woken;
        struct watcher *due;
};

static unsigned take_pending(int word)
{
        unsigned bits;

        do
                bits = load_rlx(&pending[word]);   /* rlx: the CAS decides */
        while (bits && !cas(&pending[word], bits, 0));
        return bits;
}

static void deliver_one(int sig, struct post *post)
{
        for (struct watcher *w = watchers; w; w = w->next) {
                if (!(w->set & bit_of(sig)) || !w->class->take(w, sig, &post->woken))
                        continue;
                w->due = post->due;
                post->due = w;
        }
}

/* Locked. post_out follows the unlock. */
static void deliver_locked(struct post *post)
{
        for (int word = 0; word < 2; word++) {
                unsigned bits = take_pending(word);

                for (int i = 0; i < 32; i++)
                        if (bits >> i & 1)
                                deliver_one(32 * word + i + 1, post);
        }
}

static void post_out(struct post *post)
{
        struct watcher *w, *next;

        if (post->woken.n) {
                rt_enter();
                rni_ready_list(&post->woken);
                rt_leave();
        }
        for (w = post->due; w; w = next) {
                next = w->due;
                w->class->end(w);
        }
}

static void *postman(void *arg)
{
        (void)arg;
        rni_m();
        for (bool needed = true; needed;) {
                unsigned heard = load_acq(&bell);   /* acq: before pending; pairs with the full add
                                                     * in ring */
                struct post post = { { NULL, NULL, 0 }, NULL };
                unsigned version;

                lock_acquire(&registry, RANK_SIGNAL);
                version = load_rlx(&mask_wanted);   /* rlx: under the lock */
                rni_sig_listen(watched());
                deliver_locked(&post);
                needed = postman_lives = watchers != NULL;
                lock_release(&registry, RANK_SIGNAL);
                store_rel(&mask_done, version);   /* rel: pairs with acq in wait_for_mask */
                rni_futex_wake(&mask_done, INT32_MAX);
                post_out(&post);
                if (needed)
                        rni_futex_wait(&bell, heard);
        }
        return NULL;
}

/* Locked. Must a postman be started? */
static bool want_postman(void)
{
        bool start = !postman_lives && watchers;

        fetch_add(&mask_wanted, 1);
        postman_lives |= start;
        return start;
}

/* The postman listens to what is watched now. */
static void wait_for_mask(bool start, unsigned version)
{
        int err = start ? rni_thread_start(postman, NULL, POSTMAN_STACK, true) : 0;
        unsigned done;

        if (unlikely(err != 0))
                rni_fatal("cannot start the thread that delivers signals: error %d", -err);
        ring();
        while ((int)((done = load_acq(&mask_done)) - version) < 0)   /* acq: pairs with rel in
                                                                      * postman */
                rni_futex_wait(&mask_done, done);
}

/* -- the registry -- */

/* Locked. From now on these signals come to us. */
static void catch_signals(uint64_t set)
{
        for (int sig = 1; sig <= SIGNALS; sig++) {
                uint64_t bit = bit_of(sig) & set;
                int word = (sig - 1) / 32;

                if (!bit || load_rlx(&wanted[word]) & part(bit, word))   /* rlx: under the lock */
                        continue;
                change(&wanted[word], part(bit, word), 0);
                change(&ignored[word], 0, part(bit, word));
                rni_sig_install(sig, on_signal, ours & bit ? NULL : &old[sig]);
                ours |= bit;
        }
}

/* Locked. These signals do again what they did before us; what has come meanwhile is in pending.
 * Steps 1 to 3. */
static void release_signals(uint64_t set)
{
        for (int sig = 1; sig <= SIGNALS; sig++) {
                if (!(bit_of(sig) & set & ours))
                        continue;
                rni_sig_restore(sig, &old[sig]);
                change(&wanted[(sig - 1) / 32], 0, part(bit_of(sig), (sig - 1) / 32));
        }
        ours &= ~set;
        for (unsigned tries = 1;
             load_acq(&delivering) != 0; tries++)   /* acq: pairs with the full add in on_signal */
                rni_cpu_wait(tries);   /* a handler of a few instructions, on a thread that may have
                                        * lost its processor */
}

/* Locked. */
static void add_locked(struct watcher *w, uint64_t set)
{
        struct watcher **at = &watchers;

        if (w->set == 0) {
                while (*at)
                        at = &(*at)->next;
                *at = w;
                w->next = NULL;
        }
        w->set |= set;
        catch_signals(set);
}

/* Locked. */
static void unlink_locked(struct watcher *w)
{
        struct watcher **at = &watchers;

        while (*at != w)
                at = &(*at)->next;
        *at = w->next;
        w->set = 0;
}

/* Locked. All four steps; the fourth only if post is given. */
static void remove_locked(struct watcher *w, struct post *post)
{
        uint64_t mine = w->set;

        w->set = 0;
        release_signals(mine & ~watched());
        w->set = mine;
        if (post)
                deliver_locked(post);
        unlink_locked(w);
        fetch_add(&mask_wanted, 1);
}

/* Unlocks. */
static void unlock_and_settle(struct post *post, bool start)
{
        unsigned version = load_rlx(&mask_wanted);   /* rlx: under the lock */

        lock_release(&registry, RANK_SIGNAL);
        post_out(post);
        wait_for_mask(start, version);
}

/* The child of a fork has no postman. What it execs starts with the old actions anyway, but for
 * handlers, which become the default. */
static void in_child(void)
{
        for (int sig = 1; sig <= SIGNALS; sig++)
                if (ours & bit_of(sig) &&
                    !(load_rlx(&ignored[(sig - 1) / 32]) &   /* rlx: alone */
                      part(bit_of(sig), (sig - 1) / 32)))
                        rni_sig_restore(sig, &old[sig]);
}

static void lock_registry(void)
{
        static bool told;
        bool ok;

        rni_m();   /* not with a lock held */
        lock_acquire(&registry, RANK_SIGNAL);
        ok = told || rni_thread_on_fork(in_child) == 0;
        told = ok;
        if (likely(ok))
                return;
        lock_release(&registry, RANK_SIGNAL);
        rni_fatal("out of memory for signals");
}

void rni_signal_add(struct watcher *w, const int *sigs, size_t n)
{
        struct post none = { { NULL, NULL, 0 }, NULL };
        uint64_t set = set_of(sigs, n);

        rni_sim_refuse("a signal");
        lock_registry();
        add_locked(w, set);
        unlock_and_settle(&none, want_postman());
}

void rni_signal_remove(struct watcher *w, bool settle)
{
        struct post post = { { NULL, NULL, 0 }, NULL };

        lock_registry();
        if (w->set && settle) {
                remove_locked(w, &post);
                unlock_and_settle(&post, false);
                return;
        }
        if (w->set) {
                remove_locked(w, NULL);
                ring();   /* the postman may go, or listen to less */
        }
        lock_release(&registry, RANK_SIGNAL);
}

/* -- channels -- */

struct chan_watcher {
        struct watcher w;
        struct hchan *c;           /* a reference */
};

static struct hchan *chan_of(struct watcher *w)
{
        return container_of(w, struct chan_watcher, w)->c;
}

/* As a send in a select with a default: a full channel, or one that nobody receives from, loses the
 * signal. */
static bool chan_take(struct watcher *w, int sig, struct g_list *woken)
{
        struct hchan *c = chan_of(w);
        int value[4] = { sig };   /* gcc sees the branch that copies 16 bytes, too */
        struct g *wake = NULL;
        enum op_result r;

        hchan_lock(c);
        r = hchan_send_locked(c, value, &wake);
        hchan_unlock(c);
        if (wake)
                g_list_push(woken, wake);
        return r == OP_CLOSED;
}

static _Noreturn void chan_closed(struct watcher *w)
{
        (void)w;
        rni_runtime_panic("send on closed channel");   /* a watched channel was closed without
                                                        * rn_signal_stop */
}

static const struct watcher_class chan_watcher_class = { chan_take, chan_closed };

/* Locked. */
static struct watcher *watcher_of(const struct hchan *c)
{
        struct watcher *w = watchers;

        while (w && (w->class != &chan_watcher_class || chan_of(w) != c))
                w = w->next;
        return w;
}

static void chan_watcher_free(struct watcher *w)
{
        (rn_unref)(chan_of(w));
        free(container_of(w, struct chan_watcher, w));
}

void rn_signal_watch(rn_send_chan(int) c, const int *sigs, size_t n)
{
        struct post none = { { NULL, NULL, 0 }, NULL };
        uint64_t set = set_of(sigs, n);
        struct chan_watcher *fresh;
        struct watcher *w;

        if (unlikely(!c))
                rni_runtime_panic("os/signal: Notify using nil channel");
        rni_sim_refuse("a signal");
        fresh = malloc(sizeof *fresh);
        if (unlikely(!fresh))
                rni_runtime_panic("out of memory for a watch of signals");
        *fresh = (struct chan_watcher){ .w = { .class = &chan_watcher_class }, .c = hchan_of(c) };
        lock_registry();
        w = watcher_of(hchan_of(c));
        if (!w) {
                w = &fresh->w;
                fresh->c = rn_obj_ref(c);
                fresh = NULL;
        }
        add_locked(w, set);
        unlock_and_settle(&none, want_postman());
        free(fresh);
}

void rn_signal_stop(rn_send_chan(int) c)
{
        struct post post = { { NULL, NULL, 0 }, NULL };
        struct watcher *w;

        lock_registry();
        w = c ? watcher_of(hchan_of(c)) : NULL;
        if (!w) {
                lock_release(&registry, RANK_SIGNAL);
                return;
        }
        remove_locked(w, &post);
        unlock_and_settle(&post, false);
        chan_watcher_free(w);
}

/* -- a signal for everybody -- */

/* Locked. Nobody watches sig any more. Those channels whose only signal it was are returned, by
 * due. */
static struct watcher *unwatch_locked(int sig)
{
        struct watcher **at = &watchers, *gone = NULL, *w;

        while ((w = *at) != NULL) {
                w->set &= ~bit_of(sig);
                if (w->set) {
                        at = &w->next;
                        continue;
                }
                *at = w->next;
                if (w->class == &chan_watcher_class) {
                        w->due = gone;
                        gone = w;
                }
        }
        fetch_add(&mask_wanted, 1);
        return gone;
}

static void unwatch(int sig, bool ignore)
{
        struct post post = { { NULL, NULL, 0 }, NULL };
        struct watcher *gone, *next;
        int word = (sig - 1) / 32;
        bool had_postman;

        check(sig);
        lock_registry();
        if (ignore) {
                change(&ignored[word], part(bit_of(sig), word), 0);
                rni_sig_ignore(sig, ours & bit_of(sig) ? NULL : &old[sig]);
                change(&wanted[word], 0, part(bit_of(sig), word));
                release_signals(0);
                ours |= bit_of(sig);
        } else {
                release_signals(bit_of(sig));
                change(&ignored[word], 0, part(bit_of(sig), word));
        }
        deliver_locked(&post);
        gone = unwatch_locked(sig);
        had_postman = postman_lives;
        if (had_postman) {
                unlock_and_settle(&post, false);
        } else {
                lock_release(&registry, RANK_SIGNAL);
                post_out(&post);
        }
        for (; gone; gone = next) {
                next = gone->due;
                chan_watcher_free(gone);
        }
}

void rn_signal_ignore(int sig)
{
        unwatch(sig, true);
}

void rn_signal_reset(int sig)
{
        unwatch(sig, false);
}
