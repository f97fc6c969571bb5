-- Publishes what a shard of schedules has due at one tick, at most once, for its newest owner.
-- KEYS: 1 fence of the shard (hash: epoch, mark), 2 stream
-- ARGV: 1 epoch, 2 tick, 3 mark that the owner knows of, 4 limit of the stream,
--       5 jobs: MessagePack, lists of fields and values
--       Without 3 to 5 the shard is taken over; with 2, the mark becomes that.
-- Returns what happened, and the mark before ('' when there was none).
local fence = redis.call('HMGET', KEYS[1], 'epoch', 'mark')
local mark = fence[2] or ''
if fence[1] and tonumber(fence[1]) > tonumber(ARGV[1]) then return {'fenced', mark} end

if not ARGV[5] then
    redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
    if ARGV[2] then redis.call('HSET', KEYS[1], 'mark', ARGV[2]) end
    return {'ok', mark}
end

if not fence[2] or tonumber(fence[2]) < tonumber(ARGV[3]) then return {'lost', mark} end
if tonumber(fence[2]) >= tonumber(ARGV[2]) then return {'old', mark} end
local jobs = cmsgpack.unpack(ARGV[5])
if redis.call('XLEN', KEYS[2]) + #jobs > tonumber(ARGV[4]) then return {'full', mark} end
for _, fields in ipairs(jobs) do redis.call('XADD', KEYS[2], '*', unpack(fields)) end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'mark', ARGV[2])
return {'ok', mark}
