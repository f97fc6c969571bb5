-- Gives the pending entries of a consumer whose lease ended to anybody who fetches, and forgets the
-- consumer when none are left. They have waited for a lease already, so they go to the stream of the
-- highest priority, past the backlog of their own. The heartbeat is looked at here, so that a
-- consumer which came back in between keeps its jobs. `lost` counts how often a job was in a worker's
-- hand when that died; from a number on it is suspected of being why, and waits among the delayed for
-- its turn (promote.lua).
-- KEYS: 1 prefix of the queue
-- ARGV: 1 group, 2 consumer, 3 priority, 4 at most, 5 idle at least (ms), 6 '1': its worker died ('0': it left),
--       7 now in ms, 8 losses that make a suspect, 9 how long that waits at least (ms)
-- Returns how many were moved.
local q = KEYS[1]
local stream, has_died, now, suspect = q .. 'p' .. ARGV[3], ARGV[6] == '1', tonumber(ARGV[7]), tonumber(ARGV[8])
if redis.call('EXISTS', q .. 'worker:' .. ARGV[2]) == 1 then return 0 end

-- "0190…-…", or nil for an entry that is no job.
local function id_of(envelope)
    local is_good, job = pcall(cmsgpack.unpack, envelope or '')
    if not is_good or type(job) ~= 'table' or type(job[2]) ~= 'string' or #job[2] ~= 16 then return nil end
    local hex = string.gsub(job[2], '.', function(c) return string.format('%02x', string.byte(c)) end)
    return string.sub(hex, 1, 8) .. '-' .. string.sub(hex, 9, 12) .. '-' .. string.sub(hex, 13, 16) .. '-' ..
           string.sub(hex, 17, 20) .. '-' .. string.sub(hex, 21)
end
-- Whether it waits now. Where the keys hold something else it does not.
local function put_aside(id, fields, lost)
    if not id or type(redis.pcall('HSET', q .. 'jobs', id, cmsgpack.pack(fields))) ~= 'number' then return false end
    local due = string.format('%.0f', now + tonumber(ARGV[9]) + lost)
    return type(redis.pcall('ZADD', q .. 'delayed', due, id)) == 'number'
end

local pending = redis.call('XPENDING', stream, ARGV[1], 'IDLE', ARGV[5], '-', '+', ARGV[4], ARGV[2])
for _, p in ipairs(pending) do
    local entry = redis.call('XRANGE', stream, p[1], p[1])
    if #entry > 0 then
        local fields = entry[1][2]
        local at, envelope, lost = nil, nil, 0
        for i = 1, #fields, 2 do
            if fields[i] == 'lost' then at = i + 1 end
            if fields[i] == 'j' then envelope = fields[i + 1] end
        end
        if has_died then
            if not at then
                fields[#fields + 1] = 'lost'
                fields[#fields + 1] = '0'
                at = #fields
            end
            lost = (tonumber(fields[at]) or 0) + 1
            fields[at] = string.format('%.0f', lost)
        end
        if lost < suspect or not put_aside(id_of(envelope), fields, lost) then
            redis.call('XADD', q .. 'p0', '*', unpack(fields))
        end
    end
    redis.call('XACK', stream, ARGV[1], p[1])
    redis.call('XDEL', stream, p[1])
end
if #pending > 0 then redis.pcall('HINCRBY', q .. 'stats', 'redelivered', #pending) end
if #redis.call('XPENDING', stream, ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
    redis.call('XGROUP', 'DELCONSUMER', stream, ARGV[1], ARGV[2])
end
return #pending
