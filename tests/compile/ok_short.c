/* SPDX-License-Identifier: MIT
 * <runnel/short.h> beside the libc headers that own select, send, recv, close. */
#include <runnel/short.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

struct ops {
        int (*select)(int);
        int range, chan, defer;
};

void produce(send_chan(int) out, int n);
int consume(recv_chan(int) in);
int both(const struct ops *ops, int fd);

void produce(send_chan(int) out, int n)
{
        defer(rn_close, out);
        for (int i = 0; i < n; i++)
                if (!try_send(out, i))
                        rn_send(out, i);
}

int consume(recv_chan(int) in)
{
        int v = 0;

        range(x, in)
                v += x;
        if (try_recv(in, &v) == -EAGAIN)
                panic("not closed: %d", v);
        return v;
}

int both(const struct ops *ops, int fd)
{
        chan(int) c = make_chan(int, 3);
        chan(chan(int)) chans = make_chan(chan(int), 1);
        fd_set set;

        go(produce, c, 10);
        go(consume, c);
        rn_send(chans, c);
        FD_ZERO(&set);
        if (select(fd, &set, NULL, NULL, NULL) < 0 || send(fd, "x", 1, 0) < 0 ||
            recv(fd, &c, 0, 0) < 0)
                return close(fd);
        return ops->select(ops->range + ops->chan + ops->defer);
}
