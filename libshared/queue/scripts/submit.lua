-- Adds one job that has more to it than a place in a stream: a due time, a key, a tenant.
-- KEYS: 1 prefix of the queue
-- ARGV: 1 limit, 2 due time in ms (0: at once), 3 priority, 4 id, 5 envelope, 6 uniqueness key ('' none),
--       7 how long it holds at most in ms, 8 idempotency key ('' none), 9 how long it holds in ms, 10 tenant
-- Returns what happened (ok, full, taken, unwanted: delayed, to be cancelled) and the id of the job that is there.
local q, limit, due, id = KEYS[1], tonumber(ARGV[1]), ARGV[2], ARGV[4]
local stream = q .. 'p' .. ARGV[3]
local unique, idem = q .. 'unique:' .. ARGV[6], q .. 'idem:' .. ARGV[8]
local there = ARGV[8] ~= '' and redis.call('GET', idem) or false
if not there and ARGV[6] ~= '' then there = redis.call('GET', unique) end
if there then return {'taken', there} end

-- Cancelled before it was here: nobody must fetch it who has not heard of that yet. The caller ends it; if he
-- dies before that, it is dropped when its turn comes.
local is_unwanted = type(redis.pcall('ZSCORE', q .. 'cancelled', id)) == 'string'
if is_unwanted and due == '0' then due = string.format('%.0f', tonumber(redis.call('TIME')[1]) * 1000 + 2000) end
if due ~= '0' then
    if redis.call('ZCARD', q .. 'delayed') >= limit then return {'full', id} end
    redis.call('HSET', q .. 'jobs', id, cmsgpack.pack({'j', ARGV[5]}))
    redis.call('ZADD', q .. 'delayed', due, id)
elseif ARGV[10] ~= '' then
    local length, lines = redis.call('XLEN', stream), tonumber(redis.call('HGET', q .. 'lines', ARGV[3]) or '0')
    if length + lines >= limit then return {'full', id} end
    local pending = redis.pcall('XPENDING', stream, 'workers')
    -- Few wait: no need for lines, and a fetch that blocks hears of streams alone.
    if lines == 0 and length - (pending.err and 0 or pending[1]) < 16 then
        redis.call('XADD', stream, '*', 'j', ARGV[5])
    else
        -- Counted first: a line that is not counted would never be looked at.
        redis.call('HINCRBY', q .. 'lines', ARGV[3], 1)
        if redis.call('RPUSH', q .. 'line:' .. ARGV[3] .. ':' .. ARGV[10], ARGV[5]) == 1 then
            redis.call('RPUSH', q .. 'ring:' .. ARGV[3], ARGV[10])
        end
    end
else
    if redis.call('XLEN', stream) >= limit then return {'full', id} end
    redis.call('XADD', stream, '*', 'j', ARGV[5])
end
if ARGV[6] ~= '' then redis.call('SET', unique, id, 'PX', ARGV[7]) end
if ARGV[8] ~= '' then redis.call('SET', idem, id, 'PX', ARGV[9]) end
redis.pcall('HINCRBY', q .. 'stats', 'enqueued', 1)
if redis.call('EXISTS', q .. 'tail') == 1 then
    redis.pcall('XADD', q .. 'events', 'MAXLEN', '~', 10000, '*', 'event', 'enqueued', 'j', ARGV[5])
end
return {is_unwanted and 'unwanted' or 'ok', id}
