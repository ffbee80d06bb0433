-- compare_and_set: put what is now known of something in the place of what was known, and raise the events that tell of the
-- difference, in one step; refused where somebody else has learnt something meanwhile, who then raised its events.
--
-- requires: record
-- Keys:   those of record, <ns>:known:<kind>
-- ARGV:   kind, id, what was known ('' nothing), what is known now, then for each event: identity, type, body, marks
-- Answer: 1, or 0 where something else was known
-- Cost:   O(events × log queue)
local known = ns .. ':known:' .. ARGV[1]
if (redis.call('HGET', known, ARGV[2]) or '') ~= ARGV[3] then return 0 end
for i = 5, #ARGV, 4 do
  local first_at = first_arrival(ARGV[i])
  record(ARGV[i], ARGV[i], first_at, ARGV[i + 1], ARGV[i + 2], 'emit', 0, ARGV[i + 3])
end
-- Last, so that a repetition raises the missing events.
redis.call('HSET', known, ARGV[2], ARGV[4])
return 1
