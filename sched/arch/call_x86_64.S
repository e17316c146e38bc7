/* SPDX-License-Identifier: MIT
 * The out-of-line half of arch.h on x86-64: first frames of stacks, capturing and making a call,
 * catching a panic. Everything has full CFI, so that every unwinder passes or stops where it
 * should. Indirect targets carry endbr64; the object claims IBT where the compiler does and never
 * shadow stacks, which the switch does not move. */
#if defined(__x86_64__)
#include "sched/arch/offsets.h"

#define ENTRY(name) .globl name; .hidden name; .type name, @function; .balign 16
#define SIZE(name) .size name, . - name
#define SCRATCH_INT(n) RNI_STACK_SCRATCH_OFF + RNI_CALL_IREG_OFF + 8 * n
#define SCRATCH_FP(n) RNI_STACK_SCRATCH_OFF + RNI_CALL_FREG_OFF + 8 * n

        .hidden rni_self_m
        .hidden rni_scratch
        .text

#ifndef RNI_SWITCH_UCONTEXT
/* Where ctx_make's stacks begin. (rsp): the entry, rbp: 0. The nop lies in the frame's CFI,
 * because unwinders look up pc - 1 and a context that never ran stands at the label itself. */
        ENTRY(rni_ctx_entry)
        .cfi_startproc
        .cfi_undefined rip
        .cfi_def_cfa rsp, 16
        nop
rni_ctx_entry:
        endbr64
        movq (%rsp), %rax
        call *%rax
        ud2
        .cfi_endproc
        SIZE(rni_ctx_entry)

/* The frame between a visitor and the parked context. (rsp): parked pc, sp; rbp: parked fp; rdx:
 * the visitor, which never returns. */
        ENTRY(rni_visit_entry)
        .cfi_startproc
        .cfi_def_cfa rsp, 16
        .cfi_offset rip, -16
        .cfi_offset rsp, -8
rni_visit_entry:
        call *%rdx
        ud2
        .cfi_endproc
        SIZE(rni_visit_entry)
/* Whose only purpose is to be unknown to the compiler. */
        ENTRY(rni_elsewhere)
        .cfi_startproc
rni_elsewhere:
        ret
        .cfi_endproc
        SIZE(rni_elsewhere)
#endif

/* Any prototype: argument registers in, nothing out. Only rax, r10 and r11 are free here. A thread
 * that is no M, or an M that runs no goroutine with a stack of ours, asks rni_scratch. */
        ENTRY(rni_capture_stub)
        .cfi_startproc
rni_capture_stub:
        endbr64
        movq rni_self_m@gottpoff(%rip), %r11
        movq %fs:(%r11), %r11
        testq %r11, %r11
        jz 1f
        movq (%r11), %r11
        testq %r11, %r11
        jz 1f
        movq RNI_G_STACK_OFF(%r11), %r11
        testq %r11, %r11
        jz 1f
        movq %rdi, SCRATCH_INT(0)(%r11)
        movq %rsi, SCRATCH_INT(1)(%r11)
        movq %rdx, SCRATCH_INT(2)(%r11)
        movq %rcx, SCRATCH_INT(3)(%r11)
        movq %r8, SCRATCH_INT(4)(%r11)
        movq %r9, SCRATCH_INT(5)(%r11)
        movq %xmm0, SCRATCH_FP(0)(%r11)
        movq %xmm1, SCRATCH_FP(1)(%r11)
        movq %xmm2, SCRATCH_FP(2)(%r11)
        movq %xmm3, SCRATCH_FP(3)(%r11)
        movq %xmm4, SCRATCH_FP(4)(%r11)
        movq %xmm5, SCRATCH_FP(5)(%r11)
        ret
1:      pushq %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset rbp, -16
        movq %rsp, %rbp
        .cfi_def_cfa_register rbp
        subq $96, %rsp
        movq %rdi, 0(%rsp)
        movq %rsi, 8(%rsp)
        movq %rdx, 16(%rsp)
        movq %rcx, 24(%rsp)
        movq %r8, 32(%rsp)
        movq %r9, 40(%rsp)
        movq %xmm0, 48(%rsp)
        movq %xmm1, 56(%rsp)
        movq %xmm2, 64(%rsp)
        movq %xmm3, 72(%rsp)
        movq %xmm4, 80(%rsp)
        movq %xmm5, 88(%rsp)
        call rni_scratch
        xorl %ecx, %ecx
