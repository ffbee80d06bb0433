-- effect_look: the ledger's entry of one effect by its name, and whether another run that lives has it in hand. It is noted
-- among the effects of the event that asks.
--
-- Keys:   <ns>:effect:<name>, <ns>:effects:<event id>, <ns>:event:<id of the event that has it in hand>
-- ARGV:   event id, name, run (random, of the run that asks)
-- Answer: {in other hands ('1' | '0'), field, value, field, value …}; no fields where nothing is known. A value that is no entry
--         is answered as an entry without a state, and a damaged entry is in nobody's hands.
-- Cost:   O(fields + log effects of the event)
local id, name, run = ARGV[1], ARGV[2], ARGV[3]
local entry = ns .. ':effect:' .. name
local kind = redis.call('TYPE', entry).ok
if kind == 'none' then return { '0' } end
redis.call('ZADD', ns .. ':effects:' .. id, 'NX', now, name)
if kind ~= 'hash' then return { '0', 'event', id } end
local answer, f = redis.call('HGETALL', entry), redis.call('HMGET', entry, 'state', 'run', 'holder', 'token')
local busy = f[1] == 'started' and f[2] ~= run and f[3] and f[4] and is_leased(f[3], f[4])
table.insert(answer, 1, busy and '1' or '0')
return answer
