/* MessagePack, as far as envelopes need it. */
#include "queue/pack.h"

#include <string.h>

static void put_head(struct buf *b, unsigned char type, uint64_t v, size_t bytes)
{
    unsigned char head[9] = {type};
    for (size_t i = 0; i < bytes; i++)
        head[1 + i] = (unsigned char)(v >> (8 * (bytes - 1 - i)));
    buf_append(b, head, 1 + bytes);
}

void pack_array(struct buf *b, size_t count)
{
    if (count < 16)
        buf_char(b, (char)(0x90 | count));
    else if (count <= UINT16_MAX)
        put_head(b, 0xdc, count, 2);
    else
        put_head(b, 0xdd, count, 4);
}

static void put_nil(struct buf *b)
{
    buf_char(b, (char)0xc0);
}

void pack_bytes(struct buf *b, const void *data, size_t len)
{
    if (len < 32)
        buf_char(b, (char)(0xa0 | len));
    else if (len <= UINT16_MAX)
        put_head(b, 0xda, len, 2);
    else
        put_head(b, 0xdb, len, 4);
    buf_append(b, data, len);
}

void pack_str(struct buf *b, const char *s)
{
    if (s)
        pack_bytes(b, s, strlen(s));
    else
        put_nil(b);
}

void pack_i64(struct buf *b, int64_t v)
{
    if (v < 128)
        buf_char(b, (char)MAX_OF(v, 0));
    else if (v <= UINT32_MAX)
        put_head(b, 0xce, (uint64_t)v, 4);
    else
        put_head(b, 0xcf, (uint64_t)v, 8);
}

/* --- reading --- */

static enum status take_number(struct unpack *u, size_t bytes, uint64_t *out)
{
    if ((size_t)(u->end - u->at) < bytes)
        return ST_INVALID;
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | *u->at++;
    if (v > INT64_MAX)
        return ST_INVALID;
    *out = v;
    return ST_OK;
}

static enum status take_bytes(struct unpack *u, uint64_t len, struct unpack_item *out)
{
    if ((uint64_t)(u->end - u->at) < len)
        return ST_INVALID;
    *out = (struct unpack_item){
        .type = UNPACK_BYTES, .bytes = (const char *)u->at, .len = (size_t)len};
    u->at += len;
    return ST_OK;
}

enum status unpack_next(struct unpack *u, struct unpack_item *out)
{
    /* Forms with a length or a number of so many bytes behind the type. */
    static const struct {
        unsigned char code, bytes;
        enum unpack_type type;
    } forms[] = {
        {0xcc, 1, UNPACK_I64},   {0xcd, 2, UNPACK_I64},   {0xce, 4, UNPACK_I64},
        {0xcf, 8, UNPACK_I64},   {0xd9, 1, UNPACK_BYTES}, {0xda, 2, UNPACK_BYTES},
        {0xdb, 4, UNPACK_BYTES}, {0xdc, 2, UNPACK_ARRAY}, {0xdd, 4, UNPACK_ARRAY},
    };
    if (u->at >= u->end)
        return ST_INVALID;
    unsigned char code = *u->at++;
    *out = (struct unpack_item){.type = UNPACK_NIL};
    if (code == 0xc0)
        return ST_OK;
    if (code < 0x80)
        *out = (struct unpack_item){.type = UNPACK_I64, .number = code};
    else if ((code & 0xf0) == 0x90)
        *out = (struct unpack_item){.type = UNPACK_ARRAY, .number = code & 0x0f};
    else if ((code & 0xe0) == 0xa0)
        return take_bytes(u, code & 0x1f, out);
    if (out->type != UNPACK_NIL)
        return ST_OK;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (forms[i].code != code)
            continue;
        uint64_t v = 0;
        TRY(take_number(u, forms[i].bytes, &v));
        if (forms[i].type == UNPACK_BYTES)
            return take_bytes(u, v, out);
        *out = (struct unpack_item){.type = forms[i].type, .number = (int64_t)v};
        return ST_OK;
    }
    return ST_INVALID;
}
