/* Widths, ages and tables. */
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

struct range {
    uint32_t first, last;
};

static bool is_in(const struct range *list, size_t count, uint32_t c)
{
    for (size_t i = 0; i < count; i++) {
        if (c >= list[i].first && c <= list[i].last)
            return true;
    }
    return false;
}

/* Moves or hides what stands beside it on a screen: controls and overrides of direction. */
static bool is_hostile(uint32_t c)
{
    static const struct range list[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0x200e, 0x200f},
                                        {0x2028, 0x202e}, {0x2066, 0x2069}, {0xfeff, 0xfeff}};
    return is_in(list, ARRAY_LEN(list), c);
}

/* The blocks that terminals agree about (Unicode's East Asian Width W and F, general category Mn);
 * wcwidth would ask a locale that need not be there. */
static size_t width_of(uint32_t c)
{
    static const struct range none[] = {
        {0x300, 0x36f}, {0x200b, 0x200d}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}};
    static const struct range wide[] = {{0x1100, 0x115f},  {0x2e80, 0x303e}, {0x3041, 0xa4cf},
                                        {0xac00, 0xd7a3},  {0xf900, 0xfaff}, {0xfe30, 0xfe6f},
                                        {0xff00, 0xff60},  {0xffe0, 0xffe6}, {0x1f300, 0x1faff},
                                        {0x20000, 0x3fffd}};
    if (is_in(none, ARRAY_LEN(none), c))
        return 0;
    return is_in(wide, ARRAY_LEN(wide), c) ? 2 : 1;
}

/* Bytes of the character at `s` (1 for what is none), its code in *c ('?' for what is not shown).
 */
static size_t next(const char *s, uint32_t *c)
{
    const uint8_t first = (uint8_t)s[0];
    size_t len = 1;
    if (first >= 0xc2)
        len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (strnlen(s, len) < len || !str_is_utf8(s, len)) {
        *c = '?';
        return 1;
    }
    static const uint8_t mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = first & mask[len];
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((uint8_t)s[i] & 0x3fu);
    *c = is_hostile(code) ? '?' : code;
    return len;
}

size_t text_width(const char *s)
{
    size_t width = 0;
    while (*s) {
        uint32_t c;
        s += next(s, &c);
        width += width_of(c);
    }
    return width;
}

size_t text_put(struct buf *out, const char *s, size_t columns)
{
    const bool cut = columns > 0 && text_width(s) > columns;
    const size_t room = cut ? columns - 1 : SIZE_MAX;
    size_t width = 0;
    while (*s) {
        uint32_t c;
        const size_t len = next(s, &c);
        if (width + width_of(c) > room)
            break;
        if (c == '?')
            buf_char(out, '?');
        else
            buf_append(out, s, len);
        width += width_of(c);
        s += len;
    }
    if (cut)
        buf_str(out, "…");
    return width + cut;
}

void text_put_field(struct buf *out, const char *name, const char *text)
{
    if (str_is_empty(text))
        return;
    buf_printf(out, "%-12s", name);
    (void)text_put(out, text, 0);
    buf_char(out, '\n');
}

void text_age(int64_t ms, char out[AGE_TEXT_BYTES])
{
    const int64_t s = ms / 1000, m = s / 60, h = m / 60;
    if (ms <= 0)
        (void)snprintf(out, AGE_TEXT_BYTES, "0");
    else if (ms < 1000)
        (void)snprintf(out, AGE_TEXT_BYTES, "%" PRId64 "ms", ms);
    else if (s < 60)
        (void)snprintf(out, AGE_TEXT_BYTES, "%" PRId64 "s", s);
    else if (m < 60)
        (void)snprintf(out, AGE_TEXT_BYTES, "%" PRId64 "m%02" PRId64 "s", m, s % 60);
    else if (h < 24)
        (void)snprintf(out, AGE_TEXT_BYTES, "%" PRId64 "h%02" PRId64 "m", h, m % 60);
    else
        (void)snprintf(out, AGE_TEXT_BYTES, "%" PRId64 "d%02" PRId64 "h", h / 24, h % 24);
}

void table_init(struct table *t, struct arena *arena, const char *const *titles, size_t columns)
{
    *t = (struct table){.arena = arena, .titles = titles, .columns = columns};
}

void table_add(struct table *t, const char *text)
{
    if (t->cells == t->capacity) {
        const size_t capacity = MAX_OF(t->capacity * 2, (size_t)256);
        const char **cell = t->failed ? NULL : arena_array(t->arena, capacity, sizeof(*cell));
        if (!cell) {
            t->failed = true;
            return;
        }
        if (t->cells > 0)
            memcpy(cell, t->cell, t->cells * sizeof(*cell));
        t->cell = cell;
        t->capacity = capacity;
    }
    const char *copy = arena_strdup(t->arena, str_is_empty(text) ? "-" : text);
    t->failed |= !copy;
    t->cell[t->cells++] = copy ? copy : "";
}

void table_add_i64(struct table *t, int64_t v)
{
    table_addf(t, "%" PRId64, v);
}

void table_add_age(struct table *t, int64_t ms)
{
    char text[AGE_TEXT_BYTES];
    text_age(ms, text);
    table_add(t, text);
}

void table_addf(struct table *t, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    table_add(t, text);
}

static void put_spaces(struct buf *out, size_t count)
{
    buf_printf(out, "%*s", (int)count, "");
}

static void put_line(const struct table *t, const char *const *cell, const size_t *widths,
                     struct buf *line)
{
    for (size_t i = 0; i < t->columns; i++) {
        const bool is_right = t->titles[i][0] == '>';
        const char *text = cell == t->titles && is_right ? cell[i] + 1 : cell[i];
        const size_t pad = widths[i] - text_width(text);
        if (i > 0)
            put_spaces(line, 2);
        if (is_right)
            put_spaces(line, pad);
        (void)text_put(line, text, 0);
        if (!is_right && i + 1 < t->columns)
            put_spaces(line, pad);
    }
}

void table_print(const struct table *t, struct buf *out, size_t rows, size_t width)
{
    const size_t have = t->cells / t->columns;
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    rows = rows == 0 ? have : MIN_OF(rows, have);
    for (size_t i = 0; i < t->columns; i++) {
        widths[i] = text_width(t->titles[i] + (t->titles[i][0] == '>'));
        for (size_t k = 0; k < rows; k++)
            widths[i] = MAX_OF(widths[i], text_width(t->cell[k * t->columns + i]));
    }
    AUTO_BUF line;
    buf_init(&line, 1 << 20);
    for (size_t k = 0; k <= rows; k++) {
        buf_reset(&line);
        put_line(t, k == 0 ? t->titles : &t->cell[(k - 1) * t->columns], widths, &line);
        (void)text_put(out, buf_cstr(&line), width);
        buf_char(out, '\n');
    }
    out->failed |= t->failed || line.failed;
}
