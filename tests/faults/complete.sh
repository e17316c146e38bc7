#!/bin/sh
# SPDX-License-Identifier: MIT
# In a build with --enable-faults: no object of the library but fault.o calls what can fail
# otherwise than through it. What is not known to be unable to fail, or to tell nobody, must not be
# called by the others: so a new call has to be thought about here. Runs in the top build folder.
set -u
NM=${NM:-nm} AWK=${AWK:-awk}
LC_ALL=C
export LC_ALL
a=.libs/librni.a
# getpeername and getsockopt fail only for what is not a socket, fstat for no descriptor, sigaction
# for no signal.
harmless='_Unwind_Backtrace _Unwind_GetIP _Unwind_GetIPInfo _Unwind_GetRegionStart _exit atexit
clock_gettime dl_iterate_phdr free freeaddrinfo fstat getauxval getpeername nanosleep getpid
getrlimit getsockopt pthread_attr_destroy pthread_attr_getstack pthread_attr_init
pthread_attr_setdetachstate pthread_attr_setstacksize pthread_getspecific pthread_once
pthread_self pthread_sigmask raise secure_getenv sigaction sigaddset sigaltstack sigdelset
sigemptyset sigfillset sigismember signal sigpending sigtimedwait snprintf strchr strchrnul strcmp
strlen strncmp strnlen strrchr strspn strstr strtok_r strtol strtoul strtoull sysconf vsnprintf
memchr memcmp memcpy memmove memset getcontext makecontext swapcontext setcontext'

$NM -u "$a" 2>/dev/null | $AWK -v harmless="$harmless" '
BEGIN { n = split(harmless, h); for (i = 1; i <= n; i++) known[h[i]] = 1 }
/:$/ { object = $1; objects++ }
$1 == "U" && object !~ /fault\.o:$/ && $2 !~ /^(_*rni?_|__|_GLOBAL_OFFSET_TABLE_)/ && !($2 in known) { print "# " object " calls " $2; bad = 1 }
$1 == "U" && $2 == "rni_fault_syscall" { through = 1 }
END {
        if (objects < 20 || !through) { print "# the objects could not be read"; bad = 1 }
        print (bad ? "not ok" : "ok") " 1 - what can fail is called through fault.c"
        print "1..1"
        exit bad
}'
