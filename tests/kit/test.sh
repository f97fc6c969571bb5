#!/bin/bash
# Runs stages of the tests: test.sh BUILD_DIR STAGE… with STAGE of unit, integration, e2e, chaos, and
# contract: it compares what the API and ingest said in the stages before it with their description.
# Programs are found in the build tree's image of tests/ by the sources that exist. T=pattern picks
# by path. The last line is `N passed, N failed`; the exit status tells the same.
set -uo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root" || exit 1
build=$1
shift

kit=tests/kit
# Most tests wait most of the time: for a lease, a slot, a try again.
lanes=${TEST_LANES:-$((2 * $(nproc)))}
export TOCSIN_TEST_TRAFFIC=$root/$build/traffic.jsonl
rm -f "$TOCSIN_TEST_TRAFFIC"
counts=$(mktemp)
trap 'rm -f "$counts"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; exit 143' INT TERM HUP

# sources FOLDER SUFFIX: the test sources the pattern leaves.
sources() {
    [ -d "$1" ] || return 0
    find "$1" -name node_modules -prune -o -name "*$2" -type f -print | sort |
        grep -F -e "${T:-}" || true
}

programs() {
    local source
    while read -r source; do
        printf '%s\n' "$build/${source%.c}"
    done < <(sources "$1" _test.c)
}

# run_programs STAGE ARGUMENT…: run.sh; a run that broke before it could count is a failure too.
run_programs() {
    local stage=$1 own
    shift
    own=$(mktemp)
    TOCSIN_TEST_BIN=$root/$build/bin $kit/run.sh --counts "$own" "$@"
    [ -s "$own" ] || {
        echo "FAIL  $stage did not run"
        printf '0 1\n' >"$own"
    }
    cat "$own" >>"$counts"
    rm -f "$own"
}

run_unit() {
    mapfile -t list < <(programs tests/unit)
    [ ${#list[@]} -gt 0 ] || return 0
    echo "== unit"
    run_programs unit --jobs "$(nproc)" --timeout 180 "${list[@]}"
}

# Backwards, because whole services take longest and must not be last.
run_integration() {
    mapfile -t list < <(programs tests/integration | sort -r)
    [ ${#list[@]} -gt 0 ] || return 0
    echo "== integration"
    run_programs integration --servers --jobs "$lanes" --timeout 300 "${list[@]}"
}

# The programs run beside the others and show at the end what they said.
run_chaos() {
    local said
    said=$(mktemp)
    mapfile -t list < <(programs tests/chaos)
    [ ${#list[@]} -eq 0 ] ||
        run_programs chaos --servers --notes --timeout "${CHAOS_SECONDS:-300}" "${list[@]}" \
            >"$said" 2>&1 &
    run_node chaos chaos .test.mjs "${CHAOS_SECONDS:-480}"
    wait
    [ ! -s "$said" ] || echo '== chaos of the queue alone'
    cat "$said"
    rm -f "$said"
}

# Installed modules are good until the lock file changes.
install_modules() {
    local stamp=tests/e2e/node_modules/.tocsin-lock
    [ -f tests/e2e/package-lock.json ] || return 0
    if ! cmp -s tests/e2e/package-lock.json "$stamp"; then
        (cd tests/e2e && npm ci --no-audit --no-fund --loglevel=error) || return 1
        mkdir -p tests/e2e/node_modules
        cp tests/e2e/package-lock.json "$stamp"
    fi
}

# The routes that no test meets are only known when all end to end tests ran, and the codes when the
# integration tests did, too.
run_contract() {
    local complete=
    [ -s "$TOCSIN_TEST_TRAFFIC" ] || return 0
    case " $stages " in
    *' integration e2e '*) [ -n "${T:-}" ] || complete='routes codes' ;;
    *' e2e '*) [ -n "${T:-}" ] || complete=routes ;;
    esac
    T='' TOCSIN_TEST_COMPLETE="$complete" run_node contract e2e .after.js 120
}

# run_node STAGE FOLDER SUFFIX SECONDS
run_node() {
    mapfile -t list < <(sources "tests/$2" "$3")
    [ ${#list[@]} -gt 0 ] || return 0
    echo "== $1"
    local tap passed failed servers=("$kit/servers.sh" --)
    [ "$1" != contract ] || servers=()
    tap=$(mktemp)
    if install_modules; then
        # Each file starts a whole Tocsin: fewer of them than there are lanes.
        TOCSIN_TEST_BIN=$root/$build/bin ${servers[@]+"${servers[@]}"} \
            timeout -k 10 "$4" node --test --test-concurrency=$(((lanes + 2) / 2)) \
            --test-reporter=spec --test-reporter-destination=stdout \
            --test-reporter=tap --test-reporter-destination="$tap" "${list[@]}" </dev/null
    fi
    passed=$(sed -n 's/^# pass //p' "$tap" | tail -n 1)
    failed=$(awk '/^# (fail|cancelled) / { n += $3 } END { print n + 0 }' "$tap")
    [ -n "$passed" ] || {
        echo "FAIL  $1 did not finish"
        passed=0 failed=$((failed + 1))
    }
    rm -f "$tap"
    printf '%d %d\n' "$passed" "$failed" >>"$counts"
}

stages=$*
for stage in "$@"; do
    case $stage in
    unit) run_unit ;;
    integration) run_integration ;;
    e2e) run_node e2e e2e .test.js 900 ;;
    contract) run_contract ;;
    chaos) run_chaos ;;
    *) echo "unknown stage $stage" >&2 && exit 2 ;;
    esac
done

read -r passed failed < <(awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }' "$counts")
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
