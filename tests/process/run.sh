#!/bin/sh
# SPDX-License-Identifier: MIT
# Ends of the process, met many times each, and a host that loads the library, as TAP. Runs in the
# top build folder; CC is the compiler for the host.
set -u
srcdir=${srcdir:-.}
CC=${CC:-cc}
dir=$(mktemp -d "${TMPDIR:-/tmp}/process.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
n=0
ASAN_OPTIONS=detect_leaks=0 # who ends with others running frees nothing
export ASAN_OPTIONS

result() {
    n=$((n + 1))
    echo "$1 $n - $2"
    [ "$1" = ok ] || sed 's/^/# /' "$dir/out"
}

# Sanitizers make processes slow to start.
rounds=60
[ -f .libs/librunnel.so ] || rounds=10

# ends CASE: always by status 3, with the handlers of exit run once, in less than 2 s.
ends() {
    i=0
    while [ $i -lt $rounds ]; do
        i=$((i + 1))
        timeout -s ABRT "${limit:-2}" tests/crash/process_cases "$1" >"$dir/out" 2>&1
        status=$?
        if [ $status -ne 3 ] || [ "$(cat "$dir/out")" != 'at exit' ]; then
            echo "round $i: status $status" >>"$dir/out"
            result 'not ok' "$1, $rounds times"
            return
        fi
    done
    result ok "$1, $rounds times"
}

limit=2
[ -f .libs/librunnel.so ] || limit=30
for what in exit_of_main exit_of_a_goroutine exit_of_a_thread return_of_main exits_of_many; do
    ends $what
done

if [ ! -f .libs/librunnel.so ]; then
    n=$((n + 1))
    echo "ok $n - a host loads the library # SKIP there is no shared library in this build"
elif $CC -std=gnu11 -O1 -I"$srcdir/include" "$srcdir/tests/process/dlopen.c" -o "$dir/host" -ldl -lpthread >"$dir/out" 2>&1 &&
    "$dir/host" "$PWD/.libs/librunnel.so" >"$dir/out" 2>&1; then
    result ok 'a host loads the library'
else
    result 'not ok' 'a host loads the library'
fi
echo "1..$n"
