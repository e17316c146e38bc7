/* SPDX-License-Identifier: MIT
 * Counted objects: what rn_ref and rn_unref take. The header is the object's first member. refs
 * counts owners, not users: who calls with an object owns a reference for the whole call. The class
 * frees at zero, or later if it has reasons of its own. */
#ifndef RNI_CHAN_OBJECT_H
#define RNI_CHAN_OBJECT_H

#include "sched/base/atomic.h"

struct obj;

struct obj_class {
        const char *name;
        void (*last)(struct obj *o);   /* the last reference has gone. NULL: a static object, which
                                        * is not counted */
};

struct obj {
        const struct obj_class *class;
        aword refs;
};

/* One more reference, unless the last has gone: for who knows the object without owning one. */
static inline bool obj_hold(struct obj *o)
{
        AO_t refs = load_rlx(&o->refs);   /* rlx: the CAS decides */

        while (refs && !cas(&o->refs, refs, refs + 1))
                refs = load_rlx(&o->refs);   /* rlx: as above */
        return refs != 0;
}

static inline void obj_init(struct obj *o, const struct obj_class *class)
{
        o->class = class;
        store_rlx(&o->refs, 1);   /* rlx: not shared yet */
}

#endif
