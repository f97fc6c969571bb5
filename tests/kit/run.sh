#!/bin/bash
# Runs cmocka test programs:
#   run.sh [--notes] [--jobs N] [--servers] [--timeout SECONDS] [--counts FILE] program…
#
# N lanes run side by side, each the next program that no other has taken; with --servers each lane
# has a PostgreSQL and a Redis of its own, so that programs see nothing of each other.
#
# A passing program is one line (and with --notes what it said of itself, lines beginning with
# "# "); a failing one shows its output. Cases are counted one by one (cmocka speaks TAP to us); a crash, a timeout, a sanitizer's report or a program that ran nothing
# counts as one failure more. "PASSED FAILED" is added to the counts file as one line.
set -euo pipefail

jobs=1
limit=60
counts=
notes=
servers=
lane=
while [ $# -gt 0 ]; do
    case $1 in
    --notes) notes=1 && shift && continue ;;
    --servers) servers=1 && shift && continue ;;
    --lane) lane=$2 ;; # one of a run that began already: its folder
    --jobs) jobs=$2 ;;
    --timeout) limit=$2 ;;
    --counts) counts=$2 ;;
    *) break ;;
    esac
    shift 2
done

export CMOCKA_MESSAGE_OUTPUT=TAP
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

trap 'kill $(jobs -p) 2>/dev/null || true; exit 143' INT TERM HUP

# Prints the report as one piece: lanes take turns.
run_one() {
    local program=$1 result=$2 log=$2.log status=0 passed failed skipped started why label
    label=${program#*/tests/}
    started=${EPOCHREALTIME/./}
    # In the background, so that a signal to this script is handled at once.
    timeout -k 5 "$limit" "$program" >"$log" 2>&1 </dev/null &
    { wait $! || status=$?; } 2>/dev/null
    local ms=$(((${EPOCHREALTIME/./} - started) / 1000))

    # cmocka 1.1.5 writes a skipped case as "not ok N # SKIP".
    skipped=$(grep -Eac '^(not )?ok [0-9]+ # SKIP' "$log" || true)
    failed=$(grep -Ea '^not ok [0-9]+' "$log" | grep -vac ' # SKIP' || true)
    passed=$(grep -Ea '^ok [0-9]+' "$log" | grep -vac ' # SKIP' || true)
    why=
    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        why="timed out after $limit s"
        failed=$((failed + 1))
    elif [ "$status" -ne 0 ] && [ "$status" -ne "$failed" ]; then
        # cmocka exits with the number of failed cases; anything else is a crash or a sanitizer.
        why="exit status $status"
        failed=$((failed + 1))
    elif [ "$status" -eq 0 ] && [ $((passed + skipped + failed)) -eq 0 ]; then
        why='ran nothing'
        failed=1
    fi

    {
        if [ "$failed" -eq 0 ]; then
            local note=
            [ "$skipped" -eq 0 ] || note=", $skipped skipped"
            printf 'ok    %s (%d cases%s, %d ms)\n' "$label" "$passed" "$note" "$ms"
            [ -z "$notes" ] || sed -n '/^# [a-z ]*ok -/d; s/^# /        /p' "$log"
        else
            printf 'FAIL  %s (%d passed, %d failed%s)\n' "$label" "$passed" "$failed" "${why:+: $why}"
            tail -n 200 "$log" | sed 's/^/      /'
        fi
    } >"$result.report"
    flock "$out/turn" cat "$result.report"
    printf '%d %d\n' "$passed" "$failed" >"$result.counts"
}

run_lane() {
    local n=0 program
    trap 'kill $(jobs -p) 2>/dev/null || true; exit 143' INT TERM HUP
    for program in "$@"; do
        n=$((n + 1))
        mkdir "$out/$n.taken" 2>/dev/null || continue
        run_one "$program" "$out/$n"
    done
}

if [ -n "$lane" ]; then
    out=$lane
    run_lane "$@"
    exit 0
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

lanes=()
for ((i = 0; i < jobs && i < $#; i++)); do
    if [ -n "$servers" ]; then
        "$(dirname "$0")/servers.sh" -- "$0" ${notes:+--notes} --timeout "$limit" --lane "$out" "$@" &
    else
        run_lane "$@" &
    fi
    lanes+=($!)
done
broken=0
for pid in "${lanes[@]}"; do
    wait "$pid" || broken=$((broken + 1))
done

passed=0
failed=$broken
[ "$broken" -eq 0 ] || printf 'FAIL  %d of %d lanes ended early\n' "$broken" "${#lanes[@]}"
for ((i = 1; i <= $#; i++)); do
    p=0 f=1
    if [ -f "$out/$i.counts" ]; then
        read -r p f <"$out/$i.counts"
    else
        printf 'FAIL  %s did not run\n' "${!i#*/tests/}"
    fi
    passed=$((passed + p)) failed=$((failed + f))
done
[ -z "$counts" ] || printf '%d %d\n' "$passed" "$failed" >>"$counts"
[ "$failed" -eq 0 ]
