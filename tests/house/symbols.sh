#!/bin/sh
# SPDX-License-Identifier: MIT
# What the library exports: exactly what runnel.map lists and the headers declare; any other global
# symbol of the static library has our prefix; the shared one stays loaded, is bound at load time
# and asks for no executable stack. Runs in the top build folder.
set -u
srcdir=${srcdir:-.}
NM=${NM:-nm} READELF=${READELF:-readelf} AWK=${AWK:-awk}
LC_ALL=C
export LC_ALL
dir=$(mktemp -d "${TMPDIR:-/tmp}/symbols.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
so=.libs/librunnel.so a=.libs/librunnel.a
n=0

# verdict NAME FILE: FILE holds the complaints. A tool that says nothing at all must not look like
# success: see the first check.
verdict() {
    n=$((n + 1))
    if [ -s "$2" ]; then
        echo "not ok $n - $1"
        sed 's/^/# /' "$2"
    else
        echo "ok $n - $1"
    fi
}

sed -n '/global:/,/local:/p' "$srcdir/runnel.map" | tr -d ' \t' | sed -n 's/^\(rn_[a-z0-9_]*\);$/\1/p' | sort >"$dir/map"
# Comments stand in lines of their own, declarations begin with RN_API; one may be continued.
cat "$srcdir"/include/runnel/*.h | sed 's/rn_\(send_\|recv_\)\{0,1\}chan([^)]*)/channel/g' |
    sed -n '/RN_API/s/.*[ *(]\(rn_[a-z0-9_]*\))*(.*/\1/p' | sort -u >"$dir/headers"
{ [ "$(wc -l <"$dir/map")" -ge 10 ] && [ "$(wc -l <"$dir/headers")" -ge 10 ]; } ||
    echo 'runnel.map or the headers could not be read' >"$dir/none"
touch "$dir/none"
verdict 'runnel.map and the headers can be read' "$dir/none"
# The exported objects are declared in a way that the expression above does not read.
printf '%s\n' rn_capture rn_parked_ | sort -u - "$dir/headers" | diff "$dir/map" - >"$dir/declared"
verdict 'runnel.map lists what the headers declare' "$dir/declared"

if [ -f "$so" ]; then
    $NM -D --defined-only "$so" | $AWK '$2 != "A" { print $3 }' | sort >"$dir/versioned"
    sed 's/$/@@RUNNEL_0/' "$dir/map" | diff - "$dir/versioned" >"$dir/exported"
    verdict 'the shared library exports what runnel.map lists' "$dir/exported"
    $READELF -dW "$so" >"$dir/dynamic"
    for flag in NODELETE NOW; do
        grep -q "FLAGS.*$flag" "$dir/dynamic" || echo "no $flag flag"
    done >"$dir/flags"
    verdict 'the shared library is nodelete and bound at load time' "$dir/flags"
    $READELF -lW "$so" >"$dir/segments"
    { grep -q GNU_RELRO "$dir/segments" || echo 'no GNU_RELRO segment'
      grep 'GNU_STACK.*RW ' "$dir/segments" >/dev/null || echo 'the stack is executable'; } >"$dir/relro"
    verdict 'the shared library has relro and no executable stack' "$dir/relro"
fi
if [ -f "$a" ] && ! $NM "$a" 2>/dev/null | grep -q '_asan_'; then
    $NM -g --defined-only "$a" | $AWK 'NF == 3 { print $3 }' | sort >"$dir/static"
    grep -v -e '^rni*_' -e '^__x86.get_pc_thunk' "$dir/static" >"$dir/foreign"   # the latter are the compiler's, on 32 bits
    comm -23 "$dir/map" "$dir/static" | sed 's/$/ is missing/' >>"$dir/foreign"
    verdict 'every global symbol of the static library has our prefix' "$dir/foreign"
fi
echo "1..$n"
