/* SPDX-License-Identifier: MIT
 * What the control groups allow this process. A limit may sit on the process's own group or on any
 * ancestor, so the answer is the minimum on the way up to the mount point; versions 1 and 2 may be
 * mounted side by side and both count. Nothing is remembered: a limit may change at any time.
 * Callers: cpu.c, vm.c; tests with a tree of their own as root. */
#include "sched/os/sys.h"

#include <string.h>

/* One look at one group's directory. dir ends without a slash. */
typedef void visit_fn(struct rni_groups *room, const char *root, const char *dir, bool v2,
                      void *arg);

/* Is word one of the comma-separated words of list? Not by strstr, which takes 2 KiB of stack in
 * musl. */
static bool has_word(const char *list, const char *word)
{
        size_t n = strlen(word);

        for (const char *p = list; p; p = strchr(p, ','), p += p != NULL)
                if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == 0 || p[n] == ':'))
                        return true;
        return false;
}

enum { V1, V2, VERSIONS };
_Static_assert(sizeof((struct rni_groups *)NULL)->at / sizeof(struct rni_place) == VERSIONS,
               "a place in each");

/* From lines "id:controllers:path"; version 2 has no controllers there. */
static bool find_groups(struct rni_groups *room, const char *root, const char *controller)
{
        if (!rni_lines_open(&room->lines, root, "/proc/self/cgroup"))
                return false;
        while (rni_lines_next(&room->lines, room->line, RNI_PATH)) {
                char *list = strchr(room->line, ':');
                char *p = list ? strchr(list + 1, ':') : NULL;
                struct rni_place *v;
                if (!p)
                        continue;
                *p = 0;
                v = &room->at[list[1] == 0 ? V2 : V1];
                if (list[1] == 0 || has_word(list + 1, controller))
                        v->grouped = rni_text_join(v->path, sizeof v->path, "", p + 1);
        }
        rni_lines_close(&room->lines);
        return room->at[V1].grouped || room->at[V2].grouped;
}

/* mountinfo writes blank, tab, newline and backslash as three octal digits. */
static void unescape(char *s)
{
        char *o = s;

        while (*s) {
                if (s[0] == '\\' && s[1] && s[2] && s[3]) {
                        *o++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
                        s += 4;
                } else {
                        *o++ = *s++;
                }
        }
        *o = 0;
}

/* Cuts s at blanks; returns how many fields. */
static unsigned split(char *s, char **field, unsigned max)
{
        unsigned n = 0;
        char *save = NULL;

        for (char *p = strtok_r(s, " ", &save); p && n < max; p = strtok_r(NULL, " ", &save))
                field[n++] = p;
        return n;
}

/* The directory of the group: top is the group that the mount point shows. A group outside of it (a
 * namespace entered from outside) cannot be seen, only the mount point counts then. */
static void set_place(struct rni_place *v, const char *top, const char *mount)
{
        size_t n = strcmp(top, "/") == 0 ? 0 : strlen(top);
        bool inside = strncmp(v->path, top, n) == 0 && (v->path[n] == '/' || v->path[n] == 0) &&
                      !strstr(v->path, "..");

        if (rni_text_join(v->dir, sizeof v->dir, mount, inside ? v->path + n : ""))
                v->base = strlen(mount);
}

/* From lines "id parent major:minor TOP MOUNTPOINT options [tags...] - FSTYPE source OPTIONS". */
static void find_mounts(struct rni_groups *room, const char *root, const char *controller)
{
        if (!rni_lines_open(&room->lines, root, "/proc/self/mountinfo"))
                return;
        while (rni_lines_next(&room->lines, room->line, sizeof room->line)) {
                char *tail = strstr(room->line, " - ");
                char *f[5], *t[3];
                struct rni_place *v;
                if (!tail || strncmp(tail + 3, "cgroup", 6) != 0)
                        continue;
                *tail = 0;
                if (split(tail + 3, t, 3) < 3 || split(room->line, f, 5) < 5)
                        continue;
                v = &room->at[strcmp(t[0], "cgroup2") == 0 ? V2 : V1];
                if (!v->grouped || v->base > 0 ||
                    (v == &room->at[V1] && !has_word(t[2], controller)))
                        continue;
                unescape(f[3]);
                unescape(f[4]);
                set_place(v, f[3], f[4]);
        }
        rni_lines_close(&room->lines);
}

