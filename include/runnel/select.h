/* SPDX-License-Identifier: MIT
 * select: waits on many channels and does exactly one of the operations. A case is a plain struct
 * and the result a plain index, so the switch around it is the caller's own. All channel and value
 * expressions are evaluated once, before the choice; among themselves, as in any initialiser list
 * of C, in no particular order. */
#ifndef RUNNEL_SELECT_H
#define RUNNEL_SELECT_H

#include <errno.h>
#include <runnel/chan.h>

/* One case; {0} is never ready. Made by rn_on_...; the array is borrowed for the call. */
struct rn_case {
        int op;           /* 0 none, 1 send, 2 receive */
        rn_anychan chan;  /* NULL: never ready */
        const void *elem; /* send: the element */
        void *into;       /* receive: where to, written only when chosen; NULL: discard */
        bool *ok;         /* receive: true for a value, false for closed, written only when chosen;
                           * NULL: not wanted */
};

#define RN_DEFAULT (-EAGAIN)    /* rn_try_select: no case was ready */
#define RN_TIMEOUT (-ETIMEDOUT) /* rn_select_until, rn_select_for: none came ready in time */

#ifdef __cplusplus
extern "C" {
#endif

/* Waits until one of n cases is ready, does it and returns its index; of several ready ones any, by
 * chance. Behind rn_select. cases: borrowed for the call; deadline: RN_NEVER for none. Returns
 * RN_TIMEOUT once the deadline has passed; with no case that can be ready and RN_NEVER it waits for
 * ever.
 * Errors: panics when it sends on a closed channel.
 * Context: goroutine or thread. Parks: may.
 * Orders: the chosen case as rn_chan_send or rn_chan_recv. */
RN_API int rn_selectv(const struct rn_case *cases, size_t n, rn_time deadline);

/* Does one case that is ready now and returns its index, or RN_DEFAULT if there is none. Behind
 * rn_try_select.
 * Errors: panics when it sends on a closed channel.
 * Context: goroutine or thread. Parks: never. Orders: as rn_selectv. */
RN_API int rn_selectv_try(const struct rn_case *cases, size_t n);

/* Waits for ever, a select without cases.
 * Context: goroutine or thread. Parks: always. */
RN_API RN_NORETURN_ void rn_forever(void);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus

/* Cases, each an expression of type struct rn_case. p is a pointer to exactly c's element type, o a
 * bool *. rn_on_send(c, v): v stays readable to the end of the enclosing block, so it is not for
 * arrays filled in a loop; rn_on_send_from(c, p) sends *p, read when chosen (p may point to const).
 * rn_on_signal drops the value. */
#define rn_on_send(c, ...) \
        ((struct rn_case){ .op = 1, .chan = RN_TX_(c), .elem = RN_VAL_(c, __VA_ARGS__) })
#define rn_on_send_from(c, p) \
        ((struct rn_case){ .op = 1, .chan = RN_TX_(c), \
                           .elem = _Generic((p), rn_elem(c) *: (p), const rn_elem(c) *: (p)) })
#define rn_on_recv(c, p) \
        ((struct rn_case){ .op = 2, .chan = RN_RX_(c), .into = RN_PTR_(c, p) })
#define rn_on_recv_ok(c, p, o) \
        ((struct rn_case){ .op = 2, .chan = RN_RX_(c), .into = RN_PTR_(c, p), .ok = (o) })
#define rn_on_signal(c)       ((struct rn_case){ .op = 2, .chan = RN_RX_(c) })
#define rn_on_signal_ok(c, o) ((struct rn_case){ .op = 2, .chan = RN_RX_(c), .ok = (o) })

/* int, the index of the case done, from at least one case, in order or as [A] = case; gaps are
 * never ready. rn_select waits, rn_try_select does not (RN_DEFAULT), the others wait until t or for
 * d (RN_TIMEOUT). Parks: may; never for rn_try_select. */
#define rn_select(...)          rn_selectv(RN_CASES_(__VA_ARGS__), RN_NEVER)
#define rn_try_select(...)      rn_selectv_try(RN_CASES_(__VA_ARGS__))
#define rn_select_until(t, ...) rn_selectv(RN_CASES_(__VA_ARGS__), (t))
#define rn_select_for(d, ...)   rn_selectv(RN_CASES_(__VA_ARGS__), rn_deadline(d))

/* The array and, from its type alone, its length. The last comma makes an empty list a syntax
 * error. */
#define RN_CASES_(...) \
        RN_ARRAY_(__VA_ARGS__), sizeof(RN_ARRAY_(__VA_ARGS__)) / sizeof(struct rn_case)
#define RN_ARRAY_(...) (const struct rn_case[]){ __VA_ARGS__, }

#endif
#endif
