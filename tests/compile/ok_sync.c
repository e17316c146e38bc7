/* SPDX-License-Identifier: MIT
 * <runnel/sync.h> alone: it needs no other header before it. */
#include <runnel/sync.h>

static rn_wg all = { 0 };

void together(void (*f)(int));

void together(void (*f)(int))
{
        rn_wg wg = { 0 };

        rn_wg_add(&all, 1);
        rn_wg_go(&wg, f, 1);
        rn_wg_wait(&wg);
        rn_wg_done(&all);
}
