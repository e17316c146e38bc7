/* SPDX-License-Identifier: MIT
 * Signals as values of channels, contexts that they end, and that a signal is never lost between
 * the two: it is delivered, or has the effect that it had before. Each test leaves the signals as
 * it found them. How a program dies of one: tests/crash. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include <errno.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

/* TSan keeps a signal from the program's own handler until the thread that the kernel gave it to
 * calls into libc, which an idle M never does: there it goes to this one. */
static void raise_in_process(int sig)
{
        if (BEHAVE_TSAN)
                raise(sig);
        else
                kill(getpid(), sig);
}

/* The program's own handler, for signals that would end it otherwise. */
static atomic_int by_hand;

static void count_by_hand(int sig)
{
        (void)sig;
        atomic_fetch_add(&by_hand, 1);
}

static void own_handler(int sig, struct sigaction *before)
{
        atomic_store(&by_hand, 0);
        sigaction(sig,
                  &(struct sigaction){ .sa_handler = count_by_hand,
                                       .sa_flags = SA_ONSTACK | SA_RESTART },
                  before);
}

/* -- delivery -- */

static void a_watched_signal_is_sent(void)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_signal_notify(c, SIGUSR1);
        for (int i = 0; i < 100; i++) {
                raise_in_process(SIGUSR1);
                CHECK_EQ(rn_get(c), SIGUSR1);
        }
        CHECK_EQ(rn_len(c), 0);
        rn_signal_stop(c);
        rn_unref(c);
}

static void only_those_that_are_named_are_sent(void)
{
        rn_chan(int) c = rn_make(int, 4), other = rn_make(int, 4);

        rn_signal_notify(c, SIGUSR1, SIGHUP);
        rn_signal_notify(other, SIGWINCH);
        raise_in_process(SIGWINCH);
        CHECK_EQ(rn_get(other), SIGWINCH);
        raise_in_process(SIGHUP);
        CHECK_EQ(rn_get(c), SIGHUP);
        CHECK_EQ(rn_len(other), 0);
        CHECK_EQ(rn_len(c), 0);
        rn_signal_stop(c);
        rn_signal_stop(other);
        rn_unref(c);
        rn_unref(other);
}

static void without_a_list_all_signals_are_sent(void)
{
        static const int some[] = { SIGHUP,  SIGINT,  SIGTERM, SIGCONT,
                                    SIGCHLD, SIGPIPE, SIGQUIT, SIGUSR2 };
        rn_chan(int) c = rn_make(int, 8);

        rn_signal_watch(c, NULL, 0);
        for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
                raise_in_process(some[i]);
                CHECK_EQ(rn_get(c), some[i]);
        }
        raise_in_process(SIGRTMIN + 3);
        CHECK_EQ(rn_get(c), SIGRTMIN + 3);
        rn_signal_stop(c);
        rn_unref(c);
}

static void every_channel_gets_it(void)
{
        enum { CHANNELS = 5 };
        rn_chan(int) c[CHANNELS];

        for (int i = 0; i < CHANNELS; i++) {
                c[i] = rn_make(int, 1);
                rn_signal_notify(c[i], SIGUSR1);
        }
        raise_in_process(SIGUSR1);
        for (int i = 0; i < CHANNELS; i++) {
                CHECK_EQ(rn_get(c[i]), SIGUSR1);
                rn_signal_stop(c[i]);
                rn_unref(c[i]);
        }
}

static void a_full_channel_loses_it_and_the_others_do_not(void)
{
        rn_chan(int) full = rn_make(int, 1), c = rn_make(int, 1);

        rn_signal_notify(full, SIGUSR1);
        rn_signal_notify(c, SIGUSR1);
        for (int i = 0; i < 10; i++) {
                raise_in_process(SIGUSR1);
                CHECK_EQ(rn_get(c), SIGUSR1);
        }
        CHECK_EQ(rn_len(full), 1);
        rn_signal_stop(full);
        rn_signal_stop(c);
        CHECK_EQ(rn_get(full), SIGUSR1);
        rn_unref(full);
        rn_unref(c);
}

static void receives_one(rn_chan(int) c)
{
        rn_set_name("receives one");
        CHECK_EQ(rn_get(c), SIGUSR2);
}

