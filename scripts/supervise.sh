#!/bin/bash
# Starts one whole Tocsin and keeps it running until it is told to stop (TERM, INT or HUP).
#
# It starts a private PostgreSQL and Redis (unless TOCSIN_DATABASE_URL or TOCSIN_REDIS_URL name
# others), migrates, starts the daemons, and restarts with backoff what dies. To stop, the daemons
# drain first, then the servers go. A second signal stops the draining. Called by run.sh.
set -euo pipefail

# shellcheck source=scripts/place.sh
. "$(dirname "$0")/place.sh"

restart_first_ms=500
restart_cap_ms=30000
healthy_after_s=30
log_cap_bytes=$((50 * 1024 * 1024))

declare -A pid_of=() port_of=() started_at=() backoff_ms=() restart_at_ms=()
servers=()
daemons=(api ingest scheduler worker)
for ((i = 2; i <= ${TOCSIN_WORKERS:-1}; i++)); do
    daemons+=("worker-$i")
done
daemons+=(notifier)

say() { printf '%s\n' "$*"; }

set_state() {
    printf '%s\n' "$1" >"$state.new"
    mv -f "$state.new" "$state"
}

save_table() {
    local name
    for name in "${!pid_of[@]}"; do
        printf '%s %s %s %s\n' "$name" "${pid_of[$name]}" \
            "$(start_ticks "${pid_of[$name]}" || echo 0)" "${port_of[$name]:--}"
    done >"$table.new"
    # What waits for its next start is part of it too, and not running.
    for name in "${!restart_at_ms[@]}"; do
        printf '%s 0 0 %s\n' "$name" "${port_of[$name]:--}"
    done >>"$table.new"
    sort -o "$table.new" "$table.new"
    mv -f "$table.new" "$table"
}

# What a killed supervisor left: its children were told to go when it died, so mostly this waits.
recover() {
    local name pid ticks port
    [ -e "$table" ] || return 0
    while read -r name pid ticks port; do
        is_same "$pid" "$ticks" || continue
        say "ending $name, left over from a crash (pid $pid)"
        case $name in
        postgres) stop_process "$pid" INT 20 ;;
        *) stop_process "$pid" TERM 12 ;;
        esac
    done <"$table"
    rm -f "$table"
}

port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        port_is_taken "$port" || break
    done
    printf '%s\n' "$port"
}

