/* SPDX-License-Identifier: MIT
 * What the tests of sched/arch share: functions the compiler keeps apart, and two looks below C,
 * at the alignment of the stack and at the callee-saved registers. With NO_CMOCKA (cross builds
 * under an emulator) a few macros take cmocka's place. Included once by each test program, which
 * links sched/arch alone. */
#ifndef ARCH_TEST_H
#define ARCH_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef NO_CMOCKA
#define CHECK_(e) ((e) ? (void)0 : (printf("%s:%d: %s\n", __FILE__, __LINE__, #e), exit(1)))
#define assert_true(e) CHECK_(e)
#define assert_int_equal(a, b) CHECK_((a) == (b))
#define assert_ptr_equal(a, b) CHECK_((a) == (b))
#define fail_msg(...) (printf(__VA_ARGS__), exit(1))
struct CMUnitTest {
        const char *name;
        void (*fn)(void **);
};
#define cmocka_unit_test(f) { #f, f }
#define cmocka_run_group_tests(t, a, b) run_all(t, sizeof(t) / sizeof(*(t)))
static int run_all(const struct CMUnitTest *t, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                t[i].fn(NULL);
                printf("ok %s\n", t[i].name);
        }
        return 0;
}
#else
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#endif

#include "sched/arch/arch.h"
#include "sched/arch/offsets.h"

/* Not instrumented: nobody tells ASan about these stacks, and what is thrown or jumped out of would
 * leave its marks on them. */
#ifdef __clang__
#define apart __attribute__((noinline, no_sanitize_address))
#else
#define apart __attribute__((noipa, no_sanitize_address))
#endif
#define keep_frame() __asm__ volatile("" ::: "memory")  /* after a call: it is no tail call */

static apart bool misaligned(void)
{
        _Alignas(16) volatile char here[16] = { 0 };
        uintptr_t p = (uintptr_t)here;

        __asm__ volatile("" : "+r"(p));         /* or the compiler says 0 from what it believes */
        return (p & 15) != 0;
}

/* Puts pattern + 1, + 2 ... into every callee-saved register, calls f, returns how many came back
 * different. */
int fill_and_call(void (*f)(void), uint64_t pattern);
#if defined(__x86_64__)
__asm__(".text\n.globl fill_and_call\n.hidden fill_and_call\n"
        ".type fill_and_call, @function\nfill_and_call:\n"
        "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\npush %rsi\n"
        "lea 1(%rsi), %rbx\nlea 2(%rsi), %rbp\nlea 3(%rsi), %r12\nlea 4(%rsi), %r13\n"
        "lea 5(%rsi), %r14\nlea 6(%rsi), %r15\n"
        "call *%rdi\n"
        "pop %rsi\nxor %eax, %eax\nxor %ecx, %ecx\n"
        "sub %rsi, %rbx\ncmp $1, %rbx\nsetne %cl\nadd %ecx, %eax\n"
        "sub %rsi, %rbp\ncmp $2, %rbp\nsetne %cl\nadd %ecx, %eax\n"
        "sub %rsi, %r12\ncmp $3, %r12\nsetne %cl\nadd %ecx, %eax\n"
        "sub %rsi, %r13\ncmp $4, %r13\nsetne %cl\nadd %ecx, %eax\n"
        "sub %rsi, %r14\ncmp $5, %r14\nsetne %cl\nadd %ecx, %eax\n"
        "sub %rsi, %r15\ncmp $6, %r15\nsetne %cl\nadd %ecx, %eax\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n"
        ".size fill_and_call, . - fill_and_call\n");
