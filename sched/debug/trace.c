/* SPDX-License-Identifier: MIT
 * See trace.h. A stack is walked by libgcc's unwinder, which starts at its caller: for a parked
 * stack that is a visitor, run on that very stack below its saved stack pointer (ctx_visit). The
 * visitor only collects addresses; names are looked up and printed back on the tracer's own stack.
 *
 * Shown is what a user knows: from the public function that was called (rn_...) down to what the
 * goroutine was started with. Invariant: a parked stack is left as it was, with the pages that the
 * visitor touched given back, so that a dump of a million goroutines does not double their
 * memory. */
#include "sched/debug/trace.h"

#include <string.h>
#include <unwind.h>

#include "sched/core/hook.h"
#include "sched/core/sched.h"
#include "sched/debug/symbols.h"
#include "sched/os/tools.h"

enum {
        SHOWN = 50,            /* frames of a stack, the innermost ones */
        INSIDE = 12,           /* the public function is among so many innermost frames */
        KEPT = SHOWN + INSIDE + 10,
        ENTRY_SIZE = 24,       /* rni_ctx_entry and rni_visit_entry are no longer */
        LEAF_ROOM = 128,       /* below a saved stack pointer: locals of the leaf, where the
                                * processor's ABI has a red zone */
        RED_ZONE = 256,        /* and the visit's own frame */
        VISIT_ROOM = 8192,     /* stack that a visitor may need; measured: 1.7 KiB on x86-64, 5.6 on
                                * aarch64 */
        ALIGNED = 16           /* stack pointers are */
};

struct frame {
        uintptr_t ip, start;   /* start: of the function, 0 if the unwinder does not know */
        bool exact;            /* interrupted by a signal: ip is the instruction itself, not a
                                * return address */
};

struct tracer {
        a32 taken;
        void (*const visitor)(void);
        struct ctx back;       /* who runs the visitor */
        unsigned n;
        bool whole;            /* the outermost frame is among them */
        struct frame frame[KEPT];
        struct symbols symbols;
        /* of a small stack, with room below */
        char copy[VISIT_ROOM + RNI_STACK_LEAST] __attribute__((aligned(ALIGNED)));
};

static void visit_0(void), visit_1(void);
static struct tracer tracers[] = { { .visitor = visit_0 }, { .visitor = visit_1 } };

#define FN(f) ((uintptr_t)(f))

#ifdef RNI_SWITCH_UCONTEXT
#define ENTRY_UNKNOWN true   /* the C library's frames begin a stack */
#else
#define ENTRY_UNKNOWN false
#endif

/* Everything that runs on a stack that is not its own is hidden from ASan, which would take it for
 * a stack gone wild. */
#define on_foreign_stack __attribute__((noinline, no_sanitize("address")))

/* -- collecting -- */

static on_foreign_stack _Unwind_Reason_Code keep(struct _Unwind_Context *c, void *arg)
{
        struct tracer *t = arg;
        int exact = 0;
        uintptr_t ip = (uintptr_t)_Unwind_GetIPInfo(c, &exact);

        if (ip == 0)
                return _URC_END_OF_STACK;   /* libgcc's last frame where the return address is
                                             * undefined */
        if (t->n == KEPT) {
                t->whole = false;
                return _URC_END_OF_STACK;
        }
        t->frame[t->n++] = (struct frame){ ip, (uintptr_t)_Unwind_GetRegionStart(c), exact != 0 };
        return _URC_NO_REASON;
}

static on_foreign_stack void collect(struct tracer *t)
{
        t->n = 0;
        t->whole = true;
        _Unwind_Backtrace(keep, t);
        rni_compiler_barrier();   /* no tail call: our frame is known to be the first */
}

static on_foreign_stack void visit(struct tracer *t)
{
        collect(t);
        ctx_jump(&t->back);
}

static on_foreign_stack void visit_0(void)
{
        visit(&tracers[0]);
        rni_compiler_barrier();
}

static on_foreign_stack void visit_1(void)
{
        visit(&tracers[1]);
        rni_compiler_barrier();
}

/* -- choosing what is shown -- */

/* A frame of the arch layer's own making: where a stack begins, or between a parked context and
 * its visitor. */
static bool in_assembly(const struct frame *f)
{
#ifdef RNI_SWITCH_UCONTEXT
        (void)f;
        return false;
#else
#ifdef __x86_64__
        if (f->ip - FN(rni_visit_entry) < ENTRY_SIZE)
                return true;
#endif
        return f->ip - FN(rni_ctx_entry) < ENTRY_SIZE;
#endif
}

/* The frame that called `function`, innermost call, or the first if that is not there. */
static unsigned after(const struct tracer *t, uintptr_t function)
{
        for (unsigned i = 0; i < t->n && i < INSIDE; i++)
                if (t->frame[i].start == function)
                        return i + 1;
        return 0;
}

static uintptr_t code_address(const struct frame *f)
{
        return f->ip - !f->exact;   /* a call that does not return may be the last instruction of
                                     * its function */
}

