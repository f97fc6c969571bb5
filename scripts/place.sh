# shellcheck shell=bash disable=SC2034 # the variables are for those who include it
# Where one running Tocsin keeps its things: the names shared by run.sh and supervise.sh.
#
# Everything lives below TOCSIN_DATA_DIR (.run), with two exceptions. A unix socket's path is at
# most 107 bytes, so a long data folder gets its sockets elsewhere. And PostgreSQL, which root runs
# as the user postgres, cannot reach a clone below /root, so its cluster then goes to
# /var/lib/tocsin, and the file `elsewhere` in the data folder says where.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib.sh
. "$root/scripts/lib.sh"

data=$(realpath -m "${TOCSIN_DATA_DIR:-$root/.run}")
bin_dir=$(realpath -m "${BIN_DIR:-$root/build/release/bin}")
api_port=${TOCSIN_API_PORT:-8080}
ingest_port=${TOCSIN_INGEST_PORT:-8081}

lock=$data/lock
state=$data/state           # starting, ready, stopping or failed
table=$data/processes       # a line each: name, pid, start time in ticks, port
password_file=$data/admin-password
log_dir=$data/log
command=$data/tocsin # the command line tool with the settings of this one

place_hash() { printf '%s' "$data" | sha256sum | cut -c1-12; }

reachable_by_postgres() { "${pg_prefix[@]}" test -x "$1" 2>/dev/null; }

# The data folder must exist. Prints the folder of the cluster.
cluster_dir() {
    if reachable_by_postgres "$data"; then
        printf '%s\n' "$data/postgres"
    else
        printf '%s\n' "/var/lib/tocsin/$(basename "$root")-$(place_hash)"
    fi
}

# Prints the folder of the two sockets; 93 bytes leave room for /.s.PGSQL.5432.
socket_dir() {
    local dir=$data/socket
    if [ ${#dir} -le 93 ] && [[ $dir =~ ^[A-Za-z0-9/._-]+$ ]] && reachable_by_postgres "$data"; then
        printf '%s\n' "$dir"
    elif [ "$(id -u)" -eq 0 ]; then
        printf '%s\n' "/run/tocsin-$(place_hash)"
    else
        printf '%s\n' "${XDG_RUNTIME_DIR:-/tmp}/tocsin-$(place_hash)"
    fi
}

# Whether a supervisor holds the lock.
is_up() {
    [ -e "$lock" ] || return 1
    ! flock -n "$lock" true
}

start_ticks() {
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # After the name in brackets the start time is the 20th word.
    # shellcheck disable=SC2086 # split on purpose
    set -- ${stat##*) }
    printf '%s\n' "${20}"
}

# is_same PID TICKS: the pid was not given to another process since.
is_same() { is_running "$1" && [ "$(start_ticks "$1")" = "$2" ]; }

# answers_ready NAME PORT: asks a daemon where it listens, which is not always loopback.
answers_ready() {
    local host=127.0.0.1
    case $1:${TOCSIN_LISTEN:-0.0.0.0} in
    *:0.0.0.0 | *:::) ;;
    api:*:* | ingest:*:*) host="[$TOCSIN_LISTEN]" ;;
    api:* | ingest:*) host=$TOCSIN_LISTEN ;;
    *) host=${TOCSIN_HEALTH_LISTEN:-127.0.0.1} ;;
    esac
    curl -gfsS -m 2 -o /dev/null "http://$host:$2/readyz" 2>/dev/null
}

# Follows the logs, each line after the name of its process: show_logs LINES
show_logs() {
    local name='' line
    while IFS= read -r line; do
        if [[ $line =~ ^==\>\ .*/(.*)\.log\ \<==$ ]]; then
            name=${BASH_REMATCH[1]}
        elif [ -n "$line" ]; then
            printf '%-11s| %s\n' "$name" "$line"
        fi
    done < <(exec setsid setpriv --pdeathsig TERM tail -n "$1" -v -F "$log_dir"/*.log 2>/dev/null)
}
