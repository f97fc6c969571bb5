-- Jobs of one state, from a position on, as far as a number of them is looked at. A key that holds something
-- else is an empty list.
-- KEYS: 1 prefix of the queue
-- ARGV: 1 group, 2 state, 3 how many to look at, 4 priority, 5 position (both '' at first), 6 how many of those
--       that match to pass over, 7 how many to give, 8 '1': go on counting behind them, 9 task ('' any),
--       10 tenant ('' any), 11 '1': those without a tenant, too
-- Returns {where it ended: priority, position (both '' at the end), where the last one given was, looked at,
--          matching, then for each job: priority, entry, consumer, idle or due in ms, fields}.
local q, left = KEYS[1], tonumber(ARGV[3])
local skip, take, task, tenant = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[9], ARGV[10]
local out, looked, matched = {'', '', '', '', 0, 0}, 0, 0

local function is_wanted(fields)
    if task == '' and tenant == '' then return true end
    local job = nil
    for i = 1, #fields - 1, 2 do
        if fields[i] == 'j' then
            local is_good, v = pcall(cmsgpack.unpack, fields[i + 1])
            if is_good and type(v) == 'table' then job = v end
        end
    end
    if not job then return task == '' and (tenant == '' or ARGV[11] == '1') end
    if task ~= '' and job[3] ~= task then return false end
    return tenant == '' or job[16] == tenant or (ARGV[11] == '1' and not job[16])
end
-- Looks at one; true when this is where to stop.
local function see(priority, position, entry, consumer, number, fields)
    looked = looked + 1
    if is_wanted(fields) then
        matched = matched + 1
        if matched > skip and matched <= skip + take then
            for _, v in ipairs({priority, entry, consumer, number, fields}) do out[#out + 1] = v end
            if matched == skip + take then out[3], out[4] = priority, position end
        end
    end
    out[1], out[2], out[5], out[6] = priority, position, looked, matched
    return looked >= left or (ARGV[8] ~= '1' and matched >= skip + take)
end
local function list(...)
    local reply = redis.pcall(...)
    return type(reply) == 'table' and not reply.err and reply or {}
end
local function the_end()
    out[1], out[2], out[5], out[6] = '', '', looked, matched
    return out
end

if ARGV[2] == 'delayed' then
    local from = ARGV[5] == '' and 0 or tonumber(ARGV[5]) or 0
    local ids = list('ZRANGE', q .. 'delayed', from, from + left - 1, 'WITHSCORES')
    for i = 1, #ids, 2 do
        local packed = redis.pcall('HGET', q .. 'jobs', ids[i])
        local is_good, fields = pcall(cmsgpack.unpack, type(packed) == 'string' and packed or '')
        if see('0', string.format('%d', from + (i + 1) / 2), ids[i], '', ids[i + 1],
               is_good and type(fields) == 'table' and fields or {}) then return out end
    end
    return the_end()
end
if ARGV[2] == 'dead' then
    for _, e in ipairs(list('XREVRANGE', q .. 'dead', ARGV[5] == '' and '+' or '(' .. ARGV[5], '-', 'COUNT', left)) do
        if see('0', e[1], e[1], '', '0', e[2]) then return out end
    end
    return the_end()
end

-- What waits in the lines of tenants, behind what is in the stream: t<place of the tenant>.<place in his line>
local function see_lines(p, position)
    local ring = q .. 'ring:' .. p
    local i, j = string.match(position, '^t(%d+)%.(%d+)$')
    i, j = tonumber(i or '0'), tonumber(j or '0')
    while true do
        local name = redis.pcall('LINDEX', ring, i)
        if type(name) ~= 'string' then return false end
        -- A line is one tenant's.
        local is_other = tenant ~= '' and name ~= tenant
        if is_other then
            looked = looked + 1
        else
            for _, envelope in ipairs(list('LRANGE', q .. 'line:' .. p .. ':' .. name, j, j + left - 1)) do
                j = j + 1
                if see(tostring(p), 't' .. i .. '.' .. j, '', '', '0', {'j', envelope}) then return true end
            end
        end
        i, j = i + 1, 0
        if looked >= left then
            out[1], out[2], out[5] = tostring(p), 't' .. i .. '.0', looked
            return true
        end
    end
end

for p = tonumber(ARGV[4] == '' and '0' or ARGV[4]), 3 do
    local stream = q .. 'p' .. p
    local position = tostring(p) == ARGV[4] and ARGV[5] or ''
    local is_in_lines = string.sub(position, 1, 1) == 't'
    local from = position ~= '' and '(' .. position or '-'
    if ARGV[2] == 'running' then
        for _, e in ipairs(list('XPENDING', stream, ARGV[1], from, '+', left)) do
            local entry = redis.call('XRANGE', stream, e[1], e[1])[1]
            if see(tostring(p), e[1], e[1], e[2], tostring(e[3]), entry and entry[2] or {}) then return out end
        end
    elseif not is_in_lines then
        if from == '-' then
            for _, g in ipairs(list('XINFO', 'GROUPS', stream)) do
                local info = {}
                for i = 1, #g, 2 do info[g[i]] = g[i + 1] end
                if info['name'] == ARGV[1] then from = '(' .. info['last-delivered-id'] end
            end
        end
        for _, e in ipairs(list('XRANGE', stream, from, '+', 'COUNT', left)) do
            if see(tostring(p), e[1], e[1], '', '0', e[2]) then return out end
        end
    end
    if ARGV[2] == 'queued' and see_lines(p, is_in_lines and position or '') then return out end
end
return the_end()
