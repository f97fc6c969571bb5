-- A group of jobs. Members are known by their ids, so that one that is delivered twice counts once.
-- KEYS: 1 prefix of the queue
-- ARGV: 1 'create', 2 group, 3 time to live in ms, 4 members, 5 envelope of the callback ('' none), 6 '1': the
--         callback comes after failures too, 7 tenant, 8 created at ms, 9 bytes of results that are kept ('0': none),
--         10 ids of the members with a byte each for their queue ('' not known), 11 queues' names, by comma
--       1 'done', 2 group, 3 id of the job as bytes, 4 its state, 5 its result; returns the callback's envelope
--         once it is its turn
--       1 'get', 2 group; returns fields and values, and the time left in ms as the last
--       1 'members', 2 group, 3 from which (0 the first), 4 how many; returns names of queues, ids, then what is
--         known of each: nil, or the first letter of its state and its result
--       1 'cancel', 2 group, 3 now in ms; returns 'ended' when nothing is left of it, or 'cancelled'
--       1 'drop', 2 group
local key = KEYS[1] .. 'group:' .. ARGV[2]
local ends, members, call = key .. ':ends', key .. ':members', redis.call
if ARGV[1] == 'create' then
    if call('EXISTS', key) == 1 then return 0 end
    call('HSET', key, 'total', ARGV[4], 'callback', ARGV[5], 'lenient', ARGV[6], 'ok', 0, 'failed', 0, 'ttl', ARGV[3],
         'tenant', ARGV[7], 'created', ARGV[8], 'room', ARGV[9], 'queues', ARGV[11])
    call('PEXPIRE', key, ARGV[3])
    if ARGV[10] ~= '' then call('SET', members, ARGV[10], 'PX', ARGV[3]) end
    return 1
end
if ARGV[1] == 'drop' then return call('DEL', key, ends, members) end
local g = call('HMGET', key, 'total', 'ok', 'failed', 'callback', 'lenient', 'cancelled', 'ttl', 'queues', 'room')
if not g[1] then return false end
local total, ok, failed = tonumber(g[1]), tonumber(g[2]), tonumber(g[3])
if ARGV[1] == 'get' then
    local fields = call('HGETALL', key)
    fields[#fields + 1] = tostring(call('PTTL', key))
    return fields
elseif ARGV[1] == 'members' then
    local first, count = tonumber(ARGV[3]), tonumber(ARGV[4])
    local ids = call('GETRANGE', members, first * 17, (first + count) * 17 - 1)
    local reply = {g[8] or '', ids}
    for i = 1, #ids, 17 do reply[#reply + 1] = call('HGET', ends, string.sub(ids, i, i + 15)) end
    return reply
elseif ARGV[1] == 'cancel' then
    if ok + failed >= total then return 'ended' end
    call('HSETNX', key, 'cancelled', ARGV[3])
    return 'cancelled'
end

if call('HSETNX', ends, ARGV[3], string.sub(ARGV[4], 1, 1)) == 1 then
    if ARGV[4] == 'succeeded' then
        ok = call('HINCRBY', key, 'ok', 1)
    else
        failed = call('HINCRBY', key, 'failed', 1)
    end
    -- Results fill what room there is, the first to come first; the others are left out, and said to be.
    if tonumber(g[9] or '0') > 0 and ARGV[5] ~= '' then
        if #ARGV[5] <= tonumber(g[9]) then
            call('HSET', ends, ARGV[3], string.sub(ARGV[4], 1, 1) .. ARGV[5])
            call('HINCRBY', key, 'room', -#ARGV[5])
        else
            call('HINCRBY', key, 'left_out', 1)
        end
    end
    -- It is remembered from its last step on.
    for _, k in ipairs({key, ends, members}) do call('PEXPIRE', k, g[7]) end
end
-- Told to each that asks once all are done: the callback has an id and is enqueued once.
if ok + failed >= total and not g[6] and (failed == 0 or g[5] == '1') then return g[4] end
return ''
