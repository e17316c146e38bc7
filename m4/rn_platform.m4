dnl SPDX-License-Identifier: MIT
dnl What the library cannot do without: Linux, a compiler that knows the C it is written in,
dnl threads.

dnl RN_PLATFORM: Linux, gcc >= 9 or clang >= 10; x86_64, aarch64, riscv64 or i386 (capturing a call
dnl takes assembly); sets rn_compiler and rn_cpu.
AC_DEFUN([RN_PLATFORM],
[AC_REQUIRE([AC_CANONICAL_HOST])dnl
AS_CASE([$host_os], [linux*], [],
  [AC_MSG_ERROR([runnel needs Linux (futex, epoll, membarrier); this host is $host_os])])

AC_CACHE_CHECK([for gcc >= 9 or clang >= 10], [rn_cv_compiler],
[rn_cv_compiler=no
AC_PREPROC_IFELSE([AC_LANG_SOURCE([[
#if !defined(__clang__) || __clang_major__ < 10
#error no
#endif
]])], [rn_cv_compiler=clang],
[AC_PREPROC_IFELSE([AC_LANG_SOURCE([[
#if defined(__clang__) || !defined(__GNUC__) || __GNUC__ < 9
#error no
#endif
]])], [rn_cv_compiler=gcc])])])
AS_IF([test "$rn_cv_compiler" = no],
  [AC_MSG_ERROR([runnel needs gcc 9, clang 10 or newer; $CC is neither])])
rn_compiler=$rn_cv_compiler

AC_CACHE_CHECK([which processor $CC compiles for], [rn_cv_cpu],
[rn_cv_cpu=other
for rn_try in x86_64:'defined(__x86_64__) && defined(__LP64__)' aarch64:'defined(__aarch64__) && defined(__LP64__)' \
              riscv64:'defined(__riscv) && __riscv_xlen == 64' i386:'defined(__i386__)'; do
  rn_if=`AS_ECHO(["$rn_try"]) | sed 's/^.*://'`
  AC_PREPROC_IFELSE([AC_LANG_SOURCE([[
#if !($rn_if)
#error no
#endif
]])], [rn_cv_cpu=`AS_ECHO(["$rn_try"]) | sed 's/:.*//'`])
done])
AS_IF([test "$rn_cv_cpu" = other],
  [AC_MSG_ERROR(m4_normalize([[there is no sched/arch/call_*.S for this processor: runnel knows
     x86_64, aarch64 and riscv64, 64 bits wide, and i386]]))])
rn_cpu=$rn_cv_cpu])

dnl RN_THREADS: pthreads, with -pthread in PTHREAD_CFLAGS and PTHREAD_LIBS.
AC_DEFUN([RN_THREADS],
[AC_CACHE_CHECK([for pthreads], [rn_cv_pthread],
[rn_keep_cflags=$CFLAGS
CFLAGS="$CFLAGS -pthread"
AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <pthread.h>
static void *f(void *a) { return a; }]], [[pthread_t t; return pthread_create(&t, 0, f, 0);]])],
  [rn_cv_pthread=yes], [rn_cv_pthread=no])
CFLAGS=$rn_keep_cflags])
AS_IF([test "$rn_cv_pthread" = no], [AC_MSG_ERROR([a program with threads does not link with -pthread])])
AC_SUBST([PTHREAD_CFLAGS], [-pthread])
AC_SUBST([PTHREAD_LIBS], [-pthread])])
