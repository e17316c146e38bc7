/* SPDX-License-Identifier: MIT
 * Going idle and waking, as sched/core/idle.c does it: a goroutine that submits work and then
 * computes for ever, its stores in a buffer (as on x86, TSO), and two Ms that look, take and sleep.
 * Checked exhaustively: tests/house/models.sh. When nothing moves any more, no work waits while a P
 * is idle.
 *
 * As it stands it is clean, with -DFULL_FENCES too (no membarrier). Each of these undoes one rule,
 * and the assertion fails:
 *   -DNO_FENCE      no membarrier between going idle and the last look
 *   -DNO_LOOK       no last look
 *   -DLOOKS_FIRST   the last look comes before nspinning falls
 *   -DP_LAST        the P goes to the idle list after the last look
 *   -DNO_NEXT       an M that has found work while it was the last to look wakes nobody */

#define WORK 2          /* Gs that are submitted */
#define MS   2

byte queue;             /* in memory */
byte buffered;          /* stores of the submitter that are not there yet: to its queue */
byte nidle_p = MS;      /* Ps on the idle list; the submitter holds another one */
byte nspinning;

#define ASLEEP 0
#define WOKEN  1        /* with a P, and to look */
#define UP     2
byte m[MS] = ASLEEP;

inline drain() { d_step { queue = queue + buffered; buffered = 0 } }

/* Under sched.lock: a P and an idle M. One that is on its way to sleep has given its P up before;
 * without an idle M a new thread is started, which is the same as one that was asleep. */
inline wake_spinner()
{
        atomic {
                if
                :: nidle_p > 0 && m[0] == ASLEEP -> nidle_p--; m[0] = WOKEN
                :: nidle_p > 0 && m[1] == ASLEEP -> nidle_p--; m[1] = WOKEN
                :: nidle_p == 0 -> nspinning--
                fi
        }
}

/* rni_wake_p: reads two words; wake_spinner's CAS drains the buffer of who runs it. mine: the
 * submitter does. */
inline wake_p(mine)
{
        if
        :: nidle_p == 0
        :: nidle_p != 0 ->
                if
                :: nspinning != 0
                :: atomic { nspinning == 0 -> nspinning = 1; if :: mine -> drain() :: else fi };
                   wake_spinner()
                fi
        fi
}

active proctype submitter()
{
        byte left = WORK;

        do
        :: left > 0 ->
                left--;
#ifdef FULL_FENCES
                queue++;
#else
                buffered++;
#endif
                wake_p(true)
        :: left == 0 -> break
        od
}

proctype cache() { end: do :: atomic { buffered > 0 -> buffered--; queue++ } od }

proctype worker(byte me)
{
        bool spins;

end_asleep:
        atomic { m[me] == WOKEN -> m[me] = UP };
        spins = true;
look:
        if
        :: atomic { queue > 0 -> queue-- };
           if
           :: spins ->
                spins = false;
#ifdef NO_NEXT
                atomic { nspinning-- }
#else
                if
                :: atomic { nspinning == 1 -> nspinning = 0 }; wake_p(false)
                :: atomic { nspinning > 1 -> nspinning-- }
                fi
#endif
           :: else
           fi;
           if
           :: goto look
           :: goto computes
           fi
        :: atomic { queue == 0 && !spins && nspinning == 0 -> nspinning++; spins = true }; goto look
        :: queue == 0
        fi;

        /* stop_looking */
#ifdef LOOKS_FIRST
        nidle_p++; drain();
        if
        :: queue > 0 -> goto again
        :: else
        fi;
        if
        :: spins -> nspinning--
        :: else
        fi;
        spins = false;
        goto idle;
#endif
#ifndef P_LAST
        nidle_p++;
#endif
        if
        :: spins -> nspinning--
        :: else
        fi;
        spins = false;
#if !defined NO_FENCE && !defined FULL_FENCES
        drain();                        /* membarrier */
#endif
#ifndef NO_LOOK
        if
        :: queue > 0 ->
#ifdef P_LAST
                nspinning++; spins = true; goto look
#endif
                goto again
        :: else
        fi;
#endif
#ifdef P_LAST
        nidle_p++;
#endif
idle:
        m[me] = ASLEEP;
        goto end_asleep;
again:
        if
        :: atomic { nidle_p > 0 -> nidle_p-- };
           if
           :: spins
           :: else -> nspinning++; spins = true
           fi;
           goto look
        :: atomic { nidle_p == 0 }; goto idle   /* somebody else has taken it, to look */
        fi;
computes:
        skip
}

init
{
        atomic { run worker(0); run worker(1); run cache() };
        timeout -> assert(!(queue > 0 && nidle_p > 0))
}
