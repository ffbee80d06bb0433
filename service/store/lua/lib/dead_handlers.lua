-- dead_handlers(event, wanted, reason): which of an event's handlers are dead, of this name and for this reason ('': any)
--
-- requires: handlers
-- Keys:   <ns>:event:<id>
-- Cost:   O(handlers of the event)
local function dead_handlers(event, wanted, reason)
  local names = {}
  for _, name in ipairs(names_of(redis.call('HGET', event, 'handlers') or '[]') or {}) do
    local handler = handler_of(redis.call('HGET', event, 'h:' .. name))
    local fits = (wanted == '' or name == wanted) and (reason == '' or handler.reason == reason)
    if handler.state == 'dead' and fits then names[#names + 1] = name end
  end
  return names
end
