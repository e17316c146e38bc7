/* SPDX-License-Identifier: MIT
 * The slow half of the runtime's lock, and the rank check of debug builds. The argument is in
 * lock.h. */
#include "sched/core/lock.h"

#ifdef RNI_DEBUG
#include "sched/core/fatal.h"
#include "sched/core/m.h"
#endif

a32 rni_lock_sleepers[SPOTS];

enum { SPINS = 20, PAUSE = 64 };   /* PAUSE: about a microsecond */

/* A holder that runs lets go in a fraction of a pause, but takes the lock again as soon if that is
 * all it does, and a look that finds it free would be too late to take it: so each try is an
 * attempt. The pauses are long, the first one too: who tries again at once takes the line away
 * after each operation of the other, and each of them then costs the line's way there and back.
 * After a pause the other has done dozens of them in its own cache, and then we have. Tens of
 * microseconds mean that the holder has lost its processor. */
void rni_lock_slow(struct lock *l)
{
        for (int i = 0; i < SPINS; i++) {
                for (int k = 0; k < PAUSE; k++)
                        cpu_relax();
                if (cas_acq(&l->word, 0, 1))   /* acq: pairs with rel in lock_release */
                        return;
        }
        fetch_add(&l->sleepers, 1);
        fetch_add(&rni_lock_sleepers[rni_spot(l)], 1);
        rni_fence_heavy();   /* light side: lock_release, lock_release_last */
        while (!cas_acq(&l->word, 0, 1))   /* acq: pairs with rel in lock_release */
                rni_futex_wait(&l->word, 1);
        fetch_add(&l->sleepers, (unsigned)-1);
        fetch_add(&rni_lock_sleepers[rni_spot(l)], (unsigned)-1);
}

/* The address only: l may be gone, and a wake too many is looked through. */
void rni_lock_wake(const struct lock *l)
{
        rni_futex_wake(&l->word, 1);
}

#ifdef RNI_DEBUG
/* Ms and foreign threads keep a stack of the ranks they hold; a thread without one (boot) is not
 * checked. */
void rni_lock_note(const struct lock *l, enum lock_rank rank, bool taken)
{
        struct m *m = rni_self();

        if (!m)
                return;
        if (!taken) {
                m->nlocks--;
                return;
        }
        if (m->nlocks > 0) {
                const struct held *top =
                        &m->locks[m->nlocks - 1 < HELD_MAX ? m->nlocks - 1 : HELD_MAX - 1];
                bool several = rank == RANK_HCHAN || rank == RANK_TIMERS;
                bool ordered = top->rank < (int)rank ||
                               (several && top->rank == (int)rank && top->lock < l);

                if (!ordered)
                        rni_throw("lock order: rank %d taken under rank %d", (int)rank, top->rank);
        }
        if (m->nlocks < HELD_MAX)
                m->locks[m->nlocks] = (struct held){ l, (int)rank };
        m->nlocks++;
}
#endif
