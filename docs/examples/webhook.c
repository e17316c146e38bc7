/* SPDX-License-Identifier: MIT
 * webhook: an HTTP/1.1 service that never holds more than it has said it would. A goroutine for
 * each connection reads its requests and answers them in order; the work is done by a pool behind a
 * channel with room for so many jobs and no more.
 *
 *     POST /hook     hands the body to a worker and answers with its checksum (FNV-1a)
 *     GET /stats     what has been counted so far, as JSON
 *
 *     200            done
 *     503            the queue is full, ask again later (Retry-After); or the service ended before
 *                    the job was done
 *     504            the job was not done in time; the worker has been told by its context, and
 *                    stops as well
 *     4xx, 505       the request is at fault. Where its end cannot be known any more, the
 *                    connection ends too
 *
 * SIGTERM or SIGINT: only who stands in the kernel's queue already is still accepted. A request
 * that has begun to arrive may arrive, is answered, and the answer says that the connection ends. A
 * silent connection is listened to for a moment (LAST_CALL), since a request may be on its way, and
 * closed. What is not done after the grace time is answered 503. At last the counts are printed.
 *
 * No request is lost that was read: "requests" is the sum of ok, refused, late, bad and stats, and
 * "unsent" says how many of these answers a client did not take. Nobody has read a request that
 * crosses with the end of a silent connection or with the closing of the listener: HTTP has the
 * client send it again.
 *
 * HTTP is taken apart by http_parser (Debian: libhttp-parser-dev). A connection holds a buffer and
 * one body, both bounded, and so is the number of connections: the memory is bounded. */
#include <runnel.h>

#include <http_parser.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_BODY = 64 << 10, MOST_URL = 512 };
static const rn_dur LAST_CALL = 250 * RN_MSEC, LINGER = RN_SEC;

/* -- what is counted -- */

enum count { CONNECTIONS, REQUESTS, OK, REFUSED, LATE, BAD, STATS, UNSENT, COUNTS };
static const char *const count_names[] = { "connections", "requests", "ok",    "refused",
                                           "late",        "bad",      "stats", "unsent" };

struct job {
        rn_ctx *ctx; /* all of this is the job's own: a reference, memory, a reference */
        unsigned char *body;
        size_t len;
        rn_send_chan(uint32_t) sum; /* room for one: who is too late leaves it there */
};

struct service {
        const char *addr;
        int workers, queue, connections;    /* options */
        rn_dur timeout, delay, patience, grace;
        int listener;
        rn_ctx *stop; /* ended by the signal */
        rn_ctx *end;  /* ended when the grace time is over: the parent of every request's context */
        rn_chan(struct job) jobs;
        rn_sem room; /* for connections */
        rn_wg serving, working, waiting;
        atomic_ulong counts[COUNTS];
};

static void count(struct service *s, enum count what)
{
        atomic_fetch_add(&s->counts[what], 1);
}

/* All counts, as a line of JSON. Read from the last to the first: no answer is counted whose
 * request is not. */
static void write_counts(struct service *s, char *text, size_t size)
{
        unsigned long now[COUNTS], answered;
        size_t n;

        for (int i = COUNTS - 1; i >= 0; i--)
                now[i] = atomic_load(&s->counts[i]);
        answered = now[OK] + now[REFUSED] + now[LATE] + now[BAD] + now[STATS];
        n = (size_t)snprintf(text, size, "{\"in_flight\":%lu", now[REQUESTS] - answered);
        for (int i = 0; i < COUNTS; i++)
                n += (size_t)snprintf(text + n, size - n, ",\"%s\":%lu", count_names[i], now[i]);
        snprintf(text + n, size - n, "}\n");
}

/* -- workers -- */

static void drop(struct job *job)
{
        free(job->body);
        rn_unref(job->sum);
        rn_unref(job->ctx);
}

/* Ends when the jobs are closed and none is left. One whose time is over is not begun. */
static void work(struct service *s)
{
        rn_range(job, s->jobs) {
                uint32_t sum = 2166136261;

                if (rn_ctx_sleep(job.ctx, s->delay) == 0) {
                        for (size_t i = 0; i < job.len; i++)
                                sum = (sum ^ job.body[i]) * 16777619;
                        rn_send(job.sum, sum);
                }
                drop(&job);
        }
}

