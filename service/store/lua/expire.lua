-- expire: forget what ended long ago, and lower both sides of the sum in the same step.
--
-- Keys:   those of forget, <ns>:ended, <ns>:dead, <ns>:bodies
-- ARGV:   ns, retention of ended events (ms), retention of dead ones (ms), limit (at most 500 for each)
-- Answer: how many were forgotten
-- Cost:   O(limit × log events)
local ns, limit = ARGV[1], tonumber(ARGV[4])
local now = now_ms()

local count = 0
for index, retention in pairs({ [':ended'] = tonumber(ARGV[2]), [':dead'] = tonumber(ARGV[3]) }) do
  local ids = redis.call('ZRANGEBYSCORE', ns .. index, '-inf', now - retention, 'LIMIT', 0, limit)
  for _, id in ipairs(ids) do forget(ns, id) end
  if #ids > 0 then
    redis.call('ZREM', ns .. index, unpack(ids))
    redis.call('ZREM', ns .. ':bodies', unpack(ids))
  end
  count = count + #ids
end
return count
