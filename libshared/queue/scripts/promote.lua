-- Moves delayed jobs that are due to their streams. Added before removed: should the script end
-- half-way, a job runs twice rather than never.
-- Suspects, which workers died with, come in groups, and the most suspect one at a time: the next when those
-- before have ended. So nobody is taken for the culprit that was only in its company. Being in its stream is
-- what makes a job's next loss count. Those that wait are ordered by their losses.
-- KEYS: 1 prefix of the queue
-- ARGV: 1 now in ms, 2 at most, 3 dead letters kept, 4 group, 5 losses that make a suspect, 6 … that let it come
--       alone, 7 suspects at a time, 8 how long others wait for one that runs (ms), 9 when to look again (ms)
-- Returns how many it looked at, how many were moved.
local q, moved = KEYS[1], 0
local room = nil
-- How many suspects may come beside those that are out.
local function room_now(lost)
    local out = redis.pcall('SMEMBERS', q .. 'suspects')
    if out.err then return 1 end
    for _, id in ipairs(out) do
        local is_there = redis.pcall('XRANGE', q .. 'p0', id, id)
        local held = redis.pcall('XPENDING', q .. 'p0', ARGV[4], id, id, 1)
        local ms = not held.err and held[1] and held[1][3] or 0
        if is_there.err or #is_there == 0 or ms > tonumber(ARGV[8]) then redis.call('SREM', q .. 'suspects', id) end
    end
    if redis.call('EXISTS', q .. 'suspects') == 1 then return 0 end
    return lost < tonumber(ARGV[6]) and tonumber(ARGV[7]) or 1
end
local function may_come(lost)
    room = room or room_now(lost)
    if room == 0 or (lost >= tonumber(ARGV[6]) and room > 1) then return false end
    room = room - 1
    return true
end
local function bury(id, reason, fields)
    redis.call('XADD', q .. 'dead', 'MAXLEN', '~', ARGV[3], '*', 'reason', reason, 'died', ARGV[1], unpack(fields))
end
local function promote(id)
    local packed = redis.pcall('HGET', q .. 'jobs', id)
    packed = type(packed) == 'string' and packed or ''
    local is_good, fields = pcall(cmsgpack.unpack, packed)
    local priority, lost = nil, 0
    if is_good and type(fields) == 'table' and #fields > 0 and #fields % 2 == 0 then
        for i = 1, #fields, 2 do
            if fields[i] == 'j' then
                local is_read, job = pcall(cmsgpack.unpack, fields[i + 1])
                if is_read and type(job) == 'table' then priority = tonumber(job[5]) end
            end
            if fields[i] == 'lost' then lost = tonumber(fields[i + 1]) or 0 end
        end
    end
    local is_suspect = lost >= tonumber(ARGV[5])
    if not priority or priority < 0 or priority > 3 then
        bury(id, 'undecodable', {'entry', packed, 'id', id})
    elseif is_suspect and not may_come(lost) then
        local due = string.format('%.0f', tonumber(ARGV[1]) + tonumber(ARGV[9]) + lost)
        redis.call('ZADD', q .. 'delayed', 'XX', due, id)
        return
    else
        local stream = q .. 'p' .. string.format('%d', is_suspect and 0 or priority)
        local added = redis.pcall('XADD', stream, '*', unpack(fields))
        if type(added) == 'table' then
            if not string.find(added.err, '^WRONGTYPE') then return added end
            -- It would stand in the way of those behind it; requeued when the key is mended.
            for i = 1, #fields, 2 do
                if fields[i] == 'reason' or fields[i] == 'died' then fields[i] = 'was_' .. fields[i] end
            end
            bury(id, 'its priority has no stream: the key holds something else', fields)
        elseif is_suspect then
            redis.pcall('SADD', q .. 'suspects', added)
            redis.pcall('EXPIRE', q .. 'suspects', 86400)
        end
    end
    redis.call('ZREM', q .. 'delayed', id)
    redis.pcall('HDEL', q .. 'jobs', id)
    moved = moved + 1
end

local due = redis.call('ZRANGEBYSCORE', q .. 'delayed', '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(due) do
    local failure = promote(id)
    if failure then return failure end
end
return {#due, moved}
