/* SPDX-License-Identifier: MIT
 * A client for tests/webhook/run.sh that shares nothing with the server: plain sockets, epoll, HTTP
 * taken apart by hand. One thread.
 *
 *     client -p PORT -c CONNECTIONS -n REQUESTS [-g AFTER]
 *         As many requests as said over so many connections, the next on each once the last is
 *         answered; -n 0: until the server closes every connection. A request's body is its own
 *         number, and the answer 200 has to be the checksum of that. Says "going" after so many
 *         answers, and what came of everything in its last line:
 *             sent     requests that were written to the last byte
 *             ok, refused, late, other    answers 200, 503, 504 and the rest
 *             retry    those of 503 that say Retry-After: 1
 *             wrong    answers 200 with a checksum that is not ours
 *             told     connections that were closed after an answer with Connection: close, as
 *                      announced
 *             crossed  requests to which nothing at all came before the connection ended: HTTP's
 *                      race of a request with the end of a silent connection. Lost only if the
 *                      server has read them, which its own count tells
 *             cut      answers of which a part came
 *             reset    connections that ended by a reset
 *         Status 0 if nothing is wrong or cut; 1 otherwise, also when nothing happens for 60 s.
 *
 *     client -p PORT -r [-s] [-h]
 *         Sends standard input and prints what comes until the server closes. -s: each byte in a
 *         segment of its own; -h: says at the end of standard input that nothing more will come.
 *         Status 3 if nobody listens. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BODY = 256, ANSWER = 4096, SILENCE_MS = 60000 };

struct conn {
        int fd;
        bool told;    /* the last answer said Connection: close */
        long number;  /* of the request that waits for its answer, or -1 */
        size_t len;
        char in[ANSWER + 1]; /* what has come of it, and a 0 */
};

static struct {
        long sent, ok, refused, late, other, retry, wrong, told, crossed, cut, reset;
} n;
static struct sockaddr_in server = { .sin_family = AF_INET };
static long wanted, issued, answered, going_after = -1;
static int alive;

static void die(const char *what)
{
        perror(what);
        exit(1);
}

static int connect_to_server(void)
{
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

        if (fd < 0)
                die("socket");
        if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0) {
                perror("connect");
                exit(3);
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        return fd;
}

static uint32_t checksum(const char *text)
{
        uint32_t sum = 2166136261u;

        for (; *text; text++)
                sum = (sum ^ (unsigned char)*text) * 16777619u;
        return sum;
}

/* -- one connection of many -- */

static void finish(struct conn *c, bool reset)
{
        if (c->number >= 0 && c->len > 0)
                n.cut++;
        else if (c->number >= 0)
                n.crossed++;
        else if (c->told)
                n.told++;
        n.reset += reset;
        close(c->fd);
        c->fd = -1;
        alive--;
}

/* What request number i carries: long enough that a body which is not freed shows. */
static void write_body(char body[BODY + 1], long i)
{
        snprintf(body, BODY + 1, "%0*ld", BODY, i);
}

/* Sends the next request, if one is wanted. So few bytes fit into the buffer of a connection where
 * nothing is under way. */
static void ask(struct conn *c)
{
        char body[BODY + 1], out[BODY + 256];
        int len;

        if (wanted > 0 && issued == wanted)
                return;
        write_body(body, issued);
        len = snprintf(out, sizeof out,
                       "POST /hook HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s", BODY,
                       body);
        if (send(c->fd, out, (size_t)len, MSG_NOSIGNAL) != len)
                return;   /* reading will say that the connection has ended */
        n.sent++;
        c->number = issued++;
        c->len = 0;
}

static void judge(struct conn *c, const char *body)
{
        int status = atoi(c->in + strlen("HTTP/1.1 "));
        char ours[BODY + 1];

        if (status == 200) {
                write_body(ours, c->number);
                n.ok++;
                n.wrong += strtoul(body, NULL, 16) != checksum(ours);
        } else if (status == 503) {
                n.refused++;
                n.retry += strcasestr(c->in, "\r\nRetry-After: 1\r\n") != NULL;
        } else if (status == 504) {
                n.late++;
        } else {
                n.other++;
        }
}