# 32 random bytes as 64 hexadecimal digits, made once.
make_secret() {
    [ -s "$1" ] || (umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$1.new" && mv "$1.new" "$1")
}

# Folders, and the rest of the environment; every setting the caller gave stays as it is.
prepare() {
    mkdir -p "$log_dir"
    : >>"$log_dir/runner.log"
    export TOCSIN_WEB_DIR=${TOCSIN_WEB_DIR:-$(realpath -m "$bin_dir/../../web")}
    socket=$(socket_dir)
    cluster=$(cluster_dir)
    if [ -z "${TOCSIN_DATABASE_URL:-}" ]; then
        servers+=(postgres)
        export TOCSIN_DATABASE_URL="postgresql:///tocsin?host=$socket&user=tocsin"
        pg_bin >/dev/null
    fi
    if [ -z "${TOCSIN_REDIS_URL:-}" ]; then
        servers+=(redis)
        export TOCSIN_REDIS_URL=unix://$socket/redis.sock
        mkdir -p "$data/redis"
    fi

    [ -d "$socket" ] || mkdir -m 700 "$socket"
    # In a shared folder somebody else may have made it first.
    if [ -L "$socket" ] || { [ ! -O "$socket" ] && [ "$(id -u)" -ne 0 ]; }; then
        die "$socket belongs to somebody else"
    fi
    pg_own "$socket"

    export TOCSIN_API_PORT=$api_port TOCSIN_INGEST_PORT=$ingest_port
    export TOCSIN_PUBLIC_URL=${TOCSIN_PUBLIC_URL:-http://localhost:$api_port}
    if $follow; then
        export TOCSIN_LOG_FORMAT=${TOCSIN_LOG_FORMAT:-text}
    fi
    export TOCSIN_EGRESS_ALLOW=${TOCSIN_EGRESS_ALLOW-127.0.0.0/8,::1/128}
    if [ -z "${TOCSIN_JWT_SECRET:-}${TOCSIN_JWT_SECRET_FILE:-}" ]; then
        make_secret "$data/jwt-secret"
        export TOCSIN_JWT_SECRET_FILE=$data/jwt-secret
    fi
    if [ -z "${TOCSIN_SECRET_KEY:-}${TOCSIN_SECRET_KEY_FILE:-}" ]; then
        make_secret "$data/secret-key"
        export TOCSIN_SECRET_KEY_FILE=$data/secret-key
    fi

    local port name
    for port in "$api_port" "$ingest_port"; do
        ! port_is_taken "$port" ||
            die "port $port is taken; set TOCSIN_API_PORT and TOCSIN_INGEST_PORT to free ones"
    done
    for name in tocsin "${daemons[@]/#/tocsin-}"; do
        [ -x "$bin_dir/${name%-[0-9]*}" ] || die "$bin_dir/${name%-[0-9]*} is not built"
    done
    write_command
}

# A URL may hold a password, so that the file is its owner's alone.
write_command() {
    local name
    (
        umask 077
        {
            printf '#!/bin/bash\n# tocsin, for what runs in this folder.\n'
            for name in TOCSIN_DATABASE_URL TOCSIN_REDIS_URL TOCSIN_API_PORT TOCSIN_JWT_SECRET_FILE \
                TOCSIN_SECRET_KEY_FILE; do
                [ -z "${!name:-}" ] || printf 'export %s=%q\n' "$name" "${!name}"
            done
            printf 'exec %q "$@"\n' "$bin_dir/tocsin"
        } >"$command.new"
    )
    chmod 700 "$command.new"
    mv "$command.new" "$command"
}

make_cluster() {
    local version
    if [ ! -s "$cluster/PG_VERSION" ]; then
        if [ "$cluster" != "$data/postgres" ]; then
            mkdir -p "$(dirname "$cluster")"
            printf '%s\n' "$cluster" >"$data/elsewhere"
            say "the user postgres cannot reach $data: its data is in $cluster"
        fi
        rm -rf "$cluster.new"
        mkdir -m 700 "$cluster.new"
        pg_own "$cluster.new"
        pg_initdb "$cluster.new"
        rm -rf "$cluster"
        mv "$cluster.new" "$cluster"
    fi
    read -r version <"$cluster/PG_VERSION"
    pg_programs=/usr/lib/postgresql/$version/bin
    [ -x "$pg_programs/postgres" ] ||
        die "$cluster was made by PostgreSQL $version, which is not installed; install it or make reset"
}

# start NAME: starts one process and remembers it. Each gets its own session, so that Ctrl-C on the
# terminal reaches only this script, and a signal from the kernel should this script be killed.
start() {
    local name=$1 kind=${1%-[0-9]*} log=$log_dir/$1.log
    case $name in
    postgres)
        "${pg_prefix[@]}" setsid setpriv --pdeathsig INT "$pg_programs/postgres" -D "$cluster" \
            -c listen_addresses= -c unix_socket_directories="$socket" -c port=5432 \
            -c max_connections=200 >>"$log" 2>&1 </dev/null 8>&- 9>&- &
        ;;
    redis)
        setsid setpriv --pdeathsig TERM redis-server --port 0 --unixsocket "$socket/redis.sock" \
            --unixsocketperm 700 --dir "$data/redis" --save '' --appendonly yes \
            --appendfsync everysec --maxmemory-policy noeviction --daemonize no \
            >>"$log" 2>&1 </dev/null 8>&- 9>&- &
        ;;
    api | ingest)
        port_of[$name]=$ingest_port
        [ "$name" != api ] || port_of[$name]=$api_port
        start_daemon -u TOCSIN_HEALTH_PORT &
        ;;
    *)
        if [ -z "${port_of[$name]:-}" ] || port_is_taken "${port_of[$name]}"; then
            port_of[$name]=$(free_port)
        fi
        start_daemon TOCSIN_HEALTH_PORT="${port_of[$name]}" &
        ;;
    esac
    pid_of[$name]=$!
    started_at[$name]=$SECONDS
}

# What only the runner needs stays here, above all the password.
start_daemon() {
    exec env -u TOCSIN_WORKERS -u TOCSIN_ADMIN_EMAIL -u TOCSIN_ADMIN_PASSWORD \
        -u TOCSIN_ADMIN_PASSWORD_FILE "$@" setsid setpriv --pdeathsig TERM \
        "$bin_dir/tocsin-$kind" >>"$log" 2>&1 </dev/null 8>&- 9>&-
}

