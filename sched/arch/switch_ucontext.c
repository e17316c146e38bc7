/* SPDX-License-Identifier: MIT
 * The portable switch and catch, compiled only with RNI_SWITCH_UCONTEXT. A visit resumes the
 * parked context, which looks whether somebody left it a visitor before it goes on; the ucontext_t
 * it was resumed from is still in place, so it can be resumed again. Called through
 * switch_ucontext.h. */
#undef _FORTIFY_SOURCE          /* its longjmp refuses to leave for a frame on another stack */
#include "sched/arch/arch.h"

#ifdef RNI_SWITCH_UCONTEXT
#include <limits.h>
#include <setjmp.h>
#include <ucontext.h>

/* At the top of a stack that ctx_make prepared. */
struct first {
        ucontext_t uc;
        struct ctx *ctx;
        void (*entry)(void);
};

/* Not inlined: it must not disturb the frame of its caller, which resumes a second time. */
static rni_noinline void visit_if_asked(struct ctx *c)
{
        void (*fn)(void) = c->visitor;

        if (likely(fn == NULL))
                return;
        c->visitor = NULL;
        fn();
        __builtin_trap();       /* a visitor ends with ctx_jump */
}

/* Not swapcontext: a wrapper around it, as the sanitizers have, would leave a frame below this one
 * that the visitor overwrites. getcontext resumes right here. Not instrumented either: an abandoned
 * context would leave ASan's marks around its frame. */
__attribute__((no_sanitize_address)) rni_noinline
void rni_uc_switch(struct ctx *from, const struct ctx *to)
{
        ucontext_t here;
        volatile bool left = false;     /* in memory: getcontext returns a second time */

        from->visitor = NULL;
        from->uc = &here;
        if (getcontext(&here) != 0)
                __builtin_trap();
        if (!left) {
                left = true;
                rni_uc_jump(to);
        }
        visit_if_asked(from);
        rni_compiler_barrier(); /* no tail call: this frame stays */
}

_Noreturn void rni_uc_jump(const struct ctx *to)
{
        setcontext(to->uc);
        __builtin_trap();
}

/* makecontext passes ints: the address comes in two halves. */
static void first_frame(unsigned high, unsigned low)
{
        struct first *f = (struct first *)(((uintptr_t)high << 16 << 16) | low);

        visit_if_asked(f->ctx);
        f->entry();
        __builtin_trap();       /* an entry never returns */
}

void rni_uc_make(struct ctx *c, void *lo, void *hi, void (*entry)(void))
{
        struct first *f = (struct first *)(((uintptr_t)hi - sizeof(*f)) & ~(uintptr_t)63);
        uintptr_t word = (uintptr_t)f;

        if (getcontext(&f->uc) != 0)
                __builtin_trap();
        f->uc.uc_stack.ss_sp = lo;
        f->uc.uc_stack.ss_size = (size_t)((char *)f - (char *)lo);
        f->uc.uc_link = NULL;
        f->ctx = c;
        f->entry = entry;
        makecontext(&f->uc, (void (*)(void))first_frame, 2, (unsigned)(word >> 16 >> 16),
                    (unsigned)(word & UINT_MAX));
        c->uc = &f->uc;
        c->visitor = NULL;
}

/* The contract leaves *parked as it was, and so does this once fn has begun; hence the const,
 * which the cast takes off. */
void rni_uc_visit(struct ctx *self, const struct ctx *parked, void (*fn)(void))
{
        ((struct ctx *)(uintptr_t)parked)->visitor = fn;
        rni_uc_switch(self, parked);
}

_Static_assert(sizeof(jmp_buf) <= sizeof(((struct catch_frame *)0)->jb), "a jmp_buf fits");
_Static_assert(_Alignof(jmp_buf) <= _Alignof(struct catch_frame), "a jmp_buf is aligned");

static jmp_buf *frame_jmp_buf(struct catch_frame *f)
{
        return (jmp_buf *)(void *)f->jb;
}

int rni_catch(struct catch_frame *f, void (*fn)(void *), void *arg)
{
        if (_setjmp(*frame_jmp_buf(f)) != 0)
                return 1;
        fn(arg);
        return 0;
}

_Noreturn void rni_catch_throw(struct catch_frame *f)
{
        _longjmp(*frame_jmp_buf(f), 1);
}
#endif
