#!/bin/bash
# Makes the pages of the documentation: web.sh [--strict] OUT INGEST_PROGRAM
#
# Swagger UI and ReDoc come from npm, as web/package-lock.json names them. Where there is no npm or
# no network, this says so and goes on: the API answers without them. With --strict it fails.
set -euo pipefail

strict=false
[ "${1:-}" != --strict ] || { strict=true && shift; }
[ $# -eq 2 ] || { echo 'usage: web.sh [--strict] OUT INGEST_PROGRAM' >&2 && exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
out=$(realpath -m "$1")
ingest=$2
modules=$root/web/node_modules
tried=$out.tried # when fetching failed last, so that every build offline does not wait for it

give_up() {
    printf 'web: %s; /docs and /redoc will say so, all else works (later: make web)\n' "$1" >&2
    $strict && exit 1
    exit 0
}

description=$(mktemp)
log=$(mktemp)
trap 'rm -f "$description" "$log"' EXIT
"$ingest" --openapi >"$description"

# What the pages are made of; nothing is done when it is as it was.
made_of() {
    cat "$root/web/package-lock.json" "$root/web/build.mjs" "$root"/web/docs/* "$description" |
        sha256sum | cut -c1-64
}
state=$(made_of)
[ "$(cat "$out/made-of" 2>/dev/null || true)" != "$state" ] || exit 0

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    give_up 'there is no Node.js with npm (Debian: nodejs npm)'
fi
node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' ||
    give_up "Node.js $(node --version) is too old, 18 is needed"

mkdir -p "$(dirname "$out")"
exec 9>"$out.lock"
flock 9
if ! cmp -s "$root/web/package-lock.json" "$modules/.tocsin-lock"; then
    if ! $strict && [ -n "$(find "$tried" -mmin -60 2>/dev/null)" ]; then
        exit 0
    fi
    echo 'web: fetching Swagger UI and ReDoc'
    if ! (cd "$root/web" && npm ci --ignore-scripts --omit=peer --no-audit --no-fund \
        --loglevel=error --fetch-retries=1 --fetch-timeout=30000) >"$log" 2>&1; then
        touch "$tried"
        tail -n 5 "$log" >&2
        give_up 'npm could not fetch them'
    fi
    cp "$root/web/package-lock.json" "$modules/.tocsin-lock"
fi
rm -f "$tried"
node "$root/web/build.mjs" "$out" "$description"
printf '%s\n' "$state" >"$out/made-of"
