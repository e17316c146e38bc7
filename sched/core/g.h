/* SPDX-License-Identifier: MIT
 * G: a goroutine's descriptor, in a slab slot of 192 bytes, three cache lines, that is never
 * unmapped, apart from its stack. Foreign threads have one too, inside their struct m, so that
 * everything that waits is a struct g.
 *
 * States, and who owns the stack in each:
 *
 *   DEAD      on a free list; no stack.
 *             spawn -> RUNNABLE
 *   RUNNABLE  in exactly one queue (runnext, runq, global queue, a list being handed over); the
 *             queue owns it. A fresh one has no stack yet (stack == NULL): it is bound when it
 *             first runs.
 *             execute -> RUNNING
 *   RUNNING   one M runs it, or is about to have saved it: the M owns the stack.
 *             post-switch hook -> WAITING or RUNNABLE; exit -> DEAD
 *   WAITING   parked, context saved; nobody runs on its stack. Its partner (whoever took its
 *             waiter from a queue, or won its claim) may write to the elem slot it published,
 *             nothing else.
 *             ready -> RUNNABLE
 *
 *        spawn            execute             post hook          ready
 *   DEAD -----> RUNNABLE ---------> RUNNING -----------> WAITING -----> RUNNABLE
 *     ^                               |  |    post hook (yield)
 *     '------------- exit ------------'  '-------------> RUNNABLE
 *
 * WAITING is stored after the switch away, by the next context on that M: a G whose context is not
 * saved is never seen as parked, neither by ready nor by a dump. */
#ifndef RNI_CORE_G_H
#define RNI_CORE_G_H

#include "sched/arch/arch.h"
#include "sched/arch/offsets.h"
#include "sched/base/atomic.h"
#include "sched/mem/gslab.h"
#include "sched/mem/stack.h"

enum g_state { G_DEAD, G_RUNNABLE, G_RUNNING, G_WAITING };

/* Why a G waits: the text of the dump, as Go prints it. */
#define RNI_WAIT_REASONS(X) \
        X(NONE, "") \
        X(CHAN_RECV, "chan receive") \
        X(CHAN_RECV_NIL, "chan receive (nil chan)") \
        X(CHAN_SEND, "chan send") \
        X(CHAN_SEND_NIL, "chan send (nil chan)") \
        X(SELECT, "select") \
        X(SELECT_NONE, "select (no cases)") \
        X(SLEEP, "sleep") \
        X(WG_WAIT, "sync.WaitGroup.Wait") \
        X(MUTEX, "sync.Mutex.Lock") \
        X(RWMUTEX_R, "sync.RWMutex.RLock") \
        X(RWMUTEX_W, "sync.RWMutex.Lock") \
        X(COND, "sync.Cond.Wait") \
        X(ONCE, "sync.Once.Do") \
        X(SEM, "semaphore.Acquire") \
        X(GROUP_GO, "errgroup.Group.Go") \
        X(IO, "IO wait") \
        X(STACK, "waiting for a stack") \
        X(SIM, "sim wait") \
        X(SIM_HOST, "in a simulation") \
        X(SIM_OVER, "stopped where the simulation ended")
#define RNI_WAIT_ENUM_(name, text) WAIT_##name,
enum wait_reason { RNI_WAIT_REASONS(RNI_WAIT_ENUM_) WAIT_COUNT_ };

enum {
        GF_COPY = 1,      /* started by rn_go_copy with the value in the descriptor */
        GF_COPY_HEAP = 2, /* ... with the value on the heap */
        GF_FOREIGN = 4,   /* a plain thread's stand-in */
        GF_MAIN = 8,      /* goroutine 1 on the process's stack */
        GF_EXITING = 16,  /* in rn_exit */
        GF_SIZED = 32,    /* has a stack of its own size: `sized`, until it runs */
        GF_SIM = 64       /* of a deterministic run: sim.h */
};

enum { COPY_INLINE = 64 };   /* bytes of an rn_go_copy value that fit the descriptor */

/* One wait on one object, in that object's queue. A goroutine's first lies in its descriptor,
 * further select cases on its own stack; blocking allocates nothing. Everything is written by the
 * waiting G before it is published and by whoever holds the object's lock afterwards. */
struct waiter {
        struct waiter *next, *prev;   /* in the object's queue, under its lock */
        struct g *g;
        void *elem;      /* where the value lies or goes; NULL: not wanted */
        void *obj;       /* the object waited on */
        uint32_t index;  /* which select case */
        uint8_t claim;   /* the G waits on several things: who wakes it must win g->claim first */
        uint8_t ok;      /* set by who wakes it: true = a value was passed, false = closed */
        uint8_t queued;  /* in obj's queue */
        uint8_t returns; /* a plain operation with a deadline: counted in its channel's nreturning
                          * until a partner or it itself takes it out */
};

struct pcall;
struct rn_deferred;
struct timers;

/* What a fresh goroutine is to be called with; shares the room with what only a started one
 * needs. */
union g_start {
        struct rn_call_regs reg;
        struct {
                union {
                        unsigned char value[COPY_INLINE];
                        void *block;           /* GF_COPY_HEAP */
                };
                uint32_t size;
                uint16_t align;
        } copy;                        /* GF_COPY, GF_COPY_HEAP */
};

