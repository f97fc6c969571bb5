-- Ends one delivery of a job without success: again later, or among the dead letters.
-- KEYS: 1 stream, 2 delayed, 3 dead
-- ARGV: 1 group, 2 consumer, 3 entry id, 4 due time in ms (0: dead letter), 5 reason, 6 now in ms,
--       7 dead letters kept
-- Returns 1, or 0 when the entry is not this consumer's any more: then nothing is done.
local mine = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if #mine == 0 then return 0 end
local entry = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])
if #entry > 0 then
    local fields = {}
    local given = entry[1][2]
    local attempt = 1
    for i = 1, #given, 2 do
        if given[i] == 'attempt' then
            attempt = tonumber(given[i + 1]) or 1
        elseif given[i] ~= 'lost' then
            fields[#fields + 1] = given[i]
            fields[#fields + 1] = given[i + 1]
        end
    end
    if ARGV[4] == '0' then
        for _, v in ipairs({'attempt', attempt, 'reason', ARGV[5], 'died', ARGV[6]}) do
            fields[#fields + 1] = v
        end
        redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], '*', unpack(fields))
    else
        for _, v in ipairs({'attempt', tostring(attempt + 1), 'reason', ARGV[5]}) do
            fields[#fields + 1] = v
        end
        redis.call('ZADD', KEYS[2], ARGV[4], cjson.encode(fields))
    end
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
return 1
