/* SPDX-License-Identifier: MIT
 * Timers against those who stop and start them, as sched/core/timer.h, sched/core/timer.c and
 * chan/timer.c do it. Two casts, of which a run has one.
 *
 * An object with a channel and a timer: two users stop it, start it anew for sooner, later or
 * never, receive, and give their references back; two Ms fire what is due; a retired heap moves
 * into another. The assertions say that after stop no value can be received, after reset none from
 * before its time, and one setting of a one-shot timer gives one value; that a ticker's next tick
 * is later; that the timer is never on two heaps, nobody touches the object when it is freed, and
 * it is freed in the end; and, when nothing moves any more, that what was due has come.
 *
 * A goroutine that waits twice with a deadline, a partner who wakes it, and an M that fires or
 * sweeps: the timer of a wait wakes the goroutine from that wait, once, or not at all.
 *
 * A step is what is done under a lock, but for the words that are read without: home, and the
 * claim. Checked exhaustively: tests/house/models.sh.
 *
 * As it stands it is clean. Each of these undoes one rule, and an assertion fails:
 *   -DNOT_PENDING    fire sends though the timer was stopped
 *   -DNOT_HOME       fire sends though the timer was started anew and is on a heap
 *   -DNOT_DUE        fire sends though the timer was started anew and its own time is before that
 *   -DNOT_EMPTIED    stop leaves the value of an earlier fire in the channel
 *   -DNO_STOP        who gives the last reference back does not stop the timer
 *   -DNO_HOLD        fire has no reference of its own
 *   -DHOLDS_GOING    hold takes a reference though the last has gone
 *   -DHOLDS_LATE     home is cleared before hold is asked
 *   -DNOT_AGAIN      stop believes home as it was before the heap was locked
 *   -DMOVES_APART    the heaps are not both locked when one moves into the other
 *   -DOLD_CLAIM      the claim word is not renewed between two waits
 *   -DNO_CLAIM       the timer's M does not win the claim
 *   -DADDED_LATE     the timer is added when the commit has unlocked the object
 *   -DSWEPT_ALIVE    a sweep takes every wait that is not decided for one that has ended */

#define LATE  2             /* the last time that comes */
#define NEVER 7

byte clock;

/* -- a timer in an object -- */

#define nowhere 0           /* home; else the heap, 1 or 2 */

bool heap_locked[3];
bool in_heap[3];
byte entry_when;            /* of the entry, wherever it is */

byte home;
byte refs = 2;              /* one for each user */
bool freed;
bool locked;                /* the channel */
bool pending;
bool ticks;                 /* period > 0, which is 1 */
byte when;
bool filled;                  /* the buffer of the channel */
byte buffered;

bool stopped;               /* as whoever holds the lock knows */
byte set_when;              /* the time that was set last */
bool given;                 /* that setting of a one-shot timer has given its value */

#define touch() assert(!freed)

/* rni_timers_start, entered with the object locked; within an atomic */
inline start(h, t)
{
        if
        :: t != NEVER ->
                !heap_locked[h];
                touch();
                assert(!in_heap[1] && !in_heap[2]);
                home = h;
                in_heap[h] = true;
                entry_when = t
        :: else
        fi
}

/* rni_timer_stop */
inline stop()
{
        do
        :: atomic { home == nowhere -> touch(); h = nowhere; break }
        :: atomic { home != nowhere -> touch(); h = home };
           if
           :: atomic { !heap_locked[h] ->
                        touch();
                        if
#ifndef NOT_AGAIN
                        :: home != h
#endif
                        :: else -> assert(in_heap[h]); in_heap[h] = false; entry_when = 0; home = nowhere; h = nowhere; break
                        fi }
           fi
        od
}

/* obj_hold */
inline hold()
{
        touch();
#ifdef HOLDS_GOING
        refs++; held = true
#elif defined NO_HOLD
        held = true
#else
        if :: refs != 0 -> refs++; held = true :: else -> held = false fi
#endif
}

/* rn_unref, chan_last */
inline unref()
{
        atomic { touch(); assert(refs > 0); refs--; last = (refs == 0) };
        if
        :: last ->
#ifndef NO_STOP
                stop();
#endif
                atomic { touch(); assert(!locked && refs == 0); freed = true; last = false }
        :: else
        fi
}

#ifdef NOT_PENDING
#define MAY_SEND (home == nowhere && now >= when)
#elif defined NOT_HOME
#define MAY_SEND (pending && now >= when)
#elif defined NOT_DUE
#define MAY_SEND (pending && home == nowhere)
#else
#define MAY_SEND (pending && home == nowhere && now >= when)
#endif

/* rni_run_due_timers, on any heap; the clock was read at any time before. */
proctype m()
{
        byte now, h;
        bool held, last;

end_idle:
        atomic {                /* rni_timers_due */
                if
                :: in_heap[1] && !heap_locked[1] && entry_when <= clock -> h = 1
                :: in_heap[2] && !heap_locked[2] && entry_when <= clock -> h = 2
                fi;
                now = entry_when;
                do
                :: now < clock -> now++
                :: break
                od;
                heap_locked[h] = true;
                in_heap[h] = false;
                entry_when = 0;
#ifndef HOLDS_LATE
                hold()
#endif
        };
        atomic {
                touch();
                home = nowhere;
#ifdef HOLDS_LATE
        };
        atomic {
                hold();
#endif
                heap_locked[h] = false;
                h = nowhere;
                if
                :: !held -> now = 0; goto end_idle
                :: else
                fi
        };
        atomic {                /* chan_fire */
                !locked;
                touch();
                locked = true;
                if
                :: MAY_SEND ->
                        assert(ticks || !given);
                        given = true;
                        if :: !filled -> filled = true; buffered = now :: else fi;
                        if
                        :: ticks -> assert(now >= when); when = now + 1
                        :: else -> pending = false; goto sent
                        fi
                :: else -> goto sent
                fi
        };
        atomic {
                start(2, when);
sent:           touch();
                locked = false;
                held = false;
                now = 0
        };
#ifndef NO_HOLD
        unref();
#endif
        goto end_idle
}

