#!/bin/sh
# SPDX-License-Identifier: MIT
# Every test that tests/behaviour/MAP.md names is in the list of its program: a map of tests that
# were renamed or dropped is worse than none. First a small map with an error of each kind: a check
# that finds nothing there proves nothing here.
set -u
srcdir=${srcdir:-.}
AWK=${AWK:-awk}
LC_ALL=C
export LC_ALL

# names MAP: a line "file name" for each test that it names.
names() {
    "$AWK" -F'|' '
    /^\| *behaviour/ || /^\|-/ || !/^\|.*\|.*\|$/ { next }
    {
        n = split($3, group, ";")
        for (i = 1; i <= n; i++) {
            if (!match(group[i], /^ *(unit )?[a-z_]+: /)) { print "? ?" group[i]; continue }
            file = substr(group[i], RSTART, RLENGTH)
            rest = substr(group[i], RSTART + RLENGTH)
            gsub(/^ +|: $/, "", file)
            sub(/ /, "/", file)
            k = split(rest, name, " ")
            if (k == 0) print file " ?"
            for (j = 1; j <= k; j++) print file " " name[j]
        }
    }' "$1"
}

# wrong MAP: prints what is named and does not exist.
wrong() {
    names "$1" | sort -u | while read -r file name; do
        case $file in
        crash) grep -qs -e "(\"$name\"," \
            -e "\"[a-z]*_cases\", \"$name\"" -e "what = \"$name\"" \
            "$srcdir/tests/crash/expected.h" "$srcdir/tests/crash/crash_test.c" ;;
        unit/*) grep -qsE "(cmocka_unit_test[a-z_]*|CHILD_TEST)\($name[),]" "$srcdir/tests/unit/${file#unit/}_test.c" ;;
        *) grep -qsE "BEHAVE(_BOTH|_THREAD)?\($name\)" "$srcdir/tests/behaviour/${file}_test.c" ;;
        esac || echo "$file: $name"
    done
}

map=$(mktemp "${TMPDIR:-/tmp}/map.XXXXXX") || exit 99
trap 'rm -f "$map"' EXIT
cat >"$map" <<'M'
| behaviour | tests |
|---|---|
| is there | wg: large_counts; crash: receive; unit lock: excludes_and_loses_no_wake |
| a test too many | wg: large_counts no_such_test |
| no such file | wgg: large_counts |
| no such case | crash: no_such_case |
| no such unit | unit lock: no_such_test |
| no test at all | wg: |
M
echo '1..2'
if [ "$(wrong "$map" | wc -l)" -eq 5 ]; then
    echo 'ok 1 - what is wrong is found'
else
    echo 'not ok 1 - what is wrong is found'
    wrong "$map" | sed 's/^/# /'
fi
lost=$(wrong "$srcdir/tests/behaviour/MAP.md")
if [ -z "$lost" ] && [ "$(names "$srcdir/tests/behaviour/MAP.md" | wc -l)" -gt 200 ]; then
    echo 'ok 2 - every test of the map exists'
else
    echo 'not ok 2 - every test of the map exists'
    printf '%s\n' "$lost" | sed 's/^/# /'
fi
