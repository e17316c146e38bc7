/* SPDX-License-Identifier: MIT
 * The thread's M pointer. One word of thread-local storage; written when a thread becomes or
 * ceases to be an M, read by rni_self and rni_capture_stub. The accessor that self.h could not
 * inline lives here, alone, so that its callers cannot see into it. */
#include "sched/arch/arch.h"
#include "sched/arch/offsets.h"

_Static_assert(offsetof(struct rn_call, reg.i) == RNI_CALL_IREG_OFF, "where stubs store ints");
_Static_assert(offsetof(struct rn_call, reg.f) == RNI_CALL_FREG_OFF, "where stubs store doubles");

/* used: assembly names it, which link-time optimisation does not see. */
__attribute__((used)) __thread struct m *rni_self_m __attribute__((tls_model("initial-exec")));

rni_noinline void rni_self_set(struct m *m)
{
        rni_self_m = m;
        rni_compiler_barrier();
}

#ifdef RNI_SELF_OUT_OF_LINE
rni_noinline struct m *rni_self(void)
{
        /* noinline alone would not stop a compiler from calling once for two uses. */
        rni_compiler_barrier();
        return rni_self_m;
}
#endif
