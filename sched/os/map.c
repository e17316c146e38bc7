/* SPDX-License-Identifier: MIT
 * See map.h. The map is read anew for each question: a process has few objects with code, and
 * whoever asks keeps the answers. Invariant: nothing here outlives the call but the file mapping
 * that was asked for. */
#include "sched/os/map.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "sched/os/sys.h"

struct map_line {
        uint64_t start, end, offset, device, inode;
        bool readable, writable;
        const char *path;
};

/* Reads the hexadecimal number at *s, which ends with the character `end`, and moves on behind
 * that. */
static bool hex(const char **s, char end, uint64_t *v)
{
        const char *p = *s;

        *v = 0;
        for (;; p++) {
                unsigned c = (unsigned char)*p, d;

                if (c >= '0' && c <= '9')
                        d = c - '0';
                else if (c >= 'a' && c <= 'f')
                        d = c - 'a' + 10;
                else
                        break;
                *v = *v << 4 | d;
        }
        if (p == *s || *p != end)
                return false;
        *s = p + 1;
        return true;
}

/* "start-end rwxp offset major:minor inode   path"; the inode is decimal. */
static bool parse(const char *s, struct map_line *l)
{
        uint64_t major, minor;

        if (!hex(&s, '-', &l->start) || !hex(&s, ' ', &l->end) || strnlen(s, 5) < 5)
                return false;
        l->readable = s[0] == 'r';
        l->writable = s[1] == 'w';
        s += 5;
        if (!hex(&s, ' ', &l->offset) || !hex(&s, ':', &major) || !hex(&s, ' ', &minor) ||
            !rni_text_u64(s, &l->inode))
                return false;
        l->device = major << 32 | minor;
        s += strspn(s, "0123456789");
        l->path = s + strspn(s, " ");
        return true;
}

bool rni_map_find(uintptr_t addr, struct rni_mapping *m)
{
        struct map_line l, head = { .inode = 0 };
        char text[RNI_MAP_PATH + 80];
        struct rni_lines file;
        bool found = false;

        if (!rni_lines_open(&file, "", "/proc/self/maps"))
                return false;
        while (!found && rni_lines_next(&file, text, sizeof text)) {
                if (!parse(text, &l))
                        continue;
                if (l.inode != 0 && l.offset == 0 && l.readable && !l.writable)
                        head = l;
                found = addr >= l.start && addr < l.end;
        }
        rni_lines_close(&file);
        if (!found)
                return false;
        *m = (struct rni_mapping){
                .start = (uintptr_t)l.start, .end = (uintptr_t)l.end, .offset = l.offset
        };
        if (l.inode != 0 && l.inode == head.inode && l.device == head.device) {
                m->head = (const char *)(uintptr_t)head.start;
                m->head_size = (size_t)(head.end - head.start);
        }
        memcpy(m->path, l.path, strnlen(l.path, sizeof m->path - 1));
        return true;
}

static const void *map_open(int fd, size_t *size)
{
        struct stat st;
        void *p;

        if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
                return NULL;
        *size = (size_t)st.st_size;
        p = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
        return p != MAP_FAILED ? p : NULL;
}

const void *rni_map_file(const char *path, size_t *size)
{
        int keep = errno, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        const void *p = NULL;

        if (fd >= 0) {
                p = map_open(fd, size);
                close(fd);
        }
        errno = keep;
        return p;
}

void rni_map_file_end(const void *file, size_t size)
{
        int keep = errno;

        munmap((void *)(uintptr_t)file, size);
        errno = keep;
}
