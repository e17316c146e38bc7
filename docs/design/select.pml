/* SPDX-License-Identifier: MIT
 * select's claim, as chan/select.c, chan/chan.c, chan/hchan.h, chan/hchan.c, chan/waitq.h and the
 * claim words of sched/core/g.h do it: two channels, A without a buffer and B with room for one
 * value; a goroutine that waits twice and one that waits once, both in selects (also with the same
 * channel twice) or in plain operations, with or without a deadline; one that does a plain
 * operation; timers, also late ones; and an owner who closes a channel, and gives the last
 * reference of B back while others may still wait. Checked exhaustively: tests/house/models.sh. The
 * assertions say that who wakes a goroutine wakes it once, out of the wait that the waiter is of,
 * while it is parked; that nobody touches a channel that is freed; and, when nothing moves any
 * more, that no value was lost, given twice or given in vain, that nobody waits on a closed channel
 * or for what is there, and that no lock is held.
 *
 * A step is what is done under a lock between two looks at the claim word: nobody else can tell
 * where in it we are. The commit runs in another context while the goroutine may go on, yet not
 * past its first lock_all, which the commit's last unlock lets through; that the commit reads
 * nothing of the goroutine's stack afterwards is asserted.
 *
 * As it stands it is clean. Each of these undoes one rule, and an assertion fails:
 *   -DNO_CLAIM        who wakes does not win the claim first
 *   -DOLD_CLAIM       the claim word is not renewed between two waits: a late timer wakes the next one
 *   -DPLAIN_CLAIM     a plain operation with a deadline does not say that it must be claimed
 *   -DCLOSE_FORGETS   close wakes the receivers only
 *   -DCLOSE_CLAIMS    close takes waiters that it has not won
 *   -DNO_LEAVE        losing waiters are not taken out before the select returns
 *   -DLEAVES_TWICE    and those that a partner has taken out are taken out again
 *   -DCOMMITS_EARLY   the channels are unlocked as soon as the waiters stand in the queues, before the goroutine is parked
 *   -DONE_BY_ONE      each channel is unlocked when its waiter is queued, before the next is
 *   -DNOT_DECIDED     what was looked at channel by channel is not looked at again with all locked
 *   -DCASE_ORDER      channels are locked in the order of the cases
 *   -DLOCKS_TWICE     a channel that stands in two cases is locked twice
 *   -DUNLOCKS_FIRST   a channel that stands in two cases is unlocked at the first, and the second is looked at afterwards
 *   -DNOT_COUNTED     a waiter that its partner has taken out without winning does not keep the channel
 *   -DLOOKS_INTO      who gives the last reference back looks into the lock after it is free */

#define GS   3
#define A    0
#define B    1              /* has room for one value */
#define RECV 0
#define SEND 1
#define NONE 15

#define waiter(g, i) ((g) * 2 + (i))
#define g_of(w)      ((w) / 2)
#define entry(g, k)  ((g) + (k) * GS)       /* of the timer heap: one for each wait that can have a
                                             * deadline */
#define value(g, k)  (1 + (g) + (k) * GS)

/* struct hchan; queues hold waiters */
chan queue[4] = [2 * GS] of { byte };
#define q_of(c, d) queue[(c) * 2 + (d)]
#define recvq(c)   queue[(c) * 2]
#define sendq(c)   queue[(c) * 2 + 1]
bool locked[2], closed[2], orphan[2], freed[2];
byte nreturning[2];
byte buffer;                /* B's; 0: empty */

/* struct waiter */
byte elem[2 * GS];
bool queued[2 * GS];
bool of_wait[2 * GS];       /* its goroutine has not left the wait: it is memory that a partner may
                             * write to */

/* struct g */
#define RUNNING  0
#define WAITING  1
#define RUNNABLE 2
byte state[GS];
byte claim[GS];
bool claimed[GS];           /* waiter.claim, of all its waiters */
bool returns[GS];           /* waiter.returns */
byte fired[GS] = NONE;
bool ok[GS];
byte waits[GS];             /* which wait it is in */
bool calling[GS] = true;    /* not in its last wait yet, nor at the end */

/* timers */
byte armed[entry(GS, 1)];   /* the claim word of the wait; 0: none */

/* What became of a value. Both together are forgotten: once more would be seen. */
bool told[value(GS, 1)];    /* its sender knows that it was taken */
bool got[value(GS, 1)];
inline settle(v) { if :: told[v] && got[v] -> told[v] = false; got[v] = false :: else fi }

#define waited_on(c) (nreturning[c] || len(recvq(c)) != 0 || len(sendq(c)) != 0)

