-- One page of jobs of one state.
-- KEYS: 1 prefix of the queue   ARGV: 1 group, 2 state, 3 at most, 4 priority, 5 position (both '' at first)
-- Returns {next priority, next position ('' at the end), then for each job: priority, entry, consumer,
--          idle or due in ms, fields}.
local q, most, out = KEYS[1], tonumber(ARGV[3]), {'', ''}
local function add(...)
    for _, v in ipairs({...}) do out[#out + 1] = v end
    most = most - 1
end

if ARGV[2] == 'delayed' then
    local from = ARGV[5] == '' and 0 or tonumber(ARGV[5])
    local ids = redis.call('ZRANGE', q .. 'delayed', from, from + most - 1, 'WITHSCORES')
    for i = 1, #ids, 2 do
        local is_good, fields = pcall(cmsgpack.unpack, redis.call('HGET', q .. 'jobs', ids[i]) or '')
        add('0', ids[i], '', ids[i + 1], is_good and type(fields) == 'table' and fields or {})
    end
    if most == 0 then out[1], out[2] = '0', string.format('%d', from + #ids / 2) end
    return out
end
if ARGV[2] == 'dead' then
    local entries = redis.call('XREVRANGE', q .. 'dead', ARGV[5] == '' and '+' or '(' .. ARGV[5], '-', 'COUNT', most)
    for _, e in ipairs(entries) do add('0', e[1], '', '0', e[2]) end
    if most == 0 then out[1], out[2] = '0', entries[#entries][1] end
    return out
end

for p = tonumber(ARGV[4] == '' and '0' or ARGV[4]), 3 do
    local stream = q .. 'p' .. p
    local from = (ARGV[5] ~= '' and tostring(p) == ARGV[4]) and '(' .. ARGV[5] or '-'
    if ARGV[2] == 'running' then
        local pending = redis.pcall('XPENDING', stream, ARGV[1], from, '+', most)
        for _, e in ipairs(pending.err and {} or pending) do
            local entry = redis.call('XRANGE', stream, e[1], e[1])[1]
            add(tostring(p), e[1], e[2], tostring(e[3]), entry and entry[2] or {})
            out[1], out[2] = tostring(p), e[1]
        end
    else
        if from == '-' then
            local groups = redis.pcall('XINFO', 'GROUPS', stream)
            for _, g in ipairs(groups.err and {} or groups) do
                local info = {}
                for i = 1, #g, 2 do info[g[i]] = g[i + 1] end
                if info['name'] == ARGV[1] then from = '(' .. info['last-delivered-id'] end
            end
        end
        for _, e in ipairs(redis.call('XRANGE', stream, from, '+', 'COUNT', most)) do
            add(tostring(p), e[1], '', '0', e[2])
            out[1], out[2] = tostring(p), e[1]
        end
    end
    if most <= 0 then return out end
end
out[1], out[2] = '', ''
return out
