-- expire: forget what ended long ago, and lower both sides of the sum in the same step.
--
-- Keys:   <ns>:event:<id>, <ns>:events, <ns>:ended, <ns>:dead, <ns>:bodies, <ns>:counts, <ns>:effects:<id>, <ns>:effect:<name>
-- ARGV:   ns, retention of ended events (ms), retention of dead ones (ms), limit (at most 500 for each)
-- Answer: how many were forgotten
-- Cost:   O(limit × log events)
local ns, limit = ARGV[1], tonumber(ARGV[4])
local now = now_ms()

-- forget_effects: those under a caller's own key are other events' too, and expire by themselves
local function forget_effects(id)
  local effects = ns .. ':effects:' .. id
  if redis.call('EXISTS', effects) == 0 then return end
  for _, name in ipairs(redis.call('ZRANGE', effects, 0, -1)) do
    local entry = ns .. ':effect:' .. name
    if redis.call('HGET', entry, 'own_key') == '0' then redis.call('DEL', entry) end
  end
  redis.call('DEL', effects)
end

local function forget(id)
  local event = ns .. ':event:' .. id
  local state = redis.call('HGET', event, 'state')
  redis.call('DEL', event)
  forget_effects(id)
  redis.call('ZREM', ns .. ':events', id)
  if state then
    redis.call('HINCRBY', ns .. ':counts', 'accepted', -1)
    redis.call('HINCRBY', ns .. ':counts', state, -1)
  end
end

local count = 0
for index, retention in pairs({ [':ended'] = tonumber(ARGV[2]), [':dead'] = tonumber(ARGV[3]) }) do
  local ids = redis.call('ZRANGEBYSCORE', ns .. index, '-inf', now - retention, 'LIMIT', 0, limit)
  for _, id in ipairs(ids) do forget(id) end
  if #ids > 0 then
    redis.call('ZREM', ns .. index, unpack(ids))
    redis.call('ZREM', ns .. ':bodies', unpack(ids))
  end
  count = count + #ids
end
return count
