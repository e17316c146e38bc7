/* SPDX-License-Identifier: MIT
 * Channels of any element type, checked by the compiler. Invariants: elements are moved as bytes; a
 * NULL channel blocks for ever; close is a message and unref is memory. Who calls owns a reference
 * for the whole call. */
#ifndef RUNNEL_CHAN_H
#define RUNNEL_CHAN_H

#include <errno.h>
#include <runnel/time.h>
#include <runnel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes an open channel. Behind rn_make. size, align: bytes of an element, align a power of two;
 * cap: elements it buffers; type: the element type's name for dumps, kept, not copied. Returns a
 * channel with one reference, the caller's.
 * Errors: panics when cap < 0 or too big ("makechan: size out of range") and when memory is out.
 * Context: goroutine or thread. Parks: never. */
RN_API void *rn_chan_new(size_t size, size_t align, ptrdiff_t cap, const char *type);

/* Makes an open channel as rn_chan_new does, or says why not. Behind rn_try_make. c: where the
 * channel goes, untouched on failure. Returns 0, -ENOMEM, -EINVAL (cap < 0 or too big). Context:
 * goroutine or thread. Parks: never. */
RN_API int rn_chan_new_try(void **c, size_t size, size_t align, ptrdiff_t cap, const char *type);

/* Sends the element at elem. Behind rn_send. elem: borrowed for the call.
 * Errors: panics when c is closed, also while it waits. NULL c: waits for ever.
 * Context: goroutine or thread. Parks: may.
 * Orders: all before the send happens before the receive of this element returns. On an unbuffered
 * channel the receive happens before the send returns; with capacity k, the n-th receive before the
 * return of the (n+k)-th send. */
RN_API void rn_chan_send(rn_anychan c, const void *elem);

/* Receives an element into elem: true; or false and zeroes when c is closed and drained. Behind
 * rn_recv, rn_wait, rn_range. elem: room for one element, or NULL to discard it. NULL c: waits for
 * ever.
 * Context: goroutine or thread. Parks: may.
 * Orders: as rn_chan_send; a close happens before a receive that returns false because of it. */
RN_API bool rn_chan_recv(rn_anychan c, void *elem);

/* Receives as rn_chan_recv does and returns elem. Behind rn_get.
 * elem: room for one element, not NULL.
 * Context: goroutine or thread. Parks: may. Orders: as rn_chan_recv. */
RN_API void *rn_chan_get(rn_anychan c, void *elem);

/* Sends the element at elem if that needs no waiting: true if sent; false for NULL c. Behind
 * rn_try_send.
 * Errors: panics when c is closed.
 * Context: goroutine or thread. Parks: never. Orders: as rn_chan_send, if sent. */
RN_API bool rn_chan_send_try(rn_anychan c, const void *elem);

/* Receives into elem if that needs no waiting. Behind rn_try_recv. elem: room for one element, or
 * NULL. Returns 1, 0 (closed and drained, *elem is zeroes), -EAGAIN (*elem is untouched).
 * Context: goroutine or thread. Parks: never. Orders: as rn_chan_recv, unless -EAGAIN. */
RN_API int rn_chan_recv_try(rn_anychan c, void *elem);

/* Sends as rn_chan_send does, but waits no longer than the deadline t. Behind rn_send_until,
 * rn_send_for. Returns 0, -ETIMEDOUT (nothing was sent).
 * Errors: panics when c is closed.
 * Context: goroutine or thread. Parks: may. Orders: as rn_chan_send, if sent. */
RN_API int rn_chan_send_until(rn_anychan c, const void *elem, rn_time t);

/* Receives as rn_chan_recv does, but waits no longer than the deadline t. Behind rn_recv_until,
 * rn_recv_for. Returns 1, 0 (closed and drained, *elem is zeroes), -ETIMEDOUT (*elem is untouched).
 * Context: goroutine or thread. Parks: may. Orders: as rn_chan_recv, unless -ETIMEDOUT. */
RN_API int rn_chan_recv_until(rn_anychan c, void *elem, rn_time t);

/* Closes c and wakes all that wait on it; the memory stays until the last unref.
 * Errors: panics when c is NULL or already closed.
 * Context: goroutine or thread. Parks: never.
 * Orders: all before the close happens before a receive that reports it. */
RN_API void (rn_close)(rn_anychan c);

/* The elements buffered in c just now; 0 for NULL.
 * Context: goroutine or thread. Parks: never. */
RN_API int (rn_len)(rn_anychan c);

/* The elements c can buffer, at most INT_MAX; 0 for NULL.
 * Context: goroutine or thread. Parks: never. */
RN_API int (rn_cap)(rn_anychan c);

/* Takes one more reference to a channel or another counted object and returns it; NULL passes
 * through. Behind rn_ref.
 * Context: goroutine or thread. Parks: never. */
RN_API void *rn_obj_ref(rn_anychan obj);

/* Gives one reference to a channel or another counted object back and frees it with the last; NULL:
 * nothing. Buffered elements are dropped as bytes.
 * Context: goroutine or thread. Parks: never.
 * Orders: all before an unref happens before the object is freed. */