# fail_start NAME WHY: shows the end of its log and gives up.
fail_start() {
    say "$1 $2; the end of $log_dir/$1.log:"
    tail -n 20 "$log_dir/$1.log" | sed 's/^/    /' || true
    set_state "failed: $1 $2"
    exit 1
}

is_ready() { answers_ready "$1" "${port_of[$1]}"; }

start_servers() {
    local name
    for name in ${servers[@]+"${servers[@]}"}; do
        [ "$name" != postgres ] || make_cluster
        start "$name"
    done
    save_table
    for name in ${servers[@]+"${servers[@]}"}; do
        case $name in
        postgres)
            wait_for 60 "${pid_of[$name]}" pg_answers "$socket" || fail_start postgres 'did not start'
            [ -n "$(sql "SELECT 1 FROM pg_database WHERE datname = 'tocsin'")" ] ||
                sql 'CREATE DATABASE tocsin'
            ;;
        redis)
            wait_for 60 "${pid_of[$name]}" redis_answers "$socket/redis.sock" ||
                fail_start redis 'did not start'
            ;;
        esac
    done
}

sql() { "$pg_programs/psql" -qXAt -h "$socket" -U tocsin -d postgres -c "$1"; }

# Runs a command of the tool; its output is shown only if it fails.
tool() {
    "$bin_dir/tocsin" "$@" >>"$log_dir/tool.log" 2>&1 </dev/null 9>&- || fail_start tool "could not $1"
}

make_administrator() {
    export TOCSIN_ADMIN_EMAIL=${TOCSIN_ADMIN_EMAIL:-admin@localhost}
    if [ -z "${TOCSIN_ADMIN_PASSWORD:-}${TOCSIN_ADMIN_PASSWORD_FILE:-}" ]; then
        if [ ! -s "$password_file" ]; then
            (umask 077 && od -An -N12 -tx1 /dev/urandom | tr -d ' \n' >"$password_file.new")
            mv "$password_file.new" "$password_file"
            new_password=$(<"$password_file")
        fi
        export TOCSIN_ADMIN_PASSWORD_FILE=$password_file
    fi
    tool bootstrap --self-check-url "http://127.0.0.1:$api_port/health"
}

await_ready() {
    local name=$1 seconds=$2
    wait_for "$seconds" "${pid_of[$name]}" is_ready "$name" && return
    if is_running "${pid_of[$name]}"; then
        fail_start "$name" 'is not ready after 60 s'
    else
        fail_start "$name" 'stopped while starting'
    fi
}

# The API first: a new installation's first check asks it how it is.
start_daemons() {
    local name deadline=$((SECONDS + 60))
    start api
    save_table
    await_ready api 60
    for name in "${daemons[@]}"; do
        [ "$name" = api ] || start "$name"
    done
    save_table
    for name in "${daemons[@]}"; do
        await_ready "$name" $((deadline - SECONDS))
    done
}

announce() {
    local now
    now_ms now
    say
    printf 'started in %d.%d s\n' $(((now - began_ms) / 1000)) $(((now - began_ms) % 1000 / 100))
    say "Tocsin is ready:  http://127.0.0.1:$api_port/"
    say "  API             http://127.0.0.1:$api_port/api/v1"
    say "  metrics intake  http://127.0.0.1:$ingest_port/"
    say "  sign in as      $TOCSIN_ADMIN_EMAIL"
    # In the background this goes to a log, which is no place for a password: run.sh shows it then.
    if [ -n "${new_password:-}" ] && $follow; then
        say "  password        $new_password  (shown once, kept in $password_file)"
    elif [ "${TOCSIN_ADMIN_PASSWORD_FILE:-}" = "$password_file" ]; then
        say "  password        in $password_file"
    fi
    say "  command line    $command"
    say "  data and logs   $data"
    say
}

