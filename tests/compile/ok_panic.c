/* SPDX-License-Identifier: MIT
 * <runnel/panic.h> alone: it needs no other header before it. */
#include <runnel/panic.h>

bool careful(void (*f)(int), struct rn_recovered *p);

bool careful(void (*f)(int), struct rn_recovered *p)
{
        rn_defer(f, 1);
        rn_defer(f, 2);
        if (rn_pcall(p, f, 3))
                return rn_pcall(NULL, f, 4);
        if (p->runtime)
                rn_repanic(p);
        rn_panic("%s again", p->text);
}
