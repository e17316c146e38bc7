/* SPDX-License-Identifier: MIT
 * See symbols.h. The file is believed only as far as it is looked at: every offset in it is checked
 * against its size, and its beginning against what the process has in memory, since a program may
 * have been rebuilt while it runs. */
#include "sched/debug/symbols.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#include "sched/os/os.h"

enum { HEAD = 4096 };   /* bytes of a file that must be those in memory: headers, program headers,
                         * most often the build id */

/* -- the file -- */

static const void *part(const struct sym_object *o, uint64_t at, uint64_t size)
{
        return at <= o->size && size <= o->size - at ? o->file + at : NULL;
}

/* Element i of a table that begins at `at`, or NULL. */
static const void *element(const struct sym_object *o, uint64_t at, size_t i, size_t size)
{
        const char *p = at <= o->size ? part(o, at + i * size, size) : NULL;

        return (uintptr_t)p % _Alignof(ElfW(Shdr)) == 0 ? p : NULL;
}

static const ElfW(Ehdr) *elf_header(const struct sym_object *o)
{
        const unsigned char class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
        const ElfW(Ehdr) *h = element(o, 0, 0, sizeof *h);

        if (!h || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_ident[EI_CLASS] != class)
                return NULL;
        if (h->e_phentsize != sizeof(ElfW(Phdr)))
                return NULL;
        return h;
}

/* Which address the file gives to its byte at `offset`, which is code. */
static bool file_address(const struct sym_object *o, uint64_t offset, uintptr_t *addr)
{
        const ElfW(Ehdr) *h = elf_header(o);

        for (unsigned i = 0; h && i < h->e_phnum; i++) {
                const ElfW(Phdr) *p = element(o, h->e_phoff, i, sizeof *p);

                if (!p)
                        break;
                if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) ||
                    offset < (p->p_offset & ~(uint64_t)(rni_page - 1)) ||
                    offset >= p->p_offset + p->p_filesz)
                        continue;
                *addr = (uintptr_t)(offset - p->p_offset + p->p_vaddr);
                return true;
        }
        return false;
}

static const ElfW(Shdr) *section(const struct sym_object *o, const ElfW(Ehdr) *h, unsigned i)
{
        bool there = i < h->e_shnum && h->e_shentsize == sizeof(ElfW(Shdr));

        return there ? element(o, h->e_shoff, i, sizeof(ElfW(Shdr))) : NULL;
}

static bool is_function(const ElfW(Sym) *y)
{
        unsigned type = y->st_info & 15;

        return (type == STT_FUNC || type == STT_GNU_IFUNC) && y->st_shndx != SHN_UNDEF;
}

static bool is_global(const ElfW(Sym) *y)
{
        return y->st_info >> 4 != STB_LOCAL;
}

/* The function at addr in one table: of several the one that begins last, of aliases a global
 * one. */
static const ElfW(Sym) *search(const struct sym_object *o, const ElfW(Shdr) *table, uintptr_t addr)
{
        const ElfW(Sym) *y = part(o, table->sh_offset, table->sh_size), *best = NULL;
        size_t n = (size_t)table->sh_size / sizeof *y;

        if (!y || (uintptr_t)y % _Alignof(ElfW(Sym)) != 0)
                return NULL;
        for (; n > 0; n--, y++) {
                if (addr < y->st_value || addr - y->st_value >= y->st_size || !is_function(y))
                        continue;
                if (!best || y->st_value > best->st_value ||
                    (y->st_value == best->st_value && is_global(y) && !is_global(best)))
                        best = y;
        }
        return best;
}

/* clone.part.0 and clone.cold are shown as what they are parts of. */
static void copy_name(const struct sym_object *o, const ElfW(Shdr) *strings, size_t at, char *name)
{
        const char *s = part(o, strings->sh_offset, strings->sh_size);
        size_t n = 0;

        if (!s)
                return;
        while (n < SYM_NAME - 1 && at < strings->sh_size && s[at] != 0 && (s[at] != '.' || n == 0))
                name[n++] = s[at++];
        name[n] = 0;
}

