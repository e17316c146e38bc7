#!/bin/sh
# SPDX-License-Identifier: MIT
# Every file of the source folders, and every top-level text, is named in a list of the build: what
# is not is neither built nor shipped, and nobody notices. A list ends with the first line that has
# no backslash: what follows it is in no list, however it looks.
cd "${srcdir:-.}" || exit 99
listed=$(cat Makefile.am ./*/Makefile.inc | "${AWK:-awk}" '
    { line = line $0 }
    sub(/\\$/, " ", line) { next }
    line ~ /^[A-Za-z0-9_]+[ \t]*[+:]?=/ { print line }
    { line = "" }' | tr -s ' \t' '\n\n')
missing=0
for file in $(ls ./*.md 2>/dev/null | sed 's|^\./||'
    find sched chan ctx io include tests docs .ci -type f 2>/dev/null | LC_ALL=C sort); do
    case $file in
    */Makefile.inc | *.o | *.lo | *.log | *.trs | */.deps/* | */.libs/* | */.dirstamp | *~) continue ;;
    esac
    # A program is listed by its name alone.
    if ! printf '%s\n' "$listed" | grep -qxF -e "$file" -e "${file%.c}"; then
        echo "$file: in no Makefile.inc"
        missing=1
    fi
done
exit $missing