2:      movq (%rsp, %rcx, 8), %rdx              /* ireg and freg adjoin, as on the stack */
        movq %rdx, RNI_CALL_IREG_OFF(%rax, %rcx, 8)
        incl %ecx
        cmpl $12, %ecx
        jne 2b
        leave
        .cfi_def_cfa rsp, 8
        .cfi_restore rbp
        ret
        .cfi_endproc
        SIZE(rni_capture_stub)

/* rdi: the call. al = 6 for a variadic callee: the most vector registers in use. */
        ENTRY(rni_call_run)
        .cfi_startproc
rni_call_run:
        endbr64
        pushq %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset rbp, -16
        movq %rsp, %rbp
        .cfi_def_cfa_register rbp
        movq %rdi, %r11
        movq RNI_CALL_IREG_OFF + 0(%r11), %rdi
        movq RNI_CALL_IREG_OFF + 8(%r11), %rsi
        movq RNI_CALL_IREG_OFF + 16(%r11), %rdx
        movq RNI_CALL_IREG_OFF + 24(%r11), %rcx
        movq RNI_CALL_IREG_OFF + 32(%r11), %r8
        movq RNI_CALL_IREG_OFF + 40(%r11), %r9
        movq RNI_CALL_FREG_OFF + 0(%r11), %xmm0
        movq RNI_CALL_FREG_OFF + 8(%r11), %xmm1
        movq RNI_CALL_FREG_OFF + 16(%r11), %xmm2
        movq RNI_CALL_FREG_OFF + 24(%r11), %xmm3
        movq RNI_CALL_FREG_OFF + 32(%r11), %xmm4
        movq RNI_CALL_FREG_OFF + 40(%r11), %xmm5
        movl $6, %eax
        call *(%r11)
        popq %rbp
        .cfi_def_cfa rsp, 8
        .cfi_restore rbp
        ret
        .cfi_endproc
        SIZE(rni_call_run)

#ifndef RNI_SWITCH_UCONTEXT
/* rdi: the frame, whose first word takes sp; rsi: fn; rdx: arg. The callee-saved registers stay on
 * this stack, so a throw needs sp alone. From sp: padding, r15, r14, r13, r12, rbx, rbp, return
 * address. */
        ENTRY(rni_catch)
        .cfi_startproc
rni_catch:
        endbr64
        pushq %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset rbp, -16
        movq %rsp, %rbp
        .cfi_def_cfa_register rbp
        pushq %rbx
        .cfi_offset rbx, -24
        pushq %r12
        .cfi_offset r12, -32
        pushq %r13
        .cfi_offset r13, -40
        pushq %r14
        .cfi_offset r14, -48
        pushq %r15
        .cfi_offset r15, -56
        subq $8, %rsp
        movq %rsp, (%rdi)
        movq %rdx, %rdi
        call *%rsi
        xorl %eax, %eax
.Lcatch_leave:
        addq $8, %rsp
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbx
        popq %rbp
        .cfi_def_cfa rsp, 8
        .cfi_restore rbx
        .cfi_restore rbp
        .cfi_restore r12
        .cfi_restore r13
        .cfi_restore r14
        .cfi_restore r15
        ret
        .cfi_endproc
        SIZE(rni_catch)

        ENTRY(rni_catch_throw)
        .cfi_startproc
rni_catch_throw:
        endbr64
        movl $1, %eax
        movq (%rdi), %rsp
        leaq 48(%rsp), %rbp                     /* as .Lcatch_leave's CFI expects it */
        jmp .Lcatch_leave
        .cfi_endproc
        SIZE(rni_catch_throw)
#endif

#if defined(__CET__) && (__CET__ & 1)
        .section .note.gnu.property, "a", @note
        .balign 8
        .long 4, 16, 5                          /* sizes of name, descriptor; PROPERTY_TYPE_0 */
        .asciz "GNU"
        .long 0xc0000002, 4, 1, 0               /* GNU_PROPERTY_X86_FEATURE_1_AND: IBT */
#endif
#endif

        .section .note.GNU-stack, "", %progbits
