/* SPDX-License-Identifier: MIT
 * The target for libFuzzer, `make fuzz-clang`: its bytes are a program for the same generator, run
 * in the same children. Those would keep what they cover to themselves, so the counters of the
 * instrumentation are laid into memory that parent and children share, by whole pages; the few on
 * the first and the last page stay the parent's. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/csp/check.h"

/* Where the linker puts the counters. Named so that the compiler's own declarations are not meant;
 * Makefile.am says what else that takes. */
extern char counters_start[] __asm__("__start___sancov_cntrs")
        __attribute__((visibility("hidden")));
extern char counters_stop[] __asm__("__stop___sancov_cntrs")
        __attribute__((visibility("hidden")));

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
        uintptr_t from = ((uintptr_t)counters_start + page - 1) & ~(page - 1),
                  to = (uintptr_t)counters_stop & ~(page - 1);

        (void)argc;
        (void)argv;
        if (from >= to) {
                fprintf(stderr, "fewer counters than a page: nothing can be shared\n");
                exit(1);
        }
        if (mmap((void *)from, to - from, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
                perror("mmap");
                exit(1);
        }
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
        static const uint8_t procs[] = { 2, 0 };
        const struct budget b = {
                .procs = procs, .runs = 1, .blocked = 1, .states = 5000, .tries = 200
        };
        struct program p;
        struct tally t = { 0 };
        struct failure f;

        program_from_bytes(&p, bytes, n);
        if (check_program(&b, &p, 1, &t, &f))
                return 0;
        failure_print(stderr, &b, &f);
        fprintf(stderr, "made smaller by %u cuts:\n", failure_shrink(&b, &f));
        failure_print(stderr, &b, &f);
        abort();
}
