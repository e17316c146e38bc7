/* SPDX-License-Identifier: MIT
 * What is mapped where, and files as memory: how a dump gets from a code address to the file that
 * it was loaded from. No malloc, no locks, safe in a signal handler; it asks /proc and not the
 * dynamic linker, whose list of objects is under a lock. Callers: debug/symbols. */
#ifndef RNI_OS_MAP_H
#define RNI_OS_MAP_H

#include "sched/base/cc.h"

enum { RNI_MAP_PATH = 512 };   /* longer paths are cut off: such a file is not found */

/* One line of the memory map. */
struct rni_mapping {
        uintptr_t start, end;
        uint64_t offset;            /* of start, in the file */
        const char *head;           /* where the same file's first bytes are mapped read-only; NULL:
                                     * nowhere */
        size_t head_size;
        char path[RNI_MAP_PATH];    /* "": no file; "[vdso]" and the like are none either */
};
bool rni_map_find(uintptr_t addr, struct rni_mapping *m);          /* false: nothing is mapped
                                                                    * there, or there is no /proc */
const void *rni_map_file(const char *path, size_t *size);          /* a regular file, read-only;
                                                                    * NULL: it cannot be had */
void rni_map_file_end(const void *file, size_t size);

#endif
