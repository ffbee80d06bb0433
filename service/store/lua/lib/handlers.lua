-- handlers: reads the records of an event's handlers, one by one and together.
--
-- Keys:   <ns>:event:<id>; none is written
-- Cost:   O(handlers of the event)
-- handler_of: a handler's record; one that cannot be read counts as dead, and a field of another type as missing
local UNREADABLE = 'unreadable'
local function handler_of(known)
  if not known then return { state = 'pending' } end
  local readable, handler = pcall(cjson.decode, known)
  if not readable or type(handler) ~= 'table' then return { state = 'dead', reason = UNREADABLE } end
  if type(handler.due) ~= 'number' then handler.due = nil end
  if type(handler.held_by) ~= 'string' then handler.held_by = nil end
  return handler
end

-- names_of: the names of an event's handlers; nil where the list cannot be read
local function names_of(stored)
  local readable, names = pcall(cjson.decode, stored)
  if not readable or type(names) ~= 'table' then return nil end
  for _, name in ipairs(names) do
    if type(name) ~= 'string' then return nil end
  end
  return names
end

-- combine_states(fields, handlers): the state that handlers' records (JSON) add up to and, for an open event, its earliest due time
-- and the handlers that a cause holds, by their fields
local function combine_states(fields, handlers)
  local due, dead, parked
  for i, known in ipairs(handlers) do
    local handler = handler_of(known)
    if handler.state == 'dead' then
      dead = true
    elseif handler.state ~= 'done' then
      local mine = handler.due or 0
      if not due or mine < due then due = mine end
      if handler.held_by then
        parked = parked or {}
        parked[fields[i]] = handler
      end
    end
  end
  if due then return 'open', due, parked end
  return dead and 'dead' or 'done'
end

-- combined_state(event, names): likewise, of the handlers of these names
local function combined_state(event, names)
  if not names then return 'dead' end
  if #names == 0 then return 'ignored' end
  local fields = {}
  for i, name in ipairs(names) do fields[i] = 'h:' .. name end
  return combine_states(fields, redis.call('HMGET', event, unpack(fields)))
end
