/* SPDX-License-Identifier: MIT
 * The beginning and the end of the lone thread. The protocol and its argument are in lone.h. */
#include "sched/core/lone.h"

/* read all the time: nothing that is written lies beside it but at the beginning */
aword rni_lone rni_aligned(RNI_APART) = RNI_LONE ? LONE_NOBODY : LONE_OVER;
a32 rni_lone_depth;   /* only written while rni_lone tells who writes it */
static aword was;   /* who it is while it is ending */

/* Once in a process. The lone thread holds its locks for less than a microsecond, unless it has
 * lost its processor. */
static void end(void)
{
        rni_fence_heavy();   /* light side: lone_try */
        for (unsigned tries = 1; load_acq(&rni_lone_depth) != 0; tries++)   /* acq: pairs with rel
                                                                             * in lone_leave */
                rni_cpu_wait(tries);
        store_rel(&rni_lone, LONE_OVER);   /* rel: pairs with acq below; what it did under its locks
                                            * comes before ours */
}

rni_cold bool rni_lone_slow(const struct m *m)
{
        for (unsigned tries = 1;; tries++) {
                AO_t lone = load_acq(&rni_lone);   /* acq: pairs with rel in end */

                if (lone == LONE_OVER)
                        return false;
                if (lone == LONE_NOBODY) {
                        if (m && cas(&rni_lone, LONE_NOBODY, aptr(m)))
                                store_rlx(&was, aptr(m));   /* rlx: read by ourselves */
                        else if (!m)
                                cas(&rni_lone, LONE_NOBODY, LONE_OVER);
                } else if (lone == LONE_ENDING) {
                        if (m && load_rlx(&was) == aptr(m) &&   /* rlx: our own, if it is us */
                            load_rlx(&rni_lone_depth) > 0) {   /* rlx: the same */
                                unsigned depth = load_rlx(&rni_lone_depth);   /* rlx: the same */

                                store_rlx(&rni_lone_depth, depth + 1);   /* rlx: stays above 0 */
                                return true;
                        }
                        rni_cpu_wait(tries);
                } else if (lone == aptr(m)) {
                        if (lone_try(m))
                                return true;
                } else if (cas(&rni_lone, lone, LONE_ENDING)) {
                        end();
                }
        }
}
