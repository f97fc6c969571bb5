/* Texts of PostgreSQL's arrays, bytes and times, whatever they hold. */
#include "db/db.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA arena = arena_new((size_t)16 << 20);
    PGresAttDesc column = {.name = (char *)(uintptr_t) "v"};
    const char **list = NULL;
    const unsigned char *bytes = NULL;
    size_t count = 0;
    size_t len = 0;
    char *text = text_of_input(data, size);
    AUTO_RESULT r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    MUST(arena && r && PQsetResultAttrs(r, 1, &column));
    MUST(PQsetvalue(r, 0, 0, text, (int)strlen(text)));
    const enum status st = row_strs(r, 0, "v", arena, &list, &count);
    MUST(st == ST_OK || st == ST_CORRUPT);
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += strlen(list[i]) + 1;
    MUST(total <= strlen(text) + 1);
    if (row_bytes(r, 0, "v", arena, &bytes, &len) == ST_OK)
        MUST(len * 2 + 2 <= strlen(text) + 1);
    (void)row_time(r, 0, "v");
    (void)row_i64(r, 0, "v");
    (void)row_f64(r, 0, "v");
    (void)row_uuid(r, 0, "v");
    free(text);
    return 0;
}
