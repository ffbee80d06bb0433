-- effects: all that the ledger knows of one event's effects, the first begun first.
--
-- Keys:   <ns>:effects:<event id>, <ns>:effect:<name>
-- ARGV:   event id
-- Answer: for each effect {name, field, value, field, value …}
-- Cost:   O(effects × fields)
local answers = {}
for _, name in ipairs(redis.call('ZRANGE', ns .. ':effects:' .. ARGV[1], 0, -1)) do
  local key = ns .. ':effect:' .. name
  local kind = redis.call('TYPE', key).ok
  -- A value that is no entry is shown as an unreadable entry.
  local entry = kind == 'hash' and redis.call('HGETALL', key) or kind ~= 'none' and { 'event', ARGV[1] } or {}
  if #entry > 0 then
    table.insert(entry, 1, name)
    answers[#answers + 1] = entry
  end
end
return answers
