#!/bin/bash
# Checks the layering of docs/architecture.md and the functions the house style does not use.
#
#   base < log conf json < db redis net obs < queue model zone store auth kinds channels < transfer daemon openapi < services cli agent
#
# A file includes its own rank or lower; model/ includes only base/ and itself; services do not
# include each other; only store/ and db/ know PGresult. A line may break a style rule when it says
# why in a comment of the form /* style: … */.
set -euo pipefail
cd "$(dirname "$0")/../.."

mapfile -t files < <(find libshared services cli agent tests bench -name '*.[ch]' 2>/dev/null | sort)
[ ${#files[@]} -gt 0 ] || exit 0

# POSIX awk, and one process over all files.
awk '
function complain(message) {
    printf "%s:%d: %s\n", FILENAME, FNR, message > "/dev/stderr"
    bad = 1
}

function add(value, names,    list, n, i) {
    n = split(names, list, " ")
    for (i = 1; i <= n; i++)
        rank[list[i]] = value
}

BEGIN {
    add(0, "base")
    add(1, "log conf json")
    add(2, "db redis net obs")
    add(3, "queue model zone store auth kinds channels")
    add(4, "transfer daemon openapi")
    # Generated headers hold the structs of these layers.
    generated["gen/queries.h"] = "db"
    generated["gen/migrations.h"] = "db"
    generated["gen/scripts.h"] = "redis"
}

FNR == 1 {
    split(FILENAME, at, "/")
    area = at[1]
    layer = at[2]
    if (area == "libshared" && !(layer in rank))
        complain("libshared/" layer " has no rank: add it to scripts/check/layering.sh")
    my_rank = area == "libshared" ? rank[layer] : 5
    in_comment = 0
}

area != "tests" && area != "bench" && /^[ \t]*#[ \t]*include[ \t]*"/ {
    path = $0
    sub(/^[^"]*"/, "", path)
    sub(/".*$/, "", path)
    split(path, to, "/")
    target = (path in generated) ? generated[path] : to[1]
    if (target == "services" || target == "cli" || target == "agent") {
        own = area == "services" ? area "/" layer "/" : area "/"
        if (index(path, own) != 1)
            complain("includes \"" path "\" of another program")
    } else if (!(target in rank)) {
        complain("\"" path "\": write the path from libshared/ or from the root of the tree")
    } else if (area == "libshared" && layer == "model" && target != "base" && target != "model") {
        complain("model/ is pure and includes only base/, not \"" path "\"")
    } else if (rank[target] > my_rank) {
        complain("\"" path "\" is a higher layer than " layer)
    }
}

# Comments may name what code may not use.
{
    if ($0 ~ /\/\* style: /)
        next
    code = $0
    if (in_comment) {
        if (!sub(/^.*\*\//, "", code))
            next
        in_comment = 0
    }
    gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, "", code)
    sub(/\/\/.*$/, "", code)
    if (sub(/\/\*.*$/, "", code))
        in_comment = 1
    gsub(/"([^"\\]|\\.)*"/, "\"\"", code)
    if (match(code, /(^|[^A-Za-z0-9_])(strcpy|strcat|v?sprintf|strtok|ato[ilf]|atoll|gets|alloca)[ \t]*\(/))
        complain("a function the house style does not use: " substr(code, RSTART, RLENGTH) ")")
    if (code ~ /(^|[^A-Za-z0-9_])(secure_)?getenv[ \t]*\(/ && FILENAME !~ /^(libshared\/conf|tests|bench)\//)
        complain("getenv outside libshared/conf: make it a setting")
    if (code ~ /(^|[^A-Za-z0-9_])PGresult([^A-Za-z0-9_]|$)/ && FILENAME !~ /^(libshared\/(store|db)|tests|bench)\//)
        complain("only libshared/store and libshared/db see a PGresult")
}

END { exit bad }
' "${files[@]}"
