#!/bin/sh
# SPDX-License-Identifier: MIT
# The models of docs/design, checked exhaustively by spin, as TAP: each is clean as it stands, and each rule that a -D undoes, by the list at the head of
# the model, makes an assertion fail. A model that could not find the bug would prove nothing. Skipped where there is no spin.
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
n=0

# check RESULT NAME MODEL [-D]: RESULT is clean or broken.
check() {
    n=$((n + 1))
    (cd "$dir" && rm -f pan* && spin ${4:+"$4"} -a "$srcdir/$3" && ${CC:-cc} -O1 -w -DSAFETY -o pan pan.c && ./pan -m10000000) >"$dir/out" 2>&1
    found=neither
    if grep -q 'errors: 0$\|errors: 0 ' "$dir/out" && ! grep -q 'search depth too small' "$dir/out"; then
        found=clean
    elif grep -q 'assertion violated' "$dir/out"; then
        found=broken
    fi
    if [ "$found" = "$1" ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        sed 's/^/# /' "$dir/out" | head -n 40
    fi
}

for model in docs/design/retake.pml docs/design/idle.pml docs/design/keeper.pml; do
    name=${model##*/}
    check clean "$name: clean" $model
    check clean "$name: clean with full fences" $model -DFULL_FENCES
    rules=$(sed -n 's/^ \*   \(-D[A-Z_]*\) .*/\1/p' "$srcdir/$model")
    for rule in $rules; do
        check broken "$name: $rule is found" $model "$rule"
    done
done
echo "1..$n"
