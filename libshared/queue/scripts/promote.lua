-- Moves delayed jobs that are due to their streams. Added before removed: should the script end
-- half-way, a job runs twice rather than never.
-- KEYS: 1 prefix of the queue   ARGV: 1 now in ms, 2 at most, 3 dead letters kept
-- Returns how many were moved.
local q = KEYS[1]
local due = redis.call('ZRANGEBYSCORE', q .. 'delayed', '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(due) do
    local packed = redis.pcall('HGET', q .. 'jobs', id)
    packed = type(packed) == 'string' and packed or ''
    local is_good, fields = pcall(cmsgpack.unpack, packed)
    local priority, reason = nil, 'undecodable'
    if is_good and type(fields) == 'table' and #fields > 0 and #fields % 2 == 0 then
        for i = 1, #fields, 2 do
            if fields[i] == 'j' then
                local is_read, job = pcall(cmsgpack.unpack, fields[i + 1])
                if is_read and type(job) == 'table' then priority = tonumber(job[5]) end
            end
        end
    end
    local added = nil
    if priority and priority >= 0 and priority <= 3 then
        added = redis.pcall('XADD', q .. 'p' .. string.format('%d', priority), '*', unpack(fields))
        if type(added) == 'table' then
            if not string.find(added.err, '^WRONGTYPE') then return added end
            -- It would stand in the way of those behind it; requeued when the key is mended.
            reason = 'its priority has no stream: the key holds something else'
            for i = 1, #fields, 2 do
                if fields[i] == 'reason' or fields[i] == 'died' then fields[i] = 'was_' .. fields[i] end
            end
            redis.call('XADD', q .. 'dead', 'MAXLEN', '~', ARGV[3], '*', 'reason', reason, 'died', ARGV[1],
                       unpack(fields))
        end
    else
        redis.call('XADD', q .. 'dead', 'MAXLEN', '~', ARGV[3], '*', 'entry', packed, 'id', id,
                   'reason', reason, 'died', ARGV[1])
    end
    redis.call('ZREM', q .. 'delayed', id)
    redis.pcall('HDEL', q .. 'jobs', id)
end
return #due
