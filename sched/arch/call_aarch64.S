/* SPDX-License-Identifier: MIT
 * The out-of-line half of arch.h on aarch64: first frames of stacks, capturing and making a call,
 * catching a panic. Everything has full CFI, so that every unwinder passes or stops where it
 * should. Indirect targets carry bti c, a nop on older processors. */
#if defined(__aarch64__)
#include "sched/arch/offsets.h"

#define ENTRY(name) .globl name; .hidden name; .type name, %function; .balign 16
#define SIZE(name) .size name, . - name
#define BTI_C hint 34
#define SCRATCH_INT(n) (RNI_STACK_SCRATCH_OFF + RNI_CALL_IREG_OFF + 8 * n)
#define SCRATCH_FP(n) (RNI_STACK_SCRATCH_OFF + RNI_CALL_FREG_OFF + 8 * n)

        .hidden rni_self_m
        .hidden rni_scratch
        .text

#ifndef RNI_SWITCH_UCONTEXT
/* Where ctx_make's stacks begin. [sp]: the entry, x29: 0. The nop lies in the frame's CFI, because
 * unwinders look up pc - 1 and a context that never ran stands at the label itself. */
        ENTRY(rni_ctx_entry)
        .cfi_startproc
        .cfi_undefined x30
        .cfi_def_cfa sp, 16
        nop
rni_ctx_entry:
        BTI_C
        ldr x9, [sp]
        mov x30, xzr
        blr x9
        brk #1
        .cfi_endproc
        SIZE(rni_ctx_entry)
/* Whose only purpose is to be unknown to the compiler. */
        ENTRY(rni_elsewhere)
        .cfi_startproc
rni_elsewhere:
        ret
        .cfi_endproc
        SIZE(rni_elsewhere)
#endif

/* Any prototype: argument registers in, nothing out. A thread that is no M, or an M that runs no
 * goroutine with a stack of ours, asks rni_scratch. */
        ENTRY(rni_capture_stub)
        .cfi_startproc
