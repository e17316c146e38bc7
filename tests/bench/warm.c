/* SPDX-License-Identifier: MIT
 * warm: touches 6 GiB, or half of what is free, and ends. A virtual machine may have given free
 * memory back to its host, and then the first touch of a page takes four times as long as when the
 * process before had it. Two sides that run in turns would pay for each other's pages, and the
 * larger one for its own. */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

static const size_t most = (size_t)6 << 30;

int main(void)
{
        struct sysinfo info;
        size_t n = 0;
        void *p;

        if (sysinfo(&info) == 0)
                n = (size_t)info.freeram * info.mem_unit / 2;
        if (n > most)
                n = most;
        p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1,
                 0);
        if (p == MAP_FAILED) {
                perror("warm");
                return 1;
        }
        return 0;
}
