/* SPDX-License-Identifier: MIT
 * checkparallelism [N]: do goroutines really run at the same time? One of them counts the primes
 * below 200,000; then two do, each all of them, then three, up to N (4 unless told otherwise). The
 * times, which go to stderr, stay the same until there are more goroutines than processors that run
 * them. */
#include <runnel.h>

#include <stdio.h>
#include <stdlib.h>

enum { LIMIT = 200000, TEAM = 4, TEAM_MOST = 64 };

static bool is_prime(int n)
{
        for (int d = 2; d <= n / d; d++) {
                if (n % d == 0)
                        return false;
        }
        return n >= 2;
}

/* Nothing in here waits: a processor is busy with it until it is done. */
static void count_primes(int *primes)
{
        int n = 0;

        for (int i = 0; i < LIMIT; i++)
                n += is_prime(i);
        *primes = n;
}

/* Each goroutine writes to a place of its own, and the WaitGroup says when all may be read: that
 * needs no lock. */
static void count_with(int team)
{
        int primes[TEAM_MOST];
        rn_wg busy = { 0 };
        rn_time start = rn_now();

        for (int i = 0; i < team; i++)
                rn_wg_go(&busy, count_primes, &primes[i]);
        rn_wg_wait(&busy);
        fprintf(stderr, "%d at work: %.1f ms\n", team,
                (double)(rn_now() - start) / (double)RN_MSEC);
        for (int i = 0; i < team; i++)
                printf("goroutine %d of %d finished: %d primes below %d\n", i + 1, team, primes[i],
                       LIMIT);
}

int main(int argc, char **argv)
{
        char *end = NULL;
        long most = argc > 1 ? strtol(argv[1], &end, 10) : TEAM;

        if (argc > 2 || most < 1 || most > TEAM_MOST || (end && *end != '\0')) {
                fprintf(stderr, "usage: checkparallelism [N], N from 1 to %d\n", TEAM_MOST);
                return 2;
        }
        printf("%d processors, %d of them run goroutines\n", rn_numcpu(), rn_maxprocs(0));
        for (int team = 1; team <= most; team++)
                count_with(team);
        return 0;
}
