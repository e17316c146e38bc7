#!/bin/sh
# SPDX-License-Identifier: MIT
# The headers are the reference: every public function stands below a comment that says who may call
# it (Context:) and whether it parks (Parks:). Several functions may share one, without a gap; names
# that end in _ are the library's own. First a small header with an error of each kind: a check that
# finds nothing there proves nothing here.
set -u
srcdir=${srcdir:-.}
AWK=${AWK:-awk}

# silent HEADER...: prints what does not say it.
silent() {
    "$AWK" '
    FNR == 1 || /^$/ { text = "" }
    /^\/\*/ { text = ""; inside = 1 }
    inside { text = text " " $0 }
    /\*\// { inside = 0 }
    /^RN_API / && !/_\)?\(/ && !(text ~ /Context: / && text ~ /Parks: /) { print FILENAME ": " $0 }' "$@"
}

header=$(mktemp "${TMPDIR:-/tmp}/headers.XXXXXX") || exit 99
trap 'rm -f "$header"' EXIT
cat >"$header" <<'H'
/* Says it.
 * Context: thread. Parks: never. */
RN_API void rn_good(void);
RN_API void rn_good_too(int x);

RN_API void rn_behind_a_gap(void);

/* Parks: never. */
RN_API void rn_half(void);
RN_API void rn_own_(void);

/* Context: thread. */
RN_API int (rn_other_half)(void);
H
echo '1..2'
if [ "$(silent "$header" | wc -l)" -eq 3 ]; then
    echo 'ok 1 - what is not said is found'
else
    echo 'not ok 1 - what is not said is found'
    silent "$header" | sed 's/^/# /'
fi
missing=$(silent "$srcdir"/include/runnel/*.h)
if [ -z "$missing" ] && [ "$(grep -h '^RN_API ' "$srcdir"/include/runnel/*.h | wc -l)" -gt 100 ]; then
    echo 'ok 2 - every public function says who may call it and whether it parks'
else
    echo 'not ok 2 - every public function says who may call it and whether it parks'
    printf '%s\n' "$missing" | sed 's/^/# /'
fi
