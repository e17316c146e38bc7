/* SPDX-License-Identifier: MIT
 * Starts the layer. Called once, by core/boot, before anything else here. */
#include "sched/os/sys.h"

#include <stdlib.h>

void rni_os_init(void)
{
        rni_vm_init();
        rni_fence_init();
        rni_thread_init();
}

const char *rni_os_env(const char *name)
{
        return secure_getenv(name);
}