/* Visits the group and every ancestor up to and including the mount point. */
static void climb(struct rni_groups *room, const char *root, struct rni_place *v, bool v2,
                  visit_fn *fn, void *arg)
{
        if (v->base == 0)
                return;
        for (size_t end = strlen(v->dir); ; ) {
                while (end > v->base && v->dir[end - 1] == '/')
                        v->dir[--end] = 0;
                fn(room, root, v->dir, v2, arg);
                if (end <= v->base)
                        return;
                while (end > v->base && v->dir[end - 1] != '/')
                        v->dir[--end] = 0;
        }
}

static void walk(struct rni_groups *room, const char *root, const char *controller, visit_fn *fn,
                 void *arg)
{
        for (int i = 0; i < VERSIONS; i++)
                room->at[i].base = room->at[i].grouped = 0;
        if (!find_groups(room, root, controller))
                return;
        find_mounts(room, root, controller);
        for (int i = 0; i < VERSIONS; i++)
                climb(room, root, &room->at[i], i == V2, fn, arg);
}

/* The first line of a group's file, into room->line. */
static bool group_line(struct rni_groups *room, const char *root, const char *dir, const char *file)
{
        return rni_text_join(room->path, sizeof room->path, dir, file) &&
               rni_text_line(&room->lines, root, room->path, room->line, sizeof room->line);
}

static bool group_u64(struct rni_groups *room, const char *root, const char *dir, const char *file,
                      uint64_t *v)
{
        return group_line(room, root, dir, file) && rni_text_u64(room->line, v);
}

static void visit_cpu(struct rni_groups *room, const char *root, const char *dir, bool v2,
                      void *arg)
{
        uint64_t quota, period, *least = arg, cpus;

        if (v2) {
                char *second;
                if (!group_line(room, root, dir, "/cpu.max") || !rni_text_u64(room->line, &quota))
                        return;
                second = strchr(room->line, ' ');
                if (!second || !rni_text_u64(second, &period))
                        return;
        } else if (!group_u64(room, root, dir, "/cpu.cfs_quota_us", &quota) ||
                   !group_u64(room, root, dir, "/cpu.cfs_period_us", &period)) {
                return;
        }
        if (period == 0)
                return;
        cpus = quota / period + (quota % period != 0);
        if (cpus == 0)
                cpus = 1;
        if (*least == 0 || cpus < *least)
                *least = cpus;
}

int rni_cgroup_cpus(struct rni_groups *room, const char *root)
{
        uint64_t least = 0;

        walk(room, root, "cpu", visit_cpu, &least);
        return least > INT32_MAX ? INT32_MAX : (int)least;
}

struct memory { uint64_t left, limit; };

/* File pages that nobody used for a while are in the usage, but the kernel takes them back before
 * it refuses anything. */
static void visit_memory(struct rni_groups *room, const char *root, const char *dir, bool v2,
                         void *arg)
{
        struct memory *m = arg;
        uint64_t limit, usage, cold = 0, left;

        if (!group_u64(room, root, dir, v2 ? "/memory.max" : "/memory.limit_in_bytes", &limit) ||
            !group_u64(room, root, dir, v2 ? "/memory.current" : "/memory.usage_in_bytes", &usage))
                return;
        if (rni_text_join(room->path, sizeof room->path, dir, "/memory.stat"))
                rni_text_key(room, root, room->path, v2 ? "inactive_file" : "total_inactive_file",
                             &cold);
        usage -= cold < usage ? cold : usage;
        left = limit > usage ? limit - usage : 0;
        if (left < m->left)
                m->left = left;
        if (limit < m->limit)
                m->limit = limit;
}

uint64_t rni_cgroup_memory(struct rni_groups *room, const char *root, uint64_t *limit)
{
        struct memory m = { UINT64_MAX, UINT64_MAX };

        walk(room, root, "memory", visit_memory, &m);
        *limit = m.limit;
        return m.left;
}
