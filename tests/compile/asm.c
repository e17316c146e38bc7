/* SPDX-License-Identifier: MIT
 * The same code twice, with the typed macros and (-DUNTYPED) by hand: at -O2 the assembly must be
 * the same. */
#include <runnel.h>

struct job {
        long id;
        double weight;
};

void number(rn_chan(int) c);
void record(rn_send_chan(struct job) c, long id);
bool receive(rn_recv_chan(int) c, int *p);
int sum(rn_recv_chan(int) c);

#ifdef UNTYPED

void number(rn_chan(int) c)
{
        struct { int v; } e = { 1 }; /* a struct: clang puts a plain int at the other end of the
                                      * same slot */
        rn_chan_send(c, &e);
}

void record(rn_send_chan(struct job) c, long id)
{
        struct job j = { .id = id, .weight = 2 };
        rn_chan_send(c, &j);
}

bool receive(rn_recv_chan(int) c, int *p)
{
        return rn_chan_recv(c, p);
}

int sum(rn_recv_chan(int) c)
{
        int n = 0;
        for (int v; rn_chan_recv(c, &v); )
                n += v;
        return n;
}

#else

void number(rn_chan(int) c)
{
        rn_send(c, 1);
}

void record(rn_send_chan(struct job) c, long id)
{
        rn_send(c, { .id = id, .weight = 2 });
}

bool receive(rn_recv_chan(int) c, int *p)
{
        return rn_recv(c, p);
}

int sum(rn_recv_chan(int) c)
{
        int n = 0;
        rn_range(v, c)
                n += v;
        return n;
}

#endif
