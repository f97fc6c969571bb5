-- What there is to do for house-keeping, in one look: most of the time nothing.
-- KEYS: 1 prefix of the queue
-- ARGV: 1 group, 2 now in ms, 3 how long nobody else looks for the dead (ms), 4 … for what is held too long
-- Returns {how many delayed jobs are due, '1': look for what is held too long, then for each consumer without a
-- heartbeat: the priority of a stream that knows it, its name}.
local q, out = KEYS[1], {0, '0'}
local due = redis.pcall('ZCOUNT', q .. 'delayed', '-inf', ARGV[2])
if type(due) == 'number' then out[1] = due end
if redis.call('SET', q .. 'sweeper', '1', 'NX', 'PX', ARGV[4]) then out[2] = '1' end
if not redis.call('SET', q .. 'reaper', '1', 'NX', 'PX', ARGV[3]) then return out end
for p = 0, 3 do
    -- The group knows who holds entries, even when the set of consumers was lost.
    local consumers = redis.pcall('XINFO', 'CONSUMERS', q .. 'p' .. p, ARGV[1])
    for _, c in ipairs(consumers.err and {} or consumers) do
        local name = nil
        for i = 1, #c, 2 do
            if c[i] == 'name' then name = c[i + 1] end
        end
        if name and redis.call('EXISTS', q .. 'worker:' .. name) == 0 then
            out[#out + 1] = tostring(p)
            out[#out + 1] = name
        end
    end
end
return out
