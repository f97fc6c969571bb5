#!/bin/bash
# make bench-api: the API beside FastAPI on one private PostgreSQL. BENCH_CHECKS, BENCH_SECONDS (of a
# round) and BENCH_ROUNDS change its size; BENCH_ONLY=reads measures lists and summaries alone.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
export BENCH_BUILD=${BENCH_BUILD:-$root/build/release}
# shellcheck source=bench/lib.sh
. "$root/bench/lib.sh"
install_peers wrk python3-fastapi uvicorn python3-uvloop python3-httptools python3-asyncpg python3-jwt
export TOCSIN_TEST_SHARED_BUFFERS=128MB # as PostgreSQL comes
exec "$root/tests/kit/servers.sh" -- python3 "$root/bench/api/run.py"
