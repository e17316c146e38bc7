/* SPDX-License-Identifier: MIT
 * How the library came into the process: with the program, or later by dlopen. A library that the
 * program needs, directly or through others, was there before main; the loader's list says who
 * needs whom. Called once, at boot. */
#include "sched/os/sys.h"

#include <link.h>
#include <string.h>

enum { OBJECTS = 256 };                 /* more are not looked at: then the answer is "later" */

struct object {
        const ElfW(Dyn) *dynamic;
        uintptr_t base;
        const char *strings, *soname;
        bool ours, needed;
};

struct objects {
        struct object o[OBJECTS];
        size_t n;
};

/* glibc has made this an address, other loaders leave the offset. */
static uintptr_t address(const struct object *o, ElfW(Addr) a)
{
        return a >= o->base ? a : o->base + a;
}

static void read_dynamic(struct object *o)
{
        ElfW(Xword) soname = 0;

        for (const ElfW(Dyn) *d = o->dynamic; d && d->d_tag != DT_NULL; d++) {
                if (d->d_tag == DT_STRTAB)
                        o->strings = (const char *)address(o, d->d_un.d_ptr);
                else if (d->d_tag == DT_SONAME)
                        soname = d->d_un.d_val;
        }
        if (o->strings && soname)
                o->soname = o->strings + soname;
}

static int note_object(struct dl_phdr_info *info, size_t size, void *arg)
{
        struct objects *all = arg;
        struct object *o = &all->o[all->n];
        uintptr_t here = (uintptr_t)note_object;

        (void)size;
        if (all->n == OBJECTS)
                return 1;
        memset(o, 0, sizeof *o);
        o->base = info->dlpi_addr;
        for (int i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *p = &info->dlpi_phdr[i];

                if (p->p_type == PT_DYNAMIC)
                        o->dynamic = (const ElfW(Dyn) *)(o->base + p->p_vaddr);
                o->ours |= p->p_type == PT_LOAD && here - (o->base + p->p_vaddr) < p->p_memsz;
        }
        read_dynamic(o);
        all->n++;
        return 0;
}

static bool mark(struct objects *all, const char *soname)
{
        for (size_t i = 0; i < all->n; i++)
                if (all->o[i].soname && strcmp(all->o[i].soname, soname) == 0 && !all->o[i].needed)
                        return all->o[i].needed = true;
        return false;
}

static bool mark_needs(struct objects *all, const struct object *o)
{
        bool more = false;

        for (const ElfW(Dyn) *d = o->dynamic; d && o->strings && d->d_tag != DT_NULL; d++)
                if (d->d_tag == DT_NEEDED)
                        more |= mark(all, o->strings + d->d_un.d_val);
        return more;
}

bool rni_loaded_at_start(void)
{
        static struct objects all;      /* at boot alone */
        bool more = true;

        dl_iterate_phdr(note_object, &all);
        if (all.n == 0)
                return true;            /* a static program */
        all.o[0].needed = true;         /* the program comes first */
        while (more) {
                more = false;
                for (size_t i = 0; i < all.n; i++)
                        if (all.o[i].needed)
                                more |= mark_needs(&all, &all.o[i]);
        }
        for (size_t i = 0; i < all.n; i++)
                if (all.o[i].ours)
                        return all.o[i].needed;
        return false;
}
