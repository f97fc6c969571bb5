-- Looks for one job: its result, among the delayed, then through a part of a stream.
-- KEYS: 1 prefix of the queue
-- ARGV: 1 group, 2 job id, 3 its 16 bytes, 4 stream ('' for what needs no search; p0 … p3, dead), 5 from which
--       entry, 6 how many to look at
-- Returns {'result', fields}, {'delayed', due, fields}, {'entry', id, fields, consumer, idle},
--         {'more', entry} or {'none'}, and whether a cancel is wanted as the last element of all.
local q, id = KEYS[1], ARGV[2]
local wanted = redis.call('ZSCORE', q .. 'cancelled', id) and '1' or '0'
if ARGV[4] == '' then
    local result = redis.call('HGETALL', q .. 'result:' .. id)
    if #result > 0 then return {'result', result, wanted} end
    local due = redis.call('ZSCORE', q .. 'delayed', id)
    if due then
        local is_good, fields = pcall(cmsgpack.unpack, redis.call('HGET', q .. 'jobs', id) or '')
        return {'delayed', due, is_good and type(fields) == 'table' and fields or {}, wanted}
    end
    return {'none', wanted}
end
local stream = q .. ARGV[4]
local entries = redis.call('XRANGE', stream, ARGV[5], '+', 'COUNT', ARGV[6])
for _, e in ipairs(entries) do
    for i = 1, #e[2], 2 do
        -- Behind the array's head, its version and the length of the id.
        if e[2][i] == 'j' and string.find(string.sub(e[2][i + 1], 1, 24), ARGV[3], 1, true) then
            local pending = ARGV[4] == 'dead' and {} or redis.pcall('XPENDING', stream, ARGV[1], e[1], e[1], 1)
            local p = pending.err and {} or pending[1] or {}
            return {'entry', e[1], e[2], p[2] or '', tostring(p[3] or 0), wanted}
        end
    end
end
if #entries < tonumber(ARGV[6]) then return {'none', wanted} end
return {'more', entries[#entries][1], wanted}
