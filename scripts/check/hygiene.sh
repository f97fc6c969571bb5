#!/bin/bash
# Checks what does not belong in the tree: paths of one machine, unfinished marks, conflict marks,
# trailing blanks, and big files.
set -euo pipefail
cd "$(dirname "$0")/../.."

bad=0
self=:!scripts/check/hygiene.sh

# refuse WHAT PATTERN PATHSPEC…: complains about lines in tracked text files.
refuse() {
    local what=$1 pattern=$2
    shift 2
    if git grep -nIE -e "$pattern" -- . "$self" "$@" >&2; then
        echo "hygiene: $what" >&2
        bad=1
    fi
}

refuse 'a path of one machine' '(^|[^[:alnum:]._/-])/work(/|[^[:alnum:]_-]|$)'
refuse 'a path of one machine (name scratch files tocsin-…)' \
    '(^|[^[:alnum:]._/}-])/tmp/([^t]|t[^o])' ':!docs' ':!tests'
refuse 'an unfinished mark' '(^|[^[:alnum:]_])(TODO|FIXME|XXX|HACK)([^[:alnum:]_]|$)' ':!*.md'
refuse 'a conflict mark' '^(<<<<<<<|>>>>>>>) '
refuse 'trailing blanks' '[[:blank:]]+$' ':!*.md' ':!*.txt' ':!tests/**/golden/*' ':!tests/fuzz/*'
refuse 'a CR LF line end' "$(printf '\r')\$" ':!tests/fuzz/*'

while read -r file; do
    [ ! -f "$file" ] || [ "$(stat -c %s "$file")" -le 1000000 ] || {
        echo "hygiene: $file is larger than 1 MB" >&2
        bad=1
    }
done < <(git ls-files)

exit "$bad"
