/* SPDX-License-Identifier: MIT
 * Go's words without the prefix, for ported snippets; runnel.h never includes this. Function-like
 * macros only, and none that libc needs (select, send, recv, close, yield, now keep their prefix
 * here). */
#ifndef RUNNEL_SHORT_H
#define RUNNEL_SHORT_H

#include <runnel.h>

#ifndef __cplusplus
#define go(...)         rn_go(__VA_ARGS__)
#define chan(T)         rn_chan(T)
#define recv_chan(T)    rn_recv_chan(T)
#define send_chan(T)    rn_send_chan(T)
#define make_chan(T, n) RN_MAKE_(T, n, #T)
#define try_send(...)   rn_try_send(__VA_ARGS__)
#define try_recv(c, p)  rn_try_recv(c, p)
#define range(x, c)     rn_range(x, c)
#define defer(...)      rn_defer(__VA_ARGS__)
#define panic(...)      rn_panic(__VA_ARGS__)
#endif

#endif