rni_capture_stub:
        BTI_C
        adrp x9, :gottprel:rni_self_m
        ldr x9, [x9, #:gottprel_lo12:rni_self_m]
        mrs x10, tpidr_el0
        ldr x9, [x10, x9]
        cbz x9, 1f
        ldr x9, [x9]
        cbz x9, 1f
        ldr x9, [x9, #RNI_G_STACK_OFF]
        cbz x9, 1f
        stp x0, x1, [x9, #SCRATCH_INT(0)]
        stp x2, x3, [x9, #SCRATCH_INT(2)]
        stp x4, x5, [x9, #SCRATCH_INT(4)]
        stp d0, d1, [x9, #SCRATCH_FP(0)]
        stp d2, d3, [x9, #SCRATCH_FP(2)]
        stp d4, d5, [x9, #SCRATCH_FP(4)]
        ret
1:      stp x29, x30, [sp, #-112]!
        .cfi_def_cfa_offset 112
        .cfi_offset x29, -112
        .cfi_offset x30, -104
        mov x29, sp
        stp x0, x1, [sp, #16]
        stp x2, x3, [sp, #32]
        stp x4, x5, [sp, #48]
        stp d0, d1, [sp, #64]
        stp d2, d3, [sp, #80]
        stp d4, d5, [sp, #96]
        bl rni_scratch
        ldp x1, x2, [sp, #16]
        ldp x3, x4, [sp, #32]
        ldp x5, x6, [sp, #48]
        ldp d0, d1, [sp, #64]
        ldp d2, d3, [sp, #80]
        ldp d4, d5, [sp, #96]
        stp x1, x2, [x0, #RNI_CALL_IREG_OFF]
        stp x3, x4, [x0, #RNI_CALL_IREG_OFF + 16]
        stp x5, x6, [x0, #RNI_CALL_IREG_OFF + 32]
        stp d0, d1, [x0, #RNI_CALL_FREG_OFF]
        stp d2, d3, [x0, #RNI_CALL_FREG_OFF + 16]
        stp d4, d5, [x0, #RNI_CALL_FREG_OFF + 32]
        ldp x29, x30, [sp], #112
        .cfi_def_cfa_offset 0
        .cfi_restore x29
        .cfi_restore x30
        ret
        .cfi_endproc
        SIZE(rni_capture_stub)

/* x0: the call. */
        ENTRY(rni_call_run)
        .cfi_startproc
rni_call_run:
        BTI_C
        stp x29, x30, [sp, #-16]!
        .cfi_def_cfa_offset 16
        .cfi_offset x29, -16
        .cfi_offset x30, -8
        mov x29, sp
        mov x9, x0
        ldr x10, [x9]
        ldp d0, d1, [x9, #RNI_CALL_FREG_OFF]
        ldp d2, d3, [x9, #RNI_CALL_FREG_OFF + 16]
        ldp d4, d5, [x9, #RNI_CALL_FREG_OFF + 32]
        ldp x0, x1, [x9, #RNI_CALL_IREG_OFF]
        ldp x2, x3, [x9, #RNI_CALL_IREG_OFF + 16]
        ldp x4, x5, [x9, #RNI_CALL_IREG_OFF + 32]
        blr x10
        ldp x29, x30, [sp], #16
        .cfi_def_cfa_offset 0
        .cfi_restore x29
        .cfi_restore x30
        ret
        .cfi_endproc
        SIZE(rni_call_run)

#ifndef RNI_SWITCH_UCONTEXT
/* x0: the frame, whose first word takes sp; x1: fn; x2: arg. The callee-saved registers stay on
 * this stack, so a throw needs sp alone. */
        ENTRY(rni_catch)
        .cfi_startproc
rni_catch:
        BTI_C
        stp x29, x30, [sp, #-160]!
        .cfi_def_cfa_offset 160
        .cfi_offset x29, -160
        .cfi_offset x30, -152
        mov x29, sp
        stp x19, x20, [sp, #16]
        .cfi_offset x19, -144
        .cfi_offset x20, -136
        stp x21, x22, [sp, #32]
        .cfi_offset x21, -128
        .cfi_offset x22, -120
        stp x23, x24, [sp, #48]
        .cfi_offset x23, -112
        .cfi_offset x24, -104
        stp x25, x26, [sp, #64]
        .cfi_offset x25, -96
        .cfi_offset x26, -88
        stp x27, x28, [sp, #80]
        .cfi_offset x27, -80
        .cfi_offset x28, -72
        stp d8, d9, [sp, #96]                   /* to CFI, register v<n> is 64 + n */
        .cfi_offset 72, -64
        .cfi_offset 73, -56
        stp d10, d11, [sp, #112]
        .cfi_offset 74, -48
        .cfi_offset 75, -40
        stp d12, d13, [sp, #128]
        .cfi_offset 76, -32
        .cfi_offset 77, -24
        stp d14, d15, [sp, #144]
        .cfi_offset 78, -16
        .cfi_offset 79, -8
        mov x9, sp
        str x9, [x0]
        mov x0, x2
        blr x1
        mov w0, wzr
.Lcatch_leave:
        ldp x19, x20, [sp, #16]
        ldp x21, x22, [sp, #32]
        ldp x23, x24, [sp, #48]
        ldp x25, x26, [sp, #64]
        ldp x27, x28, [sp, #80]
        ldp d8, d9, [sp, #96]
        ldp d10, d11, [sp, #112]
        ldp d12, d13, [sp, #128]
        ldp d14, d15, [sp, #144]
        ldp x29, x30, [sp], #160
        .cfi_def_cfa_offset 0
        .irp r, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28, x29, x30
        .cfi_restore \r
        .endr
        .irp r, 72, 73, 74, 75, 76, 77, 78, 79
        .cfi_restore \r
        .endr
        ret
        .cfi_endproc
        SIZE(rni_catch)

        ENTRY(rni_catch_throw)
        .cfi_startproc
rni_catch_throw:
        BTI_C
        ldr x9, [x0]
        mov w0, #1
        mov sp, x9
        b .Lcatch_leave
        .cfi_endproc
        SIZE(rni_catch_throw)
#endif

#ifdef __ARM_FEATURE_BTI_DEFAULT
        .section .note.gnu.property, "a", %note
        .balign 8
        .word 4, 16, 5                          /* sizes of name, descriptor; PROPERTY_TYPE_0 */
        .asciz "GNU"
        .word 0xc0000000, 4, 1, 0               /* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI */
#endif
#endif

        .section .note.GNU-stack, "", %progbits
