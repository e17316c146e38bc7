# SPDX-License-Identifier: MIT
# The rules of the house that a machine can check, one file at a time. Run in the top of the tree
# with the files as arguments; prints "FILE:LINE: what is wrong" for each breach.
# tests/house/layers.sh says what the rules are and tests them.

function rank_of(path) {
        if (path ~ /^include\//) return 0
        if (path ~ /^sched\/base\//) return 1
        if (path ~ /^sched\/arch\//) return 2
        if (path ~ /^sched\/os\//) return 3
        if (path ~ /^sched\/mem\//) return 4
        if (path ~ /^sched\/core\//) return 5
        if (path ~ /^chan\//) return 6
        if (path ~ /^ctx\//) return 7
        if (path ~ /^io\//) return 8
        if (path ~ /^sched\/debug\//) return 9
        if (path ~ /^sched\//) return -2
        return -1               # tests and docs
}

function complain(text) { print path ":" FNR ": " text }

function exists(name,   line, found) {
        found = (getline line < name) >= 0
        close(name)
        return found
}

# The file in the tree that an include names, or "".
function resolve(name) {
        if (exists(name)) return name
        if (exists("include/" name)) return "include/" name
        return ""
}

function check_include(line,   quoted, name, target, to) {
        quoted = line ~ /^[ \t]*#[ \t]*include[ \t]*"/
        name = line
        sub(/^[ \t]*#[ \t]*include[ \t]*["<]/, "", name)
        sub(/[">].*/, "", name)
        target = resolve(name)
        if (quoted && target == "") {
                complain("\"" name "\" is not a path from the top of the tree")
                return
        }
        if (!quoted && rank > 0 && rank != 3 && name ~ /^(pthread\.h|sys\/mman\.h|sys\/syscall\.h|sys\/epoll\.h|linux\/.*)$/)
                complain("<" name "> belongs in sched/os")
        if (target == "")
                return          # a system header
        to = rank_of(target)
        if (!quoted && to != 0)
                complain("<" name ">: our own headers are included with quotes")
        if (rank == -1) {
                if (!internals && (to > 0 || to == -2 || target == "tests/support/internal.h"))
                        complain("tests and docs include public headers only, not " target)
        } else if (to == -1 || to == -2)
                complain("a layer does not include " target)
        else if (rank == 0 && to != 0)
                complain("a public header includes only public headers, not " target)
        else if (to == 9 && rank != 9)
                complain("nobody includes sched/debug: " target)
        else if (to > rank)
                complain("includes upwards: " target)
}

# The line without comments and without what stands between quotes. in_comment is carried from line
# to line.
function code_of(line,   out, at, c) {
        out = ""
        while (line != "") {
                if (in_comment) {
                        at = index(line, "*/")
                        if (at == 0) return out
                        line = substr(line, at + 2)
                        in_comment = 0
                        out = out " "
                        continue
                }
                if (!match(line, /"|'|\/\*|\/\//)) return out line
                c = substr(line, RSTART, RLENGTH)
                out = out substr(line, 1, RSTART - 1)
                line = substr(line, RSTART + RLENGTH)
                if (c == "//") return out
                if (c == "/*") { in_comment = 1; continue }
                if (c == "\"" ? match(line, /^([^"\\]|\\.)*"/) : match(line, /^([^'\\]|\\.)*'/))
                        line = substr(line, RLENGTH + 1)
                out = out c c
        }
        return out
}

# Sets rest behind the next identifier of rest and returns it, or "".
function next_word(   word) {
        if (!match(rest, /[A-Za-z_][A-Za-z0-9_]*/)) return ""
        word = substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RSTART + RLENGTH)
        return word
}

function check_words(code, raw,   word, call) {
        rest = code
        while ((word = next_word()) != "") {
                call = rest ~ /^[ \t]*\(/
                if (rank > 0 && rank != 3 && is_os(word, call))
                        complain(word ": only sched/os talks to the operating system")
                if (rank != 1 && call && rest !~ /^[ \t]*\(void\)/ && word ~ ATOMIC && raw !~ /\/\*|\/\//)
                        complain(word " without a comment on its line that names its partner")
        }
}

function is_os(word, call) {
        if (word ~ /^(pthread_|SYS_|__NR_|FUTEX_|futex_|epoll_)/) return 1
        return call && word ~ /^(syscall|futex|mmap|munmap|mremap|madvise|mprotect|membarrier|clock_gettime|eventfd|timerfd_create)$/
}

function end_of_file() {
        if (path != "" && path !~ /\.S$/ && lines > 700)
                print path ":" lines ": longer than 700 lines"
}

BEGIN { ATOMIC = "^(load_acq|store_rel|load_rlx|store_rlx|cas_acq|cas_rel|fence_full|rni_fence_heavy|rni_fence_light)$" }

FNR == 1 {
        end_of_file()
        path = FILENAME
        sub(/^\.\//, "", path)
        rank = rank_of(path)
        internals = path ~ /^tests\/unit\// || path == "tests/support/internal.h"
        in_comment = 0
        if ($0 !~ /SPDX-License-Identifier: MIT/)
                complain("the first line is not the SPDX line")
}

{
        lines = FNR
        if (length($0) > 100)
                complain("longer than 100 columns")
        if (path ~ /\.S$/) {
                if ($0 ~ /^[ \t]*#[ \t]*include/) check_include($0)
                next
        }
        was_comment = in_comment
        code = code_of($0)
        if (!was_comment && $0 ~ /^[ \t]*#[ \t]*include[ \t]*["<]/) check_include($0)
        else check_words(code, was_comment ? "/*" : $0)
}

END { end_of_file() }