static void an_unbuffered_channel_gets_it_if_somebody_receives(void)
{
        rn_chan(int) c = rn_make(int, 0), mark = rn_make(int, 1);
        rn_wg wg = { { 0 } };

        rn_signal_notify(c, SIGUSR2);
        rn_signal_notify(mark, SIGUSR2);
        raise_in_process(SIGUSR2);
        rn_wait(mark); /* lost for c: nobody receives */
        rn_wg_go(&wg, receives_one, c);
        behave_until_parked("receives one", 1);
        raise_in_process(SIGUSR2);
        rn_wg_wait(&wg);
        rn_signal_stop(c);
        rn_signal_stop(mark);
        rn_unref(c);
        rn_unref(mark);
}

static void watching_twice_sends_once(void)
{
        rn_chan(int) c = rn_make(int, 4), mark = rn_make(int, 1);

        rn_signal_notify(c, SIGUSR1);
        rn_signal_notify(c, SIGUSR1, SIGUSR2);
        rn_signal_notify(mark, SIGUSR2); /* behind c in the order of delivery */
        raise_in_process(SIGUSR1);
        CHECK_EQ(rn_get(c), SIGUSR1);
        raise_in_process(SIGUSR2);
        rn_wait(mark);
        CHECK_EQ(rn_len(c), 1);
        CHECK_EQ(rn_get(c), SIGUSR2);
        rn_signal_stop(c);
        rn_signal_stop(mark);
        rn_unref(c);
        rn_unref(mark);
}

static void the_watch_keeps_the_channel(void)
{
        rn_chan(int) c = rn_make(int, 1);

        rn_signal_notify(c, SIGUSR1);
        rn_unref(rn_ref(c));
        rn_ref(c);
        rn_unref(c);
        rn_unref(c); /* the watch's is left */
        raise_in_process(SIGUSR1);
        CHECK_EQ(rn_get(c), SIGUSR1);
        rn_signal_stop(c);
}

/* -- the end of a watch -- */

static void after_stop_nothing_is_sent(void)
{
        rn_chan(int) c = rn_make(int, 4), mark = rn_make(int, 1);

        rn_signal_notify(c, SIGWINCH);
        raise_in_process(SIGWINCH);
        CHECK_EQ(rn_get(c), SIGWINCH);
        rn_signal_stop(c);
        rn_signal_stop(c);
        rn_signal_stop(NULL);
        rn_signal_notify(mark, SIGWINCH);
        raise_in_process(SIGWINCH);
        rn_wait(mark);
        CHECK_EQ(rn_len(c), 0);
        rn_close(c);
        raise_in_process(SIGWINCH);
        rn_wait(mark);
        rn_signal_stop(mark);
        rn_unref(c);
        rn_unref(mark);
}

static void what_a_signal_did_before_comes_back_with_the_last_stop(void)
{
        rn_chan(int) a = rn_make(int, 1), b = rn_make(int, 1);
        struct sigaction before;

        own_handler(SIGUSR1, &before);
        rn_signal_notify(a, SIGUSR1);
        rn_signal_notify(b, SIGUSR1);
        raise_in_process(SIGUSR1);
        rn_wait(a);
        rn_wait(b);
        rn_signal_stop(a);
        raise_in_process(SIGUSR1);
        CHECK_EQ(rn_get(b), SIGUSR1);
        CHECK_EQ(atomic_load(&by_hand), 0);
        rn_signal_stop(b);
        raise_in_process(SIGUSR1);
        BEHAVE_UNTIL(atomic_load(&by_hand) == 1);
        CHECK_EQ(rn_len(a), 0);
        sigaction(SIGUSR1, &before, NULL);
        rn_unref(a);
        rn_unref(b);
}