/* -- a connection, and the request that it reads -- */

/* Set by the parser's callbacks. */
struct request {
        bool begun, complete, keep;     /* its first byte is here; its last; the client wants to go
                                         * on */
        bool hosted, expects, go_on;    /* it has a Host; an Expect; the client waits for "100
                                         * Continue" */
        bool in_value;                  /* a piece of a value has come since the last piece of a
                                         * name */
        int timed;                      /* which deadline has been set: 1 for its first byte, 2 for
                                         * the others */
        int wrong;                      /* the status it deserves already, or 0 */
        size_t url_len, name_len, len, cap;
        unsigned char *body;
        char url[MOST_URL + 1];
        char name[8]; /* of the header that is read, as much as tells those we look for */
};

struct conn {
        struct service *s;
        int fd;
        http_parser parser;
        struct request r;
        size_t got, used; /* bytes in the buffer; those the parser has had */
        char in[8192];
};

static struct request *request_of(http_parser *p)
{
        return &((struct conn *)p->data)->r;
}

static int reject(struct request *r, int status)
{
        r->wrong = status;
        return -1;
}

static int on_begin(http_parser *p)
{
        request_of(p)->begun = true;
        return 0;
}

static int on_url(http_parser *p, const char *at, size_t n)
{
        struct request *r = request_of(p);

        if (n > MOST_URL - r->url_len)
                return reject(r, 414);
        memcpy(r->url + r->url_len, at, n);
        r->url_len += n;
        return 0;
}

/* A name, and a value, may come in pieces. */
static int on_name(http_parser *p, const char *at, size_t n)
{
        struct request *r = request_of(p);

        if (r->in_value)
                r->name_len = 0;
        r->in_value = false;
        for (size_t i = 0; i < n; i++, r->name_len++)
                if (r->name_len < sizeof r->name)
                        r->name[r->name_len] = at[i];
        return 0;
}

/* "100-continue" is all that can be expected. */
static int on_value(http_parser *p, const char *at, size_t n)
{
        struct request *r = request_of(p);

        (void)at, (void)n;
        r->in_value = true;
        if (r->name_len == 4 && strncasecmp(r->name, "host", 4) == 0)
                r->hosted = true;
        if (r->name_len == 6 && strncasecmp(r->name, "expect", 6) == 0)
                r->expects = p->http_minor > 0;
        return 0;
}

/* What can be refused before the body comes is. */
static int on_headers(http_parser *p)
{
        struct request *r = request_of(p);

        if (p->http_major != 1)
                return reject(r, 505);
        if (!r->hosted && p->http_minor > 0)
                return reject(r, 400);
        if (p->content_length != UINT64_MAX && p->content_length > MOST_BODY)
                return reject(r, 413);
        r->go_on = r->expects;
        return 0;
}

/* The memory grows with what has come, not with what has been announced. */
static int on_body(http_parser *p, const char *at, size_t n)
{
        struct request *r = request_of(p);

        if (n > MOST_BODY - r->len)
                return reject(r, 413);
        if (n > r->cap - r->len) {
                size_t cap = r->len + n > 2 * r->cap ? r->len + n : 2 * r->cap;
                unsigned char *body = realloc(r->body, cap);

                if (!body)
                        return reject(r, 500);
                r->body = body;
                r->cap = cap;
        }
        memcpy(r->body + r->len, at, n);
        r->len += n;
        return 0;
}

/* The parser stops here, and so the requests behind this one wait in the buffer until it is
 * answered. */
static int on_complete(http_parser *p)
{
        struct request *r = request_of(p);

        r->complete = true;
        r->keep = http_should_keep_alive(p);
        http_parser_pause(p, 1);
        return 0;
}

static const http_parser_settings callbacks = {
        .on_message_begin = on_begin,
        .on_url = on_url,
        .on_header_field = on_name,
        .on_header_value = on_value,
        .on_headers_complete = on_headers,
        .on_body = on_body,
        .on_message_complete = on_complete,
};

