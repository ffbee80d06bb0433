-- recount: set the counters to the sizes of the indexes. Done and ignored events share one index. The number of ignored ones
-- is taken from a full count or, where there is none, from the counter.
--
-- requires: changes
-- Keys:   <ns>:counts, <ns>:events, <ns>:ended, <ns>:dead
-- ARGV:   number of ignored events ('': the counter)
-- Answer: 1 if a counter changed, else 0
-- Cost:   O(1)
local known = counters()
local events, ended, dead = redis.call('ZCARD', ns .. ':events'), redis.call('ZCARD', ns .. ':ended'), redis.call('ZCARD', ns .. ':dead')
local ignored = math.max(0, math.min(ended, tonumber(ARGV[1]) or known.ignored))
local right = { accepted = events, dead = dead, ignored = ignored, done = ended - ignored, open = events - ended - dead }
local changed = {}
for name, number in pairs(right) do
  if known[name] ~= number then append(changed, name, number) end
end
if not next(changed) then return 0 end
redis.call('HSET', ns .. ':counts', unpack(changed))
return 1
