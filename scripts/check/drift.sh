#!/bin/bash
# Checks that what is written in several places says the same: drift.sh PATH_OF_TOCSIN
#
# docs/configuration.md, errors.md and api.md are what the programs print, and every TOCSIN_ name in the
# deployment files and scripts is a setting, or one that only the runner knows. Every error code
# that is raised or declared is in net/errors.def, every tag in net/tags.def.
set -euo pipefail
cd "$(dirname "$0")/../.."

tocsin=${1:-build/debug/bin/tocsin}
page=docs/configuration.md
# What the settings are read from, what scripts/run.sh reads itself, and the tests' own variables.
runner_only='TOCSIN_(CONFIG|WORKERS|DATA_DIR|TEST_[A-Z_]+)'

if [ ! -x "$tocsin" ] || ! "$tocsin" docs-config >/dev/null 2>&1; then
    [ -e "$page" ] || exit 0
    echo "drift: $page exists but $tocsin docs-config does not work (make all first)" >&2
    exit 1
fi

bad=0
settings=$(mktemp)
trap 'rm -f "$settings"' EXIT
"$tocsin" docs-config >"$settings"

# same PAGE COMMAND…
same() {
    local page=$1
    shift
    "$@" | diff -u "$page" - >&2 && return
    echo "drift: $page is not what is printed now: run make docs" >&2
    bad=1
}
same "$page" cat "$settings"
same docs/errors.md "$tocsin" docs-errors
same docs/api.md scripts/docs-api.sh "$(dirname "$tocsin")"

mapfile -t files < <(git ls-files -- docker-compose.yml k8s deploy scripts .ci docs README.md)
while IFS=: read -r file name; do
    # Every secret may be given as a file instead.
    grep -qw -e "$name" -e "${name%_FILE}" "$settings" && continue
    [[ $name =~ ^$runner_only(_FILE)?$ ]] && continue
    echo "drift: $file names $name, which is no setting" >&2
    bad=1
done < <(grep -oE '\bTOCSIN_[A-Z0-9_]*[A-Z0-9]\b' "${files[@]}" /dev/null | sort -u)

# The texts in capitals of each req_fail(…); and ERRORS(…), and what follows .tag =.
names_in_code() {
    awk '
    FNR == 1 { open = 0 }
    /req_fail\(|ERRORS\(/ { open = 1 }
    {
        rest = $0
        while (open && match(rest, /"[^"]*"/)) {
            text = substr(rest, RSTART + 1, RLENGTH - 2)
            if (text ~ /^[A-Z][A-Z_]+$/)
                print FILENAME ":" FNR ":ERROR:" text
            rest = substr(rest, RSTART + RLENGTH)
        }
        if (open && /[;}]/)
            open = 0
        if (match($0, /\.tag = "[^"]*"/))
            print FILENAME ":" FNR ":TAG:" substr($0, RSTART + 8, RLENGTH - 9)
    }' "$@"
}
mapfile -t sources < <(git ls-files -- 'libshared/*.c' 'services/*.c')
while IFS=: read -r file line table name; do
    case $table in
    ERROR) grep -q "^ERROR($name," libshared/net/errors.def && continue ;;
    TAG) grep -q "^TAG(\"$name\"," libshared/net/tags.def && continue ;;
    esac
    echo "drift: $file:$line names \"$name\", which net/${table,,}s.def does not have" >&2
    bad=1
done < <(names_in_code "${sources[@]}")

# The roles and scopes of docs/accounts.md are those of the table in the source.
while read -r name letters; do
    row="| \`$name\` |"
    for letter in v o a w; do
        if [[ $letters$letter == *w || $letters == *"$letter"* ]]; then row+=' yes |'; else row+=' |'; fi
    done
    grep -qF -- "$row" docs/accounts.md && continue
    echo "drift: docs/accounts.md lacks the line $row" >&2
    bad=1
done < <(sed -nE 's/^ *X\(SCOPE_[A-Z_]+, *"([a-z_:]+)", *"([a-z]*)"\).*/\1 \2/p' libshared/auth/scopes.h)

exit "$bad"
