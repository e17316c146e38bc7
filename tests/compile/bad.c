/* SPDX-License-Identifier: MIT
 * What the compiler must refuse. -DBAD=n compiles case n as it must not be written, -DGOOD the
 * twins of all, which differ in the PICK alone and must compile without a diagnostic, so that no
 * slip elsewhere can make a case pass. run.sh reads the comment behind each number: what is due, an
 * error or at least a warning, and in brackets text it must contain. */
#include <runnel.h>

#ifdef BAD
#define IS(number)      (number == BAD)
#define PICK(bad, good) bad
#else
#define IS(number)      1
#define PICK(bad, good) good
#endif
#define COMMA_1 , 1
#define COMMA_7 , 7
#define COMMA_7_8_9_10 , 7, 8, 9, 10

struct wide {
        long a[3];
};
struct small {
        int a;
};
struct tagged {
        const char *tag;
};
void worker(int id, rn_recv_chan(int) in);
void weigh(double w);
struct wide make(int i);
struct small make_small(void);
long double make_long(int i);
int plain(int i);
int plain0(void);
long far_off(int i);
const char *text_of(int i);
int six_int(int a, int b, int c, int d, int e, int f);
void take(struct wide w);
void take_small(struct small s);
void take_long(long double d);
void take_int(int i);
void seven(int a, int b, int c, int d, int e, int f, int g);
void six(int a, int b, int c, int d, int e, int f);
void work(struct wide *w);
void work_small(struct small *s);
void two(struct wide *w, int n);
struct wide work_wide(struct wide *w);
void bad(rn_chan(int) c, rn_recv_chan(int) r, rn_send_chan(int) s);

