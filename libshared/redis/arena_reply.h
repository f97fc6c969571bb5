/* Functions for hiredis's parser that put a reply into an arena (reader->privdata). */
#ifndef TOCSIN_REDIS_ARENA_REPLY_H
#define TOCSIN_REDIS_ARENA_REPLY_H

#include <hiredis/hiredis.h>

extern redisReplyObjectFunctions redis_arena_replies;

#endif
