-- Looks for one job: its result, among the delayed, then through a part of a stream, or of tenants' lines.
-- KEYS: 1 prefix of the queue
-- ARGV: 1 group, 2 job id, 3 its 16 bytes, 4 stream ('' for what needs no search; p0 … p3, dead; l0 … l3: the
--       lines of a priority), 5 from which entry, or <tenant's place>.<place in his line>, 6 how many to look at
-- Returns {'result', fields}, {'delayed', due, fields}, {'entry', id, fields, consumer, idle},
--         {'more', entry} or {'none'}, and whether a cancel is wanted as the last element of all.
local q, id = KEYS[1], ARGV[2]
local wanted = type(redis.pcall('ZSCORE', q .. 'cancelled', id)) == 'string' and '1' or '0'
if ARGV[4] == '' then
    local result = redis.pcall('HGETALL', q .. 'result:' .. id)
    if #result > 0 then return {'result', result, wanted} end
    local due = redis.pcall('ZSCORE', q .. 'delayed', id)
    if type(due) == 'string' then
        local packed = redis.pcall('HGET', q .. 'jobs', id)
        local is_good, fields = pcall(cmsgpack.unpack, type(packed) == 'string' and packed or '')
        return {'delayed', due, is_good and type(fields) == 'table' and fields or {}, wanted}
    end
    return {'none', wanted}
end
-- Behind the array's head, its version and the length of the id.
local function is_it(envelope)
    return string.find(string.sub(envelope, 1, 24), ARGV[3], 1, true)
end
if string.sub(ARGV[4], 1, 1) == 'l' then
    local p, left = string.sub(ARGV[4], 2), tonumber(ARGV[6])
    local i, j = string.match(ARGV[5], '^(%d+)%.(%d+)$')
    i, j = tonumber(i), tonumber(j)
    while left > 0 do
        local tenant = redis.pcall('LINDEX', q .. 'ring:' .. p, i)
        if type(tenant) ~= 'string' then return {'none', wanted} end
        local line = redis.pcall('LRANGE', q .. 'line:' .. p .. ':' .. tenant, j, j + left - 1)
        for _, envelope in ipairs(line.err and {} or line) do
            if is_it(envelope) then return {'entry', '', {'j', envelope}, '', '0', wanted} end
        end
        left = left - math.max(#line, 1)
        if left > 0 then i, j = i + 1, 0 else j = j + #line end
    end
    return {'more', i .. '.' .. j, wanted}
end
local stream = q .. ARGV[4]
local entries = redis.pcall('XRANGE', stream, ARGV[5], '+', 'COUNT', ARGV[6])
if entries.err then return {'none', wanted} end
for _, e in ipairs(entries) do
    for i = 1, #e[2], 2 do
        if e[2][i] == 'j' and is_it(e[2][i + 1]) then
            local pending = ARGV[4] == 'dead' and {} or redis.pcall('XPENDING', stream, ARGV[1], e[1], e[1], 1)
            local p = pending.err and {} or pending[1] or {}
            return {'entry', e[1], e[2], p[2] or '', tostring(p[3] or 0), wanted}
        end
    end
end
if #entries < tonumber(ARGV[6]) then return {'none', wanted} end
return {'more', entries[#entries][1], wanted}