void bad(rn_chan(int) c, rn_recv_chan(int) r, rn_send_chan(int) s)
{
        int v = 0;
        double d = 0;
        bool ok = false;
        void *p = &v;
        struct wide w = { { 0 } };
        struct small m = { 0 };
        rn_wg wg = { 0 };
        rn_group group = { 0 };
        rn_ctx *ctx = rn_ctx_background();
        rn_chan(long) l = NULL;
        rn_chan(struct wide) wides = NULL;
        rn_chan(struct small) smalls = NULL;
        rn_chan(struct tagged) tagged = NULL;
        rn_chan(const char *) names = NULL;
        struct rn_case one = { 0 };

        (void)c, (void)r, (void)s, (void)v, (void)d, (void)ok, (void)p, (void)w, (void)m, (void)wg,
                (void)l;
        (void)wides, (void)smalls, (void)tagged, (void)names, (void)one, (void)group, (void)ctx;
#if IS(1) /* error: recv into another type */
        rn_recv(c, PICK(&d, &v));
#endif
#if IS(2) /* error: send on a receive-only view */
        rn_send(PICK(r, s), 1);
#endif
#if IS(3) /* error: recv on a send-only view */
        rn_recv(PICK(s, r), &v);
#endif
#if IS(4) /* error: close of a receive-only view */
        rn_close(PICK(r, s));
#endif
#if IS(5) /* error: recv into a void pointer */
        rn_recv(c, PICK(p, &v));
#endif
#if IS(6) /* error: go with a string for a double */
        rn_go(weigh, PICK("text", 1));
#endif
#if IS(7) /* error: go with an argument too many */
        rn_go(worker, 1, c PICK(COMMA_7, ));
#endif
#if IS(8) /* warning: a channel of another type assigned */
        l = PICK(c, l);
#endif
#if IS(9) /* warning: go with the arguments changed over */
        rn_go(worker, PICK(c, 1), c);
#endif
#if IS(10) /* warning: send of a string as int */
        rn_send(c, PICK("text", 1));
#endif
#if IS(11) /* error [result is not void or a scalar]: go of a function with a struct result */
        rn_go(PICK(make, plain), 1);
#endif
#if IS(12) /* error [not a scalar of at most 8 bytes; use rn_go_copy]: go with a struct argument */
        rn_go(PICK(take, take_int), PICK(w, v));
#endif
#if IS(13) /* error [at most six arguments]: go with seven arguments */
        rn_go(PICK(seven, six), 1, 2, 3, 4, 5, 6 PICK(COMMA_7, ));
#endif
#if IS(14) /* warning: a view does not widen */
        c = PICK(r, c);
#endif
#if IS(15) /* error [at most six arguments]: go with ten arguments */
        rn_go(PICK(seven, six), 1, 2, 3, 4, 5, 6 PICK(COMMA_7_8_9_10, ));
#endif
#if IS(16) /* error [not a scalar]: go with a struct argument that would fit a register */
        rn_go(PICK(take_small, take_int), PICK(m, m.a));
#endif
#if IS(17) /* error [not a scalar]: go with a long double argument */
        rn_go(PICK(take_long, weigh), PICK(1.0L, 1.0));
#endif
#if IS(18) /* error [result is not void or a scalar]: go of a function with a long double result */
        rn_go(PICK(make_long, plain), 1);
#endif
#if IS(19) /* error [result is not void or a scalar]: go without arguments, a struct result */
        rn_go(PICK(make_small, plain0));
#endif
#if IS(20) /* error: go with an argument too few */
        rn_go(PICK(plain, plain0));
#endif
#if IS(21) /* error: go of something that is no function */
        rn_go(PICK(v, plain0));
#endif
#if IS(22) /* warning: wg_go with a pointer for an int */
        rn_wg_go(&wg, plain, PICK("text", 1));
#endif
#if IS(23) /* warning: wg_go without its rn_wg */
        rn_wg_go(PICK(&v, &wg), plain, 1);
#endif
#if IS(24) /* error: send of a struct on a channel of int */
        rn_send(c, PICK(w, v));
#endif
#if IS(25) /* error: send of an int on a channel of structs */
        rn_send(wides, PICK(v, w));
#endif
#if IS(26) /* error: send of an int on a channel of structs of one int */
        rn_send(smalls, PICK(v, m));
#endif
#if IS(27) /* error: on_send of a pointer on a channel of structs that begin with one */
        one = rn_on_send(tagged, PICK("text", { "text" }));
#endif
#if IS(28) /* error: go_copy of an int for a struct that begins with one */
        rn_go_copy(work_small, struct small, PICK(v, { v }));
#endif
#if IS(29) /* error: send of a brace list without such a member */
        rn_send(wides, PICK({ .b[1] = 1 }, { .a[1] = 1 }));
#endif
#if IS(30) /* error: go_copy for a function of another pointer */
        rn_go_copy(PICK(work, work_small), struct small, m);
#endif
#if IS(31) /* error: go_copy of a value of another type */
        rn_go_copy(work, struct wide, PICK(m, w));
#endif
#if IS(32) /* error: go_copy for a function of two arguments */
        rn_go_copy(PICK(two, work), struct wide, w);
#endif
#if IS(33) /* error [result is not void or a scalar]: go_copy for a function with a struct result */
        rn_go_copy(PICK(work_wide, work), struct wide, w);
#endif
#if IS(34) /* error: range over a send-only view */
        rn_range(x, PICK(s, r))
                v += x;
#endif
#if IS(35) /* error: range over something that is no channel */
        rn_range(x, PICK(p, c))
                v += x;
#endif
#if IS(36) /* error: get from a send-only view */
        v = rn_get(PICK(s, r));
#endif
#if IS(37) /* error: wait on a send-only view */
        rn_wait(PICK(s, r));
#endif
#if IS(38) /* error: try_recv into a void pointer */
        v = rn_try_recv(c, PICK(p, &v));
#endif
#if IS(39) /* error: try_send on a receive-only view */
        ok = rn_try_send(PICK(r, s), 1);
#endif
#if IS(40) /* error: recv_until into another type */
        v = rn_recv_until(RN_NEVER, c, PICK(&d, &v));
#endif
#if IS(41) /* error: send_for on a receive-only view */
        v = rn_send_for(RN_SEC, PICK(r, s), 1);
#endif
#if IS(42) /* error: on_recv into another type */
        one = rn_on_recv(c, PICK(&d, &v));
#endif
#if IS(43) /* error: on_recv on a send-only view */
        one = rn_on_recv(PICK(s, r), &v);
#endif
#if IS(44) /* error: on_send on a receive-only view */
        one = rn_on_send(PICK(r, s), 1);
#endif
#if IS(45) /* error: on_send of a struct as int */
        one = rn_on_send(c, PICK(w, v));
#endif
#if IS(46) /* error: on_send_from another type */
        one = rn_on_send_from(c, PICK(&d, &v));
#endif
#if IS(47) /* warning: on_recv_ok with an int for its bool */
        one = rn_on_recv_ok(c, &v, PICK(&v, &ok));
#endif
#if IS(48) /* error: on_signal on a send-only view */
        one = rn_on_signal(PICK(s, r));
#endif
#if IS(49) /* error: select without a case */
        v = rn_select(PICK(, rn_on_recv(c, &v)));
#endif
#if IS(50) /* warning: select over something that is no case */
        v = rn_select(PICK(c, rn_on_recv(c, &v)));
#endif
#if IS(51) /* error: len of something that is no channel */
        v = rn_len(PICK(p, c));
#endif
#if IS(52) /* error: make with a capacity that is no integer */
        c = rn_make(int, PICK(1.5, 1));
#endif
#if IS(53) /* warning: make of another type */
        c = rn_make(PICK(long, int), 1);
#endif
#if IS(54) /* error: try_make into another type */
        v = rn_try_make(int, 1, PICK(&l, &c));
#endif
#if IS(55) /* error: try_make into a view */
        v = rn_try_make(int, 1, PICK(&r, &c));
#endif
#if IS(56) /* warning: defer with a pointer for an int */
        rn_defer(plain, PICK("text", 1));
#endif
#if IS(57) /* error: defer directly after an if */
        if (ok) PICK(, {) rn_defer(plain, 1); PICK(, })
#endif
#if IS(58) /* warning: pcall with an int for what was panicked */
        ok = rn_pcall(PICK(&v, NULL), plain, 1);
#endif
#if IS(59) /* error [at most six arguments]: pcall with seven arguments */
        ok = rn_pcall(NULL, PICK(seven, six), 1, 2, 3, 4, 5, 6 PICK(COMMA_7, ));
#endif
#if IS(60) /* warning: panic with an argument that the format does not fit */
        rn_panic("%d", PICK("text", 1));
#endif
#if IS(61) /* warning: go of a struct's address for a pointer to another */
        rn_go(work, PICK(&m, &w));
#endif
#if IS(62) /* error: recv into a pointer to const */
        rn_recv(names, PICK((const char *const *)p, (const char **)p));
#endif
#if IS(63) /* warning: the other view passed to a function */
        worker(1, PICK(s, c));
#endif
#if IS(64) /* error [must return int]: group_go of a function that returns void */
        rn_group_go(&group, PICK(weigh, plain), 1);
#endif
#if IS(65) /* error [must return int]: group_go of a function that returns long */
        rn_group_go(&group, PICK(far_off, plain), 1);
#endif
#if IS(66) /* error [must return int]: group_try_go of a function that returns a pointer */
        ok = rn_group_try_go(&group, PICK(text_of, plain), 1);
#endif
#if IS(67) /* error [must return int]: group_try_go of void and no arguments */
        ok = rn_group_try_go(&group, PICK(rn_exit, plain0));
#endif
#if IS(68) /* error [at most six arguments]: group_go with seven arguments */
        rn_group_go(&group, six_int, 1, 2, 3, 4, 5, 6 PICK(COMMA_7, ));
#endif
#if IS(69) /* warning: group_go with a WaitGroup for its group */
        rn_group_go(PICK(&wg, &group), plain, 1);
#endif
#if IS(70) /* warning: group_go with a pointer for an int */
        rn_group_go(&group, plain, PICK("text", 1));
#endif
#if IS(71) /* error: close of a context's done channel */
        rn_close(PICK(rn_ctx_done(ctx), s));
#endif
#if IS(72) /* error: recv of an int from a context's done channel */
        rn_recv(PICK(rn_ctx_done(ctx), c), &v);
#endif
#if IS(73) /* warning: after_func on something that is no context */
        rn_unref(rn_ctx_after_func(PICK(&group, ctx), plain, 1));
#endif
#if IS(74) /* warning: after_func with a pointer for an int */
        rn_unref(rn_ctx_after_func(ctx, plain, PICK("text", 1)));
#endif
#if IS(75) /* error: after_func with an argument too few */
        rn_unref(rn_ctx_after_func(ctx, plain PICK(, COMMA_1)));
#endif
#if IS(76) /* error [result is not void or a scalar]: after_func with a struct result */
        rn_unref(rn_ctx_after_func(ctx, PICK(make, plain), 1));
#endif
#if IS(77) /* warning: stop of an after_func by its context */
        ok = rn_ctx_stop_call(PICK(ctx, rn_ctx_after_func(ctx, plain, 1)));
#endif
}
