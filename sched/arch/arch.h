/* SPDX-License-Identifier: MIT
 * What the runtime needs to know of a processor: switching stacks, capturing and making a call,
 * catching a panic, and finding the current M. One header per processor fills it in
 * (switch_x86_64.h, switch_aarch64.h, switch_riscv64.h; switch_ucontext.h with
 * --with-switch=ucontext, RNI_SWITCH_UCONTEXT, which is all there is for i386); the out-of-line
 * half is call_<arch>.S. No OS calls, no library state but the thread's M pointer.
 *
 * struct ctx: where a context stands that does not run: stack pointer, frame pointer, resume
 * address. It has no other saved register: ctx_switch is inline assembly that declares all
 * callee-saved registers as clobbered, so the compiler saves what lives, in the caller's frame,
 * with the unwind information of that frame.
 *
 *   void ctx_switch(struct ctx *from, const struct ctx *to)
 *        Saves the caller in *from and resumes *to by an indirect jump (a return would be
 *        mispredicted every time). Returns when somebody resumes *from, perhaps on another thread:
 *        everything derived from the thread must be fetched again.
 *   const char *ctx_innermost(const struct ctx *c)
 *        The address of its innermost frame.
 *   void ctx_jump(const struct ctx *to)                            (noreturn)
 *        The same, saving nothing.
 *   void ctx_make(struct ctx *c, void *lo, void *hi, void (*entry)(void))
 *        *c will start entry() on the stack [lo, hi). entry never returns. The entry frame ends
 *        every backtrace: its return address is undefined for unwinders and its frame pointer is 0.
 *        hi is aligned down to 16 if need be.
 *   void ctx_visit(struct ctx *self, const struct ctx *parked, void (*fn)(void))
 *        Saves the caller in *self and runs fn on the stack of *parked, right below its saved stack
 *        pointer, as if *parked had called it, so that an unwinder started in fn walks the parked
 *        frames. fn must not return: it ends with ctx_jump(self). *parked is not changed and can be
 *        resumed afterwards.
 */
#ifndef RNI_ARCH_H
#define RNI_ARCH_H

#include "sched/base/cc.h"

/* Argument registers of one call, as rni_capture_stub left them, and the function. Public as an
 * incomplete type: <runnel/go.h>. At most six arguments, each a scalar of at most 8 bytes, so they
 * all travel in registers on every supported processor but i386, where they lie on the stack, and
 * in reg.i, one after the other. */
struct rn_call {
        void (*fn)(void);
        struct rn_call_regs {
                uint64_t i[6], f[6];
        } reg;
};

struct m;
/* The captured words of the current goroutine or thread; assembly and the slow path below agree on
 * it. In sched/core: attaches the thread if need be; never NULL. */
struct rn_call *rni_scratch(void);

/* Stores the argument registers of the call it pretends to be into rni_scratch()'s reg, and
 * returns. It preserves all callee-saved registers and works for any prototype of at most six
 * scalar arguments. */
void rni_capture_stub(void);

/* Loads call's registers and calls call->fn; the result is the integer result register (what it
 * holds if fn returns nothing). */
intptr_t rni_call_run(const struct rn_call *call);

/* Where a panic comes back to. */
struct catch_frame {
        void *sp;
#ifdef RNI_SWITCH_UCONTEXT
        void *jb[64];
#endif
};
/* Calls fn(arg). 0 when it returned; 1 when somebody below called rni_catch_throw(f): then all
 * frames below are gone, without any cleanup. Works across a migration: f and the thrower share the
 * stack, not the thread. */
int rni_catch(struct catch_frame *f, void (*fn)(void *), void *arg);
_Noreturn void rni_catch_throw(struct catch_frame *f);

/* The thread's M; NULL in a thread the runtime has not met. Fetch it again after anything that may
 * park: the thread may be another. Initial-exec TLS read by volatile assembly, which no compiler
 * caches across a switch (a plain __thread read is one address for the whole function under -fPIC);
 * self.c has the out-of-line version for other processors. */
extern __thread struct m *rni_self_m __attribute__((tls_model("initial-exec")));

#include "sched/arch/self.h"

#if defined(RNI_SWITCH_UCONTEXT)
#include "sched/arch/switch_ucontext.h"
#elif defined(__x86_64__)
#include "sched/arch/switch_x86_64.h"
#elif defined(__aarch64__)
#include "sched/arch/switch_aarch64.h"
#elif defined(__riscv) && __riscv_xlen == 64
#include "sched/arch/switch_riscv64.h"
#else
#error "no context switch for this processor: configure --with-switch=ucontext"
#endif

#endif
