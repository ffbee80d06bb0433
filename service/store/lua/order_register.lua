-- order_register: register handlers that run in order, and list the open events that were accepted before as unkeyed. A page of
-- the queue at a time. From the first call on, accept lists new ones.
--
-- requires: handlers order orderings types
-- Keys:   those of order, <ns>:queue
-- ARGV:   ordered (JSON: handler name → its event types), by_number (JSON: handler name → true, if the number is its key), cursor
--         ('0' to begin)
-- Answer: cursor of the next page, '0' at the end
-- Cost:   O(page × log unkeyed)
local PAGE = 500
local ordered, by_number, cursor = cjson.decode(ARGV[1]), cjson.decode(ARGV[2]), ARGV[3]
local prefix = ns .. ':'

-- concerns: whether one of the handlers has an open event, begun or not, without a lane for it
local function concerns(f)
  for name, types in pairs(ordered) do
    local has_lane = ('\n' .. (f[4] or '')):find('\n' .. name .. ':', 1, true)
    for _, pattern in ipairs(types) do
      if not has_lane and fits(pattern, f[2]) then
        local listed = not f[3]
        for _, each in ipairs(names_of(f[3]) or {}) do listed = listed or each == name end
        if listed then return true end
      end
    end
  end
  return false
end

see_ordered(ordered, nil, by_number)
if cursor == '0' and are_complete(ordered) then return '0' end
local page = redis.call('ZSCAN', ns .. ':queue', cursor, 'COUNT', PAGE)
for i = 1, #page[2], 2 do
  local job = page[2][i]
  local id = job:sub(#prefix + 1)
  local f = job:sub(1, #prefix) == prefix and redis.pcall('HMGET', event_key(id), 'state', 'type', 'handlers', 'order') or { err = '' }
  if not f.err and f[1] == 'open' and f[2] and f[4] ~= UNKEYED and concerns(f) then
    redis.call('ZADD', ns .. ':unkeyed', sequence_of(id), id)
    -- It keeps the lanes of other handlers, which it leaves at its end.
    if not f[4] then redis.call('HSET', event_key(id), 'order', UNKEYED) end
  end
end
if page[1] == '0' then see_ordered(ordered, true) end
return page[1]
