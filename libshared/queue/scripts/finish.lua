-- Ends a job for good: keeps its result or its dead letter, gives its keys back, acknowledges.
-- KEYS: 1 prefix of the queue
-- ARGV: 1 group, 2 consumer, 3 priority, 4 entry id, 5 job id ('' when it could not be read), 6 state,
--       7 error, 8 result, 9 started at ms, 10 finished at ms, 11 attempt, 12 task, 13 result's time to live
--       in ms, 14 uniqueness key, 15 concurrency key, 16 dead letters kept, 17 tenant, 18 enqueued at ms,
--       19 its group, 20 ids of its chain by comma
-- Returns 1, or 0 when the entry is not this consumer's any more: then nothing is done. What only counts or
-- tells goes on where a key holds something else; the first that must not is written first.
local q, id, state = KEYS[1], ARGV[5], ARGV[6]
local stream, entry_id = q .. 'p' .. ARGV[3], ARGV[4]
local mine = redis.pcall('XPENDING', stream, ARGV[1], entry_id, entry_id, 1, ARGV[2])
if mine.err or #mine == 0 then return 0 end

if state == 'dead' then
    local entry = redis.call('XRANGE', stream, entry_id, entry_id)
    if #entry > 0 then
        local fields, given = {}, entry[1][2]
        for i = 1, #given, 2 do
            local name = given[i]
            if name ~= 'reason' and name ~= 'died' and name ~= 'lost' and name ~= 'granted' and
               name ~= 'kgranted' then
                fields[#fields + 1] = name
                fields[#fields + 1] = given[i + 1]
            end
        end
        for _, v in ipairs({'reason', ARGV[7], 'died', ARGV[10]}) do fields[#fields + 1] = v end
        redis.call('XADD', q .. 'dead', 'MAXLEN', '~', ARGV[16], '*', unpack(fields))
    end
end
if id ~= '' and tonumber(ARGV[13]) > 0 then
    local key = q .. 'result:' .. id
    redis.pcall('HSET', key, 'state', state, 'task', ARGV[12], 'result', ARGV[8], 'error', ARGV[7],
               'started', ARGV[9], 'finished', ARGV[10], 'attempt', ARGV[11], 'tenant', ARGV[17], 'enqueued', ARGV[18],
               'group', ARGV[19], 'chain', ARGV[20])
    redis.call('PEXPIRE', key, ARGV[13])
    redis.call('PUBLISH', q .. 'done', id .. ' ' .. state)
end
if ARGV[14] ~= '' and redis.pcall('GET', q .. 'unique:' .. ARGV[14]) == id then
    redis.call('DEL', q .. 'unique:' .. ARGV[14])
end
if ARGV[15] ~= '' then
    redis.pcall('ZREM', q .. 'running:' .. ARGV[15], id .. ' ' .. ARGV[2])
    -- The next that waits for the key need not wait for its time. Some went another way meanwhile.
    for _ = 1, 8 do
        local next_id = redis.pcall('ZPOPMIN', q .. 'wait:' .. ARGV[15])[1]
        if not next_id then break end
        if redis.pcall('ZADD', q .. 'delayed', 'XX', 'CH', 0, next_id) == 1 then break end
    end
end
if id ~= '' then redis.pcall('ZREM', q .. 'cancelled', id) end
redis.pcall('HINCRBY', q .. 'stats', state, 1)
if state ~= 'succeeded' or redis.call('EXISTS', q .. 'tail') == 1 then
    redis.pcall('XADD', q .. 'events', 'MAXLEN', '~', 10000, '*', 'event', state, 'id', id, 'task', ARGV[12],
               'attempt', ARGV[11], 'reason', ARGV[7])
end
redis.call('XACK', stream, ARGV[1], entry_id)
redis.call('XDEL', stream, entry_id)
return 1
