#!/bin/bash
# make bench-idle: starts a whole Tocsin as `make up` does, in a folder and on ports of its own, lets
# it settle, and reads what it takes when nobody asks for anything. BENCH_IDLE_S: seconds.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
export BENCH_BUILD=${BENCH_BUILD:-$root/build/release}
data=$(mktemp -d /tmp/tocsin-bench-XXXXXX)
chmod 755 "$data"
export TOCSIN_DATA_DIR=$data BIN_DIR=$BENCH_BUILD/bin
export TOCSIN_API_PORT=$((20000 + RANDOM % 6000)) TOCSIN_INGEST_PORT=$((26000 + RANDOM % 6000))

# shellcheck disable=SC2317 # called by the trap
cleanup() {
    trap '' INT TERM HUP
    "$root/scripts/run.sh" reset >/dev/null 2>&1 || true
    rm -rf "$data"
}
trap cleanup EXIT
trap 'exit 143' INT TERM HUP

"$root/scripts/run.sh" up >"$data/up.log" 2>&1 || {
    cat "$data/up.log" >&2
    exit 1
}
"$root/scripts/run.sh" status >"$data/status"
python3 "$root/bench/idle/run.py" "$data/status" "$data/up.log"
