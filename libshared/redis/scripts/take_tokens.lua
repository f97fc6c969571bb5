-- A token bucket that several processes draw from: KEYS[1]; ARGV: tokens a minute, tokens wanted,
-- tokens given back. On Redis's clock. Replies tokens granted, whole tokens left, and the
-- microseconds until the bucket is full again.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local minute = 60000000
local cost = math.max(math.floor(minute / math.max(tonumber(ARGV[1]), 1)), 1)
local bucket = redis.call('HMGET', KEYS[1], 'level', 'at')
local level = minute
if bucket[1] then
    level = tonumber(bucket[1]) + math.max(now - tonumber(bucket[2]), 0)
end
level = math.min(level + tonumber(ARGV[3]) * cost, minute)
local granted = math.min(tonumber(ARGV[2]), math.floor(level / cost))
level = level - granted * cost
-- As text with all digits: numbers of a script are written with fourteen.
redis.call('HSET', KEYS[1], 'level', string.format('%.0f', level), 'at', string.format('%.0f', now))
redis.call('EXPIRE', KEYS[1], 120)
return {granted, math.floor(level / cost), minute - level}
