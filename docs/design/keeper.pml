/* SPDX-License-Identifier: MIT
 * Who keeps a deadline, as sched/core/idle.c and sched/core/sysmon.c do it: a goroutine adds a
 * timer and then computes for ever, its store to the heap in a buffer (as on x86, TSO); two Ms go
 * idle, are woken, and may compute for ever; a thread comes back from C code and takes an idle P; a
 * P comes to the idle list by a hand-off; sysmon dozes. Checked exhaustively:
 * tests/house/models.sh. When nothing moves any more somebody sleeps until the timer, and no later:
 * the keeper if a P is idle, else sysmon.
 *
 * What is read between two steps, and only decides what the same thread does next, is read with one
 * of the two; a decision that is over is forgotten. Both are for the size of the search.
 *
 * As it stands it is clean, with -DFULL_FENCES too (no membarrier). Each of these undoes one rule,
 * and an assertion fails:
 *   -DNO_FENCE        the keeper runs no membarrier after it has said until when it sleeps
 *   -DNO_LOOK         and does not look again
 *   -DNO_KICK         who adds a timer does not tell the keeper
 *   -DNOT_SAID        who adds a timer while no P is idle, but an M that was keeper, does not tell sysmon
 *   -DKICKS_NOBODY    who finds that the keeper has left meanwhile does not tell sysmon
 *   -DNOT_REPLACED    one that looked while no P was idle stays keeper when a P goes idle
 *   -DNOT_WANTED      a hand-off sees to no keeper
 *   -DNOT_PROMOTED    a keeper that leaves sees to no other one, nor to sysmon
 *   -DNO_DOZE_FENCE   sysmon runs no membarrier when it lies down
 *   -DNOT_NEEDED      who takes the last idle P does not tell sysmon */

#define NEVER 2         /* deadlines: 0 is none said, T the timer's */
#define T     1

#define MS 2
#define NOBODY MS

byte min = NEVER;       /* of the heaps, in memory */
bool buffered;          /* the adder's store to it is not there yet */
byte nidle_p;
byte keeper = NOBODY;
byte keeper_until;

#define ASLEEP 0
#define WOKEN  1
#define LOOK   2
byte park[MS];
bool idle[MS];
byte sleeps[MS];        /* until when; 0: it does not */

bool dozes;             /* the word sysmon */
byte dozes_until;

#define drain() d_step { if :: buffered -> min = T; buffered = false :: else fi }
#define to_keep (nidle_p != 0 -> min : NEVER)

inline sysmon_need() { if :: dozes -> dozes = false; dozes_until = 0 :: else fi }

inline sysmon_need_by_adder() { atomic { if :: dozes -> dozes = false; dozes_until = 0; drain() :: else fi } }

/* sched.lock held */
inline poke(k, w) { park[k] = w }
inline keeper_look() { if :: keeper != NOBODY -> poke(keeper, LOOK) :: else fi }
inline promote_keeper()
{
        if
        :: keeper == NOBODY && nidle_p != 0 && (idle[0] || idle[1]) ->
                keeper = (idle[0] -> 0 : 1);
                keeper_until = NEVER;
                drain();
                if :: min != NEVER -> poke(keeper, LOOK) :: else fi
        :: else
        fi
}
inline unlink(i) { idle[i] = false; if :: keeper == i -> keeper = NOBODY; keeper_until = 0 :: else fi }

active proctype adder()
{
        byte until;
        bool kept;
#ifdef FULL_FENCES
        min = T;
#else
        buffered = true;
#endif
        /* rni_timekeeper_kick */
#ifndef NO_KICK
        until = keeper_until;
        if
#ifdef NOT_SAID
        :: until == 0 ->
#else
        :: until == 0 || nidle_p == 0 ->
#endif
                until = 0;
                sysmon_need_by_adder()
        :: else ->
                if
                :: until > T ->
                        atomic {
                                until = 0;
                                drain();
#ifdef NOT_SAID
                                kept = (keeper != NOBODY);
#else
                                kept = (keeper != NOBODY && nidle_p != 0);
#endif
                                if :: kept -> keeper_until = 0; poke(keeper, LOOK) :: else fi
                        };
#ifndef KICKS_NOBODY
                        atomic { if :: !kept -> sysmon_need() :: else -> kept = false fi }
#endif
                :: else -> until = 0
                fi
        fi
#endif
}

