-- A group of jobs. Members are counted by their ids, so that one that is delivered twice counts once.
-- KEYS: 1 prefix of the queue
-- ARGV: 1 'create', 2 group, 3 time to live in ms, 4 members, 5 envelope of the callback ('' none),
--         6 '1': the callback comes after failures too
--       1 'done', 2 group, 3 job, 4 '1': it succeeded; returns the callback's envelope once it is its turn
--       1 'get', 2 group; returns {members, succeeded, failed}
local key = KEYS[1] .. 'group:' .. ARGV[2]
local members = key .. ':jobs'
if ARGV[1] == 'create' then
    if redis.call('EXISTS', key) == 1 then return 0 end
    redis.call('HSET', key, 'total', ARGV[4], 'callback', ARGV[5], 'lenient', ARGV[6], 'ok', 0, 'failed', 0)
    redis.call('PEXPIRE', key, ARGV[3])
    return 1
end
local g = redis.call('HMGET', key, 'total', 'ok', 'failed', 'callback', 'lenient')
if not g[1] then return false end
if ARGV[1] == 'get' then return {g[1], g[2], g[3]} end

local ok, failed = tonumber(g[2]), tonumber(g[3])
if redis.call('SADD', members, ARGV[3]) == 1 then
    redis.call('PEXPIRE', members, redis.call('PTTL', key))
    if ARGV[4] == '1' then
        ok = redis.call('HINCRBY', key, 'ok', 1)
    else
        failed = redis.call('HINCRBY', key, 'failed', 1)
    end
end
-- Told to each that asks once all are done: the callback has an id and is enqueued once.
if ok + failed >= tonumber(g[1]) and (failed == 0 or g[5] == '1') then return g[4] end
return ''