/* One deadline for the first byte of a request and one for all others: a client that sends a byte
 * now and then gains nothing. */
static void set_deadline(struct conn *c)
{
        int stage = c->r.begun ? 2 : 1;

        if (c->r.timed != stage)
                rn_fd_deadline(c->fd, RN_READ, rn_deadline(c->s->patience));
        c->r.timed = stage;
}

/* Waits for bytes and fills the buffer with them; false if none will come. Between requests the
 * signal ends the waiting, within one the end of the grace time does. */
static bool fill(struct conn *c)
{
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        ssize_t n;

        set_deadline(c);
        c->got = c->used = 0;
        if (c->r.begun) {
                if (c->r.go_on && c->r.len == 0)
                        rn_fd_write_until(c->fd, go_on, sizeof go_on - 1, NULL,
                                          rn_deadline(c->s->patience));
                c->r.go_on = false;
                n = rn_fd_read_ctx(c->fd, c->in, sizeof c->in, c->s->end);
                if (n == -ETIMEDOUT || n == -ECANCELED)
                        c->r.wrong = 408;
        } else {
                n = rn_fd_read_ctx(c->fd, c->in, sizeof c->in, c->s->stop);
                if (n == -ECANCELED)
                        n = rn_fd_read_until(c->fd, c->in, sizeof c->in, rn_deadline(LAST_CALL));
        }
        if (n <= 0)
                return false;
        c->got = (size_t)n;
        return true;
}

/* Reads a request. True if there is something to answer: one that is complete, or one with
 * something wrong. */
static bool read_request(struct conn *c)
{
        enum http_errno err;

        free(c->r.body);
        c->r = (struct request){ 0 };
        while (!c->r.complete && !c->r.wrong) {
                if (c->used == c->got && !fill(c))
                        break;
                c->used += http_parser_execute(&c->parser, &callbacks, c->in + c->used,
                                               c->got - c->used);
                err = HTTP_PARSER_ERRNO(&c->parser);
                if (err == HPE_PAUSED)
                        http_parser_pause(&c->parser, 0);
                else if (err != HPE_OK && !c->r.wrong)
                        c->r.wrong = err == HPE_HEADER_OVERFLOW ? 431 : 400;
        }
        if (!c->r.complete && !c->r.wrong)
                return false;
        count(c->s, REQUESTS);
        return true;
}

/* -- answering -- */

/* Counts an answer and sends it, in this order, so that who has it is counted. fields: further
 * lines of the header. When the service stops the connection ends, but not before what stands in
 * the buffer: it has been read. */
static void answer(struct conn *c, enum count kind, int status, const char *fields,
                   const char *text)
{
        char out[1536], date[40];
        time_t now = time(NULL);
        struct tm tm;
        size_t n;

        count(c->s, kind);
        if (c->r.wrong || (rn_ctx_err(c->s->stop) && c->used == c->got))
                c->r.keep = false;
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
        n = (size_t)snprintf(out, sizeof out,
                             "HTTP/1.1 %d %s\r\n"
                             "Date: %s\r\n"
                             "Content-Length: %zu\r\n"
                             "Connection: %s\r\n"
                             "%s\r\n%s",
                             status, http_status_str((enum http_status)status), date, strlen(text),
                             c->r.keep ? "keep-alive" : "close", fields,
                             c->parser.method == HTTP_HEAD ? "" : text);
        if (rn_fd_write_until(c->fd, out, n, NULL, rn_deadline(c->s->patience)) < 0) {
                count(c->s, UNSENT);
                c->r.keep = false;
        }
}

/* Has a worker do the job, and waits for it or for the end of its time. Who is too late is not
 * waited for: the job is its own. */