proctype cache() { end: do :: atomic { buffered -> drain() } od }

/* It has a P, or, if it was idle at first, none. */
proctype worker(byte me; bool has_p)
{
        byte until;

again:
        atomic {                        /* stop_looking, with a P */
                if
                :: has_p -> nidle_p++
                :: else
                fi;
                has_p = false
        };
#ifndef FULL_FENCES
        drain();
#endif
        atomic {                        /* idle_m_link */
                park[me] = ASLEEP;
                idle[me] = true;
                if
#ifdef NOT_REPLACED
                :: nidle_p != 0 && keeper == NOBODY ->
#else
                :: nidle_p != 0 && (keeper == NOBODY || keeper_until > to_keep) ->
#endif
                        keeper = me; keeper_until = 0
                :: else
                fi;
                goto looks
        };
asleep: /* m_sleep */
        atomic {
                if
                :: park[me] == WOKEN -> has_p = true; goto up
                :: else -> park[me] = ASLEEP
                fi
        };
looks:  atomic {
                until = NEVER;
                if
                :: keeper == me -> until = to_keep      /* keep */
                :: else -> goto sleep
                fi
        };
        atomic { if :: keeper == me -> keeper_until = until :: else fi };
#if !defined NO_FENCE && !defined FULL_FENCES
        drain();
#endif
#ifndef NO_LOOK
        if
        :: to_keep < until -> until = 0; goto asleep
        :: else
        fi;
#endif
sleep:
        atomic {
                if
                :: park[me] == ASLEEP -> sleeps[me] = until; until = 0
                :: else -> until = 0; goto asleep
                fi
        };
end_asleep:
        atomic {
                park[me] != ASLEEP -> sleeps[me] = 0;
                if
                :: park[me] == WOKEN -> has_p = true
                :: else -> park[me] = ASLEEP; goto looks
                fi
        };
up:                                     /* sleep_for_p */
#ifndef NOT_PROMOTED
        atomic { promote_keeper() };
        atomic {
                if
                :: (keeper == NOBODY || nidle_p == 0) && min != NEVER -> sysmon_need()
                :: else
                fi
        };
#endif
        if
        :: goto again
        :: skip                         /* computes */
        fi
}

/* Work is submitted, or not: a P and an M for it, the keeper last. */
proctype waker()
{
        if
        :: skip
        :: atomic {
                if
                :: nidle_p != 0 && (idle[0] || idle[1]) ->
                        nidle_p--;
                        if
                        :: idle[0] && (keeper != 0 || !idle[1]) -> unlink(0); poke(0, WOKEN)
                        :: else -> unlink(1); poke(1, WOKEN)
                        fi
                :: else
                fi
           }
        fi
}

/* From C code: takes a P, and computes, or loses it to sysmon, which hands it off. */
proctype entrant()
{
end_in_c:
        atomic { nidle_p != 0 -> nidle_p-- };
#ifndef NOT_NEEDED
        atomic {
                if
                :: nidle_p == 0 -> sysmon_need()
                :: else
                fi
        };
#endif
        if
        :: atomic {
                nidle_p++;
#ifndef NOT_WANTED
                keeper_look();
                promote_keeper()
#endif
           }
        :: skip
        fi
}

proctype sysmon()
{
        bool none;

        do
        :: dozes = true;
#if !defined NO_DOZE_FENCE && !defined FULL_FENCES
           drain();
#endif
           none = (keeper == NOBODY);
           atomic {
                if
                :: dozes -> dozes_until = (nidle_p == 0 || none -> min : NEVER)
                :: else
                fi;
                none = false
           };
end_dozes: !dozes
        od
}

init
{
        atomic { run cache(); run worker(0, true); run worker(1, false); run waker(); run entrant(); run sysmon() };
        timeout -> assert(min == T && (dozes_until == T || (keeper != NOBODY && sleeps[keeper] == T)))
}