#elif defined(__i386__)
__asm__(".text\n.globl fill_and_call\n.hidden fill_and_call\n"
        ".type fill_and_call, @function\nfill_and_call:\n"
        "push %ebx\npush %ebp\npush %esi\npush %edi\n"
        "mov 20(%esp), %eax\nmov 24(%esp), %ecx\n"
        "lea 1(%ecx), %ebx\nlea 2(%ecx), %ebp\nlea 3(%ecx), %esi\nlea 4(%ecx), %edi\n"
        "sub $12, %esp\ncall *%eax\nadd $12, %esp\n"
        "mov 24(%esp), %ecx\nxor %eax, %eax\nxor %edx, %edx\n"
        "sub %ecx, %ebx\ncmp $1, %ebx\nsetne %dl\nadd %edx, %eax\n"
        "sub %ecx, %ebp\ncmp $2, %ebp\nsetne %dl\nadd %edx, %eax\n"
        "sub %ecx, %esi\ncmp $3, %esi\nsetne %dl\nadd %edx, %eax\n"
        "sub %ecx, %edi\ncmp $4, %edi\nsetne %dl\nadd %edx, %eax\n"
        "pop %edi\npop %esi\npop %ebp\npop %ebx\nret\n"
        ".size fill_and_call, . - fill_and_call\n");
#elif defined(__aarch64__)
#define SAVED_X "x19, x20, x21, x22, x23, x24, x25, x26, x27, x28"
#define SAVED_D "d8, d9, d10, d11, d12, d13, d14, d15"
__asm__(".text\n.globl fill_and_call\n.hidden fill_and_call\n"
        ".type fill_and_call, %function\nfill_and_call:\n"
        "stp x29, x30, [sp, #-176]!\nmov x29, sp\nstr x1, [sp, #160]\n"
        ".set n, 0\n.irp r, " SAVED_X
        "\nstr \\r, [sp, #16 + n * 8]\n.set n, n + 1\nadd \\r, x1, #n\n.endr\n"
        ".irp r, " SAVED_D
        "\nstr \\r, [sp, #16 + n * 8]\n.set n, n + 1\nadd x9, x1, #n\nfmov \\r, x9\n"
        ".endr\n"
        "blr x0\nldr x1, [sp, #160]\nmov w0, wzr\n"
        ".set n, 0\n.irp r, " SAVED_X
        "\nadd x9, x1, #n + 1\ncmp x9, \\r\ncinc w0, w0, ne\nldr \\r, [sp, #16 + n * 8]\n"
        ".set n, n + 1\n.endr\n"
        ".irp r, " SAVED_D
        "\nadd x9, x1, #n + 1\nfmov x10, \\r\ncmp x9, x10\ncinc w0, w0, ne\n"
        "ldr \\r, [sp, #16 + n * 8]\n.set n, n + 1\n.endr\n"
        "ldp x29, x30, [sp], #176\nret\n.size fill_and_call, . - fill_and_call\n");
#else
#define SAVED_S "s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11"
#define SAVED_F "fs0, fs1, fs2, fs3, fs4, fs5, fs6, fs7, fs8, fs9, fs10, fs11"
__asm__(".text\n.globl fill_and_call\n.hidden fill_and_call\n"
        ".type fill_and_call, @function\nfill_and_call:\n"
        "addi sp, sp, -208\nsd ra, 200(sp)\nsd a1, 192(sp)\n"
        ".set n, 0\n.irp r, " SAVED_S "\nsd \\r, n * 8(sp)\n.set n, n + 1\naddi \\r, a1, n\n.endr\n"
        ".irp r, " SAVED_F
        "\nfsd \\r, n * 8(sp)\n.set n, n + 1\naddi t0, a1, n\nfmv.d.x \\r, t0\n.endr\n"
        "jalr a0\nld a1, 192(sp)\nli a0, 0\n"
        ".set n, 0\n.irp r, " SAVED_S
        "\naddi t0, a1, n + 1\nsub t0, t0, \\r\nsnez t0, t0\nadd a0, a0, t0\n"
        "ld \\r, n * 8(sp)\n.set n, n + 1\n.endr\n"
        ".irp r, " SAVED_F
        "\naddi t0, a1, n + 1\nfmv.x.d t1, \\r\nsub t0, t0, t1\nsnez t0, t0\n"
        "add a0, a0, t0\nfld \\r, n * 8(sp)\n"
        ".set n, n + 1\n.endr\n"
        "ld ra, 200(sp)\naddi sp, sp, 208\nret\n.size fill_and_call, . - fill_and_call\n");
#endif

#endif
