-- Ends one delivery of a job: it comes again later.
-- KEYS: 1 prefix of the queue
-- ARGV: 1 group, 2 consumer, 3 priority, 4 entry id, 5 due time in ms, 6 reason, 7 job id, 8 what this is
--       ('retried': the next attempt; 'held': the same one), 9 time granted by the rate limit (0: none),
--       10 concurrency key ('' none), 11 whether it waits for that key ('1'), 12 time granted by the rate
--       limit of its key (0: none)
-- Returns 1, or 0 when the entry is not this consumer's any more: then nothing is done.
local q = KEYS[1]
local stream, entry_id, id = q .. 'p' .. ARGV[3], ARGV[4], ARGV[7]
local mine = redis.pcall('XPENDING', stream, ARGV[1], entry_id, entry_id, 1, ARGV[2])
if mine.err or #mine == 0 then return 0 end
local entry = redis.call('XRANGE', stream, entry_id, entry_id)
if #entry > 0 then
    local fields, given, attempt, reason = {}, entry[1][2], 1, ARGV[6]
    for i = 1, #given, 2 do
        local name, value = given[i], given[i + 1]
        if name == 'attempt' then
            attempt = tonumber(value) or 1
        elseif name == 'reason' then
            if reason == '' then reason = value end
        elseif name ~= 'granted' and name ~= 'kgranted' and (name ~= 'lost' or ARGV[8] == 'held') then
            fields[#fields + 1] = name
            fields[#fields + 1] = value
        end
    end
    if ARGV[8] == 'retried' then attempt = attempt + 1 end
    for _, f in ipairs({{'attempt', attempt > 1 and tostring(attempt) or ''}, {'reason', reason},
                        {'granted', ARGV[9] ~= '0' and ARGV[9] or ''},
                        {'kgranted', ARGV[12] ~= '0' and ARGV[12] or ''}}) do
        if f[2] ~= '' then
            fields[#fields + 1] = f[1]
            fields[#fields + 1] = f[2]
        end
    end
    redis.call('HSET', q .. 'jobs', id, cmsgpack.pack(fields))
    redis.call('ZADD', q .. 'delayed', ARGV[5], id)
    if ARGV[11] == '1' then redis.pcall('ZADD', q .. 'wait:' .. ARGV[10], 'NX', ARGV[5], id) end
    if ARGV[8] == 'retried' then
        redis.pcall('HINCRBY', q .. 'stats', 'retried', 1)
        redis.pcall('XADD', q .. 'events', 'MAXLEN', '~', 10000, '*', 'event', 'retried', 'id', id,
                   'attempt', attempt, 'reason', reason)
    end
end
redis.call('XACK', stream, ARGV[1], entry_id)
redis.call('XDEL', stream, entry_id)
if ARGV[10] ~= '' and ARGV[11] ~= '1' then
    redis.pcall('ZREM', q .. 'running:' .. ARGV[10], id .. ' ' .. ARGV[2])
end
return 1
