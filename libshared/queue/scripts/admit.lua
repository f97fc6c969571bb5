-- Whether a job that was fetched may start now: how many of its key run, the rate of its key, that of its task.
-- The rate limits are GCRA (a token bucket told by the time of the next start), on Redis' own clock.
-- KEYS: 1 prefix of the queue
-- ARGV: 1 job id, 2 consumer, 3 task, 4 rate's count (0: none), 5 its period in ms, 6 its burst,
--       7 time granted before (0: none), 8 key ('' none), 9 jobs of it at once (0: any), 10 … 12 the rate of
--       its key as it asks for it, 13 time granted for its key before
-- Returns {'go'}, {'rate', when its task lets it in ms (0: now), when its key does} or {'key'}.
local q, task, key = KEYS[1], ARGV[3], ARGV[8]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local member = ARGV[1] .. ' ' .. ARGV[2]
local running = q .. 'running:' .. key
-- None, where the key holds something else.
local function running_now()
    local n = redis.pcall('ZCARD', running)
    return type(n) == 'number' and n or 0
end
if key ~= '' and tonumber(ARGV[9]) > 0 and running_now() >= tonumber(ARGV[9]) and
   not redis.call('ZSCORE', running, member) then
    -- Those of workers whose lease ended run no more.
    for _, m in ipairs(redis.call('ZRANGE', running, 0, -1)) do
        if redis.call('EXISTS', q .. 'worker:' .. string.sub(m, 38)) == 0 then redis.call('ZREM', running, m) end
    end
    if running_now() >= tonumber(ARGV[9]) then return {'key'} end
end

-- A grant is good for a second: jobs that waited longer for a worker must not all start together.
local function is_granted(at)
    return at > 0 and now >= at - 5 and now <= at + 1000
end
-- Rules somebody else's program broke are none.
local function rule_of(text)
    if not text then return nil end
    local count, period, burst = string.match(text, '^(%d+) (%d+) (%d+)$')
    return count and {count = tonumber(count), period = math.max(tonumber(period), 1), burst = tonumber(burst)}
end
local function rule_in(hash, field)
    local text = redis.pcall('HGET', q .. hash, field)
    return type(text) == 'string' and rule_of(text) or nil
end
local function number_at(bucket)
    local text = redis.pcall('GET', bucket)
    return type(text) == 'string' and tonumber(text) or 0
end
-- The bucket's next start; it is taken.
local function take(bucket, rule)
    local step = rule.period / rule.count
    local spare = step * math.max(rule.burst - 1, 0)
    local next_at = number_at(bucket)
    local at = math.max(next_at, now - spare)
    local after = at + step
    redis.call('SET', bucket, string.format('%.3f', after), 'PX', math.ceil(after - now + spare + 1000))
    return at
end

local key_at, key_rule, key_bucket = 0, nil, nil
if key ~= '' then
    -- The most precise rule; a name goes with its length, so that no two make the same field.
    local scopes = {{task, key}, {'', key}, {task, ''}, {'', ''}}
    local has_rules = redis.call('EXISTS', q .. 'key-rates') == 1
    for i = 1, has_rules and 4 or 0 do
        local s = scopes[i]
        key_rule = rule_in('key-rates', #s[1] .. ':' .. s[1] .. s[2])
        if key_rule then
            key_bucket = q .. 'kbucket:' .. #s[1] .. ':' .. s[1] .. key
            break
        end
    end
    if not key_rule then
        key_rule = rule_of(ARGV[10] .. ' ' .. ARGV[11] .. ' ' .. ARGV[12])
        key_bucket = q .. 'kbucket:' .. #task .. ':' .. task .. key
    end
    if key_rule and key_rule.count > 0 and not is_granted(tonumber(ARGV[13])) then
        key_at = take(key_bucket, key_rule)
        -- Its task is asked when the key's time has come: one that waits takes nobody else's place.
        if key_at > now then return {'rate', '0', string.format('%d', math.ceil(key_at))} end
    end
end
local rule = rule_in('rates', task) or rule_of(ARGV[4] .. ' ' .. ARGV[5] .. ' ' .. ARGV[6])
if rule and rule.count > 0 and not is_granted(tonumber(ARGV[7])) then
    local at = take(q .. 'bucket:' .. task, rule)
    if at > now then
        local when = string.format('%d', math.ceil(at))
        if not key_rule or key_rule.count == 0 then return {'rate', when, '0'} end
        -- The key's place moves along with the job.
        local step = key_rule.period / key_rule.count
        local next_at = number_at(key_bucket)
        if at + step > next_at then
            redis.call('SET', key_bucket, string.format('%.3f', at + step), 'PX',
                       math.ceil(at + step - now + step * math.max(key_rule.burst, 1) + 1000))
        end
        return {'rate', when, when}
    end
end
if key ~= '' and tonumber(ARGV[9]) > 0 then redis.pcall('ZADD', running, now, member) end
return {'go'}
