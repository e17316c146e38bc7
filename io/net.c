/* SPDX-License-Identifier: MIT
 * rn_dial and rn_listen: an address in words to sockets, tried in turn. The resolver is the one
 * call here that blocks its thread. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "io/block.h"
#include "io/io.h"

#define LEAST_SHARE (2 * RN_SEC)

/* What an address says. */
struct spec {
        char host[256];            /* "": none */
        char port[64];
        bool passive;              /* to listen on */
        bool local;                /* a unix socket: un */
        struct sockaddr_un un;
        socklen_t un_len;
        struct addrinfo *list;     /* what it was resolved to */
};

/* -- words -- */

static int parse_unix(struct spec *s, const char *path)
{
        size_t n = strlen(path);

        if (n == 0)
                return -EINVAL;
        if (n >= sizeof s->un.sun_path)
                return -ENAMETOOLONG;
        s->local = true;
        s->un.sun_family = AF_UNIX;
        memcpy(s->un.sun_path, path, n + 1);
        s->un_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] != '@'));
        if (path[0] == '@')
                s->un.sun_path[0] = '\0';
        return 0;
}

static int copy(char *to, size_t size, const char *from, size_t n)
{
        if (n >= size)
                return -ENAMETOOLONG;
        memcpy(to, from, n);
        to[n] = '\0';
        return 0;
}

/* getaddrinfo takes a number that is no port modulo 65536. */
static bool is_port(const char *text)
{
        char *end;
        unsigned long n = strtoul(text, &end, 10);

        return *end != '\0' || n <= 65535;   /* a service has a name */
}

/* An IPv6 address stands in brackets, or its colons would be taken for the port's. */
static int parse(struct spec *s, const char *addr)
{
        const char *colon = strrchr(addr, ':'), *host = addr, *end = colon;
        int r;

        if (strncmp(addr, "unix:", 5) == 0)
                return parse_unix(s, addr + 5);
        if (!colon || colon[1] == '\0' || !is_port(colon + 1))
                return -EINVAL;
        if (addr[0] == '[') {
                host++;
                end--;
                if (end <= host || *end != ']')
                        return -EINVAL;
        } else if (memchr(addr, ':', (size_t)(colon - addr))) {
                return -EINVAL;
        }
        r = copy(s->host, sizeof s->host, host, (size_t)(end - host));
        return r ? r : copy(s->port, sizeof s->port, colon + 1, strlen(colon + 1));
}

/* -- names -- */

static int resolver_error(int err, int sys)
{
        switch (err) {
        case 0: return 0;
        case EAI_AGAIN: return -EAGAIN;
        case EAI_FAIL: return -EIO;
        case EAI_MEMORY: return -ENOMEM;
        case EAI_FAMILY: return -EAFNOSUPPORT;
#ifdef EAI_ADDRFAMILY
        case EAI_ADDRFAMILY: return -EAFNOSUPPORT;
#endif
        case EAI_SYSTEM: return sys > 0 ? -sys : -EIO;
        default: return -ENOENT;
        }
}

static int look_up(struct spec *s, int flags)
{
        struct addrinfo hints = { .ai_flags = flags | (s->passive ? AI_PASSIVE : 0),
                                  .ai_socktype = SOCK_STREAM };
        int err = getaddrinfo(s->host[0] ? s->host : NULL, s->port, &hints, &s->list);

        /* read at once: nothing has parked since */
        return resolver_error(err, err == EAI_SYSTEM ? *rni_thread_errno() : 0);
}

static intptr_t look_up_name(void *spec)
{
        return look_up(spec, AI_ADDRCONFIG);
}

static int resolve(struct spec *s)
{
        int r = look_up(s, AI_NUMERICHOST | AI_NUMERICSERV);   /* numbers: asks nobody */

        return r == 0 ? 0 : (int)rni_block_run(look_up_name, s);
}

/* -- sockets -- */

static int new_socket(int family)
{
        int fd = rni_os_socket(family, SOCK_STREAM, 0), r;

        if (fd < 0)
                return fd;
        if (family != AF_UNIX)
                rni_os_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        r = rni_pd_new(fd, family == AF_UNIX ? RNI_FD_SOCKET : RNI_FD_TCP);
        if (r == 0)
                return fd;
        rni_fd_shut(fd);
        return r;
}

