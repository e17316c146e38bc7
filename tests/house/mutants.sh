#!/bin/sh
# SPDX-License-Identifier: MIT
# The mistakes of tests/mutants, as TAP: each patch still applies to the tree and says what it does,
# so that make mutants can be run at any time.
set -u
srcdir=$(cd "${srcdir:-.}" && pwd)
n=0
for patch in "$srcdir"/tests/mutants/*.patch; do
    n=$((n + 1))
    name=${patch##*/}
    if grep -q '^Try first: tests/' "$patch" && (cd "$srcdir" && patch -s -p1 --dry-run <"$patch") >/dev/null 2>&1; then
        echo "ok $n - ${name%.patch}"
    else
        echo "not ok $n - ${name%.patch} does not apply"
    fi
done
echo "1..$n"
