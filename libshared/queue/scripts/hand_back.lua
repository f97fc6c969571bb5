-- Gives a job that was fetched but not begun back to the queue.
-- KEYS: 1 stream   ARGV: 1 group, 2 consumer, 3 entry id
-- Returns 1, or 0 when the entry is not this consumer's any more.
local mine = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if #mine == 0 then return 0 end
local entry = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])
if #entry > 0 then redis.call('XADD', KEYS[1], '*', unpack(entry[1][2])) end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
return 1
