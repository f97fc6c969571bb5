-- Removes a batch of what waits in one state; the keys that unique jobs hold go with them.
-- KEYS: 1 prefix of the queue   ARGV: 1 state (queued, delayed, dead), 2 at most, 3 group
-- Returns how many were removed.
local q, most = KEYS[1], tonumber(ARGV[2])
local function id_of(job)
    local hex = string.gsub(job[2], '.', function(c) return string.format('%02x', string.byte(c)) end)
    return string.sub(hex, 1, 8) .. '-' .. string.sub(hex, 9, 12) .. '-' .. string.sub(hex, 13, 16) .. '-' ..
           string.sub(hex, 17, 20) .. '-' .. string.sub(hex, 21)
end
local function forget(envelope)
    local is_good, job = pcall(cmsgpack.unpack, envelope or '')
    if not is_good or type(job) ~= 'table' or type(job[13]) ~= 'string' or type(job[2]) ~= 'string' then return end
    local key = q .. 'unique:' .. job[13]
    -- Another has it when this one was here for longer than a key holds.
    if redis.pcall('GET', key) == id_of(job) then redis.call('DEL', key) end
end
local function envelope_of(fields)
    for i = 1, #fields, 2 do
        if fields[i] == 'j' then return fields[i + 1] end
    end
end

if ARGV[1] == 'delayed' then
    local ids = redis.call('ZRANGE', q .. 'delayed', 0, most - 1)
    for _, id in ipairs(ids) do
        local packed = redis.pcall('HGET', q .. 'jobs', id)
        local is_good, fields = pcall(cmsgpack.unpack, type(packed) == 'string' and packed or '')
        if is_good and type(fields) == 'table' then forget(envelope_of(fields)) end
        redis.call('ZREM', q .. 'delayed', id)
        redis.pcall('HDEL', q .. 'jobs', id)
    end
    return #ids
end
if ARGV[1] == 'dead' then
    local entries = redis.call('XRANGE', q .. 'dead', '-', '+', 'COUNT', most)
    for _, e in ipairs(entries) do redis.call('XDEL', q .. 'dead', e[1]) end
    return #entries
end
local removed = 0
for p = 0, 3 do
    local stream, after = q .. 'p' .. p, '-'
    -- What was handed out stays: it runs, or its worker is dead and it will be taken over.
    local groups = redis.pcall('XINFO', 'GROUPS', stream)
    if not groups.err then
        for _, g in ipairs(groups) do
            local info = {}
            for i = 1, #g, 2 do info[g[i]] = g[i + 1] end
            if info['name'] == ARGV[3] then after = '(' .. info['last-delivered-id'] end
        end
    end
    local entries = redis.pcall('XRANGE', stream, after, '+', 'COUNT', most - removed)
    for _, e in ipairs(entries.err and {} or entries) do
        forget(envelope_of(e[2]))
        redis.call('XDEL', stream, e[1])
        removed = removed + 1
    end
    local ring = q .. 'ring:' .. p
    local taken = 0
    while removed < most do
        local tenant = redis.call('LINDEX', ring, 0)
        if not tenant then break end
        local envelope = redis.call('LPOP', q .. 'line:' .. p .. ':' .. tenant)
        if envelope then
            forget(envelope)
            removed = removed + 1
            taken = taken + 1
        end
        if redis.call('EXISTS', q .. 'line:' .. p .. ':' .. tenant) == 0 then redis.call('LPOP', ring) end
    end
    if taken > 0 and redis.call('HINCRBY', q .. 'lines', p, -taken) <= 0 then redis.call('HDEL', q .. 'lines', p) end
    if removed >= most then break end
end
return removed
