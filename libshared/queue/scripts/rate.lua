-- Sets or removes the rate of a task on this queue.
-- KEYS: 1 prefix of the queue   ARGV: 1 task, 2 "count period burst" ('' to remove), 3 rules at most
-- Returns 1, or 0 when there are too many.
local rates, control = KEYS[1] .. 'rates', KEYS[1] .. 'control'
redis.call('DEL', KEYS[1] .. 'bucket:' .. ARGV[1])
if ARGV[2] == '' then
    redis.call('HDEL', rates, ARGV[1])
    if redis.call('HLEN', rates) == 0 then redis.call('HDEL', control, 'rates') end
    return 1
end
if redis.call('HEXISTS', rates, ARGV[1]) == 0 and redis.call('HLEN', rates) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', rates, ARGV[1], ARGV[2])
redis.call('HSET', control, 'rates', '1')
return 1
