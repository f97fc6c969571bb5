/* Accept-Encoding with its weights. */
#include "net/http_accept.h"

#include <string.h>
#include <strings.h>

/* "0", "1", "0.875" as thousandths; what is no weight is 0: a coding is only used when it is surely
 * wanted. */
static int parse_weight(const char *text, size_t len)
{
    if (len == 0 || (text[0] != '0' && text[0] != '1'))
        return 0;
    int weight = (text[0] - '0') * 1000;
    if (len == 1)
        return weight;
    if (text[1] != '.' || len > 5)
        return 0;
    int unit = 100;
    for (size_t i = 2; i < len; i++, unit /= 10) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        weight += (text[i] - '0') * unit;
    }
    return weight <= 1000 ? weight : 0;
}

static int weight_of(const char *member, size_t len)
{
    const char *at = memchr(member, ';', len);
    if (!at)
        return 1000;
    at += 1 + strspn(at + 1, " \t");
    const size_t left = len - MIN_OF((size_t)(at - member), len);
    if (left < 2 || strncasecmp(at, "q=", 2) != 0)
        return 0;
    size_t digits = strcspn(at + 2, " \t,;");
    return parse_weight(at + 2, MIN_OF(digits, left - 2));
}

static bool is_coding(const char *member, size_t len, const char *name)
{
    const size_t size = strcspn(member, ",; \t");
    return MIN_OF(size, len) == strlen(name) && strncasecmp(member, name, strlen(name)) == 0;
}

bool http_accepts_gzip(const char *accept_encoding)
{
    int gzip = -1, identity = -1, any = -1;
    const char *at = accept_encoding ? accept_encoding : "";
    while (*at) {
        at += strspn(at, " \t,");
        const size_t len = strcspn(at, ",");
        if (is_coding(at, len, "gzip") || is_coding(at, len, "x-gzip"))
            gzip = MAX_OF(gzip, weight_of(at, len));
        else if (is_coding(at, len, "identity"))
            identity = weight_of(at, len);
        else if (is_coding(at, len, "*"))
            any = weight_of(at, len);
        at += len;
    }
    if (gzip < 0)
        gzip = any;
    /* Unnamed, identity is acceptable, but nobody asked for it. */
    return gzip > 0 && gzip >= identity;
}
