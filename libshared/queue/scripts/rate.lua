-- Sets or removes a rate on this queue: of a task, or of keys.
-- KEYS: 1 prefix of the queue
-- ARGV: 1 'rates' or 'key-rates', 2 field of that hash, 3 "count period burst" ('' to remove), 4 rules at most,
--       5 bucket that begins anew ('' none)
-- Returns 1, or 0 when there are too many.
local q = KEYS[1]
local rates, control = q .. ARGV[1], q .. 'control'
if ARGV[5] ~= '' then redis.call('DEL', q .. ARGV[5]) end
if ARGV[3] == '' then
    redis.call('HDEL', rates, ARGV[2])
    if redis.call('EXISTS', q .. 'rates', q .. 'key-rates') == 0 then redis.call('HDEL', control, 'rates') end
    return 1
end
if redis.call('HEXISTS', rates, ARGV[2]) == 0 and redis.call('HLEN', rates) >= tonumber(ARGV[4]) then return 0 end
redis.call('HSET', rates, ARGV[2], ARGV[3])
redis.call('HSET', control, 'rates', '1')
return 1
