-- orderings: the handlers that run the events of one key in the order of acceptance. Workers register them. So an event
-- is listed as unkeyed when it is accepted, and only where there is such a handler.
--
-- requires: changes types
-- Keys:   <ns>:counts, <ns>:unkeyed
-- Cost:   O(handlers in order)
local UNKEYED = '?'
local ordered_types, orderings = {}, nil

-- registered: the handlers that run in order, by name. Each has its types (patterns), and when a worker with it was last seen.
local function registered()
  if orderings then return orderings end
  counters()
  orderings = stored_orderings and decoded(stored_orderings) or {}
  return orderings
end

-- is_ordered: whether a handler that runs in order subscribes to events of this type
local function is_ordered(type)
  counters()
  if not stored_orderings then return false end
  if ordered_types[type] == nil then
    ordered_types[type] = false
    for _, handler in pairs(registered()) do
      for _, pattern in ipairs(handler.types) do
        if fits(pattern, type) then ordered_types[type] = true end
      end
    end
  end
  return ordered_types[type]
end

-- await_key: note that nobody has computed the keys of an event yet
local function await_key(id, place, fields)
  collect('ZADD', ':unkeyed', place, id)
  append(fields, 'order', UNKEYED)
end