/* Is the answer here, to its last byte? Then it is counted. */
static bool take_answer(struct conn *c)
{
        char *end = strstr(c->in, "\r\n\r\n"), *length;
        size_t whole;

        if (!end)
                return false;
        end[2] = '\0';   /* the header's lines and nothing else are searched */
        length = strcasestr(c->in, "\r\nContent-Length: ");
        if (strncmp(c->in, "HTTP/1.1 ", 9) != 0 || !length) {
                fprintf(stderr, "client: no answer that we understand: %s\n", c->in);
                exit(1);
        }
        whole = (size_t)(end + 4 - c->in) +
                strtoul(length + strlen("\r\nContent-Length: "), NULL, 10);
        if (c->len < whole) {
                end[2] = '\r';
                return false;
        }
        if (c->len > whole) {
                fprintf(stderr, "client: more came than was asked for\n");
                exit(1);
        }
        judge(c, end + 4);
        c->told = strcasestr(c->in, "\r\nConnection: close\r\n") != NULL;
        c->number = -1;
        if (++answered == going_after) {
                printf("going\n");
                fflush(stdout);
        }
        return true;
}

static void receive(struct conn *c)
{
        ssize_t r = recv(c->fd, c->in + c->len, ANSWER - c->len, MSG_DONTWAIT);

        if (r < 0 && errno == EAGAIN)
                return;
        if (r <= 0) {
                finish(c, r < 0);
                return;
        }
        if (c->number < 0) {
                fprintf(stderr, "client: an answer that nobody asked for\n");
                exit(1);
        }
        c->len += (size_t)r;
        c->in[c->len] = '\0';
        if (take_answer(c) && !c->told)
                ask(c);
}

static int run_many(int connections)
{
        struct conn *conns = calloc((size_t)connections, sizeof *conns);
        int set = epoll_create1(EPOLL_CLOEXEC), status = 0;

        if (!conns || set < 0)
                die("client");
        for (struct conn *c = conns; c < conns + connections; c++) {
                struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

                c->fd = connect_to_server();
                c->number = -1;
                if (epoll_ctl(set, EPOLL_CTL_ADD, c->fd, &e) < 0)
                        die("epoll_ctl");
        }
        alive = connections;
        for (struct conn *c = conns; c < conns + connections; c++)
                ask(c);
        while (alive > 0 && (wanted == 0 || answered < wanted)) {
                struct epoll_event events[64];
                int got = epoll_wait(set, events, 64, SILENCE_MS);

                if (got <= 0) {
                        fprintf(stderr, "client: silence\n");
                        status = 1;
                        break;
                }
                for (int i = 0; i < got; i++)
                        receive(events[i].data.ptr);
        }
        printf("sent %ld ok %ld refused %ld late %ld other %ld retry %ld wrong %ld told %ld "
               "crossed %ld cut %ld reset %ld\n",
               n.sent, n.ok, n.refused, n.late, n.other, n.retry, n.wrong, n.told, n.crossed,
               n.cut, n.reset);
        free(conns);
        return status || n.wrong || n.cut || answered < wanted;
}

/* -- one connection, bytes as they are -- */

static void send_all(int fd, const char *at, size_t len, size_t piece)
{
        for (size_t now; len > 0; at += now, len -= now) {
                now = len < piece ? len : piece;
                if (send(fd, at, now, MSG_NOSIGNAL) != (ssize_t)now)
                        return;   /* the server will hear no more: what it has said is read all the
                                   * same */
        }
}

static int run_raw(bool split, bool half)
{
        int fd = connect_to_server();
        struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
                               { .fd = STDIN_FILENO, .events = POLLIN } };
        char buf[65536];
        ssize_t r;

        for (;;) {
                if (poll(p, 2, SILENCE_MS) <= 0) {
                        fprintf(stderr, "client: silence\n");
                        return 1;
                }
                if (p[0].revents) {
                        r = read(fd, buf, sizeof buf);
                        if (r < 0)
                                die("client: read");
                        if (r == 0)
                                return 0;
                        fwrite(buf, 1, (size_t)r, stdout);
                        fflush(stdout);
                }
                if (p[1].revents) {
                        r = read(STDIN_FILENO, buf, sizeof buf);
                        if (r > 0) {
                                send_all(fd, buf, (size_t)r, split ? 1 : sizeof buf);
                                continue;
                        }
                        p[1].fd = -1;
                        if (half)
                                shutdown(fd, SHUT_WR);
                }
        }
}

int main(int argc, char **argv)
{
        bool raw = false, split = false, half = false;
        int connections = 1, o;

        while ((o = getopt(argc, argv, "p:c:n:g:rsh")) != -1)
                switch (o) {
                case 'p': server.sin_port = htons((uint16_t)atoi(optarg)); break;
                case 'c': connections = atoi(optarg); break;
                case 'n': wanted = atol(optarg); break;
                case 'g': going_after = atol(optarg); break;
                case 'r': raw = true; break;
                case 's': split = true; break;
                case 'h': half = true; break;
                default: return 2;
                }
        server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return raw ? run_raw(split, half) : run_many(connections);
}
