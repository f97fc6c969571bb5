-- Gives a job that was fetched but not begun back to the queue.
-- KEYS: 1 prefix of the queue   ARGV: 1 group, 2 consumer, 3 priority, 4 entry id, 5 job id, 6 concurrency key
-- Returns 1, or 0 when the entry is not this consumer's any more.
local q = KEYS[1]
local stream = q .. 'p' .. ARGV[3]
local mine = redis.pcall('XPENDING', stream, ARGV[1], ARGV[4], ARGV[4], 1, ARGV[2])
if mine.err or #mine == 0 then return 0 end
local entry = redis.call('XRANGE', stream, ARGV[4], ARGV[4])
local again = #entry > 0 and redis.call('XADD', stream, '*', unpack(entry[1][2]))
-- Others still wait for it, if it is suspected of its workers' deaths.
if again and ARGV[3] == '0' and redis.pcall('SREM', q .. 'suspects', ARGV[4]) == 1 then
    redis.call('SADD', q .. 'suspects', again)
end
redis.call('XACK', stream, ARGV[1], ARGV[4])
redis.call('XDEL', stream, ARGV[4])
if ARGV[6] ~= '' then redis.pcall('ZREM', q .. 'running:' .. ARGV[6], ARGV[5] .. ' ' .. ARGV[2]) end
return 1
