-- effects: the ledger's entries of one event's effects, the first begun first. With a name it is the entry of one effect.
-- That is noted among the effects of the event that asks.
--
-- requires: effects
-- Keys:   those of lib/effects, <ns>:event:<id of the event that has it in hand>
-- ARGV:   event id, optionally run (random, of the run that asks) and the name of one effect
-- Answer: for each that is known {name, whether another run that lives has it in hand ('1' | '0'), field, value, field, value …}. A
--         value that is no entry is answered as an entry without a state, and a damaged entry is in nobody's hands. An
--         entry whose intent failed half-way is not known.
-- Cost:   O(effects × fields + log effects)
local answers, id, run, name = {}, ARGV[1], ARGV[2], ARGV[3] or ''
for _, entry in ipairs(name == '' and entries_of(id) or { ns .. ':effect:' .. name }) do
  local kind = redis.call('TYPE', entry).ok
  local answer = kind == 'hash' and redis.call('HGETALL', entry) or { 'event', id }
  local f = kind == 'hash' and redis.call('HMGET', entry, 'state', 'run', 'holder', 'token', 'version') or {}
  local busy = f[1] == 'started' and f[2] ~= run and f[3] and is_leased(f[3], f[4])
  table.insert(answer, 1, busy and '1' or '0')
  table.insert(answer, 1, entry:sub(#ns + #':effect:' + 1))
  if kind ~= 'none' and f[5] ~= NEVER_BEGUN then append(answers, answer) end
end
if name ~= '' and #answers > 0 then redis.call('ZADD', ns .. ':effects:' .. id, 'NX', now, name) end
return answers
