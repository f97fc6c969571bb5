/* Generations: a hash an organisation, a counter a kind. */
#include "redis/generation.h"

#include <stdio.h>

/* Far longer than anything is kept (limits.h), so that a counter that begins anew meets nothing. */
static const char lifetime_s[] = "86400";

const char *generation_field(enum generation g)
{
    static const char *const names[GENERATION_COUNT_] = {"edits", "results", "deliveries"};
    return names[g];
}

void generation_tag(const struct uuid *org, char out[GENERATION_KEY_BYTES])
{
    char text[UUID_TEXT_BYTES];
    uuid_format(org, text);
    (void)snprintf(out, GENERATION_KEY_BYTES, "{c:%s}", text);
}

void generation_key(const struct uuid *org, char out[GENERATION_KEY_BYTES])
{
    char tag[GENERATION_KEY_BYTES];
    generation_tag(org, tag);
    (void)snprintf(out, GENERATION_KEY_BYTES, "%.41s:g", tag);
}

static int compare(const void *a, const void *b)
{
    return uuid_cmp(a, b);
}

static size_t distinct(struct uuid *ids, size_t count)
{
    size_t kept = 0;
    if (count > 1)
        qsort(ids, count, sizeof(*ids), compare);
    for (size_t i = 0; i < count; i++) {
        if (!uuid_is_nil(&ids[i]) && (kept == 0 || !uuid_eq(&ids[kept - 1], &ids[i])))
            ids[kept++] = ids[i];
    }
    return kept;
}

static enum status raise_one(struct redis *r, const struct uuid *org, enum generation g)
{
    char key[GENERATION_KEY_BYTES];
    struct rargs raise, keep;
    generation_key(org, key);
    rargs_init(&raise, "HINCRBY");
    rargs_str(&raise, key);
    rargs_str(&raise, generation_field(g));
    rargs_i64(&raise, 1);
    rargs_init(&keep, "EXPIRE");
    rargs_str(&keep, key);
    rargs_str(&keep, lifetime_s);
    TRY(redis_append(r, &raise));
    TRY(redis_append(r, &keep));
    AUTO_REPLY raised = NULL;
    AUTO_REPLY kept = NULL;
    TRY(redis_fetch(r, &raised));
    TRY(redis_fetch(r, &kept));
    return raised->type == REDIS_REPLY_INTEGER && kept->type == REDIS_REPLY_INTEGER ? ST_OK : ST_IO;
}

enum status generation_raise(struct redis *r, struct uuid *orgs, size_t count, enum generation g)
{
    count = distinct(orgs, count);
    for (size_t i = 0; i < count; i++)
        TRY(raise_one(r, &orgs[i], g));
    return ST_OK;
}
