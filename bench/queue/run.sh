#!/bin/bash
# make bench-queue: installs the peers, then measures on a private Redis. BENCH_PEERS=tocsin,rq…
# picks some of them.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=bench/lib.sh
. "$root/bench/lib.sh"
export BENCH_BUILD=${BENCH_BUILD:-$root/build/release}

install_node_peer() {
    local dir=$root/bench/queue/node
    local stamp=$dir/node_modules/.tocsin-lock
    cmp -s "$dir/package-lock.json" "$stamp" && return
    (cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || {
        echo 'bench: the npm packages of BullMQ cannot be installed here'
        return
    }
    cp "$dir/package-lock.json" "$stamp"
}

build_go_peer() {
    local dir=$root/bench/queue/go
    command -v go >/dev/null || {
        echo 'bench: there is no Go here, so no Asynq'
        return
    }
    (cd "$dir" && go build -trimpath -o "$BENCH_BUILD/bench/queue/asynq_peer" . >"$BENCH_BUILD/asynq.log" 2>&1) || {
        echo "bench: the Go modules of Asynq cannot be had here: $(tail -n 1 "$BENCH_BUILD/asynq.log")"
        rm -f "$BENCH_BUILD/bench/queue/asynq_peer"
    }
}

# Beside the others: the compiler takes its time.
build_go_peer &
install_peers celery python3-redis python3-rq ruby-sidekiq
install_node_peer
wait
exec "$root/tests/kit/servers.sh" -- python3 "$root/bench/queue/run.py"
