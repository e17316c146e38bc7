/* SPDX-License-Identifier: MIT
 * What the other headers share: how a function is exported, how a macro counts its arguments, and
 * how the call `f, ...` of rn_go, rn_defer, rn_pcall and their kind is captured. Invariant: the
 * compiler itself makes the call, through f's own type, so each argument has been checked against
 * f's prototype and converted to it before anything is stored. */
#ifndef RUNNEL_CALL_H
#define RUNNEL_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A call from outside goes straight through the table of addresses, where the compiler can say
 * so. */
#if defined(__has_attribute)
#if __has_attribute(__noplt__)
#define RN_API __attribute__((__visibility__("default"), __noplt__))
#endif
#endif
#ifndef RN_API
#define RN_API __attribute__((__visibility__("default")))
#endif

/* In C this is the specifier and not the attribute: under clang the attribute would become part of
 * the function's type. */
#ifdef __cplusplus
#define RN_NORETURN_ __attribute__((__noreturn__))
#else
#define RN_NORETURN_ _Noreturn
#endif

#define RN_CAT_(a, b) a##b
#define RN_CAT(a, b)  RN_CAT_(a, b)

#ifdef __cplusplus
extern "C" {
#endif

/* One captured call: the argument registers and the function. Owned by the caller's goroutine (or
 * thread) and valid until its next capture; whoever takes one copies it. */
struct rn_call;

/* A stub in assembly that stores the argument registers in the caller's scratch and returns.
 * Volatile, so that no compiler sees through the pointer.
 * Context: goroutine or thread, only from RN_CALL_. Parks: never. */
extern __attribute__((__visibility__("default"))) void (*const volatile rn_capture)(void);

/* Names the registers just captured and the function they are for; fn may be NULL, who takes the
 * call then panics.
 * Context: goroutine or thread, only from RN_CALL_. Parks: never. */
RN_API const struct rn_call *rn_captured(void (*fn)(void));

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus

/* RN_CALL_(f, ...): a const struct rn_call *, from a function (any prototype) and 0 to 6 arguments.
 * Each parameter of f is a scalar of at most 8 bytes, no long double and no complex: those travel
 * in one register each. f is evaluated once, after the arguments. f, and what else stands in the
 * same macro (the rn_wg of rn_wg_go), must not capture a call of its own; the arguments may.
 *
 * The order: check the arguments, check the result, make the call into the stub, name what it has
 * stored. */
#define RN_CALL_(...) RN_CAT(RN_CAT(RN_CALL, RN_NARG_(__VA_ARGS__)), _)(__VA_ARGS__)
#define RN_NARG_(...) \
        RN_PICK_(__VA_ARGS__, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, \
                 6, 5, 4, 3, 2, 1, 0, 0)
#define RN_PICK_(f, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, n, ...) n

#define RN_CALL0_(f)      (RN_RESULT_((f)()), (void)((__typeof__((f)()) (*)(void))rn_capture)(), \
                           rn_captured((void (*)(void))(f)))
#define RN_CALL1_(f, ...) RN_CALLN_(1, f, __VA_ARGS__)
#define RN_CALL2_(f, ...) RN_CALLN_(2, f, __VA_ARGS__)
#define RN_CALL3_(f, ...) RN_CALLN_(3, f, __VA_ARGS__)
#define RN_CALL4_(f, ...) RN_CALLN_(4, f, __VA_ARGS__)
#define RN_CALL5_(f, ...) RN_CALLN_(5, f, __VA_ARGS__)
#define RN_CALL6_(f, ...) RN_CALLN_(6, f, __VA_ARGS__)
#define RN_CALLN_(n, f, ...) \
        (RN_CAT(RN_CAT(RN_FIT, n), _)(__VA_ARGS__), RN_RESULT_((f)(__VA_ARGS__)), \
         (void)((RN_FN_(f))rn_capture)(__VA_ARGS__), rn_captured((void (*)(void))(f)))
#define RN_CALLMANY_(f, ...) \
        (RN_REQUIRE_(0, "at most six arguments can be captured; use rn_go_copy"), \
         rn_captured((void (*)(void))(f)))

/* A static assertion as an expression of type void. */
#define RN_REQUIRE_(x, text) ((void)sizeof(struct { _Static_assert((x), text); char ok_; }))

/* RN_VALUE_(T, v): the address of a T with the value v, an expression or a brace list, in the
 * caller's block. The member would take an int for a struct's first member (braces may be left out
 * there), so a variable, which would not, is initialised first where nothing is evaluated; its name
 * is new, since v may do the same. */
#define RN_VALUE_(T, ...) RN_VALUE1_(RN_CAT(rn_value_, __COUNTER__), T, __VA_ARGS__)
#define RN_VALUE1_(x, T, ...) \
        ((void)sizeof(__extension__({ T x = __VA_ARGS__; sizeof(x); })), \
         &(struct { T e_; }){ .e_ = __VA_ARGS__ })

/* The comma makes a pointer of an array; the classes are gcc's: 9 complex, 12 and above not
 * scalar. */
#define RN_FIT_(x) \
        RN_REQUIRE_(sizeof(__typeof__(((void)0, (x)))) <= 8 && \
                    __builtin_classify_type(x) < 12 && __builtin_classify_type(x) != 9, \
                    "an argument is not a scalar of at most 8 bytes; use rn_go_copy")
#define RN_FIT1_(a)                RN_FIT_(a)
#define RN_FIT2_(a, b)             RN_FIT_(a), RN_FIT_(b)
#define RN_FIT3_(a, b, c)          RN_FIT1_(a), RN_FIT2_(b, c)
#define RN_FIT4_(a, b, c, d)       RN_FIT2_(a, b), RN_FIT2_(c, d)
#define RN_FIT5_(a, b, c, d, e)    RN_FIT2_(a, b), RN_FIT3_(c, d, e)
#define RN_FIT6_(a, b, c, d, e, f) RN_FIT3_(a, b, c), RN_FIT3_(d, e, f)

/* A struct result could need a hidden argument, a long double leaves the x87 stack unbalanced. void
 * counts as int. */
#define RN_RESULT_(call) RN_RESULT1_(__typeof__(call))
#define RN_RESULT1_(R) \
        RN_REQUIRE_(__builtin_classify_type(*_Generic((R *)0, void *: (int *)0, \
                                                      default: (R *)0)) < 12 && \
                    _Generic((R *)0, long double *: 0, long double _Complex *: 0, default: 1), \
                    "the function's result is not void or a scalar of at most 8 bytes")

/* Pointer to f's type without "does not return" or "has no effect", or the code after the capture
 * would be dropped. gcc adds these where a function decays to a pointer, so a function's own type
 * is taken as it stands. clang has noreturn in the type if it was given as the GNU attribute (not
 * as _Noreturn), and no way to take it off: the shapes of libc's exit and pthread_exit are spelled
 * out, any other such function needs a wrapper, and so does, in both, a pointer declared so. */
#ifdef __clang__
#define RN_FN_(f) \
        __typeof__(_Generic(&*(f), void (*)(int): (void (*)(int))0, \
                            void (*)(void *): (void (*)(void *))0, default: &*(f)))
#else
#define RN_FN_(f) \
        __typeof__(__builtin_choose_expr( \
                __builtin_types_compatible_p(__typeof__(f), __typeof__(&*(f))), \
                &*(f), (__typeof__(f) *)0))
#endif

#endif
#endif
