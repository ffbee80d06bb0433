-- compare_and_set: store a new state in place of the known one. The events of the difference are raised in the same step. It
-- is refused where another caller has changed the state meanwhile, who then raised its events.
--
-- requires: changes record
-- Keys:   those of record, <ns>:snapshot:<kind>
-- ARGV:   kind, id, known before ('' nothing), known now, then each event, packed
-- Answer: 1, or 0 where something else was known
-- Cost:   O(events × log queue)
local known = ns .. ':snapshot:' .. ARGV[1]
if (redis.call('HGET', known, ARGV[2]) or '') ~= ARGV[3] then return 0 end
for i = 5, #ARGV do
  local event = unpack_event(ARGV[i])
  record(event.identity, event, (first_arrival(event.identity)))
end
write_changes()
-- Last, so that a repetition raises the missing events.
redis.call('HSET', known, ARGV[2], ARGV[4])
return 1
