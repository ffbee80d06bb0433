-- delete_event(id): delete an ended event with its effects, and lower both sides of the sum. Effects under a caller's own key
-- belong to other events too, and have an expiry. Their texts go, since no search of events would find them afterwards.
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
    local f = redis.call('HMGET', entry, 'caller_key', 'holder')
    if f[1] == '0' then
      redis.call('DEL', entry)
    elseif f[1] and (f[2] == id or not f[2] or redis.call('EXISTS', event_key(f[2])) == 0) then
      -- Another event that had it last may still send it.
      erase_texts(entry)
    end
  end
  redis.call('DEL', ns .. ':effects:' .. id)
  collect('ZREM', ':events', id)
  write_changes()
  -- The record goes last but for the index by which the caller found the event. So one that failed half-way is found once
  -- more.
  redis.call('DEL', event)
  collect_end('ZREM', state, id)
  write_changes()
end
