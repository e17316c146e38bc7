/* SPDX-License-Identifier: MIT
 * spawnmany [N]: starts N goroutines, 10,000 unless told otherwise, each of which has one number to
 * add to a sum. The numbers come through a channel; a WaitGroup knows when the last is in, and then
 * the channel is closed, which ends the loop that adds them up. */
#include <runnel.h>

#include <stdio.h>
#include <stdlib.h>

enum { MANY = 10000, MOST = 1000000 };

static void contribute(rn_send_chan(long) numbers, long n)
{
        rn_send(numbers, n);
}

/* Closing is the word that nothing more will come: only who knows that all have sent may say it. */
static void close_after(rn_wg *senders, rn_send_chan(long) numbers)
{
        rn_wg_wait(senders);
        rn_close(numbers);
}

int main(int argc, char **argv)
{
        char *end = NULL;
        long many = argc > 1 ? strtol(argv[1], &end, 10) : MANY, sum = 0;
        rn_chan(long) numbers;
        rn_wg senders = { 0 };

        if (argc > 2 || many < 1 || many > MOST || (end && *end != '\0')) {
                fprintf(stderr, "usage: spawnmany [N], N from 1 to %d\n", MOST);
                return 2;
        }
        numbers = rn_make(long, 0);
        for (long n = 1; n <= many; n++)
                rn_wg_go(&senders, contribute, numbers, n);
        rn_go(close_after, &senders, numbers);

        rn_range(n, numbers)
                sum += n;
        rn_unref(numbers);
        printf("%ld goroutines: the sum of 1 to %ld is %ld\n", many, many, sum);
        return 0;
}