/* rni_timers_move, from 1 to 2 */
proctype mover()
{
end_mover:
        atomic {
                !heap_locked[1] && !heap_locked[2] && in_heap[1];
                in_heap[1] = false;
#ifdef MOVES_APART
                heap_locked[2] = true
        };
        atomic {
                heap_locked[2] = false;
#endif
                touch();
                home = 2;
                in_heap[2] = true
        }
}

/* Does so many things to the timer, and gives its reference back. */
proctype user(byte n)
{
        byte h, t;
        bool last;

        do
        :: n > 0 ->
                n--;
                atomic { !locked -> touch(); locked = true };   /* chan_timer_stop,
                                                                 * chan_timer_reset */
                if
                :: pending -> stop()    /* disarm */
                :: else
                fi;
                atomic {
                        pending = false;
#ifndef NOT_EMPTIED
                        filled = false;
                        buffered = 0;
#endif
                        given = false;
                        if
                        :: stopped = true
                        :: stopped = false;
                           if :: t = clock :: t = clock + 1 :: t = NEVER fi;
                           when = t;
                           set_when = t;
                           pending = true;
                           start(1, t)
                        fi;
                        locked = false;
                        t = 0
                }
        :: n > 0 ->
                n--;
                atomic {                /* a receive that does not wait */
                        !locked -> touch();
                        if
                        :: filled -> assert(!stopped && buffered >= set_when); filled = false; buffered = 0
                        :: else
                        fi
                }
        :: n == 0 -> break
        od;
        if
        :: unref()
        :: skip
        fi
}

proctype time() { end_time: do :: atomic { clock < LATE -> clock++ } od }

/* -- a goroutine's timed waits -- */

#define WAITING  1
#define RUNNABLE 2
byte state;
byte claim;
byte which;                 /* of its waits */
bool by_timer;              /* g->fired == NULL */
bool queued;                /* with the partner's object, whose lock is locked */
byte wait[2];               /* entries of the heap: the claim word; 0: none */

inline ready() { d_step { assert(state == WAITING); state = RUNNABLE } }

#ifdef ADDED_LATE
bool unlocked[2];
proctype commit()
{
end:    do
        :: d_step { unlocked[0] -> wait[0] = claim; unlocked[0] = false }
        :: d_step { unlocked[1] -> wait[1] = claim; unlocked[1] = false }
        od
}
#endif

proctype goroutine()
{
        do
        :: which < 2 ->
                atomic { !locked -> locked = true; queued = true; by_timer = true;
#ifdef OLD_CLAIM
                         claim = 2
#else
                         claim = (claim | 1) + 1
#endif
                };
                state = WAITING;        /* rni_post, commit_timed */
#ifndef ADDED_LATE
                wait[which] = claim;
#endif
#ifdef ADDED_LATE
                unlocked[which] = true;
#endif
                locked = false;
                atomic { state == RUNNABLE -> state = 0 };
                if
                :: by_timer -> atomic { !locked -> queued = false }
                :: else
                fi;
                which++
        :: else -> break
        od
}

proctype partner()
{
end_partner:
        do
        :: atomic { !locked && queued ->
                        locked = true;
                        queued = false;
                        if
                        :: claim % 2 -> locked = false
                        :: else -> claim = claim | 1; by_timer = false; goto won
                        fi }
        od;
won:    locked = false;
        ready()
}

/* entry_live */
#ifdef SWEPT_ALIVE
#define live(k) (claim % 2)
#else
#define live(k) (claim == wait[k])
#endif

inline due(k)
{
        atomic {
                wait[k] != 0 ->
#ifndef NO_CLAIM
                if
                :: claim == wait[k] ->
#endif
                        claim = claim | 1; by_timer = true; won = true; assert(which == k)
#ifndef NO_CLAIM
                :: else
                fi
#endif
                ;
                wait[k] = 0
        };
        if :: won -> won = false; ready() :: else fi
}

proctype timers()
{
        bool won;

end_timers:
        do
        :: due(0)
        :: due(1)
        :: atomic { wait[0] != 0 && !live(0) -> wait[0] = 0 }
        :: atomic { wait[1] != 0 && !live(1) -> wait[1] = 0 }
        od
}

init
{
        atomic {
                if
                :: refs = 0; freed = true;
#ifdef ADDED_LATE
                   run commit();
#endif
                   run timers(); run partner(); run goroutine()
                :: if :: ticks = true :: ticks = false fi;
                   pending = true; home = 1; in_heap[1] = true;
                   run time(); run m(); run m(); run mover(); run user(2); run user(1)
                fi
        };
        atomic {
                timeout ->
                assert(state != WAITING);
                assert(!locked && !heap_locked[1] && !heap_locked[2]);
                assert(freed == (refs == 0));
                assert(freed || !pending || when > LATE || ticks);
                assert(freed || !pending || when == NEVER || home != nowhere)
        }
}