/* A line for a wait, then what lasts. */
struct g_run {
        struct waiter w;
        struct timers *timers;         /* the heap that holds the entry of the present wait; NULL:
                                        * none */
        struct waiter *fired;          /* which of its waiters woke it; written by the waker before
                                        * ready; NULL: a timer did */
        struct rn_deferred *defers;    /* innermost first */
        struct pcall *pcalls;          /* innermost first */
};

struct g {
        struct g *next;                /* queue or list link: owner of that queue */
        union {
                struct ctx ctx;        /* valid with a stack, unless RUNNING */
                struct stack *sized;   /* GF_SIZED, without */
        };
#ifdef RNI_SWITCH_UCONTEXT
        void *ctx_pad;
#endif
        struct stack *stack;           /* NULL: not bound; assembly reads it */
        a32 state;                     /* enum g_state */
        uint8_t reason;                /* enum wait_reason, while WAITING */
        uint8_t flags;
        aword claim;                   /* bit 0: this wait is decided; the rest counts waits, so
                                        * that a late timer cannot claim the next one */
        uint64_t id;
        union {
                union g_start start;
                struct g_run run;
        } u;
        const char *name;
        void (*fn)(void);              /* what it was started with */
        void (*at_exit)(void *, intptr_t result);   /* when it ends, also by rn_exit (result 0):
                                                     * WaitGroup's done */
        void *at_exit_arg;
};

_Static_assert(sizeof(struct g) <= RNI_GSLOT, "a descriptor fits its slot");
_Static_assert(sizeof(void *) == 4 || offsetof(struct g, u) == RNI_LINE,
               "what a wait writes is a line");
#ifdef RNI_G_STACK_OFF
_Static_assert(offsetof(struct g, stack) == RNI_G_STACK_OFF, "call_*.S finds the stack here");
_Static_assert(offsetof(struct stack, scratch) == RNI_STACK_SCRATCH_OFF,
               "call_*.S finds the scratch here");
#endif
_Static_assert(sizeof(union g_start) == sizeof(struct rn_call_regs),
               "a copied value takes no more than registers do");

/* All lines of a descriptor that will be wanted soon: walking a list misses on each link, the rest
 * of the descriptor should not miss again. */
static inline void g_prefetch(struct g *g)
{
        for (unsigned i = 0; i < sizeof *g; i += RNI_LINE)
                __builtin_prefetch((char *)g + i, 1);
}

/* In two steps, for one that is still to be looked at: how to go on, and what the wait left behind;
 * then, with that at hand, the frames it goes on in, or the rest of what it starts with. */
static inline void g_prefetch_first(const struct g *g)
{
        __builtin_prefetch(g, 1);
        __builtin_prefetch((const char *)g + RNI_LINE, 1);
}

static inline void g_prefetch_rest(const struct g *g)
{
        if (g->stack)
                for (int i = 0; i < 2 * RNI_LINE; i += RNI_LINE)
                        __builtin_prefetch(ctx_innermost(&g->ctx) + i, 1);
        else
                __builtin_prefetch((const char *)g + 2 * RNI_LINE, 1);
}

/* Word by word, upwards: TSan would watch a memcpy, and take what a lock it does not know protects
 * for a race. */
static inline void g_copy(struct g **to, struct g *const *from, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                to[i] = from[i];
                rni_compiler_barrier();   /* or the compiler makes it a memcpy */
        }
}

/* A list of Gs that changes hands as a whole. */
struct g_list {
        struct g *head, *tail;
        size_t n;
};

/* -- waits that several wakers race for: the models are docs/design/select.pml and
 * docs/design/timer.pml -- */

/* A new wait of the running g: its waiters and its timer, once published, must win the claim to
 * wake it. */
static inline void rni_claim_begin(struct g *g)
{
        store_rlx(&g->claim, (load_rlx(&g->claim) | 1) + 1);   /* rlx: own word until published */
}

/* By a waker who found one of g's waiters queued, so the wait is the present one. */
static inline bool rni_claim(struct g *g)
{
        AO_t wait = load_rlx(&g->claim);   /* rlx: the CAS decides */

        return !(wait & 1) && cas(&g->claim, wait, wait | 1);
}

static inline void g_list_push(struct g_list *l, struct g *g)
{
        g->next = NULL;
        if (l->tail)
                l->tail->next = g;
        else
                l->head = g;
        l->tail = g;
        l->n++;
}

static inline struct g *g_list_pop(struct g_list *l)
{
        struct g *g = l->head;

        if (g) {
                l->head = g->next;
                if (!l->head)
                        l->tail = NULL;
                l->n--;
        }
        return g;
}

static inline void g_list_append(struct g_list *l, struct g_list *more)
{
        if (!more->head)
                return;
        if (l->tail)
                l->tail->next = more->head;
        else
                l->head = more->head;
        l->tail = more->tail;
        l->n += more->n;
        *more = (struct g_list){ NULL, NULL, 0 };
}

const char *rni_wait_text(unsigned reason);

#endif
