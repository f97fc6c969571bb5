-- The numbers of a queue in one look. A key that holds what is not the queue's counts as empty.
-- KEYS: 1 prefix of the queue   ARGV: 1 group, 2 now in ms
-- Returns {waiting of p0 … p3, in flight, delayed, dead, oldest waiting entry's age, most overdue, workers,
--          in the streams, paused, broken keys, counters: name, value, …}.
local q, now, out = KEYS[1], tonumber(ARGV[2]), {}
local broken = {}
local function is_ok(key, wanted)
    local is = redis.call('TYPE', q .. key).ok
    if is == wanted then return true end
    if is ~= 'none' then broken[#broken + 1] = key .. ' is a ' .. is end
    return false
end
local has_lines = is_ok('lines', 'hash')
local flying, oldest, lag = 0, 0, 0
for p = 0, 3 do
    local stream = q .. 'p' .. p
    local lines = has_lines and tonumber(redis.call('HGET', q .. 'lines', p) or '0') or 0
    out[p + 1] = lines or 0
    is_ok('ring:' .. p, 'list')
    if is_ok('p' .. p, 'stream') then
        local pending = redis.pcall('XPENDING', stream, ARGV[1])
        local here = pending.err and 0 or pending[1]
        local last = '-'
        local groups = redis.pcall('XINFO', 'GROUPS', stream)
        if not groups.err then
            for _, g in ipairs(groups) do
                local info = {}
                for i = 1, #g, 2 do info[g[i]] = g[i + 1] end
                if info['name'] == ARGV[1] then last = '(' .. info['last-delivered-id'] end
            end
        end
        local first = redis.call('XRANGE', stream, last, '+', 'COUNT', 1)
        if #first > 0 then
            oldest = math.max(oldest, now - tonumber(string.match(first[1][1], '^%d+')))
        end
        local waiting = math.max(redis.call('XLEN', stream) - here, 0)
        out[p + 1] = out[p + 1] + waiting
        lag = lag + waiting
        flying = flying + here
    end
end
local delayed, late = 0, 0
is_ok('jobs', 'hash')
if is_ok('delayed', 'zset') then
    delayed = redis.call('ZCARD', q .. 'delayed')
    local due = redis.call('ZRANGE', q .. 'delayed', 0, 0, 'WITHSCORES')
    late = due[2] and tonumber(due[2]) > 0 and math.max(now - tonumber(due[2]), 0) or 0
end
local workers = 0
if is_ok('consumers', 'set') then
    for _, c in ipairs(redis.call('SMEMBERS', q .. 'consumers')) do
        workers = workers + redis.call('EXISTS', q .. 'worker:' .. c)
    end
end
local dead = is_ok('dead', 'stream') and redis.call('XLEN', q .. 'dead') or 0
for _, v in ipairs({flying, delayed, dead, oldest, late, workers, lag}) do out[#out + 1] = v end
out[#out + 1] = is_ok('control', 'hash') and redis.call('HGET', q .. 'control', 'paused') or ''
for key, wanted in pairs({cancelled = 'zset', rates = 'hash', ['key-rates'] = 'hash', events = 'stream'}) do
    is_ok(key, wanted)
end
local stats = is_ok('stats', 'hash') and redis.call('HGETALL', q .. 'stats') or {}
table.sort(broken)
out[#out + 1] = table.concat(broken, ', ')
for _, v in ipairs(stats) do out[#out + 1] = v end
return out
