#!/bin/sh
# Makes the secrets that docker-compose.yml wants, in deploy/secrets: those that are missing, so it
# can be run again at any time. Nothing is ever overwritten.
#
# The folder is the owner's alone. The files in it are readable to all because compose mounts each
# one as it is, and the users inside the containers have other numbers than the one outside.
set -eu

dir=$(cd "$(dirname "$0")" && pwd)/secrets
mkdir -p "$dir"
chmod 700 "$dir"

# random BYTES: as hexadecimal digits.
random() { od -An -v -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# keep NAME VALUE: a file without a line end.
keep() {
    [ ! -s "$dir/$1" ] || return 0
    printf '%s' "$2" >"$dir/$1.new"
    chmod 644 "$dir/$1.new"
    mv "$dir/$1.new" "$dir/$1"
    echo "made deploy/secrets/$1"
}

keep postgres_password "$(random 24)"
keep redis_password "$(random 24)"
keep admin_password "$(random 12)"
keep jwt_secret "$(random 32)"
keep secret_key "$(random 32)"

# What follows from them: the addresses of the stores, and the one line of Redis's settings.
password=$(cat "$dir/redis_password")
keep database_url "postgresql://tocsin:$(cat "$dir/postgres_password")@postgres:5432/tocsin"
keep redis_url "redis://default:$password@redis:6379/0"
keep redis_conf "requirepass $password
"
echo 'sign in as admin@localhost (or TOCSIN_ADMIN_EMAIL) with the password in deploy/secrets/admin_password'
