-- Cancels one job: at once when it is delayed, else by a wish that the fetch and the workers see.
-- KEYS: 1 prefix of the queue   ARGV: 1 job id, 2 now in ms, 3 how long the wish is kept in ms
-- Returns {'cancelled', fields of the job}, {'wanted'} or {'ended'}.
local q, id, now = KEYS[1], ARGV[1], tonumber(ARGV[2])
local packed = redis.pcall('HGET', q .. 'jobs', id)
packed = type(packed) == 'string' and packed or nil
if redis.pcall('ZREM', q .. 'delayed', id) == 1 then
    redis.pcall('HDEL', q .. 'jobs', id)
    local is_good, fields = pcall(cmsgpack.unpack, packed or '')
    redis.pcall('HINCRBY', q .. 'stats', 'cancelled', 1)
    redis.pcall('XADD', q .. 'events', 'MAXLEN', '~', 10000, '*', 'event', 'cancelled', 'id', id)
    if not is_good or type(fields) ~= 'table' then return {'cancelled'} end
    for i = 1, #fields, 2 do
        if fields[i] == 'j' then
            local is_read, job = pcall(cmsgpack.unpack, fields[i + 1])
            if not is_read or type(job) ~= 'table' then return {'cancelled'} end
            local unique, ttl = job[13], tonumber(job[14]) or 0
            if unique and redis.pcall('GET', q .. 'unique:' .. unique) == id then
                redis.call('DEL', q .. 'unique:' .. unique)
            end
            if ttl > 0 then
                redis.call('HSET', q .. 'result:' .. id, 'state', 'cancelled', 'task', job[3], 'result', '',
                           'error', '', 'started', '0', 'finished', ARGV[2], 'attempt', '0', 'tenant',
                           job[16] or '', 'enqueued', string.format('%.0f', tonumber(job[7]) or 0),
                           'group', job[19] or '')
                redis.call('PEXPIRE', q .. 'result:' .. id, ttl)
                redis.call('PUBLISH', q .. 'done', id .. ' cancelled')
            end
        end
    end
    return {'cancelled', fields}
end
if redis.call('EXISTS', q .. 'result:' .. id) == 1 then return {'ended'} end
redis.call('ZREMRANGEBYSCORE', q .. 'cancelled', '-inf', now)
redis.call('ZADD', q .. 'cancelled', now + tonumber(ARGV[3]), id)
return {'wanted'}
