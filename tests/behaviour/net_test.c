/* SPDX-License-Identifier: MIT
 * Connections: dialling, listening, accepting, datagrams, many at once; and that waiting for them
 * costs nothing and disturbs nobody. All on this machine alone. */
#define _GNU_SOURCE
#include "tests/support/behave.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define SOON rn_deadline(30 * RN_SEC)   /* on a machine that does other things too */

static int port_of(int l)
{
        struct sockaddr_storage a;
        socklen_t n = sizeof a;

        CHECK_EQ(getsockname(l, (struct sockaddr *)&a, &n), 0);
        return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                             : ((struct sockaddr_in *)&a)->sin_port);
}

struct served {
        int l;
        char addr[64];
};

static struct served new_listener(void)
{
        struct served s = { .l = rn_listen("127.0.0.1:0", 0) };

        CHECK(s.l >= 0);
        snprintf(s.addr, sizeof s.addr, "127.0.0.1:%d", port_of(s.l));
        return s;
}

static void echo(int fd)
{
        char buf[256];
        ssize_t n;

        while ((n = rn_fd_read(fd, buf, sizeof buf)) > 0)
                CHECK_EQ(rn_fd_write(fd, buf, (size_t)n), n);
        CHECK_EQ(rn_fd_close(fd), 0);
}

static void serve(int l, rn_wg *wg)
{
        int fd;

        rn_set_name("serve");
        while ((fd = rn_fd_accept(l, NULL, NULL)) >= 0)
                rn_wg_go(wg, echo, fd);
        CHECK_EQ(fd, -EBADF);
}

static void talk(int fd, int times)
{
        for (int i = 0; i < times; i++) {
                char out[32], in[32] = "";
                size_t len = (size_t)snprintf(out, sizeof out, "message %d", i), n = 0;

                CHECK_EQ(rn_fd_write(fd, out, len), (ssize_t)len);
                while (n < len) {
                        ssize_t got = rn_fd_read(fd, in + n, sizeof in - n);

                        if (!CHECK(got > 0))
                                return;
                        n += (size_t)got;
                }
                CHECK(memcmp(in, out, len) == 0);
        }
}

static void dial_and_talk(const char *addr, int times)
{
        int fd = rn_dial(addr, SOON);

        if (!CHECK(fd >= 0))
                return;
        talk(fd, times);
        CHECK_EQ(rn_fd_close(fd), 0);
}

/* -- addresses -- */

static void talk_over(const char *listen, const char *dial, bool must)
{
        int l = rn_listen(listen, 0);
        char addr[64];
        rn_wg wg = { { 0 } };

        if (l < 0) {
                CHECK(!must);
                return;
        }
        snprintf(addr, sizeof addr, dial, strncmp(dial, "unix", 4) ? port_of(l) : 0);
        rn_wg_go(&wg, serve, l, &wg);
        dial_and_talk(addr, 3);
        CHECK_EQ(rn_fd_close(l), 0);
        rn_wg_wait(&wg);
}

static void every_form_of_address_is_listened_on_and_dialled(void)
{
        char path[64], at[64];

        snprintf(path, sizeof path, "unix:/tmp/net_test.%d", (int)getpid());
        snprintf(at, sizeof at, "unix:@net_test.%d", (int)getpid());
        talk_over("127.0.0.1:0", "127.0.0.1:%d", true);
        talk_over("127.0.0.1:0", "localhost:%d", true);
        talk_over("localhost:0", "localhost:%d", true);
        talk_over(":0", ":%d", true);
        talk_over(":0", "127.0.0.1:%d", true);
        talk_over("[::1]:0", "[::1]:%d", false);
        talk_over(path, path, true);
        unlink(path + 5);
        talk_over(at, at, true);
}

