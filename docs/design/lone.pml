/* SPDX-License-Identifier: MIT
 * The lone thread, as sched/core/lone.h and lone.c have it: its stores wait in a buffer (as on x86,
 * TSO); two other threads come, whose locked instructions let nothing wait. Two locks, one taken
 * inside the other. Checked exhaustively: tests/house/models.sh. The assertions say that a lock has
 * one holder, and that each holder sees what the one before it wrote.
 *
 * As it stands it is clean, with -DFULL_FENCES too (no membarrier). Each of these undoes one rule,
 * and an assertion fails:
 *   -DNO_FENCE     who ends it runs no membarrier
 *   -DNO_LOOK      the lone thread does not look again when it has counted
 *   -DAT_ONCE      who ends it says that it is over before the lone thread has let go
 *   -DNO_NESTING   a thread that holds one steps back from the second lock, and counts none */

#define OVER   0
#define ENDING 1
#define ME     2            /* the lone thread's name */

byte lone = ME;
byte holders[2];            /* who is in, for the assertions */
byte latest;                /* what was written last under lock 0 */

/* The lone thread's words in memory, and its stores that are not there yet. */
#define DEPTH 0
#define DATA  1
#define WORD0 2
#define WORD1 3
byte mem[4];
byte own[4];                /* the value of its youngest store */
byte waiting[4];            /* how many of its stores to this word are in the buffer */
chan buffer = [3] of { byte, byte };

#define load(v) (waiting[v] -> own[v] : mem[v])
#define drained empty(buffer)

inline store(v, x) { atomic { nfull(buffer); own[v] = x; waiting[v]++; buffer!v, x } }
inline goes_in(k) { d_step { assert(holders[k] == 0); holders[k] = 1 } }
inline goes_out(k) { holders[k] = 0 }

/* -- the lone thread -- */

/* Also the slow way: the end of the loop is lone == OVER and the lock itself. */
inline enter(k)
{
        do
        :: lone == OVER ->
                atomic { drained && mem[WORD0 + k] == 0; mem[WORD0 + k] = 1 };
                break
        :: lone == ME ->
                depth = load(DEPTH);
                store(DEPTH, depth + 1);
#ifdef FULL_FENCES
                drained;
#endif
#ifdef NO_LOOK
                break
#else
                if
                :: lone == ME -> break
#ifndef NO_NESTING
                :: lone != ME && depth > 0 -> break
                :: lone != ME && depth == 0 -> store(DEPTH, 0)
#else
                :: lone != ME -> store(DEPTH, 0)
#endif
                fi
#endif
        :: lone == ENDING ->
                if
                :: load(DEPTH) > 0 -> depth = load(DEPTH); store(DEPTH, depth + 1); break
                :: load(DEPTH) == 0 && lone == OVER     /* waits */
                fi
        od
}

inline leave(k)
{
        if
        :: lone == OVER -> store(WORD0 + k, 0)
        :: lone != OVER -> depth = load(DEPTH); store(DEPTH, depth - 1)
        fi
}

active proctype lone_thread()
{
        byte depth;

        atomic { run drain(); run other(0); run other(1) };
end:    do
        :: enter(0);
                goes_in(0);
                d_step { assert(load(DATA) == latest); latest = 1 - latest };
                store(DATA, latest);
                if
                :: enter(1); goes_in(1); goes_out(1); leave(1)
                :: true
                fi;
                goes_out(0);
                leave(0)
        :: enter(1); goes_in(1); goes_out(1); leave(1)
        od
}

proctype drain()
{
        byte v, x;

end:    do
        :: atomic { buffer?v, x; mem[v] = x; waiting[v]--; v = 0; x = 0 }
        od
}

/* -- the others -- */

proctype other(byte l)
{
        do
        :: atomic { lone == ME -> lone = ENDING };
#ifdef AT_ONCE
                lone = OVER;
#endif
#ifndef NO_FENCE
                drained;
#endif
                mem[DEPTH] == 0;
                lone = OVER
        :: lone == ENDING -> lone == OVER
        :: lone == OVER -> break
        od;
        atomic { mem[WORD0 + l] == 0; mem[WORD0 + l] = 1 };
        goes_in(l);
        if
        :: l == 0 -> d_step { assert(mem[DATA] == latest); latest = 1 - latest; mem[DATA] = latest }
        :: else
        fi;
        goes_out(l);
        mem[WORD0 + l] = 0
}
