-- cancel: call off a scheduled event that has not begun, even one that is not yet scheduled.
--
-- requires: settle
-- Keys:   those of settle, <ns>:cancelled:<id>
-- ARGV:   id, remember (ms for which a cancel that came first is kept)
-- Answer: 'cancelled' | 'remembered' | 'too_late'
-- Cost:   O(log queue)
local event = event_key(ARGV[1])
local f = redis.call('HMGET', event, 'state', 'handlers', 'cancelled')
if not f[1] then
  redis.call('SET', ns .. ':cancelled:' .. ARGV[1], '1', 'PX', ARGV[2])
  return 'remembered'
end
if (f[1] ~= 'open' or f[2]) and not f[3] then return 'too_late' end
redis.call('HSET', event, 'handlers', '[]', 'cancelled', '1')
settle(ARGV[1])
return 'cancelled'
