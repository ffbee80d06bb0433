-- effects: all that the ledger knows of one event's effects, the first begun first.
--
-- requires: effects
-- Keys:   those of effects
-- ARGV:   event id
-- Answer: for each effect {name, field, value, field, value …}. A value that is no entry is answered as an entry without a state.
-- Cost:   O(effects × fields)
local answers = {}
for _, key in ipairs(entries_of(ARGV[1])) do
  local kind = redis.call('TYPE', key).ok
  local entry = kind == 'hash' and redis.call('HGETALL', key) or { 'event', ARGV[1] }
  table.insert(entry, 1, key:sub(#ns + #':effect:' + 1))
  if kind ~= 'none' then append(answers, entry) end
end
return answers
