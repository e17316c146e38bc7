/* SPDX-License-Identifier: MIT
 * <runnel/signal.h> alone: it needs no other header before it. */
#include <runnel/signal.h>

rn_ctx *until_told(rn_chan(int) c, rn_send_chan(int) all);

rn_ctx *until_told(rn_chan(int) c, rn_send_chan(int) all)
{
        rn_signal_notify(c, SIGHUP);
        rn_signal_notify(c, SIGUSR1, SIGUSR2);
        rn_signal_watch(all, NULL, 0);
        rn_signal_stop(c);
        rn_signal_ignore(SIGPIPE);
        rn_signal_reset(SIGPIPE);
        return rn_signal_ctx(rn_ctx_background(), SIGINT, SIGTERM);
}
