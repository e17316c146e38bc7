/* SPDX-License-Identifier: MIT
 * <runnel/time.h> alone: it needs no other header before it. */
#include <runnel/time.h>

rn_time nap(rn_dur d);

rn_time nap(rn_dur d)
{
        rn_sleep(d);
        rn_sleep_until(rn_deadline(d + RN_NSEC + RN_USEC + RN_MSEC + RN_SEC));
        return rn_now() < RN_NEVER ? rn_now() : 0;
}

rn_time beat(rn_dur d, void (*f)(int));

rn_time beat(rn_dur d, void (*f)(int))
{
        rn_timer *t = rn_timer_new(d), *call = rn_after_func(d, f, 1);
        rn_ticker *k = rn_ticker_new(d);
        rn_recv_chan(rn_time) c = rn_timer_chan(t);
        const volatile void *any = rn_ticker_chan(k);

        rn_ticker_reset(k, 2 * d);
        rn_ticker_stop(k);
        return rn_timer_stop(t) && rn_timer_reset(call, d) && c != any ? 0 : RN_NEVER;
}
