/* Lists of ranges, and the decision on any address. The input is allow '\n' deny '\n' address. */
#include <netinet/in.h>

#include "base/str.h"
#include "net/egress.h"
#include "tests/fuzz/fuzz.h"

enum { ADDRESS_BYTES = 17 };

static void check_address(const struct egress *strict, const struct egress *internal,
                          const uint8_t *bytes)
{
    struct errbuf err = {""};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = 80};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = 80};
    memcpy(&v4.sin_addr, bytes + 1, 4);
    memcpy(&v6.sin6_addr, bytes + 1, 16);
    const struct sockaddr *addr = bytes[0] & 1 ? (const struct sockaddr *)&v6
                                               : (const struct sockaddr *)&v4;
    /* With the same lists, the stricter preset never allows more. */
    if (egress_check(strict, addr, &err) == ST_OK)
        MUST(egress_check(internal, addr, &err) == ST_OK);
    else
        MUST(err.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < ADDRESS_BYTES)
        return 0;
    char *allow = text_of_input(data + ADDRESS_BYTES, size - ADDRESS_BYTES);
    char *deny = strchr(allow, '\n');
    if (deny)
        *deny++ = '\0';
    struct egress *strict = NULL;
    struct egress *internal = NULL;
    struct errbuf err = {""};
    const enum status st = egress_new("strict", allow, deny ? deny : "", &strict, &err);
    MUST(st == ST_OK || err.text[0]);
    MUST(egress_new("internal", allow, deny ? deny : "", &internal, &err) == st);
    if (st == ST_OK)
        check_address(strict, internal, data);
    egress_free(strict);
    egress_free(internal);
    free(allow);
    return 0;
}
