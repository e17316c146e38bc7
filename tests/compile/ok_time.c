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
