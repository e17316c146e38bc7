/* SPDX-License-Identifier: MIT
 * The kernel's text files (/proc, cgroups) line by line: no stdio and no malloc, because callers
 * may hold locks or run on small stacks. Whatever cannot be read counts as not there. Callers:
 * cgroup.c, cpu.c, vm.c. */
#include "sched/os/sys.h"

#include <fcntl.h>
#include <string.h>

bool rni_text_join(char *out, size_t cap, const char *a, const char *b)
{
        size_t na = strlen(a), nb = strlen(b);

        if (na + nb >= cap)
                return false;
        memcpy(out, a, na);
        memcpy(out + na, b, nb + 1);
        return true;
}

bool rni_lines_open(struct rni_lines *l, const char *root, const char *path)
{
        if (!rni_text_join(l->buf, sizeof l->buf, root, path))
                return false;
        l->n = l->pos = 0;
        l->fd = (int)rni_sys(SYS_openat, AT_FDCWD, rni_ptr(l->buf), O_RDONLY | O_CLOEXEC, 0, 0, 0);
        return l->fd >= 0;
}

void rni_lines_close(struct rni_lines *l)
{
        rni_sys(SYS_close, l->fd, 0, 0, 0, 0, 0);
}

static int next_char(struct rni_lines *l)
{
        if (l->pos == l->n) {
                long r;
                do
                        r = rni_sys(SYS_read, l->fd, rni_ptr(l->buf), sizeof l->buf, 0, 0, 0);
                while (r == -EINTR);
                if (r <= 0)
                        return -1;
                l->n = (unsigned)r;
                l->pos = 0;
        }
        return (unsigned char)l->buf[l->pos++];
}

bool rni_lines_next(struct rni_lines *l, char *line, size_t cap)
{
        size_t n = 0;
        int c = next_char(l);

        if (c < 0)
                return false;
        for (; c >= 0 && c != '\n'; c = next_char(l))
                if (n + 1 < cap)
                        line[n++] = (char)c;
        line[n] = 0;
        return true;
}

bool rni_text_head(const char *path, char *text, size_t cap)
{
        long n = -1,
             fd = rni_sys(SYS_openat, AT_FDCWD, rni_ptr(path), O_RDONLY | O_CLOEXEC, 0, 0, 0);

        if (fd < 0)
                return false;
        do
                n = rni_sys(SYS_read, fd, rni_ptr(text), (long)(cap - 1), 0, 0, 0);
        while (n == -EINTR);
        rni_sys(SYS_close, fd, 0, 0, 0, 0, 0);
        text[n > 0 ? n : 0] = 0;
        return n > 0;
}

bool rni_text_line(struct rni_lines *l, const char *root, const char *path, char *line, size_t cap)
{
        bool ok;

        if (!rni_lines_open(l, root, path))
                return false;
        ok = rni_lines_next(l, line, cap);
        rni_lines_close(l);
        return ok;
}

bool rni_text_u64(const char *s, uint64_t *v)
{
        uint64_t x = 0;

        while (*s == ' ' || *s == '\t')
                s++;
        if (*s < '0' || *s > '9')
                return false;
        for (; *s >= '0' && *s <= '9'; s++) {
                unsigned d = (unsigned)(*s - '0');
                x = x > (UINT64_MAX - d) / 10 ? UINT64_MAX : x * 10 + d;
        }
        *v = x;
        return true;
}

bool rni_text_key(struct rni_groups *room, const char *root, const char *path, const char *key,
                  uint64_t *v)
{
        char *line = room->line;
        size_t n = strlen(key);
        bool found = false;

        if (!rni_lines_open(&room->lines, root, path))
                return false;
        while (!found && rni_lines_next(&room->lines, line, sizeof room->line))
                if (strncmp(line, key, n) == 0 && (line[n] == ' ' || line[n] == ':'))
                        found = rni_text_u64(line + n + 1, v);
        rni_lines_close(&room->lines);
        return found;
}
