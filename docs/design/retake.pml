/* SPDX-License-Identifier: MIT
 * The retake of a P, as sched/core/retake.c does it: one M whose stores wait in a buffer (as on
 * x86, TSO), sysmon, and another M that takes Ps from the idle list and puts them back. Checked
 * exhaustively: tests/house/models.sh. The assertions say that whoever uses or takes a P owns it.
 *
 * As it stands it is clean, with -DFULL_FENCES too (no membarrier). Each of these undoes one rule
 * of retake.c, and an assertion fails:
 *   -DNO_FENCE      1  sysmon runs no membarrier
 *   -DBACK_STORED   1  the M takes a question back by a store
 *   -DASK_STORED    2  sysmon asks by a store
 *   -DOBSERVED      3  sysmon takes the P that it saw when it asked
 *   -DGONE_STORED   2  sysmon says GONE by a store, whatever the word is by then
 *   -DNO_LOCK       4  the second CAS and the move of m->p are not under the lock
 *   -DTWO           5  two threads ask
 *   -DNESTED        6  an inner leave clears in_rt
 *   -DLEAVES_FIRST  7  a P is given up, and the M leaves before it says GONE */

#define NOT   0
#define ASKED 1
#define GONE  2

#define NPS   2
#define NONE  NPS           /* no P */

#define IDLE  0             /* owner[p]: on the idle list */
#define M1    1
#define OTHER 2             /* the other M, or on its way */

byte owner[NPS] = IDLE;

/* The M's words in memory, and its stores that are not there yet. */
#define IN_RT  0
#define RETAKE 1
#define MP     2
#define LOCK   3
byte mem[4];
byte own[4];                /* the value of its youngest store */
byte waiting[4];            /* how many of its stores to this word are in the buffer */
chan buffer = [3] of { byte, byte };

#define load(v) (waiting[v] -> own[v] : mem[v])
#define drained empty(buffer)

inline store(v, x) { atomic { nfull(buffer); own[v] = x; waiting[v]++; buffer!v, x } }
inline lock_by_m() { atomic { drained && mem[LOCK] == 0; mem[LOCK] = 1 } }
inline unlock_by_m() { store(LOCK, 0) }
inline lock() { atomic { mem[LOCK] == 0; mem[LOCK] = 1 } }
inline unlock() { mem[LOCK] = 0 }

/* -- retake.c: the M's side -- */

inline use() { d_step { u = load(MP); assert(u < NPS && owner[u] == M1); u = NONE } }

inline p_take() { store(MP, p); store(RETAKE, NOT); p = NONE }

/* Blocks while none is idle: the M sleeps. */
inline idle_p()
{
        lock_by_m();
        if
        :: owner[0] == IDLE -> p = 0
        :: owner[1] == IDLE -> p = 1
        :: else -> p = NONE
        fi;
        if
        :: p != NONE -> owner[p] = M1
        :: else
        fi;
        unlock_by_m()
}

/* Puts its P on the idle list. */
inline idle_put() { lock_by_m(); owner[p] = IDLE; p = NONE; unlock_by_m() }

inline p_leave()
{
        atomic { p = load(MP); assert(p < NPS && owner[p] == M1); owner[p] = OTHER };
        store(MP, NONE);
#ifndef LEAVES_FIRST
        store(RETAKE, GONE)
#endif
}

/* gone: whether the P is. */
inline still_ours()
{
        word = load(RETAKE);
        if
        :: word == NOT -> gone = false
        :: word == ASKED ->
#ifdef BACK_STORED
                store(RETAKE, NOT); gone = false
#else
                atomic { drained; gone = (mem[RETAKE] != ASKED); if :: !gone -> mem[RETAKE] = NOT :: else fi }
#endif
        :: word == GONE -> gone = true
        fi
}

active proctype m()
{
        byte p = NONE, u, word;
        bool gone;

        atomic { owner[0] = M1; mem[MP] = 0; run other(); run drain(); run sysmon();
#ifdef TWO
                 run sysmon()
#endif
        };
user:   /* C code */
        store(IN_RT, 1);
#ifdef FULL_FENCES
        drained;
#endif
        still_ours();
        if
        :: !gone
        :: gone ->      /* rni_enter_slow */
                idle_p();
                if
                :: p == NONE -> goto park
                :: else -> p_take()
                fi
        :: gone ->      /* rni_enter_slow_locked: behind sysmon, and on without a P */
                lock_by_m();
                unlock_by_m();
                assert(load(MP) == NONE);
                if
                :: goto park
                :: goto out
                fi
        fi;
inside:
        use();
        if
        :: goto inside
        :: goto out
        :: p_leave(); idle_put(); goto park     /* the M sleeps */
        :: p_leave();                           /* rn_block_enter */
#ifdef LEAVES_FIRST
           store(IN_RT, 0);
           store(RETAKE, GONE);
#endif
           idle_put(); goto out
#ifdef NESTED
        :: store(IN_RT, 0); use(); goto out
#endif
        fi;
park:   /* in the scheduler loop, without a P */
        idle_p();
        if
        :: p == NONE -> goto park
        :: else -> p_take(); goto inside
        fi;
out:
        store(IN_RT, 0);
        goto user
}

proctype drain()
{
        byte v, x;

        do
        :: atomic { buffer?v, x; mem[v] = x; waiting[v]--; v = 0; x = 0 }
        od
}

/* -- sysmon's side: rni_retake -- */

proctype sysmon()
{
        byte p = NONE, seen = NONE;

again:
        seen = mem[MP];
#ifdef ASK_STORED
        mem[RETAKE] = ASKED;
#else
        if
        :: atomic { mem[RETAKE] == NOT -> mem[RETAKE] = ASKED }
        :: mem[RETAKE] == ASKED
        fi;
#endif
#if !defined NO_FENCE && !defined FULL_FENCES
        drained;        /* membarrier */
#endif
        if
        :: mem[IN_RT] != 0 -> goto again
        :: else
        fi;
#ifndef NO_LOCK
        lock();
#endif
        if
#ifdef GONE_STORED
        :: mem[MP] != NONE -> mem[RETAKE] = GONE;
#else
        :: atomic { mem[RETAKE] == ASKED -> mem[RETAKE] = GONE };
#endif
#ifdef OBSERVED
           p = seen;
#else
           p = mem[MP];
#endif
           d_step { assert(p < NPS && owner[p] == M1); owner[p] = OTHER };
           if
           :: p == mem[MP] -> mem[MP] = NONE
           :: else
           fi
        :: else
        fi;
#ifndef NO_LOCK
        unlock();
#endif
        if
        :: p != NONE -> lock(); owner[p] = IDLE; unlock()    /* rni_hand_off */
        :: else
        fi;
        p = NONE;
        seen = NONE;
        goto again
}

proctype other()
{
        do
        :: atomic { mem[LOCK] == 0 && owner[0] == IDLE -> owner[0] = OTHER }; atomic { mem[LOCK] == 0 -> owner[0] = IDLE }
        :: atomic { mem[LOCK] == 0 && owner[1] == IDLE -> owner[1] = OTHER }; atomic { mem[LOCK] == 0 -> owner[1] = IDLE }
        od
}
