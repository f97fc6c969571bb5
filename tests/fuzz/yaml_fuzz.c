/* Any text is refused, or reads as a value that is written and reads the same; and any value is
 * refused as a file of checks, or taken apart without harm. */
#include "json/parse.h"
#include "json/yaml.h"
#include "tests/fuzz/fuzz.h"
#include "transfer/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_JSON value = NULL;
    AUTO_JSON again = NULL;
    AUTO_BUF text;
    struct errbuf err = {""};
    buf_init(&text, 16u << 20);
    AUTO_IMPORT_DOC doc = {0};
    if (import_read((const char *)data, size, IMPORT_AUTO, &doc, &err) == ST_OK &&
        !json_is_array(doc.checks))
        abort();
    if (yaml_parse((const char *)data, size, &value, &err) != ST_OK)
        return 0;
    enum status st = yaml_write(value, &text);
    if (st != ST_OK)
        return 0;
    if (yaml_parse(buf_cstr(&text), text.len, &again, &err) != ST_OK || !json_equal(value, again))
        abort();
    return 0;
}
