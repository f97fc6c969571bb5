-- Adds one plain job to its stream, unless that is full. What enqueue_many does, without its loop: this is
-- the script that a call a job runs.
-- KEYS: 1 prefix of the queue   ARGV: 1 limit, 2 priority, 3 envelope
-- Returns how many were added.
local q, call = KEYS[1], redis.call
local stream = q .. 'p' .. ARGV[2]
if call('XLEN', stream) >= tonumber(ARGV[1]) then return 0 end
call('XADD', stream, '*', 'j', ARGV[3])
redis.pcall('HINCRBY', q .. 'stats', 'enqueued', 1)
if call('EXISTS', q .. 'tail') == 1 then
    redis.pcall('XADD', q .. 'events', 'MAXLEN', '~', 10000, '*', 'event', 'enqueued', 'j', ARGV[3])
end
return 1
