/* SPDX-License-Identifier: MIT
 * Tells the compiler that other code runs during a switch. gcc looks for the writers of a static
 * variable in the call graph alone, where assembly does not appear (ipa-reference): a function
 * that switches would seem to leave all statics as they were, "memory" clobber or not, and its
 * callers would keep them in registers across it. So each switch has an edge, which costs no
 * instruction and is never taken, to a function that not even link-time optimisation knows. Used
 * by switch_*.h. */
#ifndef RNI_ARCH_ELSEWHERE_H
#define RNI_ARCH_ELSEWHERE_H

void rni_elsewhere(void) __attribute__((cold));         /* call_<arch>.S; returns at once */

static inline __attribute__((always_inline)) void rni_other_code_ran(void)
{
#ifndef __clang__       /* it takes assembly for a call of anything */
        __asm__ goto("" : : : "memory" : elsewhere);
        return;
elsewhere:
        rni_elsewhere();
#endif
}

#endif
