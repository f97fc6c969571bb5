#!/bin/bash
# Installs the Debian packages that are missing: deps.sh [build] [run] [web] [test] [fuzz].
#
# Silent and instant when all are there. Installing PostgreSQL or Redis here neither starts nor
# creates a system server: only their programs are wanted, and the machine's owner did not ask for
# a service. Servers that are already there are left as they are.
set -euo pipefail

declare -A group=(
    [build]='gcc libc6-dev make pkg-config libmicrohttpd-dev libhiredis-dev libpq-dev
        libcurl4-openssl-dev libjansson-dev libjwt-dev libesmtp-dev libuv1-dev libc-ares-dev
        libsodium-dev libwslay-dev libyaml-dev zlib1g-dev libssl-dev'
    [run]='curl ca-certificates tzdata'
    [web]=''
    [test]='libcmocka-dev chromium clang-format-14 dnsmasq-base git jq openssl python3'
    [fuzz]='clang-14 libclang-rt-14-dev'
)

fail() {
    printf 'deps: %s\n' "$*" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

node_is_recent() {
    has node && has npm && node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)'
}

has_postgres() { compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }

# Prints those of the given packages that are not installed.
not_installed() {
    local installed name
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
    for name in "$@"; do
        grep -qx "installed $name" <<<"$installed" || printf '%s\n' "$name"
    done
}

missing=()
want_postgres=false
want_redis=false

has dpkg-query || fail 'this is not Debian; install the packages named in scripts/deps.sh by hand'

wanted=()
for name in "${@:-build}"; do
    [ -n "${group[$name]+x}" ] || fail "unknown group $name (build, run, web, test, fuzz)"
    # shellcheck disable=SC2206 # the lists are split into words on purpose
    wanted+=(${group[$name]})
    case $name in
    run)
        has_postgres || want_postgres=true
        has redis-server || want_redis=true
        ;;
    web | test)
        node_is_recent || wanted+=(nodejs npm)
        ;;
    esac
done
mapfile -t missing < <(not_installed "${wanted[@]}")

if [ ${#missing[@]} -eq 0 ] && ! $want_postgres && ! $want_redis; then
    exit 0
fi

if [ "$(id -u)" -ne 0 ]; then
    has sudo || fail "run as root, or install: ${missing[*]} postgresql redis-server"
    if [ -t 0 ]; then
        exec sudo -- "$0" "$@"
    fi
    exec sudo -n -- "$0" "$@"
fi

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
undo=()

cleanup() {
    local i
    for ((i = ${#undo[@]} - 1; i >= 0; i--)); do
        eval "${undo[i]}"
    done
    rm -f "$log"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

apt() {
    apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null >"$log" 2>&1 && return
    cat "$log" >&2
    fail "apt-get $* failed"
}

install_packages() {
    [ $# -gt 0 ] || return 0
    printf 'deps: installing %s\n' "$*"
    apt install --no-install-recommends "$@"
}

# Until the script ends, package scripts may not start services.
forbid_service_starts() {
    local policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ] || [ -L "$policy" ]; then
        mv "$policy" "$policy.before-tocsin"
        undo+=("mv -f $policy.before-tocsin $policy")
    else
        undo+=("rm -f $policy")
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

install_postgres() {
    local conf=/etc/postgresql-common/createcluster.conf package=postgresql
    # The file is a package's, so the package comes first; it creates no cluster by itself.
    install_packages postgresql-common
    cp -p "$conf" "$conf.before-tocsin"
    undo+=("mv -f $conf.before-tocsin $conf")
    printf 'create_main_cluster = false\n' >"$conf"
    if apt-cache show postgresql-15 >/dev/null 2>&1; then
        package=postgresql-15
    fi
    install_packages "$package"
}

install_redis() {
    install_packages redis-server
    # It must not come up at the next boot either.
    if has systemctl; then
        systemctl disable redis-server.service >/dev/null 2>&1 || true
    elif has update-rc.d; then
        update-rc.d redis-server disable >/dev/null 2>&1 || true
    fi
}

apt update
install_packages ${missing[@]+"${missing[@]}"}
if $want_postgres || $want_redis; then
    forbid_service_starts
    ! $want_postgres || install_postgres
    ! $want_redis || install_redis
fi
