-- Whether a job that was fetched may start now: the limit of its task's rate, then that of its key.
-- The rate limit is GCRA (a token bucket told by the time of the next start), on Redis' own clock.
-- KEYS: 1 prefix of the queue
-- ARGV: 1 job id, 2 consumer, 3 task, 4 rate's count (0: none), 5 its period in ms, 6 its burst,
--       7 time granted before (0: none), 8 concurrency key ('' none), 9 jobs of it at once (0: any)
-- Returns {'go'}, {'rate', when in ms} or {'key'}.
local q, key = KEYS[1], ARGV[8]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local member = ARGV[1] .. ' ' .. ARGV[2]
local running = q .. 'running:' .. key
if key ~= '' and tonumber(ARGV[9]) > 0 and redis.call('ZCARD', running) >= tonumber(ARGV[9]) and
   not redis.call('ZSCORE', running, member) then
    -- Those of workers whose lease ended run no more.
    for _, m in ipairs(redis.call('ZRANGE', running, 0, -1)) do
        if redis.call('EXISTS', q .. 'worker:' .. string.sub(m, 38)) == 0 then redis.call('ZREM', running, m) end
    end
    if redis.call('ZCARD', running) >= tonumber(ARGV[9]) then return {'key'} end
end
local count, period, burst = ARGV[4], ARGV[5], ARGV[6]
local rule = redis.call('HGET', q .. 'rates', ARGV[3])
if rule then count, period, burst = string.match(rule, '^(%d+) (%d+) (%d+)$') end
-- A grant is good for a second: jobs that waited longer for a worker must not all start together.
local granted = tonumber(ARGV[7])
if tonumber(count) > 0 and not (granted > 0 and now >= granted - 5 and now <= granted + 1000) then
    local bucket = q .. 'bucket:' .. ARGV[3]
    local step = tonumber(period) / tonumber(count)
    local spare = step * math.max(tonumber(burst) - 1, 0)
    local at = math.max(tonumber(redis.call('GET', bucket) or '0'), now - spare)
    redis.call('SET', bucket, string.format('%.3f', at + step), 'PX', math.ceil(at + step - now + spare + 1000))
    if at > now then return {'rate', string.format('%d', math.ceil(at))} end
end
if key ~= '' and tonumber(ARGV[9]) > 0 then redis.call('ZADD', running, now, member) end
return {'go'}
