#!/bin/bash
# Called by run.sh, through serve.mjs: check.sh ST [options]
set -uo pipefail

st=$1
shift
cd "$(dirname "$0")" || exit 1
status=0

check() {
    "$st" --config-file schemathesis.toml run "$@" || status=1
}

# What can lock the caller out comes last.
accounts='^/api/v1/(users|organisations|invitations|api-keys|auth)'
check "$TOCSIN_API/api/v1/openapi.json" --exclude-path-regex "$accounts" "$@"
check "$TOCSIN_INGEST/api/v1/openapi.json" "$@"
check "$TOCSIN_API/api/v1/openapi.json" --include-path-regex "$accounts" "$@"
exit $status
