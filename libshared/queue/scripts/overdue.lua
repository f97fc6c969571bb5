-- Puts jobs back into the stream that a live consumer holds for longer than any job may take: a Redis that
-- lost the end of its file has forgotten how their deliveries ended, and the consumer does not know that
-- it has them still. What it does run that long is hung.
-- KEYS: 1 stream   ARGV: 1 group, 2 at most, 3 how long beyond its time limit a job may be held (ms)
-- Returns how many were moved.
local moved, slack = 0, tonumber(ARGV[3])
local q = string.sub(KEYS[1], 1, -3)
-- Its place among those of its key that run is free again.
local function give_key_back(job, consumer)
    if type(job[17]) ~= 'string' or type(job[2]) ~= 'string' then return end
    local hex = string.gsub(job[2], '.', function(c) return string.format('%02x', string.byte(c)) end)
    local id = string.sub(hex, 1, 8) .. '-' .. string.sub(hex, 9, 12) .. '-' .. string.sub(hex, 13, 16) .. '-' ..
               string.sub(hex, 17, 20) .. '-' .. string.sub(hex, 21)
    redis.pcall('ZREM', q .. 'running:' .. job[17], id .. ' ' .. consumer)
end
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], '-', '+', ARGV[2])
for _, p in ipairs(pending) do
    local entry = redis.call('XRANGE', KEYS[1], p[1], p[1])
    local fields, limit, envelope = entry[1] and entry[1][2] or {}, 0, nil
    for i = 1, #fields, 2 do
        if fields[i] == 'j' then
            local is_good, job = pcall(cmsgpack.unpack, fields[i + 1])
            if is_good and type(job) == 'table' then
                envelope = job
                limit = tonumber(job[8]) or 0
            end
        end
    end
    if #fields == 0 or p[3] > limit + slack then
        if #fields > 0 then
            redis.call('XADD', KEYS[1], '*', unpack(fields))
            moved = moved + 1
            if envelope then give_key_back(envelope, p[2]) end
        end
        redis.call('XACK', KEYS[1], ARGV[1], p[1])
        redis.call('XDEL', KEYS[1], p[1])
    end
end
return moved
