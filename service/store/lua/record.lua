-- record(ns, now, id, type, body, arrived_by, delay): make one event durable and queue it, once per id. Every script that
-- brings an event into being does it here.
--
-- Keys:   those of settle, <ns>:event:<id>, <ns>:events, <ns>:cancelled:<id>
-- Answer: 'accepted' | 'duplicate' | 'cancelled'
-- Cost:   O(log queue)
local function record(ns, now, id, type, body, arrived_by, delay)
  local event = ns .. ':event:' .. id
  if redis.call('EXISTS', event) == 1 then
    redis.call('HINCRBY', event, 'deliveries', 1)
    return 'duplicate'
  end
  if redis.call('EXISTS', ns .. ':cancelled:' .. id) == 1 then return 'cancelled' end
  redis.call('HSET', event, 'type', type, 'body', body, 'arrived_by', arrived_by, 'received_at', now, 'due', now + delay,
    'deliveries', 1)
  redis.call('ZADD', ns .. ':events', now, id)
  redis.call('HINCRBY', ns .. ':counts', 'accepted', 1)
  settle(ns, id, now)
  return 'accepted'
end
