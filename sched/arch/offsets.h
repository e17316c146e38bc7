/* SPDX-License-Identifier: MIT
 * Offsets that call_<arch>.S reads through: m->g is the first word of struct m, g->stack and
 * stack->scratch follow. Numbers only, for the assembler and for C; sched/core and sched/mem
 * assert the first two, self.c the others. */
#ifndef RNI_ARCH_OFFSETS_H
#define RNI_ARCH_OFFSETS_H

#if defined(__i386__)   /* asks rni_scratch, and has its arguments in reg.i */
#define RNI_CALL_IREG_OFF 4
#define RNI_CALL_FREG_OFF 52
#else
#define RNI_G_STACK_OFF 32
#define RNI_STACK_SCRATCH_OFF 72
#define RNI_CALL_IREG_OFF 8
#define RNI_CALL_FREG_OFF 56
#endif

#endif
