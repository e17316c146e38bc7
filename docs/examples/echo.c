/* SPDX-License-Identifier: MIT
 * A TCP echo server: one goroutine for each connection, each written as if it had a thread of its
 * own.
 *
 *     echo              serves on a free port, talks to itself from a hundred clients, and stops
 *     echo ADDRESS      serves on ADDRESS, say :7777, until its standard input ends
 *
 * Stopping is orderly: the listener is closed, which ends accept; each connection has a second to
 * finish what it is at; then all have ended. */
#include <netinet/in.h>
#include <runnel.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 100, LINES = 10, MOST = 4096 };

static rn_mutex mu;
static bool served[MOST];   /* mu: by descriptor */
static rn_wg connections;

static void mark(int fd, bool now)
{
        rn_mutex_lock(&mu);
        served[fd] = now;
        if (!now)
                rn_fd_close(fd);   /* under mu: stop must not take another connection of this number
                                    * for it */
        rn_mutex_unlock(&mu);
}

static void serve(int fd)
{
        char buf[4096];
        ssize_t n;

        while ((n = rn_fd_read(fd, buf, sizeof buf)) > 0 && rn_fd_write(fd, buf, (size_t)n) == n)
                continue;
        mark(fd, false);
}

static void serve_all(int listener)
{
        int fd;

        while ((fd = rn_fd_accept(listener, NULL, NULL)) >= 0) {
                if (fd >= MOST) {
                        rn_fd_close(fd);
                        continue;
                }
                mark(fd, true);
                rn_wg_go(&connections, serve, fd);
        }
}

static void stop(int listener, rn_wg *server)
{
        rn_fd_close(listener);
        rn_wg_wait(server);
        rn_mutex_lock(&mu);
        for (int fd = 0; fd < MOST; fd++)
                if (served[fd])
                        rn_fd_deadline(fd, RN_READ | RN_WRITE, rn_deadline(RN_SEC));
        rn_mutex_unlock(&mu);
        rn_wg_wait(&connections);
}

/* Sends lines and compares what comes back. */
static void talk(const char *addr, int id, atomic_int *right)
{
        int fd = rn_dial(addr, rn_deadline(10 * RN_SEC));

        for (int i = 0; fd >= 0 && i < LINES; i++) {
                char line[64], back[64];
                size_t len = (size_t)snprintf(line, sizeof line, "client %d says %d\n", id, i),
                       got = 0;
                ssize_t n = rn_fd_write(fd, line, len);

                while (n > 0 && got < len &&
                       (n = rn_fd_read(fd, back + got, sizeof back - got)) > 0)
                        got += (size_t)n;
                if (n > 0 && memcmp(line, back, len) == 0)
                        atomic_fetch_add(right, 1);
        }
        if (fd >= 0)
                rn_fd_close(fd);
}

static void talk_to_ourselves(int listener)
{
        struct sockaddr_in at;
        socklen_t len = sizeof at;
        atomic_int right = 0;
        rn_wg clients = { { 0 } };
        char addr[32];

        getsockname(listener, (struct sockaddr *)&at, &len);
        snprintf(addr, sizeof addr, "127.0.0.1:%d", ntohs(at.sin_port));
        for (int i = 0; i < CLIENTS; i++)
                rn_wg_go(&clients, talk, (const char *)addr, i, &right);
        rn_wg_wait(&clients);
        printf("%d clients, %d lines came back right\n", CLIENTS, atomic_load(&right));
}

int main(int argc, char **argv)
{
        int listener = rn_listen(argc > 1 ? argv[1] : "127.0.0.1:0", 0);
        rn_wg server = { { 0 } };
        char c;

        if (listener < 0) {
                fprintf(stderr, "echo: %s\n", strerror(-listener));
                return 1;
        }
        rn_wg_go(&server, serve_all, listener);
        if (argc > 1)
                while (rn_fd_read(STDIN_FILENO, &c, 1) > 0)
                        continue;
        else
                talk_to_ourselves(listener);
        stop(listener, &server);
        printf("stopped\n");
        return 0;
}
