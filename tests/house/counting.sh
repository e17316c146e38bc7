#!/bin/sh
# SPDX-License-Identifier: MIT
# tests/house/driver and tests/house/count: a driver that counts wrong makes every other test
# worthless.
set -u
srcdir=${srcdir:-.}
house=$srcdir/tests/house
dir=$(mktemp -d "${TMPDIR:-/tmp}/counting.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
n=0

# expect NAME WANT TEST-NAME: runs the program on standard input as TEST-NAME; WANT is "passed
# failed skipped".
expect() {
    n=$((n + 1))
    mkdir "$dir/$n"
    { echo '#!/bin/sh'; cat; } >"$dir/$n/program"
    chmod +x "$dir/$n/program"
    RUNNEL_TEST_SECONDS=1 "${SHELL:-/bin/sh}" "$house/driver" --test-name "$3" --log-file "$dir/$n/log" --trs-file "$dir/$n/t.trs" \
        --color-tests no --enable-hard-errors yes --expect-failure no -- "$dir/$n/program" >"$dir/$n/out"
    got="$("$house/count" "$dir/$n") $(grep -c '^:test-result: SKIP' "$dir/$n/t.trs")"
    verdict=$(sed -n 's/^:global-test-result: //p' "$dir/$n/t.trs")
    want=PASS
    case $2 in
    *' 0 '*) case $2 in 0*) want=SKIP ;; esac ;;
    *) want=FAIL ;;
    esac
    if [ "$got" = "$2" ] && [ "$verdict" = "$want" ] && grep -q "^$want: $3" "$dir/$n/out"; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        echo "# wanted $2 $want, got $got $verdict"
        sed 's/^/# /' "$dir/$n/out"
    fi
}

expect 'a plain program that succeeds is one test' '1 0 0' plain <<'P'
echo hello
P
expect 'a plain program that fails is one failure' '0 1 0' plain <<'P'
exit 3
P
expect 'status 77 is a skipped test' '0 0 1' plain <<'P'
exit 77
P
expect 'each test of a cmocka program counts' '3 2 1' tests/behaviour/x <<'P'
cat <<'T'
[==========] Running 6 test(s).
[       OK ] a
[  FAILED  ] d
[==========] 6 test(s) run.
[  PASSED  ] 3 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] f
[  FAILED  ] 2 test(s), listed below:
[  FAILED  ] d
[  FAILED  ] e
T
exit 2
P
expect 'several groups add up, whatever the order of the lines' '5 0 0' tests/unit/x <<'P'
echo '[==========] 2 test(s) run.'
echo '[  PASSED  ] 2 test(s).'
echo '[==========] 3 test(s) run.'
echo '[ RUN   [  PASSED  ] 3 test(s).'
echo '[==========] Running 2 test(s).'
echo '[==========] Running 3 test(s).'
P
expect 'a crash keeps what had passed and adds a failure' '2 1 0' tests/unit/x <<'P'
echo '[==========] Running 4 test(s).'
echo '[       OK ] a'
echo '[       OK ] b'
kill -SEGV $$
P
expect 'an exit in the middle of a group is a failure' '1 1 0' tests/unit/x <<'P'
echo '[==========] Running 4 test(s).'
echo '[       OK ] a'
P
expect 'a cmocka program without a test is a failure' '0 1 0' tests/behaviour/x <<'P'
exit 0
P
expect 'a bad status with no failed test is a failure' '1 1 0' tests/unit/x <<'P'
echo '[==========] Running 1 test(s).'
echo '[==========] 1 test(s) run.'
echo '[  PASSED  ] 1 test(s).'
exit 1
P
expect 'TAP lines count one by one' '2 1 1' script <<'P'
printf '1..4\nok 1 - a\nnot ok 2 - b\nok 3 # SKIP no compiler\nok 4\n'
P
expect 'a TAP plan that is not kept is a failure' '1 1 0' script <<'P'
printf '1..2\nok 1\n'
P
expect 'a test that hangs is killed and has failed' '0 1 0' script <<'P'
exec cat /dev/zero >/dev/null
P
echo "1..$n"
