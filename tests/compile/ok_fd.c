/* SPDX-License-Identifier: MIT
 * <runnel/fd.h> alone: it needs no other header before it. */
#include <runnel/fd.h>

#include <sys/socket.h>

int serve(const char *addr, rn_time t);

int serve(const char *addr, rn_time t)
{
        struct sockaddr_storage from;
        socklen_t len = sizeof from;
        char buf[64];
        size_t done = 0;
        int l = rn_listen(addr, 0), c = rn_fd_accept(l, NULL, NULL), d = rn_dial(addr, t);

        if (rn_fd_open(0) < 0 || rn_fd_wait(d, RN_READ | RN_WRITE, 0) > 0 ||
            rn_fd_deadline(c, RN_READ, RN_NEVER) < 0)
                return 1;
        if (rn_fd_read(c, buf, sizeof buf) == 0 || rn_fd_read_until(c, buf, sizeof buf, t) < 0)
                return 2;
        if (rn_fd_write(c, "text", 4) < 4 ||
            rn_fd_write_until(c, buf, sizeof buf, &done, RN_NEVER) < 0)
                return 3;
        if (rn_fd_recvfrom_until(c, buf, sizeof buf, (struct sockaddr *)&from, &len, t) < 0 ||
            rn_fd_sendto_until(c, buf, done, (const struct sockaddr *)&from, len, t) < 0)
                return 4;
        if (rn_fd_accept_until(l, (struct sockaddr *)&from, &len, t) < 0 ||
            rn_fd_connect(d, (const struct sockaddr *)&from, len) < 0 ||
            rn_fd_connect_until(d, (const struct sockaddr *)&from, len, t) < 0)
                return 5;
        return rn_fd_close(c) + rn_fd_close(l);
}
