/* Sets of HTTP status codes. */
#include "kinds/status_set.h"

#include <stddef.h>
#include <string.h>

enum { FIRST = 100, LAST = 599 };

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " ");
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Three digits; NULL when there is no such code. */
static const char *read_code(const char *p, int *code)
{
    if (!is_digit(p[0]) || !is_digit(p[1]) || !is_digit(p[2]))
        return NULL;
    *code = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
    return *code >= FIRST && *code <= LAST ? p + 3 : NULL;
}

/* "404", "200-299" or "2xx"; NULL when it is neither. */
static const char *read_range(const char *p, int *from, int *to)
{
    if (p[0] >= '1' && p[0] <= '5' &&
        (strncmp(p + 1, "xx", 2) == 0 || strncmp(p + 1, "XX", 2) == 0)) {
        *from = (p[0] - '0') * 100;
        *to = *from + 99;
        return p + 3;
    }
    p = read_code(p, from);
    if (!p)
        return NULL;
    *to = *from;
    const char *dash = skip_blanks(p);
    return *dash == '-' ? read_code(skip_blanks(dash + 1), to) : p;
}

const char *status_set_read(const char *text, struct status_set *out)
{
    struct status_set set = {{0}};
    const char *p = skip_blanks(text);
    for (;;) {
        int from = 0;
        int to = 0;
        p = read_range(p, &from, &to);
        if (!p || to < from)
            return "not status codes from 100 to 599, as in 200-299,301 or 2xx";
        for (int code = from; code <= to; code++)
            set.bits[(code - FIRST) / 64] |= 1ULL << ((code - FIRST) % 64);
        p = skip_blanks(p);
        if (*p == '\0')
            break;
        if (*p != ',')
            return "status codes are separated by commas";
        p = skip_blanks(p + 1);
    }
    if (out)
        *out = set;
    return NULL;
}

const char *status_set_check(const char *text)
{
    return status_set_read(text, NULL);
}

bool status_set_has(const struct status_set *set, int code)
{
    return code >= FIRST && code <= LAST &&
           (set->bits[(code - FIRST) / 64] >> ((code - FIRST) % 64) & 1) != 0;
}
