/* SPDX-License-Identifier: MIT
 * <runnel/go.h> alone: it needs no other header before it. */
#include <runnel/go.h>

int start(void (*f)(int *), const rn_attr *attr);

int start(void (*f)(int *), const rn_attr *attr)
{
        rn_attr named = { .name = "start" };
        int x = 1;

        rn_main_foreign();
        rn_go(f, &x);
        rn_go_copy(f, int, x);
        rn_yield();
        if (rn_try_go(f, NULL) < 0 || rn_go_attr(attr, f, NULL) < 0 ||
            rn_go_attr(&named, f, &x) < 0)
                rn_exit();
        return rn_maxprocs(0) + rn_numcpu() + rn_numgoroutine() + (rn_goid() == 1);
}
