#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs every example of docs/examples with 1, 2 and 8 processors and compares its output with
# NAME.txt beside this script, as TAP; what differs is shown as a diff. In the expected text #
# stands for digits and @P@ for the number of processors. Runs in the top build folder.
# RUNNEL_EMULATOR: what runs programs of another processor.
set -u
srcdir=${srcdir:-.}
LC_ALL=C
export LC_ALL
here=$srcdir/tests/examples
dir=$(mktemp -d "${TMPDIR:-/tmp}/examples.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
n=0

# mask EXPECTED: standard input, each line replaced by its line of EXPECTED where that has # and the
# two match.
mask() {
    "${AWK:-awk}" -v expected="$1" '
    {
        if ((getline line <expected) <= 0) line = ""
        pattern = line
        gsub(/[][\\.*+?^${}()|]/, "\\\\&", pattern)
        gsub(/#/, "[0-9]+", pattern)
        print line ~ /#/ && $0 ~ "^" pattern "$" ? line : $0
    }'
}

# The report of a deadlock: which code is at which address differs from build to build, and how much
# of the library is shown between a frame and its wait with the compiler.
without_addresses() {
    sed -e '/^        /d' -e '/^rn_/d'
}

# example NAME STATUS STREAMS [ARGUMENT]...: STREAMS is out, or all for stdout and stderr. NAME-WHAT
# is another run of NAME.
example() {
    name=$1 status=$2 streams=$3
    shift 3
    for p in 1 2 8; do
        n=$((n + 1))
        sed "s/@P@/$p/" "$here/$name.txt" >"$dir/expected"
        RUNNEL_MAXPROCS=$p ${RUNNEL_EMULATOR-} "docs/examples/${name%%-*}" "$@" >"$dir/out" 2>"$dir/err"
        got=$?
        [ "$streams" = out ] || without_addresses <"$dir/err" >>"$dir/out"
        sed 's/: Operation timed out$/: Connection timed out/' "$dir/out" >"$dir/said"   # musl's words for ETIMEDOUT
        mask "$dir/expected" <"$dir/said" >"$dir/masked"
        diff -u "$dir/expected" "$dir/masked" >"$dir/diff"
        if [ $? -eq 0 ] && [ $got -eq "$status" ]; then
            echo "ok $n - $name with $p processors"
        else
            echo "not ok $n - $name with $p processors"
            echo "# status $got, expected $status"
            sed -e '1,2d' -e 's/^/# /' "$dir/diff"
            sed 's/^/# stderr: /' "$dir/err"
        fi
    done
}

example checkparallelism 0 out
if [ -n "${RUNNEL_EMULATOR-}" ]; then
    echo '# deadlock: skipped: the emulator has a thread of its own, which could still come'
else
    example deadlock 2 all
fi
example echo 0 out
example fetchtimeout 0 out
example howmany 0 out 5000
example monitor 0 out
example pipeline 0 out
example spawnmany 0 out
example workerpool 0 out

# more than there is memory for, which RUNNEL_MAXG stands for here: it says how far it came, and
# ends as tidily.
RUNNEL_MAXG=12000
export RUNNEL_MAXG
example howmany-full 1 all 50000
unset RUNNEL_MAXG

# An example that is neither named above nor has a script of its own is not tested.
n=$((n + 1))
for file in "$srcdir"/docs/examples/*.c; do
    name=$(basename "$file" .c)
    grep -q "^ *example $name " "$here/run.sh" || [ -x "$srcdir/tests/$name/run.sh" ] || echo "# $file is not run"
done >"$dir/missing"
if [ -s "$dir/missing" ]; then
    echo "not ok $n - every example is run"
    cat "$dir/missing"
else
    echo "ok $n - every example is run"
fi
echo "1..$n"
