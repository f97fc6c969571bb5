# Migrations: migrations/NNNN_name.sql, in order, become one table. Versions start at 1 and have
# no gaps, so that two branches which add the same number are found at build time.

function flush_migration()
{
    if (name == "")
        return
    if (body == "")
        fail("migration " name " (before this file) is empty")
    table = table "    { " version ", \"" name "\",\n" body "    },\n"
    name = ""
    body = ""
}

BEGIN {
    open_header("TOCSIN_GEN_MIGRATIONS_H", "db/migration.h")
    open_source("migrations")
}

FNR == 1 {
    flush_migration()
    name = base_name(FILENAME, "sql")
    if (name !~ /^[0-9][0-9][0-9][0-9]_[a-z0-9_]+$/)
        fail("a migration is named NNNN_name.sql, not " name)
    if (substr(name, 1, 4) + 0 != ++version)
        fail("expected migration number " version)
    sub(/^[0-9]+_/, "", name)
}

{ body = body c_line($0) }

END {
    if (failed)
        exit 1
    flush_migration()
    printf "extern const struct migration all_migrations[];\n" > header
    printf "extern const size_t all_migrations_count;\n\n#endif\n" > header
    printf "const struct migration all_migrations[] = {\n%s};\n\n", table > source
    printf "const size_t all_migrations_count = %d;\n", version > source
}
