#!/bin/sh
# Runs one generator: gen.sh NAME OUTDIR INPUT… writes OUTDIR/NAME.h and OUTDIR/NAME.c, leaving
# a file alone when its content would not change.
set -eu

name=$1
out=$2
shift 2

here=$(dirname "$0")
tmp=$(mktemp -d "$out/.$name.XXXXXX")
trap 'rm -rf "$tmp"' EXIT INT TERM

awk -f "$here/gen.awk" -f "$here/gen-$name.awk" \
    -v header="$tmp/$name.h" -v source="$tmp/$name.c" "$@"

for kind in h c; do
    if ! cmp -s "$tmp/$name.$kind" "$out/$name.$kind"; then
        mv -f "$tmp/$name.$kind" "$out/$name.$kind"
    fi
done
