-- note(id, what, about, by): keep in an event's record that something was done to it. `by` is the operator, if it was one. The
-- latest stay, as many as fit. A pruned record takes none. Where the record is written anyway, `noted` gives the new value of
-- the field, so that both are one write.
--
-- Keys:   <ns>:event:<id>
-- Cost:   O(1)
local MAX_NOTES = 4000
local MAX_ABOUT = 1000

-- noted(notes, what, about, by): notes with one more
local function noted(notes, what, about, by)
  local told = about and next(about) and cjson.encode(about) or '{}'
  local line = cjson.encode({ at = now, what = what, by = by ~= '' and by or nil })
  if #told <= MAX_ABOUT then line = line:sub(1, -2) .. ',"about":' .. told .. '}' end
  notes = (notes or '') .. line .. '\n'
  while #notes > MAX_NOTES do notes = notes:sub(notes:find('\n', 1, true) + 1) end
  return notes
end

local function note(id, what, about, by)
  local event = event_key(id)
  local f = redis.call('HMGET', event, 'notes', 'pruned', 'type')
  if f[2] or not f[3] then return end
  redis.call('HSET', event, 'notes', noted(f[1], what, about, by))
end