# A log is appended to, so it can be copied away and emptied while its process writes.
rotate_logs() {
    local file
    for file in "$log_dir"/*.log; do
        if [ "$(stat -c %s "$file")" -gt "$log_cap_bytes" ]; then
            cp "$file" "$file.1"
            : >"$file"
        fi
    done
}

now_ms() { printf -v "$1" '%s' "$((${EPOCHREALTIME/./} / 1000))"; }

on_exit_of() {
    local name=$1 status=0 delay now
    wait "${pid_of[$name]}" || status=$?
    unset "pid_of[$name]"
    delay=${backoff_ms[$name]:-$restart_first_ms}
    [ $((SECONDS - started_at[$name])) -lt "$healthy_after_s" ] || delay=$restart_first_ms
    backoff_ms[$name]=$((delay * 2 > restart_cap_ms ? restart_cap_ms : delay * 2))
    now_ms now
    restart_at_ms[$name]=$((now + delay))
    say "$name stopped (status $status); starting it again in $delay ms"
    save_table
}

# Looks at all processes a few times a second. bash's `wait -n` forgets one of two children that
# end together; looking cannot, and costs no process: read waits on a pipe that nobody writes.
supervise() {
    local name now rotate_at=$((SECONDS + 60))
    exec 8<> <(:)
    while :; do
        read -r -t 0.25 -u 8 || true
        now_ms now
        for name in "${!pid_of[@]}"; do
            is_running "${pid_of[$name]}" || on_exit_of "$name"
        done
        for name in "${!restart_at_ms[@]}"; do
            [ "$now" -ge "${restart_at_ms[$name]}" ] || continue
            unset "restart_at_ms[$name]"
            start "$name"
            save_table
        done
        if [ "$SECONDS" -ge "$rotate_at" ]; then
            rotate_logs
            rotate_at=$((SECONDS + 60))
        fi
    done
}

signal_daemons() {
    local name
    for name in "${daemons[@]}"; do
        [ -z "${pid_of[$name]:-}" ] || kill -TERM "${pid_of[$name]}" 2>/dev/null || true
    done
}

# TOCSIN_DRAIN_GRACE in whole seconds, rounded up; 10 when absent or not understood.
grace_seconds() {
    if [[ ${TOCSIN_DRAIN_GRACE:-10} =~ ^([0-9]{1,6})(ms|s|m|h)?$ ]]; then
        case ${BASH_REMATCH[2]} in
        ms) echo $(((BASH_REMATCH[1] + 999) / 1000)) ;;
        m) echo $((BASH_REMATCH[1] * 60)) ;;
        h) echo $((BASH_REMATCH[1] * 3600)) ;;
        *) echo $((BASH_REMATCH[1])) ;;
        esac
    else
        echo 10
    fi
}

# Daemons first, together; the servers when nobody needs them any more.
# shellcheck disable=SC2317 # called by the trap
shutdown() {
    local status=$? name pid deadline=$((SECONDS + $(grace_seconds) + 2))
    trap 'signal_daemons' INT TERM HUP
    if [ "$status" -eq 0 ]; then
        set_state stopping
        say 'stopping: finishing what runs (again to stop at once)'
    elif ! grep -q '^failed' "$state"; then
        set_state 'failed: see the log of the runner'
    fi
    signal_daemons
    for name in "${daemons[@]}"; do
        pid=${pid_of[$name]:-}
        [ -n "$pid" ] || continue
        wait_for $((deadline - SECONDS)) '' not_running "$pid" || kill -KILL "$pid" 2>/dev/null || true
    done
    trap '' INT TERM HUP
    stop_process "${pid_of[redis]:-}" TERM 20
    stop_process "${pid_of[postgres]:-}" INT 30
    rm -f "$table" "$data/supervisor.pid"
    if [ "$status" -eq 0 ]; then
        rm -f "$state"
        say 'stopped'
    fi
    if [ -n "${follower:-}" ]; then
        sleep 0.2 # for the last lines to pass
        kill "$follower" 2>/dev/null || true
    fi
}

follow=false
[ "${1:-}" != --follow ] || follow=true

now_ms began_ms
mkdir -p "$data"
chmod 755 "$data"
exec 9>>"$lock"
flock -n 9 || die "Tocsin is already running in $data"
printf '%s\n' "$$" >"$data/supervisor.pid"
set_state starting
recover
trap shutdown EXIT
trap 'exit 0' INT TERM HUP
prepare
rotate_logs
start_servers
tool migrate
make_administrator
start_daemons
set_state ready
announce
if $follow; then
    # Ctrl-C must not end it before the daemons had their last word.
    (trap '' INT && show_logs 0) 8>&- 9>&- &
    follower=$!
fi
# What bash itself says about children that were killed is not for the terminal.
supervise 2>>"$log_dir/supervisor.log"
