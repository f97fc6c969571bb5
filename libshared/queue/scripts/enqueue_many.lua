-- Adds jobs to their streams, in order, until one is full. A script, so that many producers cannot
-- pass the limit together, and one for a batch, so that a job costs no command of its own.
-- KEYS: 1 prefix of the queue   ARGV: 1 limit, 2… pairs of priority and envelope
-- Returns how many were added.
local q, limit, room, added = KEYS[1], tonumber(ARGV[1]), {}, 0
local tail = redis.call('EXISTS', q .. 'tail') == 1
for i = 2, #ARGV, 2 do
    local stream = q .. 'p' .. ARGV[i]
    if not room[stream] then
        local length = redis.pcall('XLEN', stream)
        -- Somebody else's key: an error that says so, unless some were added before.
        if type(length) == 'table' then
            if added == 0 then return length end
            break
        end
        room[stream] = limit - length
    end
    local left = room[stream]
    if left <= 0 then break end
    redis.call('XADD', stream, '*', 'j', ARGV[i + 1])
    room[stream] = left - 1
    added = added + 1
    if tail then
        redis.pcall('XADD', q .. 'events', 'MAXLEN', '~', 10000, '*', 'event', 'enqueued', 'j', ARGV[i + 1])
    end
end
if added > 0 then redis.pcall('HINCRBY', q .. 'stats', 'enqueued', added) end
return added
