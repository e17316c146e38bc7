#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds and runs migrate.c with each compiler, at -O0 and -O3, as position-dependent code, as PIE
# and as a shared object. Prints TAP. Runs in the top build folder.
#   MIGRATION_CC  compilers (gcc clang; one that is not there is skipped)
#   CPPFLAGS      where the headers are (-I of the source tree's include)
#   LIBS          the static library and what it needs (.libs/librunnel.a -lpthread); flags of a sanitizer too
set -u

here=$(dirname "$0")
compilers=${MIGRATION_CC:-gcc clang}
cppflags=${CPPFLAGS:--I$here/../../include}
libs=${LIBS:-.libs/librunnel.a -lpthread}
case $libs in
*-fsanitize=thread*)
    echo '1..0 # SKIP ThreadSanitizer takes the variables of a thread for shared by the goroutines on it'
    exit 0 ;;
esac

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

n=0
for cc in $compilers; do n=$((n + 6)); done
echo "1..$n"

# try CC OPTIMIZATION FORM: builds and runs one; what goes wrong is printed as comments.
# shellcheck disable=SC2086
try() {
    flags="-std=gnu11 $2 $cppflags"
    case $3 in
    fixed)
        $1 $flags -fno-pie -no-pie "$here/main.c" "$here/migrate.c" -o "$dir/prog" $libs ;;
    pie)
        $1 $flags -fPIE -pie "$here/main.c" "$here/migrate.c" -o "$dir/prog" $libs ;;
    shared)
        $1 $flags -fPIC -shared "$here/migrate.c" -o "$dir/libmigrate.so" &&
            $1 $flags -rdynamic "$here/main.c" -o "$dir/prog" -Wl,-rpath,"$dir" "$dir/libmigrate.so" $libs ;;
    esac >"$dir/log" 2>&1 || return 1
    timeout 60 "$dir/prog" >"$dir/log" 2>&1
}

n=0
failed=0
for cc in $compilers; do
    for level in -O0 -O3; do
        for form in fixed pie shared; do
            n=$((n + 1))
            if ! command -v "$cc" >/dev/null 2>&1; then
                echo "ok $n - errno and thread-local variables after a move: $cc $level $form # SKIP no $cc"
            elif try "$cc" $level $form; then
                echo "ok $n - errno and thread-local variables after a move: $cc $level $form"
            else
                failed=$((failed + 1))
                echo "not ok $n - errno and thread-local variables after a move: $cc $level $form"
                sed 's/^/# /' "$dir/log"
            fi
            rm -f "$dir/prog" "$dir/log"
        done
    done
done
[ "$failed" -eq 0 ]
