/* SPDX-License-Identifier: MIT
 * workerpool: eight workers share the jobs of one channel and put what they find into another, both
 * buffered so that nobody waits for the other's every step. The jobs: which number below a million
 * has the longest Collatz sequence (halve it if it is even, else triple it and add one, until it is
 * 1)? */
#include <runnel.h>

#include <stdio.h>

enum { WORKERS = 8, BUFFER = 16, LIMIT = 1000000, JOB = 10000 };

struct job {
        long first, end; /* [first, end) */
};

struct result {
        long start; /* the number below LIMIT */
        int steps;
};

static int collatz_steps(int64_t n) /* on their way they exceed 32 bits */
{
        int steps = 0;

        for (; n > 1; steps++)
                n = n % 2 == 0 ? n / 2 : 3 * n + 1;
        return steps;
}

static struct result longer(struct result a, struct result b)
{
        return b.steps > a.steps || (b.steps == a.steps && b.start < a.start) ? b : a;
}

/* Ends when the jobs are closed and none is left. */
static void work(rn_recv_chan(struct job) jobs, rn_send_chan(struct result) results)
{
        rn_range(job, jobs) {
                struct result best = { 0, -1 };

                for (long n = job.first; n < job.end; n++)
                        best = longer(best, (struct result){ n, collatz_steps(n) });
                rn_send(results, best);
        }
}

static void hand_out(rn_send_chan(struct job) jobs)
{
        for (long first = 1; first < LIMIT; first += JOB)
                rn_send(jobs, { .first = first, .end = first + JOB < LIMIT ? first + JOB : LIMIT });
        rn_close(jobs);
}

static void close_after(rn_wg *workers, rn_send_chan(struct result) results)
{
        rn_wg_wait(workers);
        rn_close(results);
}

int main(void)
{
        rn_chan(struct job) jobs = rn_make(struct job, BUFFER);
        rn_chan(struct result) results = rn_make(struct result, BUFFER);
        struct result best = { 0, -1 };
        rn_wg workers = { 0 };
        int done = 0;

        for (int i = 0; i < WORKERS; i++)
                rn_wg_go(&workers, work, jobs, results);
        rn_go(hand_out, jobs);
        rn_go(close_after, &workers, results);

        /* In any order: jobs take unequal time. */
        rn_range(result, results) {
                best = longer(best, result);
                done++;
        }
        printf("%d jobs done by %d workers\n", done, WORKERS);
        printf("the longest Collatz sequence below %d starts at %ld and takes %d steps\n", LIMIT,
               best.start, best.steps);
        rn_unref(jobs);
        rn_unref(results);
        return 0;
}
