/* SPDX-License-Identifier: MIT
 * What things are called: goroutines in dumps, and this library. A goroutine's name is written by
 * itself only. */
#include <runnel/debug.h>

#include "sched/core/sched.h"

#if defined(RUNNEL_VERSION)
#define VERSION_TEXT RUNNEL_VERSION
#elif defined(PACKAGE_VERSION)
#define VERSION_TEXT PACKAGE_VERSION
#else
#define VERSION_TEXT "0.1.0"
#endif

void rn_set_name(const char *name)
{
        struct m *m = rni_m();

        if (!m->foreign)
                m->g->name = name;
}

const char *rn_version(void)
{
        return VERSION_TEXT;
}
