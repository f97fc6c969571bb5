# Redis scripts: dispatch.lua becomes `extern const struct redis_script SCRIPT_DISPATCH`.

function flush_script()
{
    if (name == "")
        return
    if (body == "")
        fail("script " name " (before this file) is empty")
    upper = "SCRIPT_" toupper(name)
    printf "extern const struct redis_script %s;\n", upper > header
    printf "const struct redis_script %s = {\n    \"%s\",\n%s};\n\n", upper, name, body > source
    all[++count] = upper
    name = ""
    body = ""
}

BEGIN {
    open_header("TOCSIN_GEN_SCRIPTS_H", "redis/script.h")
    open_source("scripts")
}

FNR == 1 {
    flush_script()
    name = base_name(FILENAME, "lua")
    if (name !~ /^[a-z][a-z0-9_]*$/)
        fail("bad script name \"" name "\"")
    if (name in seen)
        fail("script " name " also exists as " seen[name])
    seen[name] = FILENAME
}

{ body = body c_line($0) }

END {
    if (failed)
        exit 1
    flush_script()
    printf "\nextern const struct redis_script *const all_scripts[];\n" > header
    printf "extern const size_t all_scripts_count;\n\n#endif\n" > header
    printf "const struct redis_script *const all_scripts[] = {\n" > source
    for (i = 1; i <= count; i++)
        printf "    &%s,\n", all[i] > source
    printf "};\n\nconst size_t all_scripts_count = %d;\n", count > source
}
