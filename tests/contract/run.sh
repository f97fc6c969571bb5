#!/bin/bash
# Lets schemathesis look for replies that the published descriptions do not foresee:
#   run.sh BUILD_DIR [options of `st run`]
# By hand (make test-contract), not in `make test`: it takes minutes.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$root/$1
shift
venv=$root/build/contract-venv

if ! cmp -s "$root/tests/contract/requirements.txt" "$venv/made-of"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$root/tests/contract/requirements.txt"
    cp "$root/tests/contract/requirements.txt" "$venv/made-of"
fi
TOCSIN_TEST_BIN=$build/bin "$root/tests/kit/servers.sh" -- \
    node "$root/tests/contract/serve.mjs" "$root/tests/contract/check.sh" "$venv/bin/st" "$@"
