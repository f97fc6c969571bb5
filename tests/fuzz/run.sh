#!/bin/bash
# Runs fuzz targets: run.sh BUILD_DIR SECONDS SOURCE… Each starts from tests/fuzz/corpus/<name> and
# keeps what it discovers in BUILD_DIR/corpus/<name>, so that the next run goes on from there.
# T=pattern picks targets. Fails when one finds something: the input is then in BUILD_DIR/findings.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
build=$1
seconds=$2
shift 2

run_one() {
    local name=$1 corpus=$build/corpus/$1 seeds=tests/fuzz/corpus/$1 log=$build/$1.log
    mkdir -p "$corpus" "$build/findings"
    [ -d "$seeds" ] || seeds=
    # The time limit outlives libFuzzer's own by what one hanging input may take.
    if timeout -k 5 $((seconds + 30)) "$build/tests/fuzz/${name}_fuzz" -max_total_time="$seconds" \
        -timeout=10 -max_len=8192 -rss_limit_mb=2048 -artifact_prefix="$build/findings/$name-" \
        -print_final_stats=1 "$corpus" $seeds >"$log" 2>&1 </dev/null; then
        printf 'ok    %s (%s runs)\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
    else
        printf 'FAIL  %s\n' "$name"
        grep -v '^#[0-9]' "$log" | tail -n 40 | sed 's/^/      /'
        return 1
    fi
}
export -f run_one
export build seconds

for source in "$@"; do
    name=$(basename "$source" _fuzz.c)
    if [[ $source == *"${T:-}"* ]]; then
        printf '%s\n' "$name"
    fi
done | xargs -r -P 2 -I{} bash -c 'run_one "$1"' _ {}
