/* SPDX-License-Identifier: MIT
 * For musl-gcc on a machine with glibc: the unwinder in gcc's libraries was built for glibc, and
 * asks it where the tables of the object are that has an address. This answers in its place. musl's
 * own compilers have no need of it. Built by .ci/cross, linked with what is tested. */
#define _GNU_SOURCE
#include <link.h>
#include <stdint.h>

/* glibc's struct dl_find_object, as far as the unwinder reads it. */
struct found {
        unsigned long long flags;
        void *start, *end, *map, *eh_frame;
        unsigned long long reserved[7];
};

struct wanted {
        uintptr_t pc;
        struct found *found;
};

static int look(struct dl_phdr_info *i, size_t size, void *arg)
{
        struct wanted *w = arg;
        uintptr_t eh_frame = 0, start = 0, end = 0;

        (void)size;
        for (int k = 0; k < i->dlpi_phnum; k++) {
                uintptr_t at = i->dlpi_addr + i->dlpi_phdr[k].p_vaddr;

                if (i->dlpi_phdr[k].p_type == PT_GNU_EH_FRAME)
                        eh_frame = at;
                if (i->dlpi_phdr[k].p_type == PT_LOAD && w->pc >= at &&
                    w->pc - at < i->dlpi_phdr[k].p_memsz) {
                        start = at;
                        end = at + i->dlpi_phdr[k].p_memsz;
                }
        }
        if (end == 0 || eh_frame == 0)
                return 0;
        *w->found = (struct found){ .start = (void *)start, .end = (void *)end,
                                    .eh_frame = (void *)eh_frame };
        return 1;
}

int _dl_find_object(void *pc, struct found *found);

int _dl_find_object(void *pc, struct found *found)
{
        return dl_iterate_phdr(look, &(struct wanted){ (uintptr_t)pc, found }) == 1 ? 0 : -1;
}
