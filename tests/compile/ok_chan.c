/* SPDX-License-Identifier: MIT
 * <runnel/chan.h> alone: it needs no other header before it. */
#include <runnel/chan.h>

int pass(rn_chan(int) c);

int pass(rn_chan(int) c)
{
        int v = 0;

        rn_send(c, 1);
        if (rn_try_recv(c, &v) == -EAGAIN || rn_recv_for(RN_SEC, c, &v) == -ETIMEDOUT)
                rn_close(c);
        rn_range(x, c)
                v += x;
        rn_unref(c);
        return v;
}
