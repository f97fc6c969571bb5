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

install_peers celery python3-redis python3-rq ruby-sidekiq
install_node_peer
exec "$root/tests/kit/servers.sh" -- python3 "$root/bench/queue/run.py"
