-- delete_event(id): delete an ended event with its effects, and lower both sides of the sum. Effects under a caller's own key
-- belong to other events too, and have an expiry.
--
-- requires: causes changes effects
-- Keys:   those of causes, changes and effects
-- Cost:   O(effects of the event + log events)
local function delete_event(id)
  local event = event_key(id)
  local state = redis.call('HGET', event, 'state')
  if state then count(state, nil) end
  leave_causes(id)
  for _, entry in ipairs(entries_of(id)) do
    if redis.call('HGET', entry, 'caller_key') == '0' then redis.call('DEL', entry) end
  end
  redis.call('DEL', ns .. ':effects:' .. id)
  collect('ZREM', ':events', id)
  write_changes()
  -- The record goes last but for the index by which the caller found the event. So one that failed half-way is found once
  -- more.
  redis.call('DEL', event)
  collect_end('ZREM', state or 'done', id)
  write_changes()
end
