/*
 * Text for terminals: tables aligned by columns of the screen, not by bytes, and nothing from
 * outside that a terminal would take for a command.
 */
#ifndef TOCSIN_CLI_TEXT_H
#define TOCSIN_CLI_TEXT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/defs.h"

/* Columns that the text takes when text_put writes it: wide characters two, combining ones none. */
FOR_TESTS size_t text_width(const char *s);
/* Appends UTF-8 text, at most `columns` wide (0: any width; "…" shows the cut). Control characters
 * and bytes that are no UTF-8 become '?'. Returns how wide it became. */
size_t text_put(struct buf *out, const char *s, size_t columns);

/* A line "name        text"; none for a text that is NULL or empty. */
void text_put_field(struct buf *out, const char *name, const char *text);

enum { AGE_TEXT_BYTES = 24 };
/* "0", "850ms", "12s", "3m05s", "2h10m", "4d03h". */
void text_age(int64_t ms, char out[AGE_TEXT_BYTES]);

enum { TABLE_COLUMNS_MAX = 12 };
/* Cells in an arena, row by row. A '>' before a title aligns its column to the right. */
struct table {
    struct arena *arena;
    const char *const *titles;
    size_t columns, cells, capacity;
    const char **cell;
    bool failed;
};
void table_init(struct table *t, struct arena *arena, const char *const *titles, size_t columns);
/* The next cell; NULL gives "-". Without a row's end: the columns make the rows. */
void table_add(struct table *t, const char *text);
void table_add_i64(struct table *t, int64_t v);
void table_add_age(struct table *t, int64_t ms);
void table_addf(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Titles and at most `rows` rows (0: all), each line at most `width` wide (0: any). */
void table_print(const struct table *t, struct buf *out, size_t rows, size_t width);

#endif
