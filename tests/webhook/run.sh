#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/examples/webhook against tests/webhook/client, which shares nothing with it, as TAP: bursts,
# deadlines, the protocol, and ends under load, with 1, 2 and 8 processors. Skipped where
# http_parser was not found. Runs in the top build folder. Nobody sleeps to be in time: a line that
# is read says how far the other one is.
# WEBHOOK_ROUNDS: how often a server is ended under load (5).
#
# Nothing is lost if the server has answered each request that it read (requests is the sum of the
# answers by kind), if none of these answers remained unsent, and if the client has received as many
# of each kind, whole. A request that nobody has read, since it crossed with the end of its
# connection, is in no count of the server's.
set -u
LC_ALL=C
export LC_ALL
[ -x docs/examples/webhook ] || {
    echo 'http_parser was not found (Debian: apt-get install libhttp-parser-dev): webhook not tested'
    exit 77
}
dir=$(mktemp -d "${TMPDIR:-/tmp}/webhook.XXXXXX") || exit 99
server= helper=
trap '[ -z "$server$helper" ] || kill -9 $server $helper 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
n=0

# Sanitizers make it slow, and their memory is their own matter.
requests=20000 sanitized=no rounds=${WEBHOOK_ROUNDS:-5}
[ -f .libs/librunnel.so ] || requests=3000 sanitized=yes

# What memory may grow to, KiB, and by how much from a tenth of the requests to all of them.
most=16384 growth=1024   # and 256 for each processor, which keeps the stacks that ended there

result() {
    n=$((n + 1))
    echo "$1 $n - $2"
}

# expect NAME: ok if the checks since the last one said nothing.
expect() {
    if [ -s "$dir/complaints" ]; then
        result 'not ok' "$1"
        sed 's/^/# /' "$dir/complaints"
        sed 's/^/# stderr: /' "$dir/err"
    else
        result ok "$1"
    fi
    : >"$dir/complaints"
}

# check WHAT TEST-ARGUMENT...
check() {
    what=$1
    shift
    test "$@" || echo "$what: $*" >>"$dir/complaints"
}

# start ARGUMENT...: a server on a free port, known to listen.
start() {
    rm -f "$dir/out"
    mkfifo "$dir/out"
    RUNNEL_MAXPROCS=$p docs/examples/webhook -a 127.0.0.1:0 "$@" >"$dir/out" 2>"$dir/err" &
    server=$!
    exec 3<"$dir/out"
    line=
    read -r line <&3
    port=${line##*:}
    case $line in
    'webhook: listening on 127.0.0.1:'[1-9]*) ;;
    *) echo "the first line is: $line" >>"$dir/complaints" ;;
    esac
}

# stop [SIGNAL]: ends it, and leaves its last line in $last.
stop() {
    kill -"${1:-TERM}" "$server"
    ended
}

ended() {
    wait "$server"
    check 'exit status' $? -eq 0
    server=
    last=$(cat <&3 | plain)
    exec 3<&-
    check 'something on stderr' ! -s "$dir/err"
}

client() {
    tests/webhook/client -p "$port" "$@"
}

# until_true COMMAND...: as often as need be.
until_true() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        if [ $tries -gt 5000 ]; then
            echo "never came true: $*" >>"$dir/complaints"
            return
        fi
    done
}

nobody_listens() {
    client -r -h </dev/null >"$dir/said" 2>&1
    [ $? -eq 3 ]
}

# value NAME LINE: the number behind the name.
value() {
    printf '%s\n' "$2" | "${AWK:-awk}" -v name="$1" '{ for (i = 1; i < NF; i++) if ($i == name) print $(i + 1) + 0 }'
}

# plain: the line of JSON as names and numbers.
plain() {
    sed -n 's/^.*{\(.*\)}.*$/\1/p' | tr '":,' '   '
}

# stats: what GET /stats says. The request itself is in flight.
stats() {
    printf 'GET /stats HTTP/1.0\r\n\r\n' | client -r | plain
}

