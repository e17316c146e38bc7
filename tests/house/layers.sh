#!/bin/sh
# SPDX-License-Identifier: MIT
# The rules of the house, checked by layers.awk over every .c, .h and .S of the tree:
#   - a quoted include is a path from the top (or from include/), and points to its own layer or
#     below: base < arch < os < mem < core < chan < ctx < io; sched/debug may include them all and
#     is included by nobody; include/ includes only itself; tests and docs include public headers
#     only, tests/unit what it likes
#   - only sched/os talks to the operating system
#   - an atomic operation that is not a full barrier, and every fence, has a comment on its own line
#   - the first line is the SPDX line, no line is longer than 100 columns, no file than 700 lines
# First a small tree with one breach of each kind is checked: rules that find nothing there prove
# nothing here.
set -u
srcdir=${srcdir:-.}
AWK=${AWK:-awk}
LC_ALL=C
export LC_ALL
rules=$(cd "$srcdir/tests/house" && pwd)/layers.awk || exit 99
dir=$(mktemp -d "${TMPDIR:-/tmp}/layers.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
n=0

# breaches TREE: prints what is wrong in it.
breaches() (
    cd "$1" || exit 99
    for folder in sched chan ctx io include tests docs; do
        [ ! -d "$folder" ] || find "$folder" -type f \( -name '*.c' -o -name '*.h' -o -name '*.S' \)
    done | sort | xargs "$AWK" -f "$rules" || echo 'layers.awk failed'
)

# put FILE: a file of the small tree, its text from standard input behind the SPDX line.
put() {
    mkdir -p "$dir/tree/$(dirname "$1")"
    { echo '/* SPDX-License-Identifier: MIT */'; cat; } >"$dir/tree/$1"
}

result() {
    n=$((n + 1))
    echo "$1 $n - $2"
}

# wrong NAME FILE PATTERN: with FILE from standard input the small tree has exactly one breach, in
# FILE, matching PATTERN.
wrong() {
    put "$2"
    breaches "$dir/tree" >"$dir/out"
    rm "$dir/tree/$2"
    if [ "$(wc -l <"$dir/out")" -eq 1 ] && grep -q "^$2:[0-9]*: .*$3" "$dir/out"; then
        result ok "found: $1"
    else
        result 'not ok' "found: $1"
        sed 's/^/# /' "$dir/out"
    fi
}

# clean NAME: nothing is wrong in the small tree.
clean() {
    if breaches "$dir/tree" >"$dir/out" && [ ! -s "$dir/out" ]; then
        result ok "allowed: $1"
    else
        result 'not ok' "allowed: $1"
        sed 's/^/# /' "$dir/out"
    fi
}

put include/runnel.h <<'F'
#include <stdint.h>
#include <runnel/chan.h>
F
put include/runnel/chan.h </dev/null
put sched/base/cc.h <<'F'
static inline void f(void) { store_rel(&x, 1); }
F
put sched/arch/arch.h <<'F'
#include "sched/base/cc.h"
F
put sched/os/os.h <<'F'
#include <pthread.h>
void rni_fence_heavy(void);
F
put sched/os/futex.c <<'F'
#include <linux/futex.h>
#include "sched/os/os.h"
static long f(void) { return syscall(SYS_futex, FUTEX_WAIT); }
F
put sched/mem/stack.h <<'F'
#include "sched/os/os.h"
F
put sched/core/g.h <<'F'
#include "sched/mem/stack.h"
/* mmap() and pthread_create() may be spoken of, in comments
 * like syscall(2), load_acq(x) too. */
static const char *s = "mmap(", c = '"'; // pthread_self()
static void f(void) { store_rel(&x, 1); /* pairs with acq in h */ rni_futex_wait(&w, 1); }
static int g(void) { return load_acq(&x); } // pairs with rel in f
F
put chan/hchan.h <<'F'
#include <runnel/chan.h>
#include "sched/core/g.h"
F
put ctx/ctx.c <<'F'
#include "chan/hchan.h"
F
put io/fd.c <<'F'
#include "ctx/ctx.c"
#include "sched/core/g.h"
F
put sched/debug/dump.h <<'F'
#include "ctx/ctx.c"
#include "chan/hchan.h"
#include "sched/core/g.h"
F
put sched/debug/dump.c <<'F'
#include "sched/debug/dump.h"
F
put tests/support/internal.h <<'F'
#include "chan/hchan.h"
F
put tests/support/check.h <<'F'
#include <runnel.h>
F
put tests/unit/stack.c <<'F'
#include "tests/support/internal.h"
#include "sched/mem/stack.h"
#include <pthread.h>
F
put tests/behaviour/chan.c <<'F'
#include "tests/support/check.h"
#include <runnel.h>
#include <pthread.h>
static void f(void) { mmap(0); pthread_self(); }
F
put sched/arch/call.S <<'F'
#include "sched/base/cc.h"
F
clean 'what the rules allow'

wrong 'an include that is not written from the top' sched/core/x.c 'g\.h. is not a path' <<'F'
#include "g.h"
F
wrong 'an include of a file that does not exist' chan/x.c 'is not a path' <<'F'
#include "sched/core/gone.h"
F
wrong 'our own header in angle brackets' chan/x.c 'with quotes' <<'F'
#include <sched/core/g.h>
F
for pair in base:sched/arch/arch.h arch:sched/os/os.h os:sched/mem/stack.h mem:sched/core/g.h core:chan/hchan.h; do
    wrong "sched/${pair%%:*} including ${pair#*:}" "sched/${pair%%:*}/x.h" 'includes upwards' <<F
#include "${pair#*:}"
F
done
wrong 'chan including ctx' chan/x.c 'includes upwards' <<'F'
  #  include "ctx/ctx.c"
F
wrong 'ctx including io' ctx/x.c 'includes upwards' <<'F'
#include "io/fd.c"
F
wrong 'assembly including upwards' sched/arch/x.S 'includes upwards' <<'F'
#include "sched/core/g.h"
F
wrong 'somebody including sched/debug' ctx/x.c 'nobody includes sched/debug' <<'F'
#include "sched/debug/dump.h"
F
wrong 'a layer including a test header' chan/x.c 'a layer does not include' <<'F'
#include "tests/support/check.h"
F
wrong 'a public header including the inside' include/runnel/x.h 'only public headers' <<'F'
#include "sched/base/cc.h"
F
wrong 'a behaviour test including the inside' tests/behaviour/x.c 'public headers only' <<'F'
#include "sched/core/g.h"
F
wrong 'a behaviour test including the door to the inside' tests/behaviour/x.c 'public headers only' <<'F'
#include "tests/support/internal.h"
F
wrong 'a crash test including the inside' tests/crash/x.c 'public headers only' <<'F'
#include "sched/base/cc.h"
F
wrong 'an example including the inside' docs/examples/x.c 'public headers only' <<'F'
#include "chan/hchan.h"
F
for call in 'syscall(1)' 'mmap(0)' 'madvise (p)' 'pthread_self()' 'SYS_futex' 'FUTEX_WAIT' 'futex_wait(w)' 'clock_gettime(0)' \
    'epoll_wait(1)'; do
    wrong "$call outside sched/os" sched/core/x.c 'only sched/os' <<F
static long f(void) { return /* a word */ $call; }
F
done
wrong '<pthread.h> outside sched/os' sched/mem/x.h 'belongs in sched/os' <<'F'
#include <pthread.h>
F
for call in 'load_acq(&x)' 'store_rel(&x, 1)' 'load_rlx(&x)' 'store_rlx(&x, 1)' 'cas_acq(&x, 0, 1)' 'cas_rel(&x, 1, 0)' 'fence_full()' \
    'rni_fence_light()' 'rni_fence_heavy()'; do
    wrong "$call without a comment" chan/x.c 'names its partner' <<F
/* pairs with nothing here */
static int f(void) { return $call; }
F
done
wrong 'a line of 101 columns' chan/x.c 'longer than 100 columns' <<F
/* $(seq -s '' 10000 11000 | cut -c 1-95) */
F
put chan/x.c <<F
/* $(seq -s '' 10000 11000 | cut -c 1-94) */
F
clean 'a line of 100 columns'
wrong 'a file of 701 lines' chan/x.c 'longer than 700' <<F
$(seq 700 | sed 's/.*/int x&;/')
F
put chan/x.c <<F
$(seq 699 | sed 's/.*/int x&;/')
F
clean 'a file of 700 lines'
mkdir -p "$dir/tree/chan"
echo 'int x;' >"$dir/tree/chan/x.c"
breaches "$dir/tree" >"$dir/out"
if grep -q '^chan/x.c:1: .*SPDX' "$dir/out"; then
    result ok 'found: a file without the SPDX line'
else
    result 'not ok' 'found: a file without the SPDX line'
fi

breaches "$srcdir" >"$dir/out"
if [ -s "$dir/out" ]; then
    result 'not ok' 'this tree keeps the rules'
    sed 's/^/# /' "$dir/out"
else
    result ok 'this tree keeps the rules'
fi
echo "1..$n"
