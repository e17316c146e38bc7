/* SPDX-License-Identifier: MIT
 * The out-of-line half of arch.h on 64-bit RISC-V with double-precision registers (lp64d): first
 * frames of stacks, capturing and making a call, catching a panic. Everything has full CFI, so
 * that every unwinder passes or stops where it should. */
#if defined(__riscv) && __riscv_xlen == 64
#if !defined(__riscv_float_abi_double)
#error "runnel captures calls of the lp64d calling convention only"
#endif
#include "sched/arch/offsets.h"

#define ENTRY(name) .globl name; .hidden name; .type name, @function; .balign 4
#define SIZE(name) .size name, . - name

        .hidden rni_self_m
        .hidden rni_scratch
        .text

/* Argument registers to or from the 12 words at offset off of base. */
        .macro args op, fop, base, off
        \op a1, 8 + \off(\base)
        \op a2, 16 + \off(\base)
        \op a3, 24 + \off(\base)
        \op a4, 32 + \off(\base)
        \op a5, 40 + \off(\base)
        \fop fa0, 48 + \off(\base)
        \fop fa1, 56 + \off(\base)
        \fop fa2, 64 + \off(\base)
        \fop fa3, 72 + \off(\base)
        \fop fa4, 80 + \off(\base)
        \fop fa5, 88 + \off(\base)
        .endm

#ifndef RNI_SWITCH_UCONTEXT
/* Where ctx_make's stacks begin. 0(sp): the entry, s0: 0. The nop lies in the frame's CFI, because
 * unwinders look up pc - 1 and a context that never ran stands at the label itself. */
        ENTRY(rni_ctx_entry)
        .cfi_startproc
        .cfi_undefined ra
        .cfi_def_cfa sp, 16
        nop
rni_ctx_entry:
        ld t0, 0(sp)
        jalr t0
        ebreak
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
        la.tls.ie t0, rni_self_m
        add t0, t0, tp
        ld t0, 0(t0)
        beqz t0, 1f
        ld t0, 0(t0)
        beqz t0, 1f
        ld t0, RNI_G_STACK_OFF(t0)
        beqz t0, 1f
        sd a0, RNI_STACK_SCRATCH_OFF + RNI_CALL_IREG_OFF(t0)
        args sd, fsd, t0, RNI_STACK_SCRATCH_OFF + RNI_CALL_IREG_OFF
        ret
1:      addi sp, sp, -112
        .cfi_def_cfa_offset 112
        sd ra, 104(sp)
        sd s0, 96(sp)
        .cfi_offset ra, -8
        .cfi_offset s0, -16
        addi s0, sp, 112
        .cfi_def_cfa s0, 0
        sd a0, 0(sp)
        args sd, fsd, sp, 0
        call rni_scratch
        ld t0, 0(sp)
        args ld, fld, sp, 0
        sd t0, RNI_CALL_IREG_OFF(a0)
        args sd, fsd, a0, RNI_CALL_IREG_OFF
        ld ra, 104(sp)
        ld s0, 96(sp)
        .cfi_def_cfa sp, 112
        .cfi_restore ra
        .cfi_restore s0
        addi sp, sp, 112
        .cfi_def_cfa_offset 0
        ret
        .cfi_endproc
        SIZE(rni_capture_stub)

/* a0: the call. */
        ENTRY(rni_call_run)
        .cfi_startproc
rni_call_run:
        addi sp, sp, -16
        .cfi_def_cfa_offset 16
        sd ra, 8(sp)
        sd s0, 0(sp)
        .cfi_offset ra, -8
        .cfi_offset s0, -16
        addi s0, sp, 16
        .cfi_def_cfa s0, 0
        ld t0, 0(a0)
        args ld, fld, a0, RNI_CALL_IREG_OFF
        ld a0, RNI_CALL_IREG_OFF(a0)
        jalr t0
        ld ra, 8(sp)
        ld s0, 0(sp)
        .cfi_def_cfa sp, 16
        .cfi_restore ra
        .cfi_restore s0
        addi sp, sp, 16
        .cfi_def_cfa_offset 0
        ret
        .cfi_endproc
        SIZE(rni_call_run)

#ifndef RNI_SWITCH_UCONTEXT
        .macro frame op, fop
        \op ra, 200(sp)
        \op s0, 192(sp)
        \op s1, 184(sp)
        \op s2, 176(sp)
        \op s3, 168(sp)
        \op s4, 160(sp)
        \op s5, 152(sp)
        \op s6, 144(sp)
        \op s7, 136(sp)
        \op s8, 128(sp)
        \op s9, 120(sp)
        \op s10, 112(sp)
        \op s11, 104(sp)
        \fop fs0, 96(sp)
        \fop fs1, 88(sp)
        \fop fs2, 80(sp)
        \fop fs3, 72(sp)
        \fop fs4, 64(sp)
        \fop fs5, 56(sp)
        \fop fs6, 48(sp)
        \fop fs7, 40(sp)
        \fop fs8, 32(sp)
        \fop fs9, 24(sp)
        \fop fs10, 16(sp)
        \fop fs11, 8(sp)
        .endm

/* a0: the frame, whose first word takes sp; a1: fn; a2: arg. The callee-saved registers stay on
 * this stack, so a throw needs sp alone. */
        ENTRY(rni_catch)
        .cfi_startproc
rni_catch:
        addi sp, sp, -208
        .cfi_def_cfa_offset 208
        frame sd, fsd
        .set .Lat, -8
        .irp r, ra, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
        .cfi_offset \r, .Lat
        .set .Lat, .Lat - 8
        .endr
        .irp r, fs0, fs1, fs2, fs3, fs4, fs5, fs6, fs7, fs8, fs9, fs10, fs11
        .cfi_offset \r, .Lat
        .set .Lat, .Lat - 8
        .endr
        addi s0, sp, 208
        sd sp, 0(a0)
        mv a0, a2
        jalr a1
        li a0, 0
.Lcatch_leave:
        frame ld, fld
        addi sp, sp, 208
        .cfi_def_cfa_offset 0
        .irp r, ra, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
        .cfi_restore \r
        .endr
        .irp r, fs0, fs1, fs2, fs3, fs4, fs5, fs6, fs7, fs8, fs9, fs10, fs11
        .cfi_restore \r
        .endr
        ret
        .cfi_endproc
        SIZE(rni_catch)

        ENTRY(rni_catch_throw)
        .cfi_startproc
rni_catch_throw:
        ld sp, 0(a0)
        li a0, 1
        j .Lcatch_leave
        .cfi_endproc
        SIZE(rni_catch_throw)
#endif
#endif

        .section .note.GNU-stack, "", %progbits