# agree SERVER CLIENT...: as much of each kind here as there, and everything answered.
agree() {
    here=$1
    shift
    for kind in ok refused late; do
        sum=0
        for there in "$@"; do
            sum=$((sum + $(value $kind "$there")))
        done
        check "$kind, server and client" "$(value $kind "$here")" -eq $sum
    done
    check 'requests and answers' "$(value requests "$here")" -eq $(($(value ok "$here") + $(value refused "$here") + \
        $(value late "$here") + $(value bad "$here") + $(value stats "$here") + $(value in_flight "$here")))
    check 'answers not sent' "$(value unsent "$here")" -eq 0
    for there in "$@"; do
        check 'other answers, wrong ones, parts' "$(value other "$there") $(value wrong "$there") $(value cut "$there")" = '0 0 0'
        check 'each 503 has Retry-After' "$(value retry "$there")" -eq "$(value refused "$there")"
        check 'sent and answered' "$(value sent "$there")" -eq $(($(value ok "$there") + $(value refused "$there") + \
            $(value late "$there") + $(value crossed "$there")))
    done
    [ -s "$dir/complaints" ] || return 0
    printf '%s\n' "server: $here" "$@" >>"$dir/complaints"
}

# -- bursts --

high_water() {
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$server/status"
}

bursts() {
    start -w 8 -q 200 -t 60000
    one=$(client -c 200 -n $requests)
    check 'status of the client' $? -eq 0
    check 'ok' "$(value ok "$one")" -eq $requests
    now=$(stats)
    agree "$now" "$one"
    check 'connections' "$(value connections "$now")" -eq 201
    stop
    agree "$last" "$one"
    expect "$requests requests, a queue with room: all done, $p processors"

    start -w 4 -q 16 -d 1000 -t 60000
    one=$(client -c 200 -n $((requests / 10)))
    check 'status of the client' $? -eq 0
    before=$(high_water)
    two=$(client -c 200 -n $((requests - requests / 10)))
    check 'status of the client' $? -eq 0
    after=$(high_water)
    agree "$(stats)" "$one" "$two"
    stop
    agree "$last" "$one" "$two"
    check 'answers' $(($(value ok "$last") + $(value refused "$last"))) -eq $requests
    check 'some are done' "$(value ok "$last")" -gt 0
    check 'some are refused' "$(value refused "$last")" -gt 0
    expect "$requests requests, a small queue: done or refused, $p processors"
    echo "# $last"

    if [ $sanitized = yes ]; then
        result ok "memory # SKIP the sanitizer's is in it"
        return
    fi
    check 'KiB at most' "$after" -le $most
    check 'KiB more after ten times as many' $((after - before)) -le $((growth + 256 * p))
    expect "memory does not grow with the requests: $before KiB after a tenth of them, $after after all, $p processors"
}

# -- deadlines --

