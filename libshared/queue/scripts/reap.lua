-- Gives the pending entries of a consumer whose lease ended to anybody who fetches, and forgets the
-- consumer when none are left. They have waited for a lease already, so they go to the stream of the
-- highest priority, past the backlog of their own. The heartbeat is looked at here, so that a
-- consumer which came back in between keeps its jobs. `lost` counts how often a job went down with
-- its worker: the fetch sets poison pills aside by it.
-- KEYS: 1 stream, 2 heartbeat, 3 counters of the queue, 4 stream of the highest priority
-- ARGV: 1 group, 2 consumer, 3 at most, 4 idle at least (ms)
-- Returns how many were moved.
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[4], '-', '+', ARGV[3], ARGV[2])
for _, p in ipairs(pending) do
    local entry = redis.call('XRANGE', KEYS[1], p[1], p[1])
    if #entry > 0 then
        local fields = entry[1][2]
        local at = nil
        for i = 1, #fields, 2 do
            if fields[i] == 'lost' then at = i + 1 end
        end
        if not at then
            fields[#fields + 1] = 'lost'
            fields[#fields + 1] = '0'
            at = #fields
        end
        fields[at] = tostring((tonumber(fields[at]) or 0) + 1)
        redis.call('XADD', KEYS[4], '*', unpack(fields))
    end
    redis.call('XACK', KEYS[1], ARGV[1], p[1])
    redis.call('XDEL', KEYS[1], p[1])
end
if #pending > 0 then redis.pcall('HINCRBY', KEYS[3], 'redelivered', #pending) end
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
return #pending
