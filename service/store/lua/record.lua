-- record(ns, now, id, type, body, arrived_by, delay, marks): make one event durable and queue it, once per id. Every script
-- that brings an event into being does it here. `marks` are digests of 4 bytes, of its type and then of the numbers in it.
--
-- Keys:   those of settle and minute, <ns>:event:<id>, <ns>:events, <ns>:cancelled:<id>
-- Answer: 'accepted' | 'duplicate' | 'cancelled'
-- Cost:   O(log queue)
-- delivered_again: count it, and of the first ones keep the time and the way
local function delivered_again(event, arrived_by, now)
  local MOST_TOLD = 21
  if redis.call('HINCRBY', event, 'deliveries', 1) > MOST_TOLD then return end
  local f = redis.call('HMGET', event, 'again', 'kept')
  if not f[2] then redis.call('HSET', event, 'again', (f[1] or '') .. now .. ' ' .. arrived_by:match('^%S*') .. ';') end
end

local function record(ns, now, id, type, body, arrived_by, delay, marks)
  local event = ns .. ':event:' .. id
  if redis.call('EXISTS', event) == 1 then
    delivered_again(event, arrived_by, now)
    return 'duplicate'
  end
  if redis.call('EXISTS', ns .. ':cancelled:' .. id) == 1 then return 'cancelled' end
  redis.call('HSET', event, 'type', type, 'body', body, 'arrived_by', arrived_by, 'received_at', now, 'due', now + delay,
    'deliveries', 1, 'about', marks:sub(5))
  mark_minute(ns, now, marks)
  redis.call('ZADD', ns .. ':events', now, id)
  redis.call('HINCRBY', ns .. ':counts', 'accepted', 1)
  settle(ns, id, now)
  return 'accepted'
end
