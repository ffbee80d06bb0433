-- handlers: reads the records of an event's handlers, one by one and together.
--
-- requires: backlog
-- Keys:   <ns>:event:<id>; none is written
-- Cost:   O(handlers of the event)
local UNREADABLE = 'unreadable'
local lists = {}

-- handler_of: a handler's record. One that cannot be read counts as dead, and a field of another type as missing.
local function handler_of(known)
  if not known then return { state = 'pending' } end
  local handler = decoded(known)
  if not handler then return { state = 'dead', reason = UNREADABLE } end
  if type(handler.due) ~= 'number' then handler.due = nil end
  if type(handler.blocked_by) ~= 'string' then handler.blocked_by = nil end
  if type(handler.reason) ~= 'string' then handler.reason = nil end
  return handler
end

-- names_of: the names of an event's handlers (not to be changed), nil where the list cannot be read
local function names_of(stored)
  if stored and lists[stored] then return lists[stored] end
  local names = decoded(stored)
  if not names then return nil end
  for _, name in ipairs(names) do
    if type(name) ~= 'string' then return nil end
  end
  lists[stored] = names
  return names
end

-- handlers_of: the names of an event's handlers (not to be changed). There are none where the list is missing or cannot be
-- read.
local function handlers_of(event)
  return names_of(redis.call('HGET', event, 'handlers')) or {}
end

-- combine_states(fields, handlers): the state that handlers' records (JSON) add up to. For an open event also its earliest
-- due time. Then the handlers that a block holds, by their fields. Then the names of those that left it open (nil for none).
local function combine_states(fields, handlers)
  local due, dead, parked, left_open
  for i, known in ipairs(handlers) do
    local handler = handler_of(known)
    if handler.state == 'dead' then
      dead = true
    elseif handler.state ~= 'done' then
      due = math.min(due or math.huge, handler.due or 0)
      if is_left_open(handler) then
        left_open = left_open or {}
        left_open[#left_open + 1] = fields[i]:sub(3)
      end
      if handler.blocked_by then
        parked = parked or {}
        parked[fields[i]] = handler
      end
    end
  end
  if due then return 'open', due, parked, left_open end
  return dead and 'dead' or 'done'
end

-- are_done: whether each of these handlers has a new record that says `done`. Python writes the state first, so that no
-- record has to be decoded for it.
local DONE = '{"state":"done"'
local function are_done(names, results)
  for _, name in ipairs(names) do
    local record = results['h:' .. name]
    if not record or record:sub(1, #DONE) ~= DONE then return false end
  end
  return true
end

-- has_ended: whether the record (JSON) of a handler says that it has ended
local function has_ended(stored)
  if not stored then return false end
  if stored:sub(1, #DONE) == DONE then return true end
  local state = handler_of(stored).state
  return state == 'done' or state == 'dead'
end

-- combined_state(event, names, results): likewise, of the handlers of these names. `results` are records (JSON) by field that
-- take the place of those in Redis.
local function combined_state(event, names, results)
  if not names then return 'dead' end
  if #names == 0 then return 'ignored' end
  if results and are_done(names, results) then return 'done' end
  local fields, handlers, all = {}, {}, true
  for i, name in ipairs(names) do
    fields[i] = 'h:' .. name
    handlers[i] = results and results[fields[i]]
    all = all and handlers[i]
  end
  if not all then
    for i, stored in ipairs(redis.call('HMGET', event, unpack(fields))) do handlers[i] = handlers[i] or stored end
  end
  return combine_states(fields, handlers)
end

-- dead_handlers: the names and the reasons of an event's dead handlers, of this name and for this reason ('': any)
local function dead_handlers(event, wanted, reason)
  local names, reasons = {}, {}
  for _, name in ipairs(handlers_of(event)) do
    local handler = handler_of(redis.call('HGET', event, 'h:' .. name))
    if handler.state == 'dead' and (wanted == '' or name == wanted) and (reason == '' or handler.reason == reason) then
      names[#names + 1], reasons[#reasons + 1] = name, handler.reason or ''
    end
  end
  return names, reasons
end

-- is_no_record: whether something else than a record is stored in its place
local function is_no_record(event)
  local kind = redis.call('TYPE', event).ok
  return kind ~= 'hash' and kind ~= 'none'
end

-- ended_since: whether an event ended after a time (nil: any time will do)
local function ended_since(event, before)
  return before ~= nil and (tonumber(redis.call('HGET', event, 'ended_at')) or 0) > before
end