static void address_of_no_form_is_refused(void)
{
        static const char *const bad[] = { "", "localhost", "127.0.0.1", "127.0.0.1:",
                                           "127.0.0.1:65536", "127.0.0.1:-1", "[::1]:99999",
                                           "::1:80", "[::1]", "[::1:80", "[]:80", "unix:" };
        char longer[400];

        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                CHECK_EQ(rn_dial(bad[i], RN_NEVER), -EINVAL);
                CHECK_EQ(rn_listen(bad[i], 0), -EINVAL);
        }
        memset(longer, 'a', sizeof longer);
        memcpy(longer, "unix:", 5);
        longer[sizeof longer - 1] = '\0';
        CHECK_EQ(rn_dial(longer, RN_NEVER), -ENAMETOOLONG);
        memcpy(longer, "aaaaa", 5);
        memcpy(longer + sizeof longer - 4, ":80", 4);
        CHECK_EQ(rn_dial(longer, RN_NEVER), -ENAMETOOLONG);
        CHECK_EQ(rn_dial("127.0.0.1:no-such-service", SOON), -ENOENT);
}

static void dial_of_nobody_is_refused(void)
{
        struct served s = new_listener();

        CHECK_EQ(rn_fd_close(s.l), 0);
        CHECK_EQ(rn_dial(s.addr, SOON), -ECONNREFUSED);
        CHECK_EQ(rn_dial("unix:/tmp/net_test.nobody", SOON), -ENOENT);
        s = new_listener();
        CHECK_EQ(rn_listen(s.addr, 0), -EADDRINUSE);
        CHECK_EQ(rn_fd_close(s.l), 0);
        s.l = rn_listen(s.addr, 0);   /* at once, although connections may linger */
        CHECK(s.l >= 0);
        CHECK_EQ(rn_fd_close(s.l), 0);
}

/* -- what accept and connect give -- */

static void connected_descriptors_are_non_blocking_and_close_on_exec(void)
{
        struct served s = new_listener();
        struct sockaddr_in peer;
        socklen_t len = sizeof peer, n = sizeof(int);
        int c = rn_dial(s.addr, SOON), a = rn_fd_accept(s.l, (struct sockaddr *)&peer, &len),
            all[3] = { s.l, c, a };

        CHECK_EQ(len, sizeof peer);
        CHECK_EQ(ntohs(peer.sin_port), port_of(c));
        for (int i = 0; i < 3; i++) {
                int value = 0;

                CHECK(fcntl(all[i], F_GETFL) & O_NONBLOCK);
                CHECK(fcntl(all[i], F_GETFD) & FD_CLOEXEC);
                CHECK_EQ(getsockopt(all[i], IPPROTO_TCP, TCP_NODELAY, &value, &n), 0);
                CHECK(value);
                CHECK_EQ(rn_fd_close(all[i]), 0);
        }
}

static void connect_by_hand(void)
{
        struct served s = new_listener();
        struct sockaddr_in a;
        socklen_t n = sizeof a;
        rn_wg wg = { { 0 } };

        CHECK_EQ(getsockname(s.l, (struct sockaddr *)&a, &n), 0);
        rn_wg_go(&wg, serve, s.l, &wg);
        for (int i = 0; i < 20; i++) {
                int fd = socket(AF_INET, SOCK_STREAM, 0);

                if (i % 2)
                        CHECK_EQ(rn_fd_open(fd), 0);
                CHECK_EQ(rn_fd_connect(fd, (const struct sockaddr *)&a, n), 0);
                talk(fd, 3);
                if (i % 5)
                        CHECK_EQ(rn_fd_close(fd), 0);
                else
                        close(fd);   /* behind its back: connect must see that the next is new */
        }
        CHECK_EQ(rn_fd_close(s.l), 0);
        rn_wg_wait(&wg);
}

static void half_close_ends_one_direction(void)
{
        struct served s = new_listener();
        int c = rn_dial(s.addr, SOON), a = rn_fd_accept(s.l, NULL, NULL);
        char buf[16];

        CHECK_EQ(rn_fd_write(c, "bye", 3), 3);
        CHECK_EQ(shutdown(c, SHUT_WR), 0);
        CHECK_EQ(rn_fd_read(a, buf, sizeof buf), 3);
        CHECK_EQ(rn_fd_read(a, buf, sizeof buf), 0);
        CHECK_EQ(rn_fd_write(a, "still", 5), 5);
        CHECK_EQ(rn_fd_read(c, buf, sizeof buf), 5);
        CHECK_EQ(rn_fd_write(c, "x", 1), -EPIPE);
        CHECK_EQ(rn_fd_close(a), 0);
        CHECK_EQ(rn_fd_read(c, buf, sizeof buf), 0);
        CHECK_EQ(rn_fd_close(c), 0);
        CHECK_EQ(rn_fd_close(s.l), 0);
}

