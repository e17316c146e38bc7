dnl SPDX-License-Identifier: MIT
dnl Other people's libraries: libatomic_ops (needed), cmocka (needed by the tests only), http_parser
dnl (by one example), valgrind's header (used when there).

dnl RN_ATOMIC_OPS: atomic_ops.h; ATOMIC_OPS_LIBS stays empty where the header does it all, as on
dnl every processor we know.
AC_DEFUN([RN_ATOMIC_OPS],
[AC_CHECK_HEADER([atomic_ops.h], [],
[AC_MSG_ERROR([atomic_ops.h was not found: install libatomic_ops
  Debian, Ubuntu: apt-get install libatomic-ops-dev
  Fedora: dnf install libatomic_ops-devel      Arch: pacman -S libatomic_ops
  Alpine: apk add libatomic_ops-dev            openSUSE: zypper install libatomic_ops-devel
  elsewhere: https://github.com/bdwgc/libatomic_ops, then CPPFLAGS=-I/where/it/is/include])], [
#define AO_REQUIRE_CAS
])
AC_CACHE_CHECK([what libatomic_ops has to be linked], [rn_cv_atomic_ops_libs],
[rn_keep_libs=$LIBS
rn_cv_atomic_ops_libs=no
for rn_lib in '' -latomic_ops; do
  LIBS="$rn_lib $rn_keep_libs"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#define AO_REQUIRE_CAS
#include <atomic_ops.h>
static volatile AO_t w;
static volatile unsigned i;]],
    [[AO_store_release(&w, 1); AO_nop_full();
      return !AO_compare_and_swap_full(&w, 1, 2) || AO_int_fetch_and_add_full(&i, 1);]])],
    [AS_IF([test -n "$rn_lib"], [rn_cv_atomic_ops_libs=$rn_lib], [rn_cv_atomic_ops_libs=nothing]); break])
done
LIBS=$rn_keep_libs])
AS_CASE([$rn_cv_atomic_ops_libs],
  [no], [AC_MSG_ERROR([atomic_ops.h is there, but a program that uses it does not link, with -latomic_ops or without])],
  [nothing], [ATOMIC_OPS_LIBS=],
  [ATOMIC_OPS_LIBS=$rn_cv_atomic_ops_libs])
AC_SUBST([ATOMIC_OPS_LIBS])])

dnl RN_CMOCKA: sets rn_cmocka to yes or no, and CMOCKA_LIBS.
AC_DEFUN([RN_CMOCKA],
[rn_cmocka=no
AC_CHECK_HEADER([cmocka.h], [AC_CHECK_LIB([cmocka], [_cmocka_run_group_tests], [rn_cmocka=yes])], [], [
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
])
AC_SUBST([CMOCKA_LIBS], [-lcmocka])
AM_CONDITIONAL([HAVE_CMOCKA], [test "$rn_cmocka" = yes])])

dnl RN_HTTP_PARSER: sets rn_http_parser to yes or no, and HTTP_PARSER_LIBS. An example and its test
dnl want it, the library does not.
AC_DEFUN([RN_HTTP_PARSER],
[rn_http_parser=no
HTTP_PARSER_LIBS=
AC_CHECK_HEADER([http_parser.h],
  [AC_CHECK_LIB([http_parser], [http_status_str], [rn_http_parser=yes HTTP_PARSER_LIBS=-lhttp_parser])])
AC_SUBST([HTTP_PARSER_LIBS])
AM_CONDITIONAL([HAVE_HTTP_PARSER], [test "$rn_http_parser" = yes])])

dnl RN_VALGRIND: --enable-valgrind=auto|yes|no: tell valgrind about stacks and switches.
AC_DEFUN([RN_VALGRIND],
[AC_ARG_ENABLE([valgrind],
  [AS_HELP_STRING([--enable-valgrind], [tell valgrind about stacks and switches @<:@default: if its header is there@:>@])],
  [], [enable_valgrind=auto])
AS_IF([test "$enable_valgrind" != no],
  [AC_CHECK_HEADER([valgrind/valgrind.h], [rn_valgrind=yes], [rn_valgrind=no])
   AS_IF([test "$enable_valgrind$rn_valgrind" = yesno], [AC_MSG_ERROR([--enable-valgrind: valgrind/valgrind.h was not found])])],
  [rn_valgrind=no])
AS_IF([test "$rn_valgrind" = yes], [rn_value=1], [rn_value=0])
AC_DEFINE_UNQUOTED([RNI_VALGRIND], [$rn_value], [1: stacks and switches are announced to valgrind.])])
