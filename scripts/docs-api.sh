#!/bin/bash
# Prints docs/api.md: docs-api.sh FOLDER_OF_PROGRAMS
set -euo pipefail

bin=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for service in api ingest; do
    "$bin/tocsin-$service" --openapi >"$dir/$service.json"
done
"$bin/tocsin" docs-api "$dir/api.json" "$dir/ingest.json"
