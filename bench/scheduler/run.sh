#!/bin/bash
# make bench-scheduler: a million checks on a private PostgreSQL and Redis. BENCH_CHECKS, BENCH_STEADY
# (seconds) and BENCH_KILLS change its size.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
export BENCH_BUILD=${BENCH_BUILD:-$root/build/release}
exec "$root/tests/kit/servers.sh" -- python3 "$root/bench/scheduler/run.py"