/* Within an atomic: it can be the first step, since who waits for a lock shows nothing. */
inline lock(c) { !locked[c] -> assert(!freed[c]); locked[c] = true }
inline unlock(c) { locked[c] = false }
inline free(c) { assert(!freed[c]); freed[c] = true }
inline ready(g) { d_step { assert(state[g] == WAITING); state[g] = RUNNABLE } }

/* waitq_take, hchan_take: w is the waiter that was won, or NONE. */
inline take(c, q)
{
        do
        :: len(q) == 0 -> w = NONE; break
        :: len(q) != 0 ->
                q?w;
                queued[w] = false;
                assert(of_wait[w]);
#ifdef NOT_COUNTED
                if :: claimed[g_of(w)] && claim[g_of(w)] % 2 -> nreturning[c]-- :: else fi;
#endif
                if
#ifndef NO_CLAIM
                :: claimed[g_of(w)] && claim[g_of(w)] % 2
#endif
                :: else ->
                        if :: claimed[g_of(w)] -> claim[g_of(w)] = claim[g_of(w)] | 1 :: else fi;
                        assert(state[g_of(w)] == WAITING);
                        if :: returns[g_of(w)] -> nreturning[c]-- :: else fi;
                        break
                fi
        od
}

/* All channels locked; result: BLOCK, or that of the case i. wake: whom to ready. */
#define BLOCK  2
#define DONE   1
#define CLOSED 0
inline pass(i)
{
        pc = (i -> c1 : c0);
        pd = (i -> d1 : d0);
        assert(locked[pc] && !freed[pc]);
        if
        :: pd == SEND && closed[pc] -> r = CLOSED
        :: else ->              /* hchan_send_locked, hchan_recv_locked */
                if
                :: pd == RECV && pc == B && buffer != 0 -> received(buffer); buffer = 0; r = DONE
                :: else
                fi;
                take(pc, q_of(pc, 1 - pd));
                if
                :: w != NONE && pd == SEND -> elem[w] = value(me, k); r = DONE
                :: w != NONE && pd == RECV && r == DONE -> buffer = elem[w]     /* it was full: there is room for the sender's value */
                :: w != NONE && pd == RECV && r != DONE -> received(elem[w]); r = DONE
                :: w == NONE && pd == SEND && pc == B && buffer == 0 -> buffer = value(me, k); r = DONE
                :: w == NONE && pd == RECV && r != DONE && closed[pc] -> r = CLOSED
                :: else
                fi
        fi;
        if
        :: r != BLOCK -> chosen = i
        :: else
        fi;
        if
        :: w != NONE -> ok[g_of(w)] = true; fired[g_of(w)] = w; wake = g_of(w); w = NONE
        :: else
        fi;
        pc = 0;
        pd = 0
}

inline received(v) { x = v; assert(x != 0 && !got[x]); got[x] = true; settle(x); x = 0 }

inline try_all()
{
        if :: i = 0 :: n == 2 -> i = 1 fi;
        first = i;
        do
        :: pass(i);
           if
           :: r == BLOCK && n == 2 && i == first -> i = 1 - i
           :: else -> break
           fi
        od;
        i = 0;
        first = 0
}

/* The rest of lock_all, after c0. */
inline lock_others()
{
        if
#ifdef LOCKS_TWICE
        :: n == 2 -> lock(c1)
#else
        :: n == 2 && c1 != c0 -> lock(c1)
#endif
        :: else
        fi
}

inline unlock_all()
{
        if
        :: n == 2 && c1 != c0 -> unlock(c1)
        :: else
        fi;
        unlock(c0)
}

inline queue_up(c, d, i)
{
        elem[waiter(me, i)] = (d == SEND -> value(me, k) : 0);
        queued[waiter(me, i)] = true;
        of_wait[waiter(me, i)] = true;
        if :: n == 2 || timed -> nreturning[c]++ :: else fi;
        q_of(c, d)!waiter(me, i)
}

inline leave_queue(c, d, i)
{
#ifdef NOT_COUNTED
        if :: queued[waiter(me, i)] || fired[me] == waiter(me, i) -> nreturning[c]-- :: else fi;
#else
        nreturning[c]--;
#endif
#ifndef NO_LEAVE
        if
#ifdef LEAVES_TWICE
        :: true ->
#else
        :: queued[waiter(me, i)] ->
#endif
                assert(q_of(c, d)??[eval(waiter(me, i))]);
                q_of(c, d)??eval(waiter(me, i));
                queued[waiter(me, i)] = false
        :: else
        fi;
#endif
        of_wait[waiter(me, i)] = false
}

/* rni_hchan_leave: who was the last to leave an orphan frees it after the unlock, which nobody else
 * can wait for then. */
