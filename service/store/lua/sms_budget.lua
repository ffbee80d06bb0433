-- sms_budget: reserve segments of what may be sent within any hour. An effect that has its segments keeps them, so that trying
-- again counts nothing twice.
--
-- Keys:   <ns>:sms_budget (sorted set: effects by the time of their reservation, ms), <ns>:sms_budget:segments (hash: effect →
--         segments, and their sum as `sum`), <ns>:sms_budget:told
-- ARGV:   ns, effect, segments, limit, window (ms)
-- Answer: {granted (1 | 0), ms until the earliest reservation lapses, 1 if a person is to be told, which is once per window}
-- Cost:   O(reservations that have lapsed × log reservations)
local ns, effect, segments, limit, window = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local key, sizes = ns .. ':sms_budget', ns .. ':sms_budget:segments'
local now = now_ms()

local lapsed = redis.call('ZRANGE', key, '-inf', now - window, 'BYSCORE')
for _, each in ipairs(lapsed) do
  redis.call('HINCRBY', sizes, 'sum', -tonumber(redis.call('HGET', sizes, each) or 0))
  redis.call('HDEL', sizes, each)
  redis.call('ZREM', key, each)
end
if redis.call('ZSCORE', key, effect) then return { 1, 0, 0 } end
local sum = tonumber(redis.call('HGET', sizes, 'sum') or 0)
if sum + segments <= limit then
  redis.call('ZADD', key, now, effect)
  redis.call('HSET', sizes, effect, segments, 'sum', sum + segments)
  redis.call('PEXPIRE', key, window * 2)
  redis.call('PEXPIRE', sizes, window * 2)
  return { 1, 0, 0 }
end
local earliest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
local wait = earliest[2] and tonumber(earliest[2]) + window - now or window
local tell = redis.call('SET', ns .. ':sms_budget:told', '1', 'NX', 'PX', window) and 1 or 0
return { 0, wait, tell }
