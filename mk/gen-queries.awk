# Named queries: a block beginning `-- name: check_get` becomes `extern const struct query
# Q_CHECK_GET`. `-- plan: each` after the name makes PostgreSQL plan it for the arguments of each call:
# for lists whose filters may be null. Other whole-line comments after the name are dropped; comments
# inside a line are kept,
# since only a SQL parser could tell them from a string.

function flush_query()
{
    if (name == "")
        return
    if (body == "")
        fail("query " name " (before this line) is empty")
    upper = "Q_" toupper(name)
    printf "extern const struct query %s;\n", upper > header
    printf "const struct query %s = {\n    \"%s\",\n%s};\n\n", upper, name, body each > source
    all[++count] = upper
    name = ""
    body = ""
    each = ""
}

BEGIN {
    open_header("TOCSIN_GEN_QUERIES_H", "db/query.h")
    open_source("queries")
    each = ""
}

FNR == 1 { flush_query() }

/^--[ \t]*name:/ {
    flush_query()
    name = $0
    sub(/^--[ \t]*name:[ \t]*/, "", name)
    sub(/[ \t\r]+$/, "", name)
    if (name !~ /^[a-z][a-z0-9_]*$/)
        fail("bad query name \"" name "\"")
    if (name in seen)
        fail("query " name " is already defined in " seen[name])
    seen[name] = FILENAME
    next
}

/^--[ \t]*plan:/ {
    if ($0 !~ /^--[ \t]*plan:[ \t]*each[ \t\r]*$/)
        fail("-- plan: knows only `each`")
    each = c_line("/* plan: each */")
    next
}

/^[ \t]*--/ || /^[ \t\r]*$/ { next }

{
    if (name == "")
        fail("SQL before the first `-- name:` line")
    body = body c_line($0)
}

END {
    if (failed)
        exit 1
    flush_query()
    printf "\nextern const struct query *const all_queries[];\n" > header
    printf "extern const size_t all_queries_count;\n\n#endif\n" > header
    printf "const struct query *const all_queries[] = {\n" > source
    for (i = 1; i <= count; i++)
        printf "    &%s,\n", all[i] > source
    printf "};\n\nconst size_t all_queries_count = %d;\n", count > source
}