inline hchan_leave(c) { unlock(c); if :: orphan[c] && !waited_on(c) -> free(c) :: else fi }

inline choose_plain()
{
        n = 1;
        if :: !locked[A] -> c0 = A :: !locked[B] -> c0 = B fi;
        if :: d0 = RECV :: d0 = SEND fi
}

inline choose_select()
{
        !locked[A];
        n = 2;
        if :: c1 = A :: c1 = B fi;
        if :: d0 = RECV :: d0 = SEND fi;
        if :: d1 = RECV :: d1 = SEND fi;
#ifdef CASE_ORDER
        if :: !locked[c1] -> c0 = c1; c1 = A :: skip fi
#endif
}

/* Does so many operations; plain: only plain ones; times: also with a deadline. */
proctype goroutine(byte me; byte ops; bool plain; bool times)
{
        byte k, x, i, first, pc, pd, c0, c1, d0, d1, n, r = BLOCK, w = NONE, wake = NONE, chosen;
        bool timed;

        /* send_locked, recv_locked, run in select.c */
again:  atomic {
                if
                :: choose_plain()
                :: !plain -> choose_select()
                fi;
                if :: times -> timed = true :: timed = false fi;
                lock(c0);
                if
                :: n == 1 -> goto decides
                :: else
                fi
        };
#ifdef NOT_DECIDED
        atomic { pass(0); if :: r != BLOCK -> unlock(c0); goto decided :: else fi };
        atomic { if :: c1 != c0 -> unlock(c0); lock(c1) :: else fi };
        atomic { pass(1); if :: r != BLOCK -> unlock(c1); goto decided :: else fi };
        atomic { if :: c1 != c0 -> unlock(c1); lock(c0) :: else fi };
#endif
        atomic {
                lock_others();
#ifdef NOT_DECIDED
                goto waits_now;
#endif
decides:
                try_all();
                if
                :: r != BLOCK -> unlock_all(); goto decided
                :: else
                fi;

                /* wait_on, wait in select.c */
waits_now:
                claimed[me] = (n == 2 || timed);
#ifdef PLAIN_CLAIM
                claimed[me] = (n == 2);
#endif
                returns[me] = (n == 1 && timed);
                fired[me] = NONE;
                if
#ifdef OLD_CLAIM
                :: n == 2 || timed -> claim[me] = 2
#else
                :: n == 2 || timed -> claim[me] = (claim[me] | 1) + 1
#endif
                :: else
                fi;
                waits[me] = k;
                queue_up(c0, d0, 0)
        };
#ifdef ONE_BY_ONE
        if
        :: n == 2 && c1 != c0 -> unlock(c0)
        :: else
        fi;
#endif
        atomic {
                if :: n == 2 -> queue_up(c1, d1, 1) :: else fi
        };
#ifdef COMMITS_EARLY
        unlock_all();
#endif
        atomic {                /* rni_post, commit_timed */
                state[me] = WAITING;
                if :: k + 1 == ops -> calling[me] = false :: else fi;
                if :: timed -> armed[entry(me, k)] = claim[me] :: else fi
        };
#ifdef UNLOCKS_FIRST
        if
        :: n == 2 && c1 == c0 -> unlock(c0); assert(state[me] == WAITING)
        :: else -> unlock_all()
        fi;
#elif defined ONE_BY_ONE
        if :: n == 2 && c1 != c0 -> unlock(c1) :: else -> unlock(c0) fi;
#elif !defined COMMITS_EARLY
        unlock_all();
#endif

end_parked:
        atomic {
                state[me] == RUNNABLE -> state[me] = RUNNING;
                if
                :: fired[me] != NONE ->
                        chosen = fired[me] % 2;
                        r = ok[me];
                        if
                        :: ok[me] && (chosen == 0 -> d0 : d1) == RECV -> received(elem[fired[me]])
                        :: else
                        fi
                :: else -> assert(timed)
                fi;
                if
                :: n == 1 && fired[me] != NONE -> of_wait[waiter(me, 0)] = false; goto decided
                :: else
                fi
        };
        /* leave in select.c, and the end of wait_on */
        atomic { lock(c0); if :: n == 2 -> goto leaves :: else fi };
leaves: atomic {
                lock_others();
                leave_queue(c0, d0, 0);
                if :: n == 2 -> leave_queue(c1, d1, 1) :: else fi;
                if
                :: n == 2 && c1 != c0 -> hchan_leave(c1)
                :: else
                fi;
                hchan_leave(c0)
        };

decided:
        if
        :: wake != NONE -> ready(wake)
        :: else
        fi;
        atomic {
                if
                :: r == DONE && (chosen == 0 -> d0 : d1) == SEND -> told[value(me, k)] = true; settle(value(me, k))
                :: else
                fi;
                wake = NONE; chosen = 0; timed = false;
                c0 = 0; c1 = 0; d0 = 0; d1 = 0; n = 0; r = BLOCK;
                fired[me] = NONE; ok[me] = false; claimed[me] = false; returns[me] = false;
                elem[waiter(me, 0)] = 0; elem[waiter(me, 1)] = 0;
                k++;
                if
                :: k < ops -> goto again
                :: else -> calling[me] = false; armed[entry(me, 0)] = 0
                fi
        }
}

