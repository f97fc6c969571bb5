-- Takes one dead letter out, back into its stream with its first attempt.
-- KEYS: 1 prefix of the queue   ARGV: 1 entry, 2 task ('' any), 3 how long a uniqueness key holds (ms)
-- Returns 1, 0 when it is gone, -1 when it cannot be read, -2 when it is another task's.
local q = KEYS[1]
local entry = redis.call('XRANGE', q .. 'dead', ARGV[1], ARGV[1])[1]
if not entry then return 0 end
local envelope = nil
for i = 1, #entry[2], 2 do
    if entry[2][i] == 'j' then envelope = entry[2][i + 1] end
end
local is_good, job = pcall(cmsgpack.unpack, envelope or '')
if not is_good or type(job) ~= 'table' then return -1 end
local priority = tonumber(job[5])
if not priority or priority < 0 or priority > 3 then return -1 end
if type(job[2]) ~= 'string' or #job[2] ~= 16 then return -1 end
if ARGV[2] ~= '' and job[3] ~= ARGV[2] then return -2 end
redis.call('XADD', q .. 'p' .. string.format('%d', priority), '*', 'j', envelope)
redis.pcall('HINCRBY', q .. 'stats', 'enqueued', 1)
-- It has not ended after all.
local hex = string.gsub(job[2], '.', function(c) return string.format('%02x', string.byte(c)) end)
local id = string.sub(hex, 1, 8) .. '-' .. string.sub(hex, 9, 12) .. '-' .. string.sub(hex, 13, 16) .. '-' ..
           string.sub(hex, 17, 20) .. '-' .. string.sub(hex, 21)
redis.call('DEL', q .. 'result:' .. id)
if type(job[13]) == 'string' then redis.pcall('SET', q .. 'unique:' .. job[13], id, 'NX', 'PX', ARGV[3]) end
redis.call('XDEL', q .. 'dead', ARGV[1])
return 1