static int dial_one(int family, const struct sockaddr *addr, socklen_t len, rn_time t,
                    struct fdop_end *end)
{
        int fd = new_socket(family), r;
        struct fdop op;

        if (fd < 0)
                return fd;
        r = rni_fdop_begin(&op, fd, FD_WRITE, t, end);
        if (r == 0)
                r = rni_io_connect(&op, addr, len);
        rni_fdop_end(&op);
        if (r == 0)
                return fd;
        rni_pd_close(fd);
        return r;
}

/* The time by which one of n addresses must have answered. */
static rn_time share(rn_time deadline, int n)
{
        rn_dur left, part;

        if (deadline == RN_NEVER || deadline == 0 || n < 2)
                return deadline;
        left = deadline - rn_now();
        part = left / n;
        if (part < LEAST_SHARE)
                part = LEAST_SHARE;
        return part < left ? deadline - left + part : deadline;
}

static int dial_list(const struct addrinfo *list, rn_time deadline, struct fdop_end *end)
{
        int n = 0, first = 0, r = -ENOENT;

        for (const struct addrinfo *a = list; a; a = a->ai_next)
                n++;
        for (const struct addrinfo *a = list; a; a = a->ai_next, n--) {
                r = dial_one(a->ai_family, a->ai_addr, a->ai_addrlen, share(deadline, n), end);
                if (r >= 0 || r == -ECANCELED)
                        return r;
                if (first == 0)
                        first = r;
                if (deadline != RN_NEVER && deadline <= rn_now())
                        break;
        }
        return first ? first : r;
}

int rni_dial(const char *addr, rn_time deadline, struct fdop_end *end)
{
        struct spec s = { .list = NULL };
        int r = parse(&s, addr);

        if (r == 0 && deadline != 0 && deadline != RN_NEVER && deadline <= rn_now())
                r = -ETIMEDOUT;
        if (r == 0 && s.local)
                return dial_one(AF_UNIX, (const struct sockaddr *)&s.un, s.un_len, deadline, end);
        if (r == 0)
                r = resolve(&s);
        if (r == 0) {
                r = dial_list(s.list, deadline, end);
                freeaddrinfo(s.list);
        }
        return r;
}

int rn_dial(const char *addr, rn_time deadline)
{
        int r = rni_dial(addr, deadline, NULL);

        rni_compiler_barrier();   /* no tail call: a frame for the dump */
        return r;
}

/* -- listening -- */

static int listen_one(int family, const struct sockaddr *addr, socklen_t len, int backlog,
                      bool both)
{
        int fd = new_socket(family), r;

        if (fd < 0)
                return fd;
        rni_os_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        if (family == AF_INET6)
                rni_os_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !both);
        r = rni_os_bind(fd, addr, len);
        if (r == 0)
                r = rni_os_listen(fd, backlog < 1 ? SOMAXCONN : backlog);
        if (r == 0)
                return fd;
        rni_pd_close(fd);
        return r;
}

/* Without a host: the IPv6 one first, which serves IPv4 too. */
static int listen_list(const struct addrinfo *list, int backlog, bool any)
{
        int first = 0;

        for (int round = any ? 0 : 1; round < 2; round++)
                for (const struct addrinfo *a = list; a; a = a->ai_next) {
                        int r;

                        if (round == 0 && a->ai_family != AF_INET6)
                                continue;
                        r = listen_one(a->ai_family, a->ai_addr, a->ai_addrlen, backlog, any);
                        if (r >= 0)
                                return r;
                        if (round == 1 && first == 0)
                                first = r;
                }
        return first ? first : -ENOENT;
}

int rn_listen(const char *addr, int backlog)
{
        struct spec s = { .passive = true };
        int r = parse(&s, addr);

        if (r == 0 && s.local)
                return listen_one(AF_UNIX, (const struct sockaddr *)&s.un, s.un_len, backlog,
                                  false);
        if (r == 0)
                r = resolve(&s);
        if (r == 0) {
                r = listen_list(s.list, backlog, s.host[0] == '\0');
                freeaddrinfo(s.list);
        }
        return r;
}
