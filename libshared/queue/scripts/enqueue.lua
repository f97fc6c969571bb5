-- Adds a job unless its queue is full. A script, so that many producers cannot pass the limit together.
-- KEYS: 1 stream, 2 delayed   ARGV: 1 limit, 2 due time in ms (0: at once), 3… fields and values
-- Returns 1, or 0 when full.
local limit = tonumber(ARGV[1])
if ARGV[2] == '0' then
    if redis.call('XLEN', KEYS[1]) >= limit then return 0 end
    redis.call('XADD', KEYS[1], '*', unpack(ARGV, 3))
else
    if redis.call('ZCARD', KEYS[2]) >= limit then return 0 end
    local fields = {}
    for i = 3, #ARGV do fields[i - 2] = ARGV[i] end
    redis.call('ZADD', KEYS[2], ARGV[2], cjson.encode(fields))
end
return 1
