/* SPDX-License-Identifier: MIT
 * The client of the echo benchmark, the same for every server and nobody's library: one thread,
 * epoll, each connection sends the next request when the answer to the last is there. `netclient
 * PORT PID CONNECTIONS REQUESTS` prints KEY=VALUE lines as bench.h says: the time for each request,
 * how long an answer takes, and by how much process PID (resident pages and page tables) has grown
 * for each connection. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 64, BATCH = 64, WARM = 10 };

struct conn {
        int fd;
        long long sent_at;
};

static struct conn *conns;
static unsigned *late;   /* ns of each measured answer */
static long answers, wanted;
static int epoll;

static void die(const char *what)
{
        fprintf(stderr, "netclient: %s: %s\n", what, strerror(errno));
        exit(1);
}

static long long now(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static long kib_of(const char *pid)
{
        char path[64], line[256];
        long sum = 0;
        FILE *f;

        snprintf(path, sizeof path, "/proc/%s/status", pid);
        f = fopen(path, "r");
        if (!f)
                die(path);
        while (fgets(line, sizeof line, f))
                if (strncmp(line, "VmRSS:", 6) == 0 || strncmp(line, "VmPTE:", 6) == 0)
                        sum += strtol(line + 6, NULL, 10);
        fclose(f);
        return sum;
}

static void request(struct conn *c, long long at)
{
        static const char text[SIZE] = "what is said is said again";

        c->sent_at = at;
        if (send(c->fd, text, SIZE, MSG_NOSIGNAL) != SIZE)
                die("send");
}

static void answer(struct conn *c)
{
        char text[SIZE];
        ssize_t n = recv(c->fd, text, SIZE, 0);
        long long t;

        if (n != SIZE)
                die(n < 0 ? "recv" : "a short answer");
        t = now();
        if (late)
                late[answers] = (unsigned)(t - c->sent_at);
        answers++;
        if (wanted > 0) {
                wanted--;
                request(c, t);
        }
}

/* n answers, from all connections at once. */
static void run(long n, int connections)
{
        struct epoll_event events[BATCH];
        long long t = now();

        answers = 0;
        wanted = n - connections;
        for (int i = 0; i < connections; i++)
                request(&conns[i], t);
        while (answers < n) {
                int got = epoll_wait(epoll, events, BATCH, -1);

                if (got < 0)
                        die("epoll_wait");
                for (int i = 0; i < got; i++)
                        answer(events[i].data.ptr);
        }
}

static void connect_all(const char *port, int connections)
{
        struct sockaddr_in a = { .sin_family = AF_INET,
                                 .sin_port = htons((unsigned short)atoi(port)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

        for (int i = 0; i < connections; i++) {
                struct epoll_event e = { .events = EPOLLIN, .data.ptr = &conns[i] };
                int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

                if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
                        die("connect");
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                conns[i].fd = fd;
                if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0)
                        die("epoll_ctl");
        }
}

static int compare(const void *a, const void *b)
{
        unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

        return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
        struct rlimit files = { 65536, 65536 };
        long before, requests;
        int connections;
        long long begun;

        if (argc != 5 || (connections = atoi(argv[3])) < 1 ||
            (requests = atol(argv[4])) < connections) {
                fprintf(stderr, "usage: netclient PORT PID CONNECTIONS REQUESTS\n");
                return 2;
        }
        setrlimit(RLIMIT_NOFILE, &files);
        conns = calloc((size_t)connections, sizeof *conns);
        epoll = epoll_create1(EPOLL_CLOEXEC);
        if (!conns || epoll < 0)
                die("start");
        before = kib_of(argv[2]);
        connect_all(argv[1], connections);
        run((long)WARM * connections, connections);
        printf("bytes_connection=%.2f\n", (double)(kib_of(argv[2]) - before) * 1024 / connections);
        late = malloc((size_t)requests * sizeof *late);
        if (!late)
                die("malloc");
        memset(late, 1, (size_t)requests * sizeof *late);
        begun = now();
        run(requests, connections);
        printf("ns_request=%.2f\n", (double)(now() - begun) / (double)requests);
        qsort(late, (size_t)requests, sizeof *late, compare);
        printf("us_answer_p50=%.2f\n", late[(requests - 1) / 2] / 1e3);
        printf("us_answer_p99=%.2f\n", late[(requests - 1) / 100 * 99] / 1e3);
        return 0;
}
