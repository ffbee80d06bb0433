-- cancel: call off a scheduled event that has not begun, even one that is not yet scheduled.
--
-- Keys:   those of settle, <ns>:cancelled:<id>
-- ARGV:   ns, id, remember (ms for which a cancel that came first is kept)
-- Answer: 'cancelled' | 'remembered' | 'too_late'
-- Cost:   O(log queue)
local ns, id = ARGV[1], ARGV[2]
local now = now_ms()
local event = ns .. ':event:' .. id
local f = redis.call('HMGET', event, 'state', 'handlers', 'cancelled')
if not f[1] then
  redis.call('SET', ns .. ':cancelled:' .. id, '1', 'PX', ARGV[3])
  return 'remembered'
end
if (f[1] ~= 'open' or f[2]) and not f[3] then return 'too_late' end
redis.call('HSET', event, 'handlers', '[]', 'cancelled', '1')
settle(ns, id, now)
return 'cancelled'