# says NAME WANTED [OPTION]...: standard input sent to the server, and its answers as "STATUS
# CONNECTION BODY" one after the other.
says() {
    name=$1 wanted=$2
    shift 2
    client -r "$@" >"$dir/said" 2>>"$dir/complaints"
    said=$(tr -d '\r' <"$dir/said" | "${AWK:-awk}" '
        /^HTTP\/1\.1 /           { out = out " " $2; head = 1; next }
        head && /^Connection: /  { out = out " " $2 }
        head && /^$/             { head = 0; next }
        !head                    { out = out " " $0 }
        END                      { print substr(out, 2) }')
    check "$name" "$said" = "$wanted"
}

# post BODY [HEADER]...
post() {
    body=$1
    shift
    printf 'POST /hook HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n' "${#body}"
    [ $# -eq 0 ] || printf '%s\r\n' "$@"
    printf '\r\n%s' "$body"
}
close='Connection: close'

# A worker that would take ten minutes is told to stop: the second request reaches it, and the end
# has not to wait for it.
deadlines() {
    start -w 1 -q 1 -d 600000000 -t 50
    { post a; post b "$close"; } | says 'late' '504 keep-alive not done in time 504 close not done in time'
    stop
    check 'late' "$(value late "$last")" -eq 2
    expect "a job that is not done in time, $p processors"

    start -i 200
    printf 'POST /hook HTTP/1.1\r\nHost: te' | says 'half a request' '408 close'
    printf '' | says 'silence' ''
    stop
    expect "a client that lets the server wait, $p processors"

    start -c 2 -i 200
    one=$(client -c 6 -n 600)
    check 'status of the client' $? -eq 0
    stop
    agree "$last" "$one"
    expect "more connections than there is room for wait, $p processors"
}

# -- protocol --

zeros() {
    dd if=/dev/zero bs="$1" count=1 2>/dev/null | tr '\0' 0
}

protocol() {
    start
    { post a; post b; post c "$close"; } >"$dir/three"
    says 'in order' '200 keep-alive e40c292c 200 keep-alive e70c2de5 200 close e60c2c52' <"$dir/three"
    says 'byte by byte' '200 keep-alive e40c292c 200 keep-alive e70c2de5 200 close e60c2c52' -s <"$dir/three"
    post a | says 'half-closed' '200 keep-alive e40c292c' -h
    printf 'POST /hook HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n%s\r\n\r\n2\r\nfo\r\n4\r\nobar\r\n0\r\n\r\n' "$close" |
        says 'chunks' '200 close bf9cf968'
    expect "requests on one connection are answered in order, $p processors"

    printf 'POST /hook HTTP/1.0\r\nContent-Length: 1\r\n\r\na' | says '1.0' '200 close e40c292c'
    for i in 1 2; do
        printf 'POST /hook HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na'
    done | says '1.0 that keeps' '200 keep-alive e40c292c 200 keep-alive e40c292c' -h
    printf 'GET /stats HTTP/2.0\r\nHost: test\r\n\r\n' | says '2.0' '505 close'
    expect "versions of HTTP, $p processors"

    { post a; printf 'nonsense\r\n\r\n'; } | says 'malformed' '200 keep-alive e40c292c 400 close'
    printf 'POST /hook HTTP/1.1\r\n\r\n' | says 'no host' '400 close'
    post a 'Transfer-Encoding: chunked' | says 'two lengths' '400 close'
    printf 'GET /%s HTTP/1.1\r\nHost: test\r\n\r\n' "$(zeros 600)" | says 'long address' '414 close'
    { printf 'GET /stats HTTP/1.1\r\nHost: test\r\n'; for i in 1 2 3; do printf 'X: %s\r\n' "$(zeros 40000)"; done; } |
        says 'large header' '431 close'
    { printf 'GET /hook HTTP/1.1\r\nHost: test\r\n\r\nHEAD /hook HTTP/1.1\r\nHost: test\r\n\r\n'
        printf 'POST /stats HTTP/1.1\r\nHost: test\r\n\r\nPOST /hooks HTTP/1.1\r\nHost: test\r\n%s\r\n\r\n' "$close"; } |
        says 'methods and paths' '405 keep-alive 405 keep-alive 405 keep-alive 404 close'
    printf 'POST http://test/hook?x=/stats HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n%s\r\n\r\na' "$close" |
        says 'absolute address' '200 close e40c292c'
    expect "requests that are at fault, $p processors"

    post "$(zeros 65536)" "$close" | says 'as large as may be' '200 close 4a509dc5'
    post "$(zeros 65537)" | says 'one byte more' '413 close'
    post "$(zeros 1000000)" | says 'much more' '413 close'
    { printf 'POST /hook HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n'; zeros 70000; } |
        says 'too large in chunks' '413 close'
    stop INT
    check 'requests and answers' "$(value requests "$last")" -eq $(($(value ok "$last") + $(value bad "$last")))
    check 'answers not sent' "$(value unsent "$last")" -eq 0
    expect "bodies that are too large, $p processors"
}

# -- ends --

# A client that is spoken through: descriptor 4 writes to it, 5 reads what it received.
open_dialogue() {
    rm -f "$dir/to" "$dir/from"
    mkfifo "$dir/to" "$dir/from"
    tests/webhook/client -p "$port" -r <"$dir/to" >"$dir/from" 3<&- &
    helper=$!
    exec 4>"$dir/to" 5<"$dir/from"
}

close_dialogue() {
    exec 4>&-
    said=$(tr -d '\r' <&5 | sed -n -e 's/^HTTP\/1\.1 //p' -e 's/^Connection: //p' | tr '\n' ' ')
    exec 5<&-
    wait "$helper"
    check 'status of the client' $? -eq 0
    helper=
}

in_flight() {
    [ "$(value in_flight "$(stats)")" = "$1" ]
}

ends_of_requests() {
    start -g 60000 -i 60000
    open_dialogue
    printf 'POST /hook HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n' >&4
    read -r line <&5
    check 'the server waits for the body' "$line" = "$(printf 'HTTP/1.1 100 Continue\r')"
    kill -TERM "$server"
    until_true nobody_listens
    printf a >&4
    close_dialogue
    ended
    check 'the answer' "$said" = '200 OK close '
    expect "a request that has begun may end after the signal, $p processors"

    start -w 1 -d 600000000 -t 600000 -g 100
    open_dialogue
    post a >&4
    until_true in_flight 2
    stop
    close_dialogue
    check 'the answer' "$said" = '503 Service Unavailable close '
    expect "a job that the grace time is too short for is answered all the same, $p processors"
}

# ends_under_load ARGUMENT...: until the end of the server on all connections. A closed loop of
# requests sees the end in an answer.
ends_under_load() {
    i=0 served=0 crossed=0
    while [ $i -lt "$rounds" ] && [ ! -s "$dir/complaints" ]; do
        i=$((i + 1))
        start "$@" -g 5000
        rm -f "$dir/from"
        mkfifo "$dir/from"
        tests/webhook/client -p "$port" -c 100 -n 0 -g $((requests / 25)) >"$dir/from" 3<&- &
        helper=$!
        exec 5<"$dir/from"
        read -r line <&5
        check 'the client is at work' "$line" = going
        begun=$(date +%s)
        stop
        check 'seconds to the end' $(($(date +%s) - begun)) -le 8
        one=$(cat <&5)
        exec 5<&-
        wait "$helper"
        check 'status of the client' $? -eq 0
        helper=
        agree "$last" "$one"
        check 'resets' "$(value reset "$one")" -eq 0
        served=$((served + $(value requests "$last"))) crossed=$((crossed + $(value crossed "$one")))
    done
    expect "ended under load $rounds times, nothing lost: $*, $p processors"
    echo "# $served requests answered, $crossed crossed with the end of their connection"
}

refusals() {
    docs/examples/webhook -w 0 >"$dir/out.txt" 2>"$dir/said"
    check 'status' $? -eq 2
    check 'says what is wrong' "$(sed -n 1p "$dir/said")" = 'webhook: 0: not a number, or out of range'
    docs/examples/webhook -x >"$dir/out.txt" 2>"$dir/said"
    check 'status' $? -eq 2
    start
    docs/examples/webhook -a "127.0.0.1:$port" >"$dir/out.txt" 2>"$dir/said"
    check 'status' $? -eq 1
    check 'says what is wrong' "$(cat "$dir/said")" = "webhook: 127.0.0.1:$port: Address already in use"
    stop
    expect 'what fails says so'
}

: >"$dir/complaints"
p=2
refusals
for p in 1 2 8; do
    bursts
    deadlines
    protocol
    ends_of_requests
    ends_under_load -w 8 -q 100 -t 60000
    ends_under_load -w 4 -q 8 -d 1000 -t 60000
done
echo "1..$n"
