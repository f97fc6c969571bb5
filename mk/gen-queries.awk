# Named queries: a block beginning `-- name: check_get` becomes `extern const struct query
# Q_CHECK_GET`. `-- plan: each` after the name makes PostgreSQL plan it for the arguments of each call:
# for lists whose filters may be null. `-- part: list_filter` begins lines that are no query by
# themselves; `-- use: list_filter` below stands for them, so that a list and its count cannot differ
# in what they filter. Other whole-line comments after the name are dropped; comments inside a line
# are kept, since only a SQL parser could tell them from a string.

# The name behind `-- word:`, which nothing of that kind may have yet.
function new_name(taken,    text)
{
    text = $0
    sub(/^--[ \t]*[a-z]+:[ \t]*/, "", text)
    sub(/[ \t\r]+$/, "", text)
    if (text !~ /^[a-z][a-z0-9_]*$/)
        fail("bad name \"" text "\"")
    if (text in taken)
        fail(text " is already defined in " taken[text])
    taken[text] = FILENAME
    return text
}

function add(lines)
{
    if (part != "")
        part_body[part] = part_body[part] lines
    else
        body = body lines
}

function flush_query()
{
    part = ""
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
    name = new_name(seen)
    next
}

/^--[ \t]*part:/ {
    flush_query()
    part = new_name(parts)
    next
}

/^[ \t]*--[ \t]*use:/ {
    used = $0
    sub(/^[ \t]*--[ \t]*use:[ \t]*/, "", used)
    sub(/[ \t\r]+$/, "", used)
    if (!(used in part_body) || (name == "" && part == ""))
        fail("no `-- part: " used "` above, or nothing to use it in")
    add(part_body[used])
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
    if (name == "" && part == "")
        fail("SQL before the first `-- name:` line")
    add(c_line($0))
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
