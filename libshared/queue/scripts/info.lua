-- The numbers of a queue in one look.
-- KEYS: 1 prefix of the queue   ARGV: 1 group, 2 now in ms
-- Returns {waiting of p0 … p3, in flight, delayed, dead, oldest waiting entry's age, most overdue, workers,
--          paused, counters: name, value, …}.
local q, now, out = KEYS[1], tonumber(ARGV[2]), {}
local flying, oldest = 0, 0
for p = 0, 3 do
    local stream = q .. 'p' .. p
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
    local lines = tonumber(redis.call('HGET', q .. 'lines', p) or '0')
    out[p + 1] = math.max(redis.call('XLEN', stream) - here, 0) + lines
    flying = flying + here
end
local due = redis.call('ZRANGE', q .. 'delayed', 0, 0, 'WITHSCORES')
local late = due[2] and math.max(now - tonumber(due[2]), 0) or 0
if due[2] and tonumber(due[2]) == 0 then late = 0 end
local workers = 0
for _, c in ipairs(redis.call('SMEMBERS', q .. 'consumers')) do
    workers = workers + redis.call('EXISTS', q .. 'worker:' .. c)
end
for _, v in ipairs({flying, redis.call('ZCARD', q .. 'delayed'), redis.call('XLEN', q .. 'dead'), oldest, late,
                    workers}) do
    out[#out + 1] = v
end
out[#out + 1] = redis.call('HGET', q .. 'control', 'paused') or ''
for _, v in ipairs(redis.call('HGETALL', q .. 'stats')) do out[#out + 1] = v end
return out
