#!/bin/bash
# Runs a command with a private PostgreSQL and a private Redis: servers.sh -- command…
#
# The command finds them through
#   TOCSIN_TEST_DATABASE_URL   a maintenance database; each test program creates its own from it
#   TOCSIN_TEST_REDIS_URL      the unix socket
#   TOCSIN_TEST_REDIS_TCP_URL  the same server on a loopback port
#   TOCSIN_TEST_BIN            the folder of the daemons (unless given)
#   TOCSIN_TEST_DIR            a scratch folder, removed afterwards
# TOCSIN_TEST_SHARED_BUFFERS is PostgreSQL's (64MB).
# Both servers and the scratch folder are gone when this ends, also when it is killed: the servers
# ask the kernel for a signal when their parent dies, and the next run sweeps what was left.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"

[ "${1:-}" = -- ] && shift
[ $# -gt 0 ] || die 'usage: servers.sh -- command…'

build=${O:-$root/build}
dir=
child=
postgres_pid=
redis_pid=

# shellcheck disable=SC2317 # called by the trap
cleanup() {
    trap '' INT TERM HUP
    stop_process "$child" TERM 10
    stop_process "$postgres_pid" QUIT 10
    stop_process "$redis_pid" KILL 5
    [ -z "$dir" ] || rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 143' INT TERM HUP

sweep_leftovers() {
    local old owner
    for old in /tmp/tocsin-test-*; do
        [ -f "$old/owner" ] || continue
        owner=$(<"$old/owner") || continue # another one sweeps it
        [ -z "$owner" ] || is_running "$owner" || rm -rf "$old" 2>/dev/null || true
    done
}

# initdb takes seconds, copying its outcome milliseconds: it is kept for each PostgreSQL version.
make_cluster() {
    local template
    template=$build/cache/pgdata-$(pg_version)
    mkdir -p "$build/cache"
    exec 8>"$template.lock"
    flock 8
    if [ ! -d "$template" ]; then
        pg_initdb "$dir/pgdata"
        rm -rf "$template.new"
        cp -a "$dir/pgdata" "$template.new"
        mv -T "$template.new" "$template"
    else
        cp -a "$template" "$dir/pgdata"
        pg_own "$dir/pgdata"
    fi
    flock -u 8
    exec 8>&-
}

start_postgres() {
    make_cluster
    cat >"$dir/pgdata/postgresql.auto.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$dir'
max_connections = 200
shared_buffers = ${TOCSIN_TEST_SHARED_BUFFERS:-64MB}
fsync = off
full_page_writes = off
autovacuum_naptime = 10s
log_min_messages = warning
CONF
    "${pg_prefix[@]}" setpriv --pdeathsig QUIT "$(pg_bin)/postgres" -D "$dir/pgdata" \
        >"$dir/postgres.log" 2>&1 &
    postgres_pid=$!
    disown
    wait_for 120 "$postgres_pid" pg_answers "$dir" || {
        cat "$dir/postgres.log" >&2
        die 'PostgreSQL did not start'
    }
}

# A port cannot be asked of the kernel through Redis, so one is tried until it binds.
start_redis() {
    local port attempt
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        port=$((20000 + RANDOM % 12000))
        setpriv --pdeathsig KILL redis-server --bind 127.0.0.1 --port "$port" --dir "$dir" \
            --unixsocket "$dir/redis.sock" --save '' --appendonly yes --appendfsync everysec \
            --maxmemory-policy noeviction --daemonize no >"$dir/redis.log" 2>&1 &
        redis_pid=$!
        disown
        if wait_for 60 "$redis_pid" redis_answers "$dir/redis.sock"; then
            export TOCSIN_TEST_REDIS_TCP_URL=redis://127.0.0.1:$port/0
            return
        fi
        stop_process "$redis_pid" KILL 5
    done
    cat "$dir/redis.log" >&2
    die "Redis did not start ($attempt attempts)"
}

sweep_leftovers
dir=$(mktemp -d /tmp/tocsin-test-XXXXXX)
printf '%s\n' "$$" >"$dir/owner.new" # whole at once: somebody may be sweeping
mv "$dir/owner.new" "$dir/owner"
chmod 755 "$dir"
pg_own "$dir"

start_postgres
start_redis

export TOCSIN_TEST_DATABASE_URL="postgresql:///postgres?host=$dir&user=tocsin"
export TOCSIN_TEST_REDIS_URL=unix://$dir/redis.sock
export TOCSIN_TEST_BIN=${TOCSIN_TEST_BIN:-$build/${MODE:-debug}/bin}
export TOCSIN_TEST_DIR=$dir/scratch
mkdir "$TOCSIN_TEST_DIR"

# In the background, so that a signal to this script is handled at once.
setpriv --pdeathsig TERM -- "$@" <&0 &
child=$!
status=0
wait "$child" || status=$?
child=
exit "$status"