static bool is_ignored(int sig)
{
        struct sigaction now;

        return sigaction(sig, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static void a_signal_that_was_ignored_is_ignored_again(void)
{
        rn_chan(int) c = rn_make(int, 1);
        struct sigaction before;

        sigaction(SIGHUP, &(struct sigaction){ .sa_handler = SIG_IGN }, &before);
        rn_signal_notify(c, SIGHUP);
        CHECK(!is_ignored(SIGHUP));
        raise_in_process(SIGHUP);
        CHECK_EQ(rn_get(c), SIGHUP);
        rn_signal_stop(c);
        CHECK(is_ignored(SIGHUP));
        sigaction(SIGHUP, &before, NULL);
        rn_unref(c);
}

static void reset_undoes_all_watches_of_a_signal(void)
{
        rn_chan(int) a = rn_make(int, 1), b = rn_make(int, 1);
        struct sigaction before;

        own_handler(SIGUSR1, &before);
        rn_signal_notify(a, SIGUSR1);
        rn_signal_notify(b, SIGUSR1, SIGUSR2);
        rn_signal_reset(SIGUSR1);
        raise_in_process(SIGUSR1);
        BEHAVE_UNTIL(atomic_load(&by_hand) == 1);
        raise_in_process(SIGUSR2);
        CHECK_EQ(rn_get(b), SIGUSR2);
        CHECK_EQ(rn_len(a), 0);
        rn_signal_stop(a); /* nothing is left to stop */
        rn_signal_stop(b);
        sigaction(SIGUSR1, &before, NULL);
        rn_unref(a);
        rn_unref(b);
}

static void ignore_undoes_them_too_until_it_is_watched_or_reset(void)
{
        rn_chan(int) c = rn_make(int, 1), mark = rn_make(int, 1);
        struct sigaction before;

        own_handler(SIGUSR1, &before);
        rn_signal_notify(mark, SIGUSR2);
        rn_signal_notify(c, SIGUSR1);
        rn_signal_ignore(SIGUSR1);
        CHECK(is_ignored(SIGUSR1));
        raise_in_process(SIGUSR1);
        raise_in_process(SIGUSR2);
        rn_wait(mark);
        CHECK_EQ(rn_len(c), 0);
        rn_signal_notify(c, SIGUSR1);
        raise_in_process(SIGUSR1);
        CHECK_EQ(rn_get(c), SIGUSR1);
        rn_signal_ignore(SIGUSR1);
        rn_signal_reset(SIGUSR1);
        CHECK_EQ(atomic_load(&by_hand), 0);
        raise_in_process(SIGUSR1);
        BEHAVE_UNTIL(atomic_load(&by_hand) == 1);
        rn_signal_stop(mark);
        sigaction(SIGUSR1, &before, NULL);
        rn_unref(c);
        rn_unref(mark);
}

/* -- never lost -- */

struct flicker {
        rn_chan(int) c;
        atomic_bool over;
};

static void watches_and_stops(void *arg)
{
        struct flicker *f = arg;

        while (!atomic_load(&f->over)) {
                rn_signal_notify(f->c, SIGUSR1);
                rn_yield();
                rn_signal_stop(f->c);
                rn_yield();
        }
}

/* One at a time, or two could arrive as one. */
static void a_signal_that_races_with_stop_is_delivered_or_does_what_it_did_before(void)
{
        struct flicker f = { .c = rn_make(int, 1) };
        struct sigaction before;
        int delivered = 0, n = BEHAVE_SCALE(2000);
        rn_wg wg = { { 0 } };

        own_handler(SIGUSR1, &before);
        behave_go(GOROUTINE, &wg, watches_and_stops, &f);
        for (int i = 1; i <= n; i++) {
                int value;

                raise_in_process(SIGUSR1);
                while (delivered + atomic_load(&by_hand) < i) {
                        delivered += rn_try_recv(f.c, &value) == 1;
                        rn_yield();
                }
        }
        atomic_store(&f.over, true);
        rn_wg_wait(&wg);
        CHECK_EQ(delivered + atomic_load(&by_hand), n);
        CHECK_EQ(rn_len(f.c), 0);
        sigaction(SIGUSR1, &before, NULL);
        rn_unref(f.c);
}

struct storm {
        atomic_bool over;
        atomic_int watched;
};

static void raises(void *arg)
{
        struct storm *s = arg;

        while (!atomic_load(&s->over)) {
                raise_in_process(SIGUSR2);
                rn_yield();
        }
}

static void watches_one_and_closes(void *arg)
{
        struct storm *s = arg;

        for (int i = 0; i < BEHAVE_SCALE(200); i++) {
                rn_chan(int) c = rn_make(int, 1);

                rn_signal_notify(c, SIGUSR2);
                CHECK_EQ(rn_get(c), SIGUSR2);
                rn_signal_stop(c);
                rn_close(c); /* nothing may be sent any more, or this ends the process */
                rn_unref(c);
        }
        atomic_fetch_add(&s->watched, 1);
}

static void many_watch_and_stop_under_a_storm(void)
{
        enum { WATCHERS = 4 };
        struct storm s = { .over = false };
        struct sigaction before;
        rn_wg wg = { { 0 } };

        own_handler(SIGUSR2, &before); /* or the first one that nobody watches kills us */
        behave_go(GOROUTINE, &wg, raises, &s);
        behave_go(THREAD, &wg, raises, &s);
        for (int i = 0; i < WATCHERS; i++)
                behave_go(i % 2 ? THREAD : GOROUTINE, &wg, watches_one_and_closes, &s);
        BEHAVE_UNTIL(atomic_load(&s.watched) == WATCHERS);
        atomic_store(&s.over, true);
        rn_wg_wait(&wg);
        /* takes back what is still pending */
        sigaction(SIGUSR2, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
        sigaction(SIGUSR2, &before, NULL);
}

/* -- contexts -- */

static void a_signal_ends_its_context(void)
{
        rn_ctx *ctx = rn_signal_ctx(rn_ctx_background(), SIGINT, SIGTERM),
               *child = rn_ctx_with_cancel(ctx);

        CHECK_EQ(rn_ctx_err(ctx), 0);
        raise_in_process(SIGTERM);
        CHECK(!rn_wait(rn_ctx_done(child)));
        CHECK_EQ(rn_ctx_err(ctx), -ECANCELED);
        CHECK_EQ(rn_ctx_cause(ctx), -EINTR);
        CHECK_EQ(rn_ctx_cause(child), -EINTR);
        rn_ctx_release(child);
        rn_ctx_release(ctx);
}

static void more_signals_do_not_kill_until_it_is_released(void)
{
        rn_ctx *ctx = rn_signal_ctx(rn_ctx_background(), SIGUSR1);
        rn_chan(int) mark = rn_make(int, 1);
        struct sigaction before, now;

        rn_signal_notify(mark, SIGUSR2);
        raise_in_process(SIGUSR1);
        rn_wait(rn_ctx_done(ctx));
        sigaction(SIGUSR1, NULL, &now);
        CHECK(now.sa_handler != SIG_DFL);
        rn_signal_notify(mark, SIGUSR1);
        for (int i = 0; i < 10; i++) { /* each has arrived before it goes on: a pending one would
                                        * have its old effect */
                raise_in_process(SIGUSR1);
                CHECK_EQ(rn_get(mark), SIGUSR1);
        }
        rn_signal_stop(mark);
        rn_unref(mark);
        rn_ctx_release(ctx);
        own_handler(SIGUSR1, &before);
        CHECK(before.sa_handler == SIG_DFL);
        raise_in_process(SIGUSR1);
        BEHAVE_UNTIL(atomic_load(&by_hand) == 1);
        sigaction(SIGUSR1, &before, NULL);
}

static void the_parent_ends_it_with_its_own_cause(void)
{
        rn_ctx *parent = rn_ctx_with_cancel(rn_ctx_background()),
               *ctx = rn_signal_ctx(parent, SIGUSR1), *late;

        rn_ctx_cancel_cause(parent, -EIO);
        CHECK_EQ(rn_ctx_err(ctx), -ECANCELED);
        CHECK_EQ(rn_ctx_cause(ctx), -EIO);
        late = rn_signal_ctx(parent, SIGUSR1);
        CHECK_EQ(rn_ctx_err(late), -ECANCELED);
        CHECK_EQ(rn_ctx_cause(late), -EIO);
        rn_ctx_release(late);
        rn_ctx_release(ctx);
        rn_ctx_release(parent);
}

static void cancels(void *ctx)
{
        rn_ctx_cancel(ctx);
}

static void many_cancel_it_at_the_same_time(void)
{
        rn_ctx *ctx = rn_signal_ctx(rn_ctx_background(), SIGUSR1);
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 10; i++)
                behave_go(i % 2 ? THREAD : GOROUTINE, &wg, cancels, ctx);
        rn_wg_wait(&wg);
        CHECK_EQ(rn_ctx_cause(ctx), -ECANCELED);
        rn_unref(ctx);
}

static void one_that_is_only_unreferenced_watches_no_more(void)
{
        struct sigaction before;

        rn_unref(rn_signal_ctx(rn_ctx_background(), SIGUSR1));
        own_handler(SIGUSR1, &before);
        CHECK(before.sa_handler == SIG_DFL);
        raise_in_process(SIGUSR1);
        BEHAVE_UNTIL(atomic_load(&by_hand) == 1);
        sigaction(SIGUSR1, &before, NULL);
}

/* -- the rest -- */

static void misuse_panics(void)
{
        static const int none[] = { 0 }, beyond[] = { 65 }, kill_[] = { SIGKILL },
                         fault[] = { SIGSEGV };
        rn_chan(int) c = rn_make(int, 1);
        char text[64];

        CHECK_PANICS("os/signal: Notify using nil channel", rn_signal_watch, NULL, none, 0);
        CHECK_PANICS("signal: there is no signal 0", rn_signal_watch, c, none, 1);
        CHECK_PANICS("signal: there is no signal 65", rn_signal_watch, c, beyond, 1);
        snprintf(text, sizeof text, "signal: signal %d cannot be watched", SIGKILL);
        CHECK_PANICS(text, rn_signal_watch, c, kill_, 1);
        CHECK_PANICS(text, rn_signal_ignore, SIGKILL);
        snprintf(text, sizeof text, "signal: signal %d cannot be watched", SIGSEGV);
        CHECK_PANICS(text, rn_signal_watch, c, fault, 1);
        CHECK_PANICS("signal: there is no signal -1", rn_signal_reset, -1);
        CHECK_PANICS("cannot create context from nil parent", rn_signal_ctx_new, NULL, NULL, 0);
        rn_unref(c);
}

/* What blocks signals passes that on to its children: an M must not. */
static void children_can_be_terminated(void)
{
        static char sh[] = "sh", option[] = "-c", script[] = "kill -TERM $$; exit 7";
        char *argv[] = { sh, option, script, NULL };
        pid_t pid;
        int status = 0;

        CHECK_EQ(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), 0);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                continue;
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), SIGTERM);
}