/* Bytes and the end come together or apart, small reads or large: each end is seen. */
static void end_is_seen_however_it_comes(void)
{
        struct served s = new_listener();

        for (int i = 0; i < BEHAVE_SCALE(200); i++) {
                int c = rn_dial(s.addr, SOON), a = rn_fd_accept(s.l, NULL, NULL), got = 0;
                char buf[64];
                ssize_t n;

                CHECK_EQ(rn_fd_read_until(a, buf, sizeof buf, rn_deadline(i % 3 * 10 * RN_USEC)),
                         -ETIMEDOUT);
                CHECK_EQ(rn_fd_write(c, "0123456789", 10), 10);
                if (i % 2)
                        CHECK_EQ(rn_fd_close(c), 0);
                while (got < 10 && (n = rn_fd_read(a, buf, i % 4 ? sizeof buf : 3)) > 0)
                        got += (int)n;
                CHECK_EQ(got, 10);
                if (i % 2 == 0)
                        CHECK_EQ(rn_fd_close(c), 0);
                CHECK_EQ(rn_fd_read(a, buf, sizeof buf), 0);
                CHECK_EQ(rn_fd_close(a), 0);
        }
        CHECK_EQ(rn_fd_close(s.l), 0);
}

static void connection_that_is_given_up_does_not_end_accept(void)
{
        struct served s = new_listener();
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 10; i++) {
                int c = rn_dial(s.addr, SOON);

                setsockopt(c, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
                           sizeof(struct linger));
                CHECK_EQ(rn_fd_close(c), 0);   /* a reset */
        }
        rn_wg_go(&wg, serve, s.l, &wg);
        dial_and_talk(s.addr, 1);
        CHECK_EQ(rn_fd_close(s.l), 0);
        rn_wg_wait(&wg);
}

/* -- accept -- */

static void accept_one(int l, atomic_int *n)
{
        int fd = rn_fd_accept(l, NULL, NULL);

        rn_set_name("accepts");
        CHECK(fd >= 0);
        atomic_fetch_add(n, 1);
        echo(fd);
}

static void many_accept_on_one_listener(void)
{
        enum { N = 30 };
        struct served s = new_listener();
        atomic_int n = 0;
        rn_wg wg = { { 0 } };

        for (int i = 0; i < N; i++)
                rn_wg_go(&wg, accept_one, s.l, &n);
        for (int i = 0; i < N; i++)
                rn_wg_go(&wg, dial_and_talk, s.addr, 2);
        rn_wg_wait(&wg);
        CHECK_EQ(n, N);
        CHECK_EQ(rn_fd_close(s.l), 0);
}

static void close_wakes_accept(void)
{
        for (int i = 0; i < 10; i++) {
                struct served s = new_listener();
                rn_wg wg = { { 0 } };

                rn_wg_go(&wg, serve, s.l, &wg);
                rn_wg_go(&wg, serve, s.l, &wg);
                BEHAVE_UNTIL(behave_parked("serve", "IO wait") == 2);
                CHECK_EQ(rn_fd_close(s.l), 0);
                rn_wg_wait(&wg);
                CHECK_EQ(rn_dial(s.addr, SOON), -ECONNREFUSED);
        }
}

static rn_dur cpu_time(void)
{
        struct timespec t;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (rn_dur)t.tv_sec * RN_SEC + t.tv_nsec;
}

static void accept_waits_while_there_are_no_descriptors_left(void)
{
        struct served s = new_listener();
        struct rlimit limit, low;
        int c = rn_dial(s.addr, SOON), a;
        rn_dur used;

        getrlimit(RLIMIT_NOFILE, &limit);
        a = dup(0);
        low = (struct rlimit){ (rlim_t)a, limit.rlim_max };
        close(a);
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
        CHECK_EQ(rn_fd_accept_until(s.l, NULL, NULL, 0), -EMFILE);
        used = cpu_time();
        CHECK_EQ(rn_fd_accept_until(s.l, NULL, NULL, rn_deadline(100 * RN_MSEC)), -ETIMEDOUT);
        CHECK(cpu_time() - used < 50 * RN_MSEC);
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
        a = rn_fd_accept(s.l, NULL, NULL);
        CHECK(a >= 0);
        CHECK_EQ(rn_fd_close(a), 0);
        CHECK_EQ(rn_fd_close(c), 0);
        CHECK_EQ(rn_fd_close(s.l), 0);
}

