/* SPDX-License-Identifier: MIT
 * <runnel/select.h> alone: it needs no other header before it. */
#include <runnel/select.h>

int pick(rn_chan(int) a, rn_send_chan(int) b);

int pick(rn_chan(int) a, rn_send_chan(int) b)
{
        int v = 0;
        bool ok = false;

        switch (rn_select_for(RN_MSEC, rn_on_recv_ok(a, &v, &ok), rn_on_send(b, 7))) {
        case RN_TIMEOUT:
                rn_forever();
        case 0:
                return ok ? v : rn_try_select(rn_on_signal(a)) == RN_DEFAULT;
        default:
                return 7;
        }
}
