#!/bin/bash
# Runs cmocka test programs: run.sh [--notes] [--jobs N] [--timeout SECONDS] [--counts FILE] program…
#
# A passing program is one line (and with --notes what it said of itself, lines beginning with
# "# "); a failing one shows its output. Cases are counted one by one
# (cmocka speaks TAP to us); a crash, a timeout, a sanitizer's report or a program that ran nothing
# counts as one failure more. "PASSED FAILED" is added to the counts file as one line.
set -euo pipefail

jobs=1
limit=60
counts=
notes=
while [ $# -gt 0 ]; do
    case $1 in
    --notes) notes=1 && shift && continue ;;
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

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
trap 'kill $(jobs -p) 2>/dev/null || true; exit 143' INT TERM HUP

# Prints the report as one piece, so that two at once do not mix.
run_one() {
    local program=$1 result=$2 log=$2.log status=0 passed failed skipped started why label
    label=${program#*/tests/}
    started=${EPOCHREALTIME/./}
    { timeout -k 5 "$limit" "$program" >"$log" 2>&1 </dev/null || status=$?; } 2>/dev/null
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

    if [ "$failed" -eq 0 ]; then
        local note=
        [ "$skipped" -eq 0 ] || note=", $skipped skipped"
        printf 'ok    %s (%d cases%s, %d ms)\n' "$label" "$passed" "$note" "$ms"
        [ -z "$notes" ] || sed -n '/^# [a-z ]*ok -/d; s/^# /        /p' "$log"
    else
        {
            printf 'FAIL  %s (%d passed, %d failed%s)\n' "$label" "$passed" "$failed" "${why:+: $why}"
            tail -n 200 "$log" | sed 's/^/      /'
        } >"$result.report"
        cat "$result.report"
    fi
    printf '%d %d\n' "$passed" "$failed" >"$result.counts"
}

n=0
running=0
for program in "$@"; do
    if [ "$running" -ge "$jobs" ]; then
        wait -n || true
        running=$((running - 1))
    fi
    n=$((n + 1))
    run_one "$program" "$out/$n" &
    running=$((running + 1))
done
wait

passed=0
failed=0
for ((i = 1; i <= n; i++)); do
    p=0 f=1
    read -r p f <"$out/$i.counts" || true
    passed=$((passed + p)) failed=$((failed + f))
done
[ -z "$counts" ] || printf '%d %d\n' "$passed" "$failed" >>"$counts"
[ "$failed" -eq 0 ]
