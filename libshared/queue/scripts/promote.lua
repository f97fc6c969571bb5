-- Moves delayed jobs that are due to their streams. Added before removed: should the script end
-- half-way, a job runs twice rather than never.
-- KEYS: 1 delayed, 2 dead, 3… the streams from priority 0   ARGV: 1 now in ms, 2 at most
-- Returns how many were moved.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(due) do
    local is_good, fields = pcall(cjson.decode, member)
    local priority = nil
    if is_good and type(fields) == 'table' and #fields > 0 and #fields % 2 == 0 then
        for i = 1, #fields, 2 do
            if fields[i] == 'prio' then priority = tonumber(fields[i + 1]) end
        end
    end
    local stream = priority and KEYS[3 + priority]
    if stream then
        redis.call('XADD', stream, '*', unpack(fields))
    else
        redis.call('XADD', KEYS[2], '*', 'entry', member, 'reason', 'undecodable', 'died', ARGV[1])
    end
    redis.call('ZREM', KEYS[1], member)
end
return #due
