-- compare_and_set: put what is now known of something in the place of what was known, and raise the events that tell of the
-- difference, in one step; refused where somebody else has learnt something meanwhile, who then raised its events.
--
-- requires: packed_event record
-- Keys:   those of record, <ns>:snapshot:<kind>
-- ARGV:   kind, id, what was known ('' nothing), what is known now, then each event, packed
-- Answer: 1, or 0 where something else was known
-- Cost:   O(events × log queue)
local known = ns .. ':snapshot:' .. ARGV[1]
if (redis.call('HGET', known, ARGV[2]) or '') ~= ARGV[3] then return 0 end
for i = 5, #ARGV do
  local event = unpack_event(ARGV[i])
  record(event.identity, event, first_arrival(event.identity))
end
-- Last, so that a repetition raises the missing events.
redis.call('HSET', known, ARGV[2], ARGV[4])
return 1
