-- record: make one event durable and queue it, once per id. Every script that brings an event into being does it here. The
-- record is written last, whole and with its state: where that write did not come about there is no event, and the next
-- arrival makes everything anew. So what an event says about other things has to be kept before it is recorded.
--
-- requires: counters minute queue
-- Keys:   those of settle and minute, <ns>:event:<id>, <ns>:events, <ns>:cancelled:<id>
-- Cost:   O(log queue)

-- first_arrival: when (ms) an event was accepted; nil where none of this id was
local function first_arrival(id)
  local f = redis.call('HMGET', ns .. ':event:' .. id, 'state', 'received_at')
  return f[1] and tonumber(f[2])
end

-- delivered_again: count it, and of the first ones keep the time and the way
local function delivered_again(id, arrived_by)
  local MAX_SENT = 21
  local event = ns .. ':event:' .. id
  local f = redis.call('HMGET', event, 'deliveries', 'again', 'pruned')
  local deliveries = tonumber(f[1] or '0') + 1
  if deliveries > MAX_SENT or f[3] then
    redis.call('HSET', event, 'deliveries', deliveries)
  else
    local again = (f[2] or '') .. now .. ' ' .. arrived_by:match('^%S*') .. ';'
    redis.call('HSET', event, 'deliveries', deliveries, 'again', again)
  end
end

-- record(id, event, first_at): `event` is an unpacked event: its `identity`, which its body may be sealed for, type, arrived_by
-- and more.delay (ms until it is due; nil: none). `first_at` is what first_arrival said of this id. Answers 'accepted' | 'duplicate' |
-- 'cancelled'.
local function record(id, event, first_at)
  if first_at then
    delivered_again(id, event.arrived_by)
    return 'duplicate'
  end
  if redis.call('EXISTS', ns .. ':cancelled:' .. id) == 1 then return 'cancelled' end
  -- Where the counters cannot be read, nothing is begun.
  counters()
  index_minute(now, event.terms)
  local due = now + (event.more.delay or 0)
  enqueue(id, due, now)
  if due < now + 1000 then wake() end
  redis.call('ZADD', ns .. ':events', now, id)
  count(nil, 'open')
  local renamed = id ~= event.identity and { 'identity', event.identity } or {}
  redis.call('HSET', ns .. ':event:' .. id, 'type', event.type, 'body', event.body, 'arrived_by', event.arrived_by,
    'received_at', now, 'due', due, 'deliveries', 1, 'numbers', event.terms:sub(5), 'state', 'open', unpack(renamed))
  return 'accepted'
end
