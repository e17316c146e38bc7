/* SPDX-License-Identifier: MIT
 * The WaitGroup for the layer above. */
#ifndef RNI_CHAN_WG_H
#define RNI_CHAN_WG_H

#include <runnel/sync.h>

/* rn_wg_done for who is inside the runtime: a goroutine's last step. */
void rni_wg_done_entered(rn_wg *wg);

#endif
