/* SPDX-License-Identifier: MIT
 * Reference counts of channels and of everything else that is counted. */
#include "chan/object.h"

#include <runnel/chan.h>

#include "sched/core/panic.h"
#include "sched/core/san.h"

static struct obj *obj_of(rn_anychan a)
{
        return (struct obj *)(uintptr_t)a;
}

void *rn_obj_ref(rn_anychan a)
{
        struct obj *o = obj_of(a);

        if (o && o->class->last && fetch_add(&o->refs, 1) == 0)
                rni_runtime_panic("rn_ref of an object without references");
        return o;
}

void (rn_unref)(rn_anychan a)
{
        struct obj *o = obj_of(a);
        AO_t before;

        if (!o || !o->class->last)
                return;
        san_release(o);
        before = fetch_add(&o->refs, (AO_t)-1);   /* full: all use of it comes before, freeing
                                                   * after */
        if (before == 0)
                rni_runtime_panic("rn_unref of an object without references");
        if (before == 1) {
                san_acquire(o);
                o->class->last(o);
        }
}