/* -- datagrams -- */

static void wait_for_datagram(int fd, ssize_t want)
{
        char buf[16];

        rn_set_name("datagram");
        CHECK_EQ(rn_fd_recvfrom_until(fd, buf, sizeof buf, NULL, NULL, RN_NEVER), want);
}

static void datagrams_go_there_and_back(void)
{
        struct sockaddr_in at[2], from;
        socklen_t n = sizeof from;
        char buf[16] = "";
        int fd[2];
        rn_wg wg = { { 0 } };

        for (int i = 0; i < 2; i++) {
                fd[i] = socket(AF_INET, SOCK_DGRAM, 0);
                at[i] = (struct sockaddr_in){ .sin_family = AF_INET,
                                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
                CHECK_EQ(bind(fd[i], (struct sockaddr *)&at[i], sizeof at[i]), 0);
                n = sizeof at[i];
                CHECK_EQ(getsockname(fd[i], (struct sockaddr *)&at[i], &n), 0);
        }
        CHECK_EQ(rn_fd_recvfrom_until(fd[1], buf, sizeof buf, NULL, NULL, rn_deadline(RN_MSEC)),
                 -ETIMEDOUT);
        CHECK_EQ(rn_fd_sendto_until(fd[0], "to", 2, (struct sockaddr *)&at[1], sizeof at[1], SOON),
                 2);
        n = sizeof from;
        CHECK_EQ(rn_fd_recvfrom_until(fd[1], buf, sizeof buf, (struct sockaddr *)&from, &n, SOON),
                 2);
        CHECK(from.sin_port == at[0].sin_port);
        CHECK(memcmp(buf, "to", 2) == 0);
        rn_wg_go(&wg, wait_for_datagram, fd[0], (ssize_t)4);
        BEHAVE_UNTIL(behave_parked("datagram", "IO wait") == 1);
        CHECK_EQ(rn_fd_sendto_until(fd[1], "back", 4, (struct sockaddr *)&from, n, SOON), 4);
        rn_wg_wait(&wg);
        rn_wg_go(&wg, wait_for_datagram, fd[0], (ssize_t)-EBADF);
        BEHAVE_UNTIL(behave_parked("datagram", "IO wait") == 1);
        CHECK_EQ(rn_fd_close(fd[0]), 0);
        rn_wg_wait(&wg);
        CHECK_EQ(rn_fd_close(fd[1]), 0);
}

/* -- many, and others -- */

static void dial_as(void *addr)
{
        dial_and_talk(addr, 5);
}

static void many_connections_talk_at_the_same_time(void)
{
        int n = BEHAVE_SCALE(300);
        struct served s = new_listener();
        rn_wg server = { { 0 } }, clients = { { 0 } };

        rn_wg_go(&server, serve, s.l, &server);
        for (int i = 0; i < n; i++)
                behave_go(i % 10 ? GOROUTINE : THREAD, &clients, dial_as, s.addr);
        rn_wg_wait(&clients);
        CHECK_EQ(rn_fd_close(s.l), 0);
        rn_wg_wait(&server);
}

/* As many connections as this process may have descriptors for, two each, and not more than
 * most. */
static int affordable(int most)
{
        struct rlimit files = { 65536, 65536 };

        if (setrlimit(RLIMIT_NOFILE, &files) < 0 && getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                setrlimit(RLIMIT_NOFILE, &files);
        }
        if ((rlim_t)most > (files.rlim_cur - 200) / 2)
                most = (int)(files.rlim_cur - 200) / 2;
        return most;
}

/* Unix sockets: TCP would use up the machine's ports. */
static void ten_thousand_connections_that_rest_cost_no_processor(void)
{
        int n = behave_procs == 2 ? affordable(BEHAVE_LIVE(10000)) : 200,
            *c = calloc((size_t)n, sizeof *c);
        rn_wg wg = { { 0 } };
        char addr[64];
        rn_dur used = 0;
        int l;

        snprintf(addr, sizeof addr, "unix:@runnel-rest-%d-%lld", (int)getpid(),
                 (long long)rn_now());
        l = rn_listen(addr, 0);
        if (!c || !CHECK(l >= 0))
                abort();
        rn_wg_go(&wg, serve, l, &wg);
        for (int i = 0; i < n; i++) {
                c[i] = rn_dial(addr, SOON);
                CHECK(c[i] >= 0);
                talk(c[i], 1);
        }
        for (int rest = 0; rest < 5; rest++) {   /* the first may see the Ms go idle; what
                                                  * connections cost they cost each time */
                rn_dur before = cpu_time();

                rn_sleep(100 * RN_MSEC);
                before = cpu_time() - before;
                used = rest == 0 || before < used ? before : used;
        }
        if (used > 20 * RN_MSEC)
                behave_fail(__FILE__, __LINE__, "%d resting connections took %lld ns", n,
                            (long long)used);
        for (int i = 0; i < n; i++)
                CHECK_EQ(rn_fd_close(c[i]), 0);
        CHECK_EQ(rn_fd_close(l), 0);
        rn_wg_wait(&wg);
        free(c);
}

static void spin_until(atomic_bool *stop)
{
        while (!atomic_load(stop))
                rn_yield();
}

static void pass_round(atomic_bool *stop, rn_chan(int) c)
{
        while (!atomic_load(stop)) {
                rn_send(c, 1);
                rn_wait(c);
        }
}

static void descriptors_are_served_although_all_processors_are_busy(void)
{
        struct served s = new_listener();
        rn_chan(int) c = rn_make(int, 1);
        atomic_bool stop = false;
        rn_wg server = { { 0 } }, busy = { { 0 } };

        for (int i = 0; i < 4; i++)
                rn_wg_go(&busy, spin_until, &stop);
        rn_wg_go(&busy, pass_round, &stop, c);
        rn_wg_go(&server, serve, s.l, &server);
        dial_and_talk(s.addr, 10);
        atomic_store(&stop, true);
        rn_wg_wait(&busy);
        CHECK_EQ(rn_fd_close(s.l), 0);
        rn_wg_wait(&server);
        rn_unref(c);
}

static void poller_in_a_long_wait_sees_new_timers_and_new_work(void)
{
        struct served s = new_listener();
        rn_chan(int) c = rn_make(int, 0);
        rn_wg wg = { { 0 } };

        rn_wg_go(&wg, serve, s.l, &wg);
        BEHAVE_UNTIL(behave_parked("serve", "IO wait") == 1);
        for (int i = 0; i < 30; i++) {
                rn_time begun = rn_now();

                rn_sleep((30 - i) * 50 * RN_USEC);
                CHECK(rn_now() - begun < 5 * RN_SEC);
                rn_go(rn_chan_send_until, c, &(int){ 1 }, SOON);
                CHECK_EQ(rn_get(c), 1);
        }
        CHECK_EQ(rn_fd_close(s.l), 0);
        rn_wg_wait(&wg);
        rn_unref(c);
}

static const struct behave_test tests[] = {
        BEHAVE_BOTH(every_form_of_address_is_listened_on_and_dialled),
        BEHAVE_BOTH(address_of_no_form_is_refused),
        BEHAVE_BOTH(dial_of_nobody_is_refused),
        BEHAVE_BOTH(connected_descriptors_are_non_blocking_and_close_on_exec),
        BEHAVE_BOTH(connect_by_hand),
        BEHAVE_BOTH(half_close_ends_one_direction),
        BEHAVE_BOTH(end_is_seen_however_it_comes),
        BEHAVE_BOTH(connection_that_is_given_up_does_not_end_accept),
        BEHAVE_BOTH(many_accept_on_one_listener),
        BEHAVE_BOTH(close_wakes_accept),
        BEHAVE_BOTH(accept_waits_while_there_are_no_descriptors_left),
        BEHAVE_BOTH(datagrams_go_there_and_back),
        BEHAVE_BOTH(many_connections_talk_at_the_same_time),
        BEHAVE_BOTH(ten_thousand_connections_that_rest_cost_no_processor),
        BEHAVE_BOTH(descriptors_are_served_although_all_processors_are_busy),
        BEHAVE_BOTH(poller_in_a_long_wait_sees_new_timers_and_new_work),
};

BEHAVE_MAIN(tests)
