/* Argument vectors on the caller's stack. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "redis/redis.h"

void rargs_init(struct rargs *a, const char *command)
{
    a->count = 0;
    a->numbers = 0;
    a->uuids = 0;
    a->failed = false;
    if (command)
        rargs_str(a, command);
}

void rargs_bytes(struct rargs *a, const void *data, size_t len)
{
    if ((size_t)a->count >= ARRAY_LEN(a->value)) {
        a->failed = true;
        return;
    }
    a->value[a->count] = data;
    a->length[a->count] = len;
    a->count++;
}

void rargs_str(struct rargs *a, const char *s)
{
    rargs_bytes(a, s, strlen(s));
}

void rargs_i64(struct rargs *a, int64_t v)
{
    if ((size_t)a->numbers >= ARRAY_LEN(a->number)) {
        a->failed = true;
        return;
    }
    char *text = a->number[a->numbers++];
    (void)snprintf(text, sizeof(a->number[0]), "%" PRId64, v);
    rargs_str(a, text);
}

void rargs_uuid(struct rargs *a, const struct uuid *id)
{
    if ((size_t)a->uuids >= ARRAY_LEN(a->uuid)) {
        a->failed = true;
        return;
    }
    char *text = a->uuid[a->uuids++];
    uuid_format(id, text);
    rargs_str(a, text);
}
