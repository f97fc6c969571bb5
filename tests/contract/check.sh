#!/bin/bash
# Called by run.sh, through serve.mjs: check.sh ST [options]
set -uo pipefail

st=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
status=0
work=$(mktemp -d) # it leaves a cache where it stands
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export PYTHONPATH=$here SCHEMATHESIS_HOOKS=hooks PYTHONDONTWRITEBYTECODE=1

# A seed, so that two runs of one program find the same; other seeds find other things.
check() {
    "$st" --config-file "$here/schemathesis.toml" run "$1" --seed "${SEED:-1}" --max-time "$2" \
        --continue-on-failure "${@:3}" || status=1
}

check "$TOCSIN_API/api/v1/openapi.json" 270 "$@"
check "$TOCSIN_INGEST/api/v1/openapi.json" 30 "$@"
exit $status
