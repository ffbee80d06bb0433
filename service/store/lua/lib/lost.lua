-- is_lost: whether an event is open and not in the queue
--
-- Keys:   <ns>:event:<id>, <ns>:queue; none is written
-- Cost:   O(1)
local function is_lost(id)
  return redis.pcall('HGET', event_key(id), 'state') == 'open' and not redis.call('ZSCORE', ns .. ':queue', ns .. ':' .. id)
end