/* From frame i on: the first public function, if only the inside of the library lies before it. */
static unsigned skip_inside(struct tracer *t, unsigned i)
{
        const struct sym_object *in = rni_symbols_find(&t->symbols, FN(collect))->in;
        uintptr_t ours = in ? in->start : 0;
        unsigned last = i + INSIDE;

        for (unsigned at = i; at < t->n && at < last; at++) {
                const struct sym *y = rni_symbols_find(&t->symbols, code_address(&t->frame[at]));

                if (!y->in || y->in->start != ours)
                        return i;
                if (strncmp(y->name, "rn_", 3) == 0)
                        return at;
                if (y->global && strncmp(y->name, "rni_", 4) != 0)
                        return i;   /* linked statically, the user's functions are in the same
                                     * file */
        }
        return i;
}

/* From frame i on: what a signal interrupted. */
static unsigned skip_handler(const struct tracer *t, unsigned i)
{
        for (unsigned at = i; at < t->n && at < i + INSIDE; at++)
                if (t->frame[at].exact)
                        return at;
        return i;
}

/* Where the frames that start a goroutine begin: at its rni_call_run, the outermost one. */
static unsigned without_entry(const struct tracer *t, unsigned first)
{
        unsigned end = t->n;
        bool entered = end > first && in_assembly(&t->frame[end - 1]);

        if (!t->whole || (!entered && !ENTRY_UNKNOWN))
                return end;   /* the unwinder lost its way: whose rni_call_run it is cannot be
                               * told */
        for (unsigned i = end; i > first; i--)
                if (t->frame[i - 1].start == FN(rni_call_run))
                        return i - 1;
        return end - entered;
}

/* -- printing -- */

static void print_place(struct rni_out *o, const struct sym *y)
{
        if (y->in)
                rni_out_fmt(o, "        %s+0x%lx", y->in->path,
                            (unsigned long)(y->addr - y->in->bias));
        else
                rni_out_fmt(o, "        0x%lx", (unsigned long)y->addr);
        if (y->name[0])
                rni_out_fmt(o, " +0x%lx", (unsigned long)(y->addr - y->start));
        rni_out_fmt(o, "\n");
}

static const char *name_of(const struct sym *y)
{
        return y->name[0] ? y->name : "??";
}

/* Returns whether this is where a program begins: what lies further out is the C library. */
static bool print_frame(struct tracer *t, struct rni_out *o, const struct frame *f)
{
        struct sym *y = &(struct sym){ .addr = 0 };

        *y = *rni_symbols_find(&t->symbols, code_address(f));
        y->addr = f->ip;
        rni_out_fmt(o, "%s(...)\n", name_of(y));
        print_place(o, y);
        return strcmp(y->name, "main") == 0;
}

static void print_frames(struct tracer *t, struct rni_out *o, unsigned first, unsigned end)
{
        for (unsigned i = first; i < end; i++) {
                if (i - first == SHOWN) {
                        rni_out_fmt(o, "...additional frames elided...\n");
                        return;
                }
                if (print_frame(t, o, &t->frame[i]))
                        return;
        }
}

struct frames {
        uintptr_t *pc;
        unsigned n, room;
};

static _Unwind_Reason_Code keep_address(struct _Unwind_Context *c, void *arg)
{
        struct frames *f = arg;

        if (f->n == f->room || _Unwind_GetIP(c) == 0)
                return _URC_END_OF_STACK;
        f->pc[f->n++] = (uintptr_t)_Unwind_GetIP(c);
        return _URC_NO_REASON;
}

unsigned rni_hook_frames(uintptr_t *pc, unsigned n)
{
        struct frames f = { pc, 0, n };

        _Unwind_Backtrace(keep_address, &f);
        return f.n;
}

static bool is_public(struct tracer *t, uintptr_t pc)
{
        return strncmp(rni_symbols_find(&t->symbols, pc - 1)->name, "rn_", 3) == 0;
}

void rni_trace_place(struct tracer *t, struct rni_out *o, const char *call, const uintptr_t *pc,
                     unsigned n)
{
        const struct sym *y;
        const char *name = call;
        unsigned i = 0;

        while (i < n && !is_public(t, pc[i]))
                i++;
        while (i + 1 < n && is_public(t, pc[i + 1]))
                i++;
        if (!name)
                name = i < n ? name_of(rni_symbols_find(&t->symbols, pc[i] - 1)) : "the library";
        rni_out_fmt(o, "%s", name);
        if (i + 1 >= n)
                return;
        y = rni_symbols_find(&t->symbols, pc[i + 1] - 1);
        if (y->name[0] && y->start != FN(rni_call_run))
                rni_out_fmt(o, ", called by %s+0x%lx", y->name,
                            (unsigned long)(pc[i + 1] - y->start));
}

