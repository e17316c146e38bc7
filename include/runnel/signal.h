/* SPDX-License-Identifier: MIT
 * Signals as values of channels, and contexts that a signal ends. What a signal did before somebody
 * watched it, it does again when nobody does any more, be that the default action, being ignored,
 * or a handler of the program. While anybody watches, one more thread lives, which is where watched
 * signals arrive if all others block them, and no deadlock is reported. SIGKILL, SIGSTOP and the
 * signals of faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS) cannot be watched or
 * ignored. A signal that is raised several times before it is delivered may arrive once. */
#ifndef RUNNEL_SIGNAL_H
#define RUNNEL_SIGNAL_H

#include <runnel/ctx.h>

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From now on these signals are sent on c, in addition to what c is sent already. A send never
 * waits: a signal is lost for c if c has no room, so give it a capacity of 1 or more. Holds a
 * reference to c until rn_signal_stop. Behind rn_signal_notify. sigs: n numbers; n == 0: all that
 * can be watched.
 * Errors: panics when c is NULL, when a number is no signal or cannot be watched, and when memory
 * is out. A close of c without rn_signal_stop panics at the next signal.
 * Context: goroutine or thread. Parks: never; the thread waits for another one for a moment. */
RN_API void rn_signal_watch(rn_send_chan(int) c, const int *sigs, size_t n);

/* c is sent no signals any more once this returns, and may be closed. What arrived before has been
 * sent, as far as there was room; a signal that nobody else watches has its old effect again, none
 * is lost in between. A channel that is not watched, or NULL: nothing.
 * Context: goroutine or thread. Parks: never; as rn_signal_watch. */
RN_API void rn_signal_stop(rn_send_chan(int) c);

/* Nobody watches sig any more, and it is ignored until it is watched or reset.
 * Errors: panics when sig is no signal or cannot be ignored.
 * Context: goroutine or thread. Parks: never; as rn_signal_watch. */
RN_API void rn_signal_ignore(int sig);

/* Nobody watches sig any more, and it does what it did before it was first watched or ignored here.
 * Errors: panics when sig is no signal or cannot be watched.
 * Context: goroutine or thread. Parks: never; as rn_signal_watch. */
RN_API void rn_signal_reset(int sig);

/* A child of parent that one of these signals ends, with the error -ECANCELED and the cause -EINTR.
 * It goes on to watch after that, so that a second signal does not end the process, until it is
 * cancelled (rn_ctx_cancel, rn_ctx_release) or freed. Behind rn_signal_ctx. sigs: n numbers; n ==
 * 0: all that can be watched. Returns it with one reference, the caller's.
 * Errors: as rn_signal_watch and rn_ctx_with_cancel.
 * Context: goroutine or thread. Parks: never; as rn_signal_watch. */
RN_API rn_ctx *rn_signal_ctx_new(rn_ctx *parent, const int *sigs, size_t n);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus

#define RN_SIGNALS_(...) \
        (const int[]){ __VA_ARGS__ }, sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int)

/* rn_signal_notify(c, SIGINT, ...): void, as rn_signal_watch with at least one signal. Parks:
 * never. */
#define rn_signal_notify(c, ...) rn_signal_watch((c), RN_SIGNALS_(__VA_ARGS__))
/* rn_signal_ctx(parent, SIGINT, SIGTERM): rn_ctx *, as rn_signal_ctx_new with at least one signal.
 * Parks: never. */
#define rn_signal_ctx(parent, ...) rn_signal_ctx_new((parent), RN_SIGNALS_(__VA_ARGS__))

#endif
#endif
