#!/bin/bash
# Checks that nothing is offered that nobody takes: unused.sh OBJECTS, the folder of a build's objects.
#
# What a file of the product defines for others, some other file of the product uses. What only tests
# use is declared with FOR_TESTS, and nothing else is. Macros and inline functions of headers are
# used somewhere.
set -euo pipefail
cd "$(dirname "$0")/../.."

objects=${1:-build/debug/obj}
# Named otherwise by whoever calls them: what tasks are offered, also those to come (tasks/task.h); a
# function of the library's own name; tables that the generators write.
offered='^(task_egress|task_should_stop|MHD_queue_response)$'

mapfile -t sources < <(find libshared services cli -name '*.c' | sort)
files=()
for source in "${sources[@]}"; do
    object=$objects/${source%.c}.o
    [ -f "$object" ] || {
        [ -d "$objects" ] || exit 0
        echo "unused: $object is missing (make all first)" >&2
        exit 1
    }
    files+=("$object")
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Defined here, used there: NAME OBJECT of what no other object asks for.
nm -A -P "${files[@]}" "$objects"/gen/*.o | awk -v offered="$offered" '
    { object = $1; sub(/:$/, "", object) }
    $3 ~ /^[TDBR]$/ && object !~ /\/gen\// { defined[$2] = object }
    $3 ~ /^[Uwv]$/ { used[$2] = 1 }
    END {
        for (name in defined)
            if (!(name in used) && name != "main" && name !~ offered)
                print name, defined[name]
    }' | sort >"$work/alone"
find libshared services cli -name '*.h' -exec grep -hoE '^FOR_TESTS [^;(]*[ *][a-z_0-9]+\(' {} + |
    sed -E 's/.*[ *]([a-z_0-9]+)\($/\1/' | sort -u >"$work/for_tests"

bad=0
while read -r name object; do
    echo "unused: $name of ${object#"$objects"/} is used by no other file: make it static, delete it, or say FOR_TESTS" >&2
    bad=1
done < <(join -v 1 "$work/alone" "$work/for_tests")
while read -r name; do
    echo "unused: $name is used by the product, so it is not FOR_TESTS" >&2
    bad=1
done < <(join -v 2 "$work/alone" "$work/for_tests")

mapfile -t texts < <(find libshared services cli tests bench agent \
    \( -name '*.[ch]' -o -name '*.def' \) -not -path '*/node_modules/*' 2>/dev/null)
awk '
    match($0, /^#[ ]*define[ ]+[A-Za-z_0-9]+/) {
        name = substr($0, RSTART, RLENGTH)
        sub(/^.*[ ]/, "", name)
        place[name] = FILENAME ":" FNR
    }
    FILENAME ~ /\.h$/ && match($0, /^static inline [^(]*\(/) {
        name = substr($0, RSTART, RLENGTH - 1)
        sub(/^.*[ *]/, "", name)
        place[name] = FILENAME ":" FNR
    }
    {
        count = split($0, words, /[^A-Za-z0-9_]+/)
        for (i = 1; i <= count; i++)
            seen[words[i]]++
    }
    END {
        for (name in place) {
            prefix = name
            sub(/[^_]*$/, "", prefix) # put together with ##
            if (seen[name] < 2 && !(prefix in seen)) {
                print "unused: " place[name] ": nobody uses " name > "/dev/stderr"
                bad = 1
            }
        }
        exit bad
    }' "${texts[@]}" || bad=1

exit "$bad"