static void children_can_be_terminated_while_signals_are_watched(void)
{
        rn_ctx *ctx = rn_signal_ctx(rn_ctx_background(), SIGTERM, SIGINT);

        children_can_be_terminated();
        CHECK_EQ(rn_ctx_err(ctx), 0);
        rn_ctx_release(ctx);
}

int main(void)
{
        static const struct behave_test tests[] = {
                BEHAVE_BOTH(a_watched_signal_is_sent),
                BEHAVE_BOTH(only_those_that_are_named_are_sent),
                BEHAVE(without_a_list_all_signals_are_sent),
                BEHAVE_BOTH(every_channel_gets_it),
                BEHAVE_BOTH(a_full_channel_loses_it_and_the_others_do_not),
                BEHAVE(an_unbuffered_channel_gets_it_if_somebody_receives),
                BEHAVE_BOTH(watching_twice_sends_once),
                BEHAVE(the_watch_keeps_the_channel),
                BEHAVE_BOTH(after_stop_nothing_is_sent),
                BEHAVE_BOTH(what_a_signal_did_before_comes_back_with_the_last_stop),
                BEHAVE(a_signal_that_was_ignored_is_ignored_again),
                BEHAVE_BOTH(reset_undoes_all_watches_of_a_signal),
                BEHAVE_BOTH(ignore_undoes_them_too_until_it_is_watched_or_reset),
                BEHAVE_BOTH(a_signal_that_races_with_stop_is_delivered_or_does_what_it_did_before),
                BEHAVE(many_watch_and_stop_under_a_storm),
                BEHAVE_BOTH(a_signal_ends_its_context),
                BEHAVE_BOTH(more_signals_do_not_kill_until_it_is_released),
                BEHAVE(the_parent_ends_it_with_its_own_cause),
                BEHAVE_BOTH(many_cancel_it_at_the_same_time),
                BEHAVE(one_that_is_only_unreferenced_watches_no_more),
                BEHAVE_BOTH(misuse_panics),
                BEHAVE_BOTH(children_can_be_terminated),
                BEHAVE(children_can_be_terminated_while_signals_are_watched),
        };

        return behave_main(tests, sizeof tests / sizeof *tests);
}
