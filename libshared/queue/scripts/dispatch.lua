-- Publishes what a shard of schedules has due at one tick, at most once, for its newest owner.
-- KEYS: 1 fence of the shard (hash: epoch, mark), 2 stream
-- ARGV: 1 epoch, 2 tick ('' to take the shard over), 3 mark to restore when there is none ('': none),
--       4 '1' to go below the mark, 5 limit of the stream, 6 jobs: MessagePack, lists of fields and values
-- Returns what happened, the mark before ('' when there was none), and '1' when the fence was lost.
local fence = redis.call('HMGET', KEYS[1], 'epoch', 'mark')
local mark = fence[2] or ''
local lost = fence[1] and '0' or '1'
if fence[1] and tonumber(fence[1]) > tonumber(ARGV[1]) then return {'fenced', mark, lost} end

if ARGV[2] == '' then
    redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
    if not fence[2] and ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'mark', ARGV[3]) end
    return {'ok', mark, lost}
end

if fence[2] and ARGV[4] ~= '1' and tonumber(fence[2]) >= tonumber(ARGV[2]) then
    return {'old', mark, lost}
end
local jobs = cmsgpack.unpack(ARGV[6])
if redis.call('XLEN', KEYS[2]) + #jobs > tonumber(ARGV[5]) then return {'full', mark, lost} end
for _, fields in ipairs(jobs) do redis.call('XADD', KEYS[2], '*', unpack(fields)) end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'mark', ARGV[2])
return {'ok', mark, lost}
