#!/bin/bash
# Runs Tocsin from the tree: run.sh check|run|up|down|status|logs|reset. Called by make.
#
# TOCSIN_DATA_DIR, TOCSIN_API_PORT and TOCSIN_INGEST_PORT let two run side by side;
# TOCSIN_WORKERS=N starts N workers; every other setting in the environment reaches the daemons
# (but TOCSIN_HEALTH_PORT, which each process must have its own of).
set -euo pipefail

# shellcheck source=scripts/place.sh
. "$(dirname "$0")/place.sh"

supervisor_pid() { cat "$data/supervisor.pid" 2>/dev/null || true; }

running_note() {
    local port
    port=$(awk '$1 == "api" { print $4 }' "$table" 2>/dev/null || true)
    printf 'Tocsin is already running in %s (pid %s%s); see make status, make down\n' "$data" \
        "$(supervisor_pid)" "${port:+, http://127.0.0.1:$port/}"
}

up() {
    local log=$log_dir/runner.log line is_new=true
    if is_up; then
        running_note
        return 0
    fi
    mkdir -p "$log_dir"
    rm -f "$state"
    : >>"$log"
    line=$(wc -l <"$log")
    [ ! -e "$password_file" ] || is_new=false
    setsid "$root/scripts/supervise.sh" >>"$log" 2>&1 </dev/null &
    local pid=$!
    wait_for 120 "$pid" grep -qsx ready "$state" || true
    tail -n "+$((line + 1))" "$log"
    [ "$(cat "$state" 2>/dev/null || true)" = ready ] || return 1
    if $is_new && [ -e "$password_file" ]; then
        printf 'the first password is %s (shown once)\n' "$(<"$password_file")"
    fi
}

down() {
    local pid
    if ! is_up; then
        echo 'Tocsin is not running'
        return 0
    fi
    pid=$(supervisor_pid)
    kill -TERM "$pid" 2>/dev/null || true
    wait_for 3700 '' not_running "$pid" || die "pid $pid did not stop"
    echo 'stopped'
}

rss_mb() { awk '/^VmRSS:/ { printf "%.1f", $2 / 1024 }' "/proc/$1/status" 2>/dev/null || true; }

is_healthy() {
    case $1 in
    postgres) pg_answers "$(socket_dir)" ;;
    redis) redis_answers "$(socket_dir)/redis.sock" ;;
    *) answers_ready "$1" "$2" ;;
    esac
}

status() {
    local name pid ticks port health rss total=0 bad=0
    if ! is_up; then
        echo 'Tocsin is not running'
        return 3
    fi
    printf '%-12s %-8s %-10s %-6s %s\n' process pid state port 'RSS MB'
    while read -r name pid ticks port; do
        health='not ready'
        rss=-
        if is_same "$pid" "$ticks"; then
            rss=$(rss_mb "$pid")
            ! is_healthy "$name" "$port" || health=ready
        else
            health=stopped
        fi
        [ "$health" = ready ] || bad=1
        printf '%-12s %-8s %-10s %-6s %s\n' "$name" "$pid" "$health" "$port" "$rss"
        [[ $name = postgres || $name = redis || $rss = - ]] ||
            total=$(awk -v a="$total" -v b="$rss" 'BEGIN { print a + b }')
    done <"$table"
    printf 'the daemons together: %s MB; %s; data in %s\n' "$total" "$(cat "$state")" "$data"
    [ "$bad" -eq 0 ]
}

reset() {
    local elsewhere socket
    down
    [ -d "$data" ] || return 0
    elsewhere=$(cat "$data/elsewhere" 2>/dev/null || true)
    socket=$(socket_dir)
    # Only a folder that this runner made is removed.
    [ -e "$lock" ] || die "$data was not made by make run; not removing it"
    if [[ $elsewhere = /var/lib/tocsin/*-$(place_hash) ]]; then
        rm -rf "$elsewhere"
    fi
    rm -rf "$socket" "$data"
    echo "removed $data"
}

case ${1:-} in
check)
    if is_up; then
        running_note >&2
        exit 1
    fi
    ;;
run) exec "$root/scripts/supervise.sh" --follow ;;
up) up ;;
down) down ;;
status) status ;;
logs)
    compgen -G "$log_dir/*.log" >/dev/null || die "no logs in $log_dir"
    show_logs 20
    ;;
reset) reset ;;
*) die 'usage: run.sh check|run|up|down|status|logs|reset' ;;
esac