RN_API void rn_unref(rn_anychan obj);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus

/* c, if one can send to it, receive from it, do either; p, if it points to c's element type; v (an
 * expression, a string or a brace list) as an element in the caller's block. All evaluate their
 * argument once. */
#define RN_TX_(c) _Generic((c), rn_chan(rn_elem(c)): (c), rn_send_chan(rn_elem(c)): (c))
#define RN_RX_(c) _Generic((c), rn_chan(rn_elem(c)): (c), rn_recv_chan(rn_elem(c)): (c))
#define RN_RTX_(c) \
        _Generic((c), rn_chan(rn_elem(c)): (c), rn_recv_chan(rn_elem(c)): (c), \
                 rn_send_chan(rn_elem(c)): (c))
#define RN_PTR_(c, p)   _Generic((p), rn_elem(c) *: (p))
#define RN_VAL_(c, ...) RN_VALUE_(rn_elem(c), __VA_ARGS__)

/* rn_make(T, n): an rn_chan(T) that buffers n elements, as rn_chan_new; n has any integer type.
 * Parks: never. */
#define rn_make(T, n) RN_MAKE_(T, n, #T)
#define RN_MAKE_(T, n, text) \
        ((rn_chan(T))rn_chan_new(sizeof(T), _Alignof(T), (ptrdiff_t)((n) | 0), text))

/* rn_try_make(T, n, p): int, as rn_chan_new_try; p is an rn_chan(T) *. Parks: never. */
#define rn_try_make(T, n, p) RN_TRY_MAKE_(T, n, p, #T)
#define RN_TRY_MAKE_(T, n, p, text) \
        rn_chan_new_try((void **)(void *)_Generic((p), rn_chan(T) *: (p)), sizeof(T), _Alignof(T), \
                        (ptrdiff_t)((n) | 0), text)

/* rn_send(c, v): sends v, as rn_chan_send. Parks: may.
 * rn_recv(c, p): bool, receives into *p, as rn_chan_recv. Parks: may.
 * rn_get(c): the value received, or zeroes when c is closed and drained. Parks: may.
 * rn_wait(c): bool, receives and discards, as rn_chan_recv with NULL. Parks: may. */
#define rn_send(c, ...) rn_chan_send(RN_TX_(c), RN_VAL_(c, __VA_ARGS__))
#define rn_recv(c, p)   rn_chan_recv(RN_RX_(c), RN_PTR_(c, p))
#define rn_get(c) \
        (*(rn_elem(c) *)rn_chan_get(RN_RX_(c), &(union { char none_; rn_elem(c) e_; }){ 0 }))
#define rn_wait(c)      rn_chan_recv(RN_RX_(c), NULL)

/* rn_try_send(c, v): bool, as rn_chan_send_try. rn_try_recv(c, p): int, as rn_chan_recv_try. Parks:
 * never. */
#define rn_try_send(c, ...) rn_chan_send_try(RN_TX_(c), RN_VAL_(c, __VA_ARGS__))
#define rn_try_recv(c, p)   rn_chan_recv_try(RN_RX_(c), RN_PTR_(c, p))

/* The same with a deadline t or a time limit d; int, as rn_chan_send_until and rn_chan_recv_until.
 * Parks: may. */
#define rn_send_until(t, c, ...) rn_chan_send_until(RN_TX_(c), RN_VAL_(c, __VA_ARGS__), (t))
#define rn_recv_until(t, c, p)   rn_chan_recv_until(RN_RX_(c), RN_PTR_(c, p), (t))
#define rn_send_for(d, c, ...) \
        rn_chan_send_until(RN_TX_(c), RN_VAL_(c, __VA_ARGS__), rn_deadline(d))
#define rn_recv_for(d, c, p)     rn_chan_recv_until(RN_RX_(c), RN_PTR_(c, p), rn_deadline(d))

/* rn_range(x, c) { }: declares x and runs the body with each value received, until c is closed and
 * drained; break and continue mean this loop. c is evaluated once; a NULL channel blocks for ever.
 * Parks: may. The outer loop runs once: it holds the channel, and the inner one's end, by break
 * too, is its end. */
#define rn_range(x, c) RN_RANGE_(x, c, RN_CAT(rn_range_, x))
#define RN_RANGE_(x, c, h) \
        for (struct rn_range h = { RN_RX_(c), true }; h.more_; h.more_ = false) \
                for (rn_elem(c) x; rn_chan_recv(h.chan_, &x); )
struct rn_range {
        rn_anychan chan_;
        bool more_;
};

/* The functions of these names, for the views they make sense for. rn_ref(c): c itself, with one
 * more reference. */
#define rn_close(c) (rn_close)(RN_TX_(c))
#define rn_len(c)   (rn_len)(RN_RTX_(c))
#define rn_cap(c)   (rn_cap)(RN_RTX_(c))
#define rn_ref(c)   ((__typeof__(((void)0, (c))))rn_obj_ref(c))

#endif
#endif