void rni_trace_name(struct tracer *t, struct rni_out *o, uintptr_t pc)
{
        rni_out_fmt(o, "%s", name_of(rni_symbols_find(&t->symbols, pc)));
}

void rni_trace_start(struct tracer *t, struct rni_out *o, const struct g *g)
{
        const struct sym *y;

        if (!g->fn)
                return;
        y = rni_symbols_find(&t->symbols, FN(g->fn));
        rni_out_fmt(o, "started as %s\n", name_of(y));
        print_place(o, y);
}

static bool has_entry(const struct g *g)
{
        return g && !(g->flags & (GF_MAIN | GF_FOREIGN));
}

void rni_trace_own(struct tracer *t, struct rni_out *o, void (*caller)(void), const struct g *g)
{
        unsigned first, begin;

        rni_out_flush(o);   /* a broken stack may be our end */
        collect(t);
        begin = after(t, FN(caller));
        first = skip_handler(t, begin);
        if (first == begin)
                first = skip_inside(t, begin);
        print_frames(t, o, first, has_entry(g) ? without_entry(t, first) : t->n);
}

/* Is there a context to believe, and room for the visitor below it? */
static const char *objection(const struct g *g)
{
#ifndef RNI_SWITCH_UCONTEXT
        const struct stack *s = g->stack;
        const char *sp = g->ctx.sp;

        if (sp < s->floor || sp > (const char *)s->hi)
                return "(no saved context; stack unavailable)";
        if ((size_t)(sp - s->floor) < VISIT_ROOM && !rni_stack_small(s))
                return "(too little stack left to walk it)";
#else
        if (rni_stack_small(g->stack))
                return "(too little stack left to walk it)";
#endif
        return NULL;
}

static void give_back(const struct g *g)
{
#ifndef RNI_SWITCH_UCONTEXT
        uintptr_t end = ((uintptr_t)g->ctx.sp - RED_ZONE) & ~(uintptr_t)(rni_page - 1);
        uintptr_t size = (VISIT_ROOM + rni_page - 1) & ~(uintptr_t)(rni_page - 1);

        /* a canary stays */
        if (!(g->flags & GF_MAIN) && end - size >= (uintptr_t)g->stack->floor + rni_page)
                rni_vm_drop((void *)(end - size), size);
#else
        (void)g;
#endif
}

/* A small stack has no room for a visitor: it goes to a copy. The frames there lead into the
 * original as soon as one names its place by the frame pointer. */
static on_foreign_stack void visit_copy(struct tracer *t, const struct g *g)
{
#ifndef RNI_SWITCH_UCONTEXT
        struct ctx at = g->ctx;
        const char *from = (const char *)at.sp - LEAF_ROOM;
        char *to = t->copy + VISIT_ROOM;

        if (from < g->stack->lo)
                from = at.sp;
        memcpy(to, from, (size_t)((const char *)g->stack->hi - from));
        at.sp = to + ((const char *)at.sp - from);
        ctx_visit(&t->back, &at, t->visitor);
#else
        (void)t, (void)g;
#endif
}

void rni_trace_parked(struct tracer *t, struct rni_out *o, const struct g *g)
{
        const char *no = objection(g);
        unsigned first;

        if (no) {
                rni_out_fmt(o, "%s\n", no);
                return;
        }
        rni_out_flush(o);   /* as above */
        if (rni_stack_small(g->stack)) {
                visit_copy(t, g);
        } else {
#ifndef RNI_SWITCH_UCONTEXT
                rni_tool_reuse((char *)g->ctx.sp - VISIT_ROOM, (char *)g->ctx.sp - LEAF_ROOM);
#endif
                ctx_visit(&t->back, &g->ctx, t->visitor);
                give_back(g);
        }
        first = after(t, FN(t->visitor));
        if (first + 1 < t->n && in_assembly(&t->frame[first]))
                first++;
        first = skip_inside(t, first);
        print_frames(t, o, first, has_entry(g) ? without_entry(t, first) : t->n);
}

/* -- beginning and end -- */

struct tracer *rni_trace_begin(void)
{
        for (unsigned i = 0; i < sizeof tracers / sizeof *tracers; i++) {
                struct tracer *t = &tracers[i];

                if (!cas(&t->taken, 0, 1))
                        continue;
                collect(t);   /* whatever the unwinder and the dynamic linker do at first use is
                               * done on our own stack */
                return t;
        }
        return NULL;
}

void rni_trace_end(struct tracer *t)
{
        rni_symbols_end(&t->symbols);
        store_rel(&t->taken, 0);   /* rel: pairs with the cas in rni_trace_begin */
}

void rni_hook_trace(struct rni_out *o)
{
        struct m *m = rni_self();
        const struct g *g = m && !m->foreign ? m->g : NULL;
        struct tracer *t = rni_trace_begin();

        if (!t)
                return;
        rni_trace_own(t, o, (void (*)(void))rni_hook_trace, g);
        if (g)
                rni_trace_start(t, o, g);
        rni_trace_end(t);
}
