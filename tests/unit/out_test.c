/* SPDX-License-Identifier: MIT
 * Output without the C library's: the formats, and that what is long arrives whole. */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sched/os/sys.h"

static void formats(void **state)
{
        struct rni_out o;
        const char *volatile null_text = NULL;
        char got[256], want[256];
        int fd[2];
        ssize_t n;

        (void)state;
        assert_int_equal(pipe(fd), 0);
        rni_out_init(&o, fd[1]);
        rni_out_fmt(&o, "%s|%s|%d|%d|%u|%c|100%%|", "text", null_text, -5, INT32_MIN, 4000000000u,
                    'x');
        rni_out_fmt(&o, "%ld|%lu|%zu|%x|%lx|%p|%p", LONG_MIN, ULONG_MAX, (size_t)0, 0xbeefu,
                    0xdeadbeeful, (void *)0x1234abcd, NULL);
        rni_out_flush(&o);
        n = read(fd[0], got, sizeof got - 1);
        assert_true(n > 0);
        got[n] = 0;
        snprintf(want, sizeof want,
                 "text|(null)|-5|-2147483648|4000000000|x|100%%|"
                 "%ld|%lu|0|beef|deadbeef|0x1234abcd|0x0",
                 LONG_MIN, ULONG_MAX);
        assert_string_equal(got, want);
        close(fd[0]);
        close(fd[1]);
}

enum { LINES = 20000 };

static void *drain(void *arg)
{
        char buf[777];
        size_t sum = 0;
        ssize_t n;

        while ((n = read(*(int *)arg, buf, sizeof buf)) > 0)
                sum += (size_t)n;
        return (void *)sum;
}

/* More than the buffer and more than the pipe holds, to a descriptor that does not block. */
static void long_output_arrives_whole(void **state)
{
        struct rni_out o;
        pthread_t t;
        void *sum;
        int fd[2];

        (void)state;
        assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
        fcntl(fd[1], F_SETFL, O_NONBLOCK);
        pthread_create(&t, NULL, drain, &fd[0]);
        rni_out_init(&o, fd[1]);
        for (int i = 0; i < LINES; i++)
                rni_out_fmt(&o, "line %s\n", "of eighteen.");
        rni_out_flush(&o);
        close(fd[1]);
        pthread_join(t, &sum);
        assert_int_equal((size_t)sum, LINES * 18);
        close(fd[0]);
}
int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(formats),
                cmocka_unit_test(long_output_arrives_whole),
        };

        rni_os_init();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
