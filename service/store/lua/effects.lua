-- effects: all that the ledger knows of one event's effects, the first begun first.
--
-- Keys:   <ns>:effects:<event id>, <ns>:effect:<name>
-- ARGV:   ns, event id
-- Answer: for each effect {name, field, value, field, value …}
-- Cost:   O(effects × fields)
local ns = ARGV[1]
local answers = {}
for _, name in ipairs(redis.call('ZRANGE', ns .. ':effects:' .. ARGV[2], 0, -1)) do
  local entry = redis.call('HGETALL', ns .. ':effect:' .. name)
  if #entry > 0 then
    table.insert(entry, 1, name)
    answers[#answers + 1] = entry
  end
end
return answers
