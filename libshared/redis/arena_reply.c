/*
 * Replies in an arena: a batch of jobs is thousands of elements, and hiredis takes two allocations
 * for each. NULL from any of these makes the parser report that memory ran out.
 */
#include "redis/arena_reply.h"

#include "base/arena.h"

static redisReply *add(const redisReadTask *task, int type)
{
    redisReply *r = arena_alloc(task->privdata, sizeof(*r));
    if (!r)
        return NULL;
    r->type = type;
    if (task->parent) {
        redisReply *parent = task->parent->obj;
        parent->element[task->idx] = r;
    }
    return r;
}

static void *make_string(const redisReadTask *task, char *str, size_t len)
{
    char *copy = arena_strndup(task->privdata, str, len);
    redisReply *r = copy ? add(task, task->type) : NULL;
    if (!r)
        return NULL;
    r->str = copy;
    r->len = len;
    return r;
}

static void *make_array(const redisReadTask *task, int elements)
{
    redisReply **list = arena_array(task->privdata, elements > 0 ? (size_t)elements : 0,
                                    sizeof(*list));
    redisReply *r = list ? add(task, REDIS_REPLY_ARRAY) : NULL;
    if (!r)
        return NULL;
    r->elements = elements > 0 ? (size_t)elements : 0;
    r->element = list;
    return r;
}

static void *make_integer(const redisReadTask *task, long long value)
{
    redisReply *r = add(task, REDIS_REPLY_INTEGER);
    if (r)
        r->integer = value;
    return r;
}

static void *make_nil(const redisReadTask *task)
{
    return add(task, REDIS_REPLY_NIL);
}

static void forget(void *reply)
{
    (void)reply; /* the arena's */
}

redisReplyObjectFunctions redis_arena_replies = {make_string, make_array, make_integer, make_nil,
                                                 forget};
