# What the generators share: C string literals, C names, and stopping with a file and a line.

function fail(message)
{
    printf "%s:%d: %s\n", FILENAME, FNR, message > "/dev/stderr"
    failed = 1
    exit 1
}

# One source line as one line of a C string literal. '?' is escaped against trigraphs.
function c_line(text)
{
    gsub(/\\/, "&&", text)
    gsub(/"/, "\\\"", text)
    gsub(/\t/, "\\t", text)
    gsub(/\?/, "\\?", text)
    gsub(/\r/, "", text)
    return "    \"" text "\\n\"\n"
}

function base_name(path, extension,    name)
{
    name = path
    sub(/^.*\//, "", name)
    sub("\\." extension "$", "", name)
    return name
}

function open_header(guard, include)
{
    printf "/* Generated; do not edit. */\n#ifndef %s\n#define %s\n\n", guard, guard > header
    printf "#include <stddef.h>\n\n#include \"%s\"\n\n", include > header
}

function open_source(name)
{
    printf "/* Generated; do not edit. */\n#include \"gen/%s.h\"\n\n", name > source
}