static void do_hook(struct conn *c)
{
        enum { DONE, END };
        rn_ctx *ctx = rn_ctx_with_timeout(c->s->end, c->s->timeout);
        rn_chan(uint32_t) sums = rn_make(uint32_t, 1);
        struct job job = { rn_ref(ctx), c->r.body, c->r.len, rn_ref(sums) };
        uint32_t sum = 0;
        char text[16];

        rn_defer(rn_unref, sums);
        rn_defer(rn_ctx_release, ctx);
        c->r.body = NULL;
        if (!rn_try_send(c->s->jobs, job)) {
                drop(&job);
                answer(c, REFUSED, 503, "Retry-After: 1\r\n", "busy\n");
        } else if (rn_select([DONE] = rn_on_recv(sums, &sum),
                             [END] = rn_on_signal(rn_ctx_done(ctx))) == DONE) {
                snprintf(text, sizeof text, "%08x\n", sum);
                answer(c, OK, 200, "Content-Type: text/plain\r\n", text);
        } else if (rn_ctx_err(ctx) == -ETIMEDOUT) {
                answer(c, LATE, 504, "", "not done in time\n");
        } else {
                answer(c, REFUSED, 503, "Retry-After: 1\r\n", "the service ends\n");
        }
}

static void show_stats(struct conn *c)
{
        char text[512];

        write_counts(c->s, text, sizeof text);
        answer(c, STATS, 200, "Content-Type: application/json\r\n", text);
}

/* Of the request's address; "" if it has none. */
static const char *path_of(struct request *r, bool connect)
{
        struct http_parser_url url;
        const char *path = r->url + r->url_len;

        http_parser_url_init(&url);
        if (http_parser_parse_url(r->url, r->url_len, connect, &url) == 0 &&
            url.field_set & 1 << UF_PATH) {
                path = r->url + url.field_data[UF_PATH].off;
                r->url[url.field_data[UF_PATH].off + url.field_data[UF_PATH].len] = '\0';
        }
        return path;
}

