# shellcheck shell=bash
# What the benchmarks' scripts share.

# Installs those of the given Debian packages that are missing; says so and goes on without them
# when that cannot be done: a benchmark leaves a peer out rather than fail.
install_peers() {
    local name missing=() as=()
    for name in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" -eq 0 ] || as=(sudo -n --)
    printf 'bench: installing %s\n' "${missing[*]}"
    local apt=("${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y
        -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0)
    "${apt[@]}" update >/dev/null 2>&1 || true
    for name in "${missing[@]}"; do
        # A policy of no service starts, as in scripts/deps.sh, is not needed: none of them has one.
        "${apt[@]}" install --no-install-recommends "$name" </dev/null >/dev/null 2>&1 ||
            printf 'bench: %s cannot be installed here\n' "$name"
    done
}
