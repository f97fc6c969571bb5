/* Lua scripts: sent by their digest, and whole to a server that does not know them yet. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "redis/internal.h"

enum { SCRIPT_ARGS_MAX = 128 };

static enum status sha_of(const struct redis_script *s, char out[SHA1_TEXT_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_Digest(s->body, strlen(s->body), digest, &len, EVP_sha1(), NULL) != 1 || len != 20)
        return ST_NO_MEMORY;
    str_hex(digest, len, out);
    return ST_OK;
}

/* The digest, worked out once a connection object. */
static enum status sha_get(struct redis *r, const struct redis_script *s, const char **out)
{
    for (size_t i = 0; i < r->script_count; i++) {
        if (r->scripts[i].script == s) {
            *out = r->scripts[i].sha;
            return ST_OK;
        }
    }
    size_t at = r->script_count < SCRIPTS_MAX ? r->script_count++ : SCRIPTS_MAX - 1;
    r->scripts[at].script = NULL;
    TRY(sha_of(s, r->scripts[at].sha));
    r->scripts[at].script = s;
    *out = r->scripts[at].sha;
    return ST_OK;
}

enum status redis_script_argv(struct redis *r, const struct redis_script *s, int count,
                              const char **value, size_t *length, redisReply **out)
{
    value[0] = "EVALSHA";
    TRY(sha_get(r, s, &value[1]));
    length[0] = strlen(value[0]);
    length[1] = strlen(value[1]);
    enum status st = redis_command(r, r->timeout_ms, count, value, length, out);
    if (st != ST_INTERNAL || !str_starts(r->error, "NOSCRIPT"))
        return st;
    /* EVAL runs it and makes it known for the next time. */
    value[0] = "EVAL";
    length[0] = strlen(value[0]);
    value[1] = s->body;
    length[1] = strlen(s->body);
    return redis_command(r, r->timeout_ms, count, value, length, out);
}

enum status redis_script(struct redis *r, const struct redis_script *s, const char *const *keys,
                         size_t key_count, const struct rargs *args, redisReply **out)
{
    const char *value[SCRIPT_ARGS_MAX];
    size_t length[SCRIPT_ARGS_MAX];
    size_t arg_count = args ? (size_t)args->count : 0;
    if (key_count + arg_count + 3 > SCRIPT_ARGS_MAX || (args && args->failed))
        return ST_TOO_LARGE;
    char number[24];
    (void)snprintf(number, sizeof(number), "%zu", key_count);
    value[2] = number;
    for (size_t i = 0; i < key_count; i++)
        value[3 + i] = keys[i];
    for (size_t i = 2; i < 3 + key_count; i++)
        length[i] = strlen(value[i]);
    for (size_t i = 0; i < arg_count; i++) {
        value[3 + key_count + i] = args->value[i];
        length[3 + key_count + i] = args->length[i];
    }
    return redis_script_argv(r, s, (int)(3 + key_count + arg_count), value, length, out);
}
