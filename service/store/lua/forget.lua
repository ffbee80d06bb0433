-- forget(ns, id): remove an event from all but the indexes of its end, and lower both sides of the sum.
--
-- Keys:   <ns>:event:<id>, <ns>:events, <ns>:counts, <ns>:effects:<id>, <ns>:effect:<name>
-- Cost:   O(effects of the event + log events)

-- forget_effects: those under a caller's own key are other events' too, and expire by themselves
local function forget_effects(ns, id)
  local effects = ns .. ':effects:' .. id
  if redis.call('EXISTS', effects) == 0 then return end
  for _, name in ipairs(redis.call('ZRANGE', effects, 0, -1)) do
    local entry = ns .. ':effect:' .. name
    if redis.call('HGET', entry, 'own_key') == '0' then redis.call('DEL', entry) end
  end
  redis.call('DEL', effects)
end

local function forget(ns, id)
  local event = ns .. ':event:' .. id
  local state = redis.call('HGET', event, 'state')
  redis.call('DEL', event)
  forget_effects(ns, id)
  redis.call('ZREM', ns .. ':events', id)
  if state then
    redis.call('HINCRBY', ns .. ':counts', 'accepted', -1)
    redis.call('HINCRBY', ns .. ':counts', state, -1)
  end
end
