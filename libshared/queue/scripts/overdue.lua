-- Puts jobs back into the stream that a live consumer holds for longer than any job may take: a Redis that
-- lost the end of its file has forgotten how their deliveries ended, and the consumer does not know that
-- it has them still. What it does run that long is hung.
-- KEYS: 1 stream   ARGV: 1 group, 2 at most, 3 how long beyond its time limit a job may be held (ms)
-- Returns how many were moved.
local moved, slack = 0, tonumber(ARGV[3])
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], '-', '+', ARGV[2])
for _, p in ipairs(pending) do
    local entry = redis.call('XRANGE', KEYS[1], p[1], p[1])
    local fields, limit = entry[1] and entry[1][2] or {}, 0
    for i = 1, #fields, 2 do
        if fields[i] == 'j' then
            local is_good, job = pcall(cmsgpack.unpack, fields[i + 1])
            if is_good and type(job) == 'table' then limit = tonumber(job[8]) or 0 end
        end
    end
    if #fields == 0 or p[3] > limit + slack then
        if #fields > 0 then
            redis.call('XADD', KEYS[1], '*', unpack(fields))
            moved = moved + 1
        end
        redis.call('XACK', KEYS[1], ARGV[1], p[1])
        redis.call('XDEL', KEYS[1], p[1])
    end
end
return moved
