/* SPDX-License-Identifier: MIT
 * Where the library itself makes a call that may block its thread: regular files, which epoll
 * refuses, and names that are resolved. The one seam at which the P is handed over. Callers:
 * io/. */
#ifndef RNI_IO_BLOCK_H
#define RNI_IO_BLOCK_H

#include <runnel/block.h>

/* fn(arg), not entered and with no lock held; its result. */
static inline intptr_t rni_block_run(intptr_t (*fn)(void *), void *arg)
{
        intptr_t r;

        rn_block_enter();
        r = fn(arg);
        rn_block_exit();
        return r;
}

#endif
