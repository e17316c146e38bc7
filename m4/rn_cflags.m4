dnl SPDX-License-Identifier: MIT
dnl RN_CFLAGS_ADD(VARIABLE, FLAG...): appends each FLAG that the compiler takes without a word to
dnl VARIABLE.
AC_DEFUN([RN_CFLAGS_ADD],
[m4_foreach_w([rn_flag], [$2],
[AS_VAR_PUSHDEF([rn_var], [rn_cv_cflag_]rn_flag)dnl
AC_CACHE_CHECK([whether $CC takes rn_flag], [rn_var],
[rn_keep=$CFLAGS
CFLAGS="$CFLAGS -Werror rn_flag"
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([])], [AS_VAR_SET([rn_var], [yes])], [AS_VAR_SET([rn_var], [no])])
CFLAGS=$rn_keep])
AS_VAR_IF([rn_var], [yes], [$1="$$1 rn_flag"])
AS_VAR_POPDEF([rn_var])])dnl
AC_SUBST([$1])])