/* Whoever takes due timers off the heap: rni_timers_due, rni_ready_list. */
inline fire(g, k)
{
        atomic {
                armed[entry(g, k)] != 0 ->
                if
                :: claim[g] == armed[entry(g, k)] ->
                        claim[g] = claim[g] | 1;
                        fired[g] = NONE;
                        won = g;
                        assert(waits[g] == k)
                :: else
                fi;
                armed[entry(g, k)] = 0
        };
        if :: won != NONE -> ready(won); won = NONE :: else fi
}

proctype timers()
{
        byte won = NONE;

end_timers:
        do
        :: fire(0, 0)
        :: fire(0, 1)
        :: fire(1, 0)
        :: fire(2, 0)
        od
}

inline close_queue(q)
{
        do
        :: len(q) != 0 ->
#ifdef CLOSE_CLAIMS
                q?w; queued[w] = false;
                if :: claimed[g_of(w)] -> claim[g_of(w)] = claim[g_of(w)] | 1 :: else fi;
#else
                take(c, q);
#endif
                if :: w != NONE -> ok[g_of(w)] = false; fired[g_of(w)] = w; woken!g_of(w); w = NONE :: else fi
        :: else -> break
        od
}

proctype owner()
{
        byte c, w = NONE;
        chan woken = [GS] of { byte };

        if
        :: atomic {     /* rn_close */
                if :: c = A :: c = B fi;
                lock(c);
                closed[c] = true;
                close_queue(recvq(c));
#ifndef CLOSE_FORGETS
                close_queue(sendq(c));
#endif
                unlock(c);
                c = 0
           };
           do
           :: atomic { woken?w -> ready(w); w = NONE }
           :: len(woken) == 0 -> break
           od
        :: skip;
end_owner: atomic {     /* rni_hchan_last, when nobody will call with B any more */
                !calling[0] && !calling[1];
                lock(B);
                orphan[B] = waited_on(B);
                unlock(B);
                if
                :: !orphan[B] -> free(B)
                :: else
                fi
           };
#ifdef LOOKS_INTO
           assert(!orphan[B] || !freed[B])
#endif
        fi
}

/* When nothing moves any more. */
#define parked(w)   (of_wait[w] && queued[w])
#define meets(v, w) (parked(v) && parked(w))
inline settled()
{
        assert(!locked[A] && !locked[B]);
        assert(!closed[A] || (len(recvq(A)) == 0 && len(sendq(A)) == 0));
        assert(!closed[B] || (len(recvq(B)) == 0 && len(sendq(B)) == 0));
        assert(len(recvq(B)) == 0 || buffer == 0);
        assert(len(sendq(B)) == 0 || buffer != 0);
        assert(!orphan[B] || freed[B] || len(recvq(B)) != 0 || len(sendq(B)) != 0);
        i = A;
        do
        :: i <= B ->
                do              /* those who could meet: two different goroutines at the two ends */
                :: len(recvq(i)) != 0 ->
                        recvq(i)?w;
                        j = 0;
                        do
                        :: j < 2 * GS -> assert(g_of(w) == g_of(j) || !(sendq(i)??[eval(j)])); j++
                        :: else -> break
                        od
                :: else -> break
                od;
                i++
        :: else -> break
        od;
        i = 1;
        do
        :: i < value(GS, 1) -> assert(told[i] == (got[i] || buffer == i)); i++
        :: else -> break
        od
}

init
{
        byte i, j, w;

        atomic {
                run timers();
                if              /* who is there */
                :: run goroutine(0, 2, false, true); run goroutine(1, 1, true, true)
                :: run goroutine(0, 1, false, true); run goroutine(1, 1, false, false); run owner()
                :: run goroutine(0, 1, false, true); run goroutine(1, 1, true, true); run owner()
                :: run goroutine(0, 1, false, true); run goroutine(1, 1, false, false); run goroutine(2, 1, true, false)
                fi
        };
        atomic { timeout -> settled() }
}
