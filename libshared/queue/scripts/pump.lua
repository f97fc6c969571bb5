-- Moves jobs that have a tenant into their streams, one of each tenant in turn, as long as fewer wait
-- there than a fetch takes.
-- KEYS: 1 prefix of the queue   ARGV: 1 what a fetch takes, 2 group
-- Returns how many were moved.
local q, moved = KEYS[1], 0
for p = 0, 3 do
    local ring, stream = q .. 'ring:' .. p, q .. 'p' .. p
    local here = 0
    if redis.call('EXISTS', ring) == 1 then
        local pending = redis.pcall('XPENDING', stream, ARGV[2])
        local length = redis.pcall('XLEN', stream)
        local waiting = type(length) == 'table' and math.huge or length - (pending.err and 0 or pending[1])
        while waiting + here < tonumber(ARGV[1]) do
            local tenant = redis.call('LPOP', ring)
            if not tenant then break end
            local line = q .. 'line:' .. p .. ':' .. tenant
            local envelope = redis.pcall('LINDEX', line, 0)
            if type(envelope) == 'string' then
                redis.call('XADD', stream, '*', 'j', envelope)
                redis.call('LPOP', line)
                here = here + 1
            end
            if type(envelope) ~= 'table' and redis.call('EXISTS', line) == 1 then redis.call('RPUSH', ring, tenant) end
        end
    end
    -- Nobody is there: whatever the count says, there is nothing to come back for.
    if redis.call('EXISTS', ring) == 0 then
        redis.call('HDEL', q .. 'lines', p)
    elseif here > 0 and redis.call('HINCRBY', q .. 'lines', p, -here) <= 0 then
        redis.call('HDEL', q .. 'lines', p)
    end
    moved = moved + here
end
return moved
