/* SPDX-License-Identifier: MIT
 * Network: a TCP echo server, one goroutine a connection, with netclient at the other end, which
 * prints the figures; and how late a read's deadline is on a connection where nothing comes. */
#include "tests/bench/bench.h"

#include <netinet/in.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

enum { SAMPLES = 1000 };

static void serve(int fd)
{
        char buf[2048];
        ssize_t n;

        while ((n = rn_fd_read(fd, buf, sizeof buf)) > 0 && rn_fd_write(fd, buf, (size_t)n) == n)
                continue;
        rn_fd_close(fd);
}

static void serve_all(int listener)
{
        int fd;

        while ((fd = rn_fd_accept(listener, NULL, NULL)) >= 0)
                rn_go(serve, fd);
}

static int port_of(int listener)
{
        struct sockaddr_in a;
        socklen_t n = sizeof a;

        must(getsockname(listener, (struct sockaddr *)&a, &n) == 0, "the listener has a port");
        return ntohs(a.sin_port);
}

/* -c connections, -n requests. */
static void echo(void)
{
        char port[16], pid[16], connections[16], requests[16], *client = getenv("NETCLIENT");
        char *args[] = { client, port, pid, connections, requests, NULL };
        int listener = rn_listen("127.0.0.1:0", 4096), status;
        struct rlimit files = { 65536, 65536 };
        pid_t child;

        must(client != NULL, "NETCLIENT says where the client is");
        must(listener >= 0, "listen");
        setrlimit(RLIMIT_NOFILE, &files);
        rn_go(serve_all, listener);
        snprintf(port, sizeof port, "%d", port_of(listener));
        snprintf(pid, sizeof pid, "%d", (int)getpid());
        snprintf(connections, sizeof connections, "%ld", option("-c", 100));
        snprintf(requests, sizeof requests, "%ld", option("-n", 400000));
        must(posix_spawn(&child, client, NULL, NULL, args, environ) == 0, "the client starts");
        must(rn_process_wait(child, &status) == 0 && status == 0, "the client ends well");
}

static int compare(const void *a, const void *b)
{
        rn_dur x = *(const rn_dur *)a, y = *(const rn_dur *)b;

        return (x > y) - (x < y);
}

/* How much later than its deadline a read returns. */
static void deadlines(void)
{
        rn_dur late[SAMPLES];
        char c;
        int p[2];

        must(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0, "a pair of sockets");
        for (int i = 0; i < SAMPLES; i++) {
                rn_time until = rn_deadline(RN_MSEC + i % 10 * 100 * RN_USEC);

                must(rn_fd_read_until(p[0], &c, 1, until) < 0, "nothing to read");
                late[i] = rn_now() - until;
                must(late[i] >= 0, "a deadline is not too early");
        }
        qsort(late, SAMPLES, sizeof *late, compare);
        print_value("us_deadline_p50", (double)late[(SAMPLES - 1) / 2] / (double)RN_USEC);
        print_value("us_deadline_p99", (double)late[(SAMPLES - 1) * 99 / 100] / (double)RN_USEC);
        rn_fd_close(p[0]);
        rn_fd_close(p[1]);
}

static const struct work works[] = { { "echo", echo }, { "deadline", deadlines } };

int main(int argc, char **argv)
{
        (void)argc;
        return bench_main(argv, works, sizeof(works) / sizeof(works[0]));
}
