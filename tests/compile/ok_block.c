/* SPDX-License-Identifier: MIT
 * <runnel/block.h> alone: it needs no other header before it. */
#include <runnel/block.h>

#include <unistd.h>

int wait_a_while(unsigned seconds);
int sleep_and_count(unsigned *calls);
bool has_waited(unsigned n, unsigned char m);
const char *name_of(int fd, long a, short b, double c, float d, char *e);

int sleep_and_count(unsigned *calls)
{
        ++*calls;
        return (int)sleep(*calls);
}

bool has_waited(unsigned n, unsigned char m)
{
        return sleep(n) > m;
}

const char *name_of(int fd, long a, short b, double c, float d, char *e)
{
        return (double)fd + (double)a + (double)b > c + (double)d ? e : NULL;
}

int wait_a_while(unsigned seconds)
{
        unsigned calls = 0;
        char text[] = "text";
        intptr_t left = rn_blocking(sleep_and_count, &calls) + rn_blocking(has_waited, 1, 2);

        rn_block_enter();
        left += (intptr_t)sleep(seconds);
        rn_block_exit();
        rn_blocking(pause);
        rn_blocking(rn_block_exit);
        return (int)left + (rn_blocking(name_of, 1, 2, 3, 4, 5, text) != 0);
}
