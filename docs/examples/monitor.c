/* SPDX-License-Identifier: MIT
 * monitor: a ticker drives a program that watches its goroutines come and go. At each tick the
 * number that live is printed; then a crew begins or, once all have come, goes home. Between two
 * ticks everybody waits, which costs nothing but memory. */
#include <runnel.h>

#include <stdio.h>

enum { CREWS = 3 };
static const rn_dur PERIOD = 20 * RN_MSEC;

struct crew {
        int size;
        rn_chan(rn_nothing) whistle; /* closed when the day is over: all hear it */
        rn_wg at_work;
};

static void work_until(rn_recv_chan(rn_nothing) whistle)
{
        rn_wait(whistle);
}

static void come(struct crew *crew)
{
        crew->whistle = rn_make(rn_nothing, 0);
        for (int i = 0; i < crew->size; i++)
                rn_wg_go(&crew->at_work, work_until, crew->whistle);
}

/* When the wait returns they have not only said that they go, they are gone: the next count will be
 * right. */
static void go_home(struct crew *crew)
{
        rn_close(crew->whistle);
        rn_wg_wait(&crew->at_work);
        rn_unref(crew->whistle);
}

int main(void)
{
        struct crew crews[CREWS] = { { .size = 10 }, { .size = 100 }, { .size = 1000 } };
        rn_ticker *ticker = rn_ticker_new(PERIOD);
        rn_recv_chan(rn_time) ticks = rn_ticker_chan(ticker); /* the ticker's own: nothing to
                                                               * unref */
        int tick = 0;

        rn_range(now, ticks) {
                printf("tick %d: %d live\n", ++tick, rn_numgoroutine());
                if (tick <= CREWS)
                        come(&crews[tick - 1]);
                else if (tick <= 2 * CREWS)
                        go_home(&crews[tick - CREWS - 1]);
                else
                        break; /* a ticker's channel is never closed: without this the range would
                                * not end */
        }
        rn_unref(ticker); /* stops it as well */
        return 0;
}
