# shellcheck shell=bash
# What the scripts share: messages, waiting, and running PostgreSQL, which refuses to be root.

die() {
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
    exit 1
}

# wait_for SECONDS PID COMMAND…: waits until the command succeeds. Fails when the time is over or
# the process (none if empty) is gone.
wait_for() {
    local deadline=$((SECONDS + $1)) pid=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ -z "$pid" ] || is_running "$pid" || return 1
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.05
    done
}

# A zombie no longer runs, although kill -0 finds it.
is_running() {
    local stat
    [ -n "$1" ] || return 1
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    stat=${stat##*) }
    [ "${stat:0:1}" != Z ]
}

# stop_process PID SIGNAL SECONDS: asks with the signal, then kills when the time is over.
stop_process() {
    local pid=$1
    [ -n "$pid" ] || return 0
    kill "-$2" "$pid" 2>/dev/null || return 0
    wait_for "$3" '' not_running "$pid" || kill -KILL "$pid" 2>/dev/null || true
    wait_for 5 '' not_running "$pid" || true
}

not_running() { ! is_running "$1"; }

pg_bin() {
    local bins
    bins=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
    [ -x "$bins/postgres" ] || die 'PostgreSQL is not installed (make deps)'
    printf '%s\n' "$bins"
}

pg_version() { basename "$(dirname "$(pg_bin)")"; }

# Root runs PostgreSQL as the user postgres, anybody else as oneself. A prefix and not a function:
# in the background a function would put a shell between us and the server.
pg_prefix=(env)
if [ "$(id -u)" -eq 0 ]; then
    pg_prefix=(env -C / HOME=/ setpriv --reuid=postgres --regid=postgres --init-groups --)
fi

pg_own() {
    [ "$(id -u)" -ne 0 ] || chown -R postgres:postgres "$@"
}

pg_initdb() {
    "${pg_prefix[@]}" "$(pg_bin)/initdb" -D "$1" -U tocsin --auth=trust -E UTF8 --locale=C.UTF-8 --no-sync \
        --no-instructions >/dev/null
}

pg_answers() { "$(pg_bin)/pg_isready" -q -h "$1" -U tocsin -d postgres; }

redis_answers() { [ "$(redis-cli -s "$1" ping 2>/dev/null)" = PONG ]; }
