#!/bin/bash
# Called by run.sh, through serve.mjs: check.sh ST [options]
set -uo pipefail

st=$1
shift
cd "$(dirname "$0")" || exit 1
status=0
for base in "$TOCSIN_API" "$TOCSIN_INGEST"; do
    "$st" --config-file schemathesis.toml run "$base/api/v1/openapi.json" "$@" || status=1
done
exit $status
