-- delete_event: forget(id) removes an ended event, and lowers both sides of the sum.
--
-- requires: changes
-- Keys:   those of settle, <ns>:events, <ns>:effects:<id>, <ns>:effect:<name>
-- Cost:   O(effects of the event + log events)

-- delete_effects: those under a caller's own key are other events' too, and have an expiry
local function delete_effects(id)
  local effects = ns .. ':effects:' .. id
  if redis.call('EXISTS', effects) == 0 then return end
  for _, name in ipairs(redis.call('ZRANGE', effects, 0, -1)) do
    local entry = ns .. ':effect:' .. name
    if redis.call('HGET', entry, 'caller_key') == '0' then redis.call('DEL', entry) end
  end
  redis.call('DEL', effects)
end

-- The record goes last but for the index by which the caller found the event: one that failed half-way is found once more.
local function delete_event(id)
  local event = ns .. ':event:' .. id
  local state = redis.call('HGET', event, 'state')
  if state then count(state, nil) end
  delete_effects(id)
  redis.call('ZREM', ns .. ':events', id)
  write_changes()
  redis.call('DEL', event)
  leave_end(id, state or 'done')
  write_changes()
end
