/* Answers of name servers from anybody: read whole or refused, and what is read can be compared. */
#include "net/dns_message.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA arena = arena_new_small(8 << 20);
    struct dns_answer answer;
    if (!arena || dns_answer_read(data, size, arena, &answer) != ST_OK)
        return 0;
    if (answer.count > DNS_RECORDS_MAX)
        abort();
    for (size_t i = 0; i < answer.count; i++) {
        const struct dns_record *r = &answer.records[i];
        /* What was not read as such has no text; an empty one of words or quotes equals itself. */
        if (r->text[0] && !dns_text_eq(r->type, r->text, r->text))
            abort();
    }
    return 0;
}
