#!/bin/sh
# SPDX-License-Identifier: MIT
# What the compilers say to the public headers, as TAP: ok_*.c are silent, each case of bad.c is
# refused and its twin is silent, the macros evaluate their arguments once (eval.c) and cost nothing
# (asm.c).
# HEADER_CC: the compilers, those that exist are used (default "gcc clang"); HEADER_CXX: likewise
# ("g++ clang++"); srcdir: the top of the tree or this folder; INCLUDES: include path of the
# headers. Exit status 1 if anything failed.

here=${srcdir:-$(dirname "$0")}
[ -f "$here/bad.c" ] || here=$here/tests/compile
[ -f "$here/bad.c" ] || { echo "Bail out! no bad.c in $here"; exit 1; }
includes=${INCLUDES:--I$here/../../include}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/compile.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

warn="-Wall -Wextra -Wshadow -Wconversion -Wcast-qual -Wcast-align -Wstrict-prototypes -Wmissing-prototypes"
n=0
status=0

# result STATUS NAME: one line of TAP; what is in $tmp/out is shown if it failed.
result() {
        n=$((n + 1))
        if [ "$1" -eq 0 ]; then
                echo "ok $n - $2"
        else
                echo "not ok $n - $2"
                head -n 20 "$tmp/out" | sed 's/^/# /'
                status=1
        fi
}

# silent COMMAND...: runs it; 0 if it succeeds and prints nothing.
silent() {
        "$@" >"$tmp/out" 2>&1 && [ ! -s "$tmp/out" ]
}

# existing PROGRAM...: those of them that there are, by their first word.
existing() {
        for program; do
                command -v "$program" >/dev/null 2>&1 && printf '%s ' "$program"
        done
}

# every_ok COMPILER: all ok_*.c in all standards; what depends on the level shows in one of them.
every_ok() {
        for file in "$here"/ok_*.c; do
                name=$(basename "$file" .c)
                for std in "-std=c11 -pedantic-errors" -std=gnu11 "-std=c2x -pedantic"; do
                        failed=0 levels=-O2
                        [ "$std" = -std=gnu11 ] && levels="-O0 -O1 -O2 -O3"
                        for level in $levels; do
                                silent $1 $std $warn $level $includes -c "$file" -o "$tmp/x.o" ||
                                        { failed=1; break; }
                        done
                        result $failed "$1 $std $name is silent"
                done
        done
}

# every_bad COMPILER: each case of bad.c against what its comment says is due.
every_bad() {
        sed -n 's,^#if IS(\([0-9]*\)) /\* \(.*\) \*/$,\1 \2,p' "$here/bad.c" >"$tmp/cases"
        [ "$(wc -l <"$tmp/cases")" -eq "$(grep -c '^#if IS(' "$here/bad.c")" ]
        result $? "$1 all cases of bad.c are read"
        silent $1 -std=c11 -pedantic-errors -Wall -Wextra $includes -DGOOD -fsyntax-only "$here/bad.c"
        result $? "$1 what differs from the bad cases in the picks alone is silent"
        while read -r number due; do
                bad_case "$1" "$number" "$due"
        done <"$tmp/cases"
}

# bad_case COMPILER NUMBER "error|warning [text]: what". A warning that is due may be an error, as
# in newer compilers.
bad_case() {
        text=$(printf '%s\n' "$3" | sed -n 's/^[a-z]* \[\(.*\)\]:.*/\1/p')
        failed=1
        $1 -std=c11 -pedantic -Wall -Wextra $includes -DBAD="$2" -fsyntax-only "$here/bad.c" >"$tmp/out" 2>&1
        case $?,$3 in
        0,error*) echo "accepted" >>"$tmp/out" ;;
        0,*) grep -q 'warning:' "$tmp/out" && failed=0 ;;
        *) grep -q 'error:' "$tmp/out" && grep -qF -e "$text" "$tmp/out" && failed=0 ;;
        esac
        result $failed "$1 bad $2: $3"
}

# every_eval COMPILER: eval.c runs right at all levels.
every_eval() {
        for level in -O0 -O1 -O2 -O3; do
                silent $1 -std=c11 -pedantic-errors $warn -Wno-missing-prototypes $level $includes "$here/eval.c" \
                        -o "$tmp/eval" && silent "$tmp/eval"
                result $? "$1 $level eval runs right"
        done
}

# same_code COMPILER: the typed and the untyped assembly of asm.c.
same_code() {
        for side in TYPED UNTYPED; do
                $1 -std=c11 -O2 -S $includes -D$side "$here/asm.c" -o "$tmp/x.s" 2>"$tmp/out" || break
                sed '/\.file/d; /\.ident/d' "$tmp/x.s" >"$tmp/$side.s"
        done
        grep -q rn_chan_send "$tmp/TYPED.s" && diff "$tmp/UNTYPED.s" "$tmp/TYPED.s" >"$tmp/out"
        result $? "$1 -O2 the macros' code is that of the untyped calls"
}

compilers=$(existing ${HEADER_CC:-gcc clang})
if [ -z "$compilers" ]; then
        echo "1..0 # SKIP no compiler"
        exit 0
fi
for cc in $compilers; do
        every_ok "$cc"
        every_bad "$cc"
        every_eval "$cc"
        same_code "$cc"
done
for cxx in $(existing ${HEADER_CXX:-g++ clang++}); do
        for std in c++11 c++20; do
                echo '#include <runnel.h>' >"$tmp/x.cc"
                silent "$cxx" -std=$std -pedantic-errors -Wall -Wextra $includes -c "$tmp/x.cc" -o "$tmp/x.o"
                result $? "$cxx -std=$std includes the declarations"
        done
done
echo "1..$n"
exit $status