static bool name_from(const struct sym_object *o, unsigned type, struct sym *y)
{
        const ElfW(Ehdr) *h = elf_header(o);
        const ElfW(Shdr) *table = NULL, *strings = NULL;
        const ElfW(Sym) *found;

        for (unsigned i = 0; h && i < h->e_shnum; i++) {
                table = section(o, h, i);
                if (!table || table->sh_type == type)
                        break;
        }
        if (!table || table->sh_type != type)
                return false;
        strings = section(o, h, table->sh_link);
        found = strings ? search(o, table, y->addr - o->bias) : NULL;
        if (!found)
                return false;
        copy_name(o, strings, found->st_name, y->name);
        y->start = (uintptr_t)found->st_value + o->bias;
        y->global = is_global(found);
        return y->name[0] != 0;
}

/* -- objects -- */

/* at: an address in m that is code. What else m shows may be none: an emulator's mappings are not
 * the segments. */
static bool open_file(struct sym_object *o, const char *path, const struct rni_mapping *m,
                      uintptr_t at)
{
        size_t head = m->head_size < HEAD ? m->head_size : HEAD;
        uintptr_t addr;

        o->file = path[0] == '/' ? rni_map_file(path, &o->size) : NULL;   /* no file: [vdso] */
        if (!o->file)
                return false;
        if ((!m->head || (head <= o->size && memcmp(m->head, o->file, head) == 0)) &&
            file_address(o, m->offset + (at - m->start), &addr)) {
                o->bias = at - addr;
                return true;
        }
        rni_map_file_end(o->file, o->size);
        o->file = NULL;
        return false;
}

/* A program that was replaced on the disk is still to be had under /proc/self/exe; its head tells
 * whether it is that. */
static void open_object(struct sym_object *o, const struct rni_mapping *m, uintptr_t at)
{
        *o = (struct sym_object){
                .start = m->start, .end = m->end, .bias = (uintptr_t)(m->start - m->offset)
        };
        memcpy(o->path, m->path, sizeof o->path);
        if (!open_file(o, m->path, m, at) && m->head)
                open_file(o, "/proc/self/exe", m, at);
}

static void close_object(struct sym_object *o)
{
        if (o->file)
                rni_map_file_end(o->file, o->size);
        o->file = NULL;
}

static struct sym_object *object_slot(struct symbols *s)
{
        struct sym_object *o;

        if (s->nobjects < SYM_OBJECTS)
                return &s->object[s->nobjects++];
        o = &s->object[s->oldest++ % SYM_OBJECTS];
        close_object(o);
        for (unsigned i = 0; i < SYM_CACHE; i++)
                if (s->cache[i].in == o)
                        s->cache[i].addr = 0;
        return o;
}

static const struct sym_object *object_of(struct symbols *s, uintptr_t addr)
{
        struct rni_mapping m;
        struct sym_object *o;

        for (unsigned i = 0; i < s->nobjects; i++)
                if (addr >= s->object[i].start && addr < s->object[i].end)
                        return &s->object[i];
        if (!rni_map_find(addr, &m) || m.path[0] == 0)
                return NULL;
        o = object_slot(s);
        open_object(o, &m, addr);
        return o;
}

const struct sym *rni_symbols_find(struct symbols *s, uintptr_t addr)
{
        struct sym *y = &s->cache[(addr ^ addr >> 6) % SYM_CACHE];

        if (y->addr == addr && addr != 0)
                return y;
        *y = (struct sym){ .addr = addr, .in = object_of(s, addr) };
        if (y->in && y->in->file && !name_from(y->in, SHT_SYMTAB, y))
                name_from(y->in, SHT_DYNSYM, y);
        return y;
}

void rni_symbols_end(struct symbols *s)
{
        for (unsigned i = 0; i < s->nobjects; i++)
                close_object(&s->object[i]);
        s->nobjects = s->oldest = 0;
        for (unsigned i = 0; i < SYM_CACHE; i++)
                s->cache[i].addr = 0;
}
