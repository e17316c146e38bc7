/* SPDX-License-Identifier: MIT
 * Text for dumps and fatal errors. Whoever prints may be a signal handler on a broken heap, so
 * there is nothing here but a buffer on the caller's stack and write(2). Callers: panic, deadlock
 * and debug/dump. */
#include "sched/os/sys.h"

#include <poll.h>
#include <stdarg.h>
#include <string.h>

void rni_out_init(struct rni_out *o, int fd)
{
        o->fd = fd;
        o->n = 0;
}

/* A full non-blocking pipe is waited for, but not for ever: its reader may be gone for good. */
static bool writable_again(int fd)
{
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        struct timespec second = { 1, 0 };
        long r = rni_sys(SYS_ppoll, rni_ptr(&p), 1, rni_ptr(&second), 0, 0, 0);

        return r > 0 || r == -EINTR;
}

void rni_out_flush(struct rni_out *o)
{
        const char *p = o->buf;
        size_t left = o->n;

        while (left > 0) {
                long r = rni_sys(SYS_write, o->fd, rni_ptr(p), (long)left, 0, 0, 0);
                if (r > 0) {
                        p += r;
                        left -= (size_t)r;
                } else if (r != -EINTR && !(r == -EAGAIN && writable_again(o->fd))) {
                        break;
                }
        }
        o->n = 0;
}

static void put(struct rni_out *o, const char *s, size_t n)
{
        while (n > 0) {
                size_t room = sizeof o->buf - o->n;
                size_t k = n < room ? n : room;
                memcpy(o->buf + o->n, s, k);
                o->n += k;
                s += k;
                n -= k;
                if (o->n == sizeof o->buf)
                        rni_out_flush(o);
        }
}

static void put_number(struct rni_out *o, uint64_t v, unsigned base)
{
        char digits[20], *p = digits + sizeof digits;

        do
                *--p = "0123456789abcdef"[v % base];
        while ((v /= base) != 0);
        put(o, p, (size_t)(digits + sizeof digits - p));
}

static void put_signed(struct rni_out *o, int64_t v)
{
        if (v < 0)
                put(o, "-", 1);
        put_number(o, v < 0 ? -(uint64_t)v : (uint64_t)v, 10);
}

static void put_string(struct rni_out *o, const char *s)
{
        if (!s)
                s = "(null)";
        put(o, s, strlen(s));
}

static void put_pointer(struct rni_out *o, const void *p)
{
        put(o, "0x", 2);
        put_number(o, (uintptr_t)p, 16);
}

void rni_out_fmt(struct rni_out *o, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        while (*fmt) {
                const char *pc = strchrnul(fmt, '%');
                bool wide;
                put(o, fmt, (size_t)(pc - fmt));
                if (pc[0] == 0 || pc[1] == 0)
                        break;
                wide = pc[1] == 'l' || pc[1] == 'z';
                fmt = pc + 1 + wide;
                switch (*fmt++) {
                case 's': put_string(o, va_arg(ap, const char *)); break;
                case 'c': put(o, &(char){ (char)va_arg(ap, int) }, 1); break;
                case 'p': put_pointer(o, va_arg(ap, const void *)); break;
                case 'd': put_signed(o, wide ? va_arg(ap, long) : va_arg(ap, int)); break;
                case 'u':
                        put_number(o, wide ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 10);
                        break;
                case 'x':
                        put_number(o, wide ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 16);
                        break;
                default:  put(o, fmt - 1, 1); break;
                }
        }
        va_end(ap);
}

void rni_os_exit(int status)
{
#ifdef RNI_GCOV
        void __gcov_dump(void);

        __gcov_dump();
#endif
        /* not _exit, which sanitizers make wait */
        rni_sys(SYS_exit_group, status, 0, 0, 0, 0, 0);
        __builtin_unreachable();
}
