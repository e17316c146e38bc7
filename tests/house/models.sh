#!/bin/sh
# SPDX-License-Identifier: MIT
# The models of docs/design, checked exhaustively by spin, as TAP: each is clean as it stands, and
# each rule that a -D undoes, by the list at the head of the model, makes an assertion fail. A model
# that could not find the bug would prove nothing. Two are searched at a time, in a folder each.
# Skipped where there is no spin.
set -u
srcdir=${srcdir:-.}
LC_ALL=C
export LC_ALL
command -v spin >/dev/null 2>&1 || {
    echo 'spin is not installed (Debian: apt-get install spin): models not checked'
    exit 77
}
dir=$(mktemp -d "${TMPDIR:-/tmp}/models.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
srcdir=$(cd "$srcdir" && pwd)

# What is to be checked, a line each: RESULT MODEL [-D]. RESULT is clean or broken.
plan() {
    for model in retake idle keeper lone select timer; do
        file=$srcdir/docs/design/$model.pml
        echo clean $model
        if grep -q FULL_FENCES "$file"; then
            echo clean $model -DFULL_FENCES
        fi
        sed -n "s/^ \*   \(-D[A-Z_]*\) .*/broken $model \1/p" "$file"
    done
}

# check N RESULT MODEL [-D]. The longest path of any is 1,300 steps: a search that needs more than
# there is room for says so, and is then neither clean nor broken. The room is taken, and touched,
# at the start, ten million would cost seconds.
check() {
    at=$dir/$1
    mkdir "$at" || return
    (cd "$at" && spin ${4:+"$4"} -a "$srcdir/docs/design/$3.pml" && ${CC:-cc} -O0 -w -DSAFETY -DSFH -o pan pan.c &&
        ./pan -w20 -m20000) >"$at/out" 2>&1
    found=neither
    if grep -q 'search depth too small' "$at/out"; then
        found='neither: its depth is too small'
    elif grep -q 'errors: 0$\|errors: 0 ' "$at/out"; then
        found=clean
    elif grep -q 'assertion violated' "$at/out"; then
        found=broken
    fi
    if [ "$found" = "$2" ]; then
        echo "ok $1 - $3.pml${4:+ $4} is $2"
    else
        echo "not ok $1 - $3.pml${4:+ $4} is $2: $found"
        sed 's/^/# /' "$at/out" | head -n 40
    fi >"$dir/result.$1"
    rm -rf "$at"
}

# worker REMAINDER: every second check.
worker() {
    n=0
    while read -r result model rule; do
        n=$((n + 1))
        if [ $((n % 2)) -eq "$1" ]; then
            check "$n" "$result" "$model" "$rule"
        fi
    done <"$dir/plan"
}

plan >"$dir/plan"
worker 0 &
worker 1
wait
n=$(wc -l <"$dir/plan")
i=0
while [ $((i += 1)) -le "$n" ]; do
    cat "$dir/result.$i" 2>/dev/null || echo "not ok $i - was not checked"
done
echo "1..$((n))"
