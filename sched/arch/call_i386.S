/* SPDX-License-Identifier: MIT
 * The out-of-line half of arch.h on 32-bit x86, where stacks are switched by ucontext: capturing
 * and making a call. All arguments lie on the stack, at most 48 bytes of them, in the order of
 * their addresses: they are captured as they lie, whatever their types, into reg.i. Only the
 * default calling convention is known: a function that pops its arguments, or takes some in
 * registers, cannot be captured. Everything has full CFI. */
#if defined(__i386__)
#include "sched/arch/offsets.h"

#ifndef RNI_SWITCH_UCONTEXT
#error "on this processor stacks are switched by ucontext only: configure --with-switch=ucontext"
#endif

#define ENTRY(name) .globl name; .hidden name; .type name, @function; .p2align 4
#define SIZE(name) .size name, . - name
#define WORDS 12

        .hidden rni_scratch
        .text

/* Any prototype: arguments in, nothing out. Where there are fewer, what is copied beyond them is
 * the caller's frame, which is there, since the first frame of every stack is larger. */
        ENTRY(rni_capture_stub)
        .cfi_startproc
rni_capture_stub:
        pushl %ebp
        .cfi_def_cfa_offset 8
        .cfi_offset ebp, -8
        movl %esp, %ebp
        .cfi_def_cfa_register ebp
        pushl %esi
        .cfi_offset esi, -12
        pushl %edi
        .cfi_offset edi, -16
        andl $-16, %esp
        call rni_scratch
        leal 8(%ebp), %esi
        leal RNI_CALL_IREG_OFF(%eax), %edi
        movl $WORDS, %ecx
        cld
        rep movsl
        leal -8(%ebp), %esp
        popl %edi
        .cfi_restore edi
        popl %esi
        .cfi_restore esi
        popl %ebp
        .cfi_restore ebp
        .cfi_def_cfa esp, 4
        ret
        .cfi_endproc
        SIZE(rni_capture_stub)

/* 4(%esp): the call. A floating-point result is taken off the register stack, or it would be full
 * after eight of them. */
        ENTRY(rni_call_run)
        .cfi_startproc
rni_call_run:
        pushl %ebp
        .cfi_def_cfa_offset 8
        .cfi_offset ebp, -8
        movl %esp, %ebp
        .cfi_def_cfa_register ebp
        pushl %esi
        .cfi_offset esi, -12
        pushl %edi
        .cfi_offset edi, -16
        movl 8(%ebp), %edx
        subl $4 * WORDS, %esp
        andl $-16, %esp
        leal RNI_CALL_IREG_OFF(%edx), %esi
        movl %esp, %edi
        movl $WORDS, %ecx
        cld
        rep movsl
        call *(%edx)
        ffree %st(0)
        leal -8(%ebp), %esp
        popl %edi
        .cfi_restore edi
        popl %esi
        .cfi_restore esi
        popl %ebp
        .cfi_restore ebp
        .cfi_def_cfa esp, 4
        ret
        .cfi_endproc
        SIZE(rni_call_run)
#endif

        .section .note.GNU-stack, "", %progbits
