-- orderings: the handlers that run the events of one key in the order of acceptance. Workers register them. So an event
-- has its lanes, or is listed as unkeyed, when it is accepted. Only where there is such a handler.
--
-- requires: changes types
-- Keys:   <ns>:counts, <ns>:unkeyed
-- Cost:   O(handlers in order)
local UNKEYED = '?'
local ordered_names, orderings = {}, nil

-- registered: the handlers that run in order, by name. Each has its types (patterns), whether the number is their key, and when a
-- worker with it was last seen.
local function registered()
  if orderings then return orderings end
  counters()
  orderings = stored_orderings and decoded(stored_orderings) or {}
  return orderings
end

-- names_in_order: the handlers that run events of this type in order (false: none). `by_number` says that the number is the key
-- of all.
local function names_in_order(type)
  if ordered_names[type] ~= nil then return ordered_names[type] end
  local found = { by_number = true }
  for name, handler in pairs(registered()) do
    local fitting = false
    for _, pattern in ipairs(handler.types) do fitting = fitting or fits(pattern, type) end
    if fitting then
      found[#found + 1], found.by_number = name, found.by_number and handler.by_number or false
    end
  end
  ordered_names[type] = #found > 0 and found
  return ordered_names[type]
end

-- types_by_number: the types (patterns) of handlers whose key is the number. The ingress computes it for these alone.
local function types_by_number()
  local found = {}
  for _, handler in pairs(stored_orderings and registered() or {}) do
    if handler.by_number then append(found, unpack(handler.types)) end
  end
  return found
end

-- place_in_order: write the lanes of an event into its fields, or list it as unkeyed. `number` holds the digests of its number
-- ('': nobody has computed them). Answers when it comes due (ms). That has fractions, so that events are claimed in this order
-- too. Nil where no handler runs events of this type in order.
local function place_in_order(id, type, number, place, fields)
  counters()
  local names = stored_orderings and names_in_order(type)
  if not names then return nil end
  if number == '' or not names.by_number then
    collect('ZADD', ':unkeyed', place, id)
    append(fields, 'order', UNKEYED)
  elseif #names == 1 then
    append(fields, 'order', names[1] .. ':' .. number)
  else
    append(fields, 'order', table.concat(names, ':' .. number .. '\n') .. ':' .. number)
  end
  return place:sub(1, -4) .. '.' .. place:sub(-3)
end
