-- learn: put what is now known of something in the place of what was known, and raise the events that tell of the
-- difference, in one step; refused where somebody else has learnt something meanwhile, who then raised its events.
--
-- Keys:   those of record, <ns>:known:<kind>
-- ARGV:   ns, kind, id, what was known ('' nothing), what is known now, then for each event: identity, type, body, marks
-- Answer: 1, or 0 where something else was known
-- Cost:   O(events × log queue)
local ns = ARGV[1]
local known = ns .. ':known:' .. ARGV[2]
if (redis.call('HGET', known, ARGV[3]) or '') ~= ARGV[4] then return 0 end
local now = now_ms()
for i = 6, #ARGV, 4 do
  local first_at = first_arrival(ns, ARGV[i])
  record(ns, now, ARGV[i], ARGV[i], first_at, ARGV[i + 1], ARGV[i + 2], 'emit', 0, ARGV[i + 3])
end
-- Last, so that whoever tries again raises what was not raised.
redis.call('HSET', known, ARGV[3], ARGV[5])
return 1
