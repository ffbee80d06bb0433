-- recount: set the counters to what the indexes hold. Those of done and of ignored events share one index: how many of its events
-- are ignored is taken from a full count or, where there is none, from the counter.
--
-- requires: changes
-- Keys:   <ns>:counts, <ns>:events, <ns>:ended, <ns>:dead
-- ARGV:   number of ignored events ('': what the counter says)
-- Answer: 1 if a counter changed, else 0
-- Cost:   O(1)
local known = counters()
local events, ended, dead = redis.call('ZCARD', ns .. ':events'), redis.call('ZCARD', ns .. ':ended'), redis.call('ZCARD', ns .. ':dead')
local ignored = math.max(0, math.min(ended, tonumber(ARGV[1]) or known.ignored))
local right = { accepted = events, dead = dead, ignored = ignored, done = ended - ignored, open = events - ended - dead }
local changed = 0
for name, number in pairs(right) do
  if known[name] ~= number then changed = 1 end
end
if changed == 1 then
  redis.call('HSET', ns .. ':counts', 'accepted', right.accepted, 'done', right.done, 'ignored', right.ignored, 'dead', right.dead,
    'open', right.open)
end
return changed