static void answer_request(struct conn *c)
{
        unsigned method = c->parser.method == HTTP_HEAD ? HTTP_GET : c->parser.method;
        const char *path = path_of(&c->r, method == HTTP_CONNECT);
        bool hook = strcmp(path, "/hook") == 0;

        if (c->r.wrong)
                answer(c, BAD, c->r.wrong, "", "");
        else if (!hook && strcmp(path, "/stats") != 0)
                answer(c, BAD, 404, "", "");
        else if (method != (hook ? HTTP_POST : HTTP_GET))
                answer(c, BAD, 405, hook ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n", "");
        else if (hook)
                do_hook(c);
        else
                show_stats(c);
}

/* Bytes that nobody reads would make the close a reset, and a reset destroys answers on their way:
 * so the client is heard to its end, or for a while. */
static void hang_up(struct conn *c)
{
        rn_time until = rn_deadline(LINGER);

        rn_fd_deadline(c->fd, RN_READ, RN_NEVER);
        if (shutdown(c->fd, SHUT_WR) == 0)
                while (rn_fd_read_until(c->fd, c->in, sizeof c->in, until) > 0)
                        continue;
        rn_fd_close(c->fd);
}

static void serve(struct service *s, int fd)
{
        struct conn c = { .s = s, .fd = fd };

        http_parser_init(&c.parser, HTTP_REQUEST);
        c.parser.data = &c;
        do {
                if (!read_request(&c))
                        break;
                answer_request(&c);
        } while (c.r.keep);
        hang_up(&c);
        free(c.r.body);
        rn_sem_release(&s->room, 1);
}

/* -- the whole -- */

/* Returns when the service stops: 0, or why the listener failed. More connections than there is
 * room for wait in the kernel's queue. Those that stand there at the signal are taken too. */
static int accept_all(struct service *s)
{
        int fd = 0;

        while (rn_sem_acquire_ctx(&s->room, 1, s->end) == 0) {
                fd = rn_fd_accept_ctx(s->listener, NULL, NULL, s->stop);
                if (fd == -ECANCELED)
                        fd = rn_fd_accept_until(s->listener, NULL, NULL, 0);
                if (fd < 0)
                        break;
                count(s, CONNECTIONS);
                rn_wg_go(&s->serving, serve, s, fd);
        }
        rn_fd_close(s->listener);
        return rn_ctx_err(s->stop) ? 0 : fd;
}

static void limit_grace(struct service *s)
{
        rn_wait(rn_ctx_done(s->stop));
        if (rn_ctx_sleep(s->end, s->grace) == 0)
                rn_ctx_cancel(s->end);
}

/* From the first connection to the end of all; 0, or why not. */
static int run(struct service *s)
{
        int err;

        s->jobs = rn_make(struct job, s->queue);
        rn_sem_init(&s->room, s->connections);
        for (int i = 0; i < s->workers; i++)
                rn_wg_go(&s->working, work, s);
        rn_wg_go(&s->waiting, limit_grace, s);
        err = accept_all(s);
        if (err)
                rn_ctx_cancel(s->stop);
        rn_wg_wait(&s->serving);
        rn_close(s->jobs); /* nobody is left who would send */
        rn_wg_wait(&s->working);
        rn_ctx_cancel(s->end);
        rn_wg_wait(&s->waiting);
        rn_unref(s->jobs);
        return err;
}

static void print_address(const struct service *s)
{
        struct sockaddr_storage at;
        socklen_t len = sizeof at;
        char host[NI_MAXHOST], port[NI_MAXSERV];

        if (getsockname(s->listener, (struct sockaddr *)&at, &len) < 0 || at.ss_family == AF_UNIX ||
            getnameinfo((struct sockaddr *)&at, len, host, sizeof host, port, sizeof port,
                        NI_NUMERICHOST | NI_NUMERICSERV))
                printf("webhook: listening on %s\n", s->addr);
        else
                printf(strchr(host, ':') ? "webhook: listening on [%s]:%s\n"
                                         : "webhook: listening on %s:%s\n",
                       host, port);
        fflush(stdout);
}

static const char usage[] = "usage: webhook [-a ADDRESS] [-w WORKERS] [-q QUEUE] [-c CONNECTIONS] "
                            "[-t TIMEOUT_MS] [-d DELAY_US]\n"
                            "               [-i PATIENCE_MS] [-g GRACE_MS]\n"
                            "-d: what a job takes; -i: how long a client may let us wait\n";

static _Noreturn void misused(const char *arg, const char *why)
{
        fprintf(stderr, "webhook: %s: %s\n%s", arg, why, usage);
        exit(2);
}

/* The argument of an option. */
static int number(int least)
{
        char *end;
        long n = strtol(optarg, &end, 10);

        if (*optarg == '\0' || *end != '\0' || n < least || n > INT32_MAX)
                misused(optarg, "not a number, or out of range");
        return (int)n;
}

static void read_options(struct service *s, int argc, char **argv)
{
        int o;

        while ((o = getopt(argc, argv, "a:w:q:c:t:d:i:g:")) != -1)
                switch (o) {
                case 'a': s->addr = optarg; break;
                case 'w': s->workers = number(1); break;
                case 'q': s->queue = number(0); break;
                case 'c': s->connections = number(1); break;
                case 't': s->timeout = number(1) * RN_MSEC; break;
                case 'd': s->delay = number(0) * RN_USEC; break;
                case 'i': s->patience = number(1) * RN_MSEC; break;
                case 'g': s->grace = number(0) * RN_MSEC; break;
                default: misused(argv[optind - 1], "no such option, or nothing behind it");
                }
        if (optind < argc)
                misused(argv[optind], "nothing is expected here");
}

int main(int argc, char **argv)
{
        static struct service s = { .addr = "127.0.0.1:8080", .workers = 8, .queue = 128,
                                    .connections = 900, .timeout = RN_SEC,
                                    .patience = 10 * RN_SEC, .grace = 5 * RN_SEC };
        char text[512];
        int err;

        read_options(&s, argc, argv);
        s.listener = rn_listen(s.addr, 0);
        if (s.listener < 0) {
                fprintf(stderr, "webhook: %s: %s\n", s.addr, strerror(-s.listener));
                return 1;
        }
        s.stop = rn_signal_ctx(rn_ctx_background(), SIGTERM, SIGINT);
        s.end = rn_ctx_with_cancel(rn_ctx_background());
        print_address(&s);
        err = run(&s);
        if (err)
                fprintf(stderr, "webhook: accept: %s\n", strerror(-err));
        write_counts(&s, text, sizeof text);
        printf("webhook: ended: %s", text);
        rn_ctx_release(s.stop);
        rn_ctx_release(s.end);
        return err ? 1 : 0;
}
