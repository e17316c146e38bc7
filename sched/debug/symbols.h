/* SPDX-License-Identifier: MIT
 * From a code address to the function it lies in: names from the symbol tables of the files that
 * the process was loaded from, static functions included where the file is not stripped. No malloc,
 * no locks, safe in a signal handler. Callers: debug/trace.
 *
 * Invariant: a struct symbols is one thread's; what it has found it keeps until rni_symbols_end,
 * since dumps ask for the same few addresses again. */
#ifndef RNI_DEBUG_SYMBOLS_H
#define RNI_DEBUG_SYMBOLS_H

#include "sched/os/map.h"

enum { SYM_NAME = 96, SYM_OBJECTS = 12, SYM_CACHE = 64 };

/* An executable or shared library. */
struct sym_object {
        uintptr_t start, end;           /* its code */
        uintptr_t bias;                 /* address in memory - address in the file */
        const char *file;               /* mapped; NULL: no symbols to be had */
        size_t size;
        char path[RNI_MAP_PATH];
};

struct sym {
        uintptr_t addr;                 /* what was asked for */
        const struct sym_object *in;    /* NULL: no file's */
        uintptr_t start;                /* of the function; meaningless without a name */
        bool global;                    /* a name that other files can see */
        char name[SYM_NAME];            /* "": unknown. Cut off at the suffix of a compiler's
                                         * clone */
};

struct symbols {
        unsigned nobjects, oldest;
        struct sym_object object[SYM_OBJECTS];
        struct sym cache[SYM_CACHE];    /* by address; addr == 0: free */
};

/* Zeroed memory is a fresh struct symbols. The answer stands until the next call. */
const struct sym *rni_symbols_find(struct symbols *s, uintptr_t addr);
void rni_symbols_end(struct symbols *s);   /* unmaps everything; fresh again */

#endif
