/* SPDX-License-Identifier: MIT
 * Making and freeing channels. An hchan and its buffer are one block of memory. Who frees one that
 * somebody still waits on is part of the model docs/design/select.pml. */
#include "chan/hchan.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "sched/core/panic.h"

/* No address space holds more; a larger request is refused without asking for it. */
#define SIZE_LIMIT ((size_t)1 << (sizeof(size_t) == 8 ? 46 : 30))

static bool waited_on(const struct hchan *c)
{
        return c->nreturning || waitq_first(&c->recvq) || waitq_first(&c->sendq);
}

void rni_hchan_last(struct hchan *c)
{
        bool orphan;

        hchan_lock(c);
        orphan = waited_on(c);
        c->orphan = orphan;
        hchan_unlock_last(c);   /* who leaves an orphan frees it */
        if (!orphan)
                rni_hchan_free(c);
}

static void last_reference(struct obj *o)
{
        rni_hchan_last(container_of(o, struct hchan, obj));
}

static const struct obj_class chan_class = { "channel", last_reference };

void rni_hchan_free(struct hchan *c)
{
        free(c);
}

void rni_hchan_leave_orphan(struct hchan *c)
{
        bool last = !waited_on(c);

        hchan_unlock_last(c);   /* an orphan is freed by another who leaves later */
        if (last)
                rni_hchan_free(c);
}

int rn_chan_new_try(void **out, size_t size, size_t align, ptrdiff_t cap, const char *type)
{
        size_t head, bytes;
        struct hchan *c;

        if (cap < 0 || cap > INT_MAX || (size != 0 && (size_t)cap > SIZE_LIMIT / size))
                return -EINVAL;
        align = align > _Alignof(struct hchan) ? align : _Alignof(struct hchan);
        rni_m();   /* the first use boots the runtime, in the thread that makes it */
        head = (sizeof *c + align - 1) / align * align;
        bytes = (head + size * (size_t)cap + align - 1) / align * align;
        c = align <= _Alignof(max_align_t) ? malloc(bytes) : aligned_alloc(align, bytes);
        if (!c)
                return -ENOMEM;
        *c = (struct hchan){ .cap = (unsigned)cap, .size = size, .buf = (char *)c + head,
                             .type = type };
        obj_init(&c->obj, &chan_class);
        *out = c;
        return 0;
}

void *rn_chan_new(size_t size, size_t align, ptrdiff_t cap, const char *type)
{
        void *c = NULL;
        int err = rn_chan_new_try(&c, size, align, cap, type);

        if (err == -EINVAL)
                rni_runtime_panic("makechan: size out of range");
        if (err)
                rni_runtime_panic("makechan: out of memory");
        return c;
}
