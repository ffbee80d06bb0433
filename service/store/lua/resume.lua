-- resume: end a pause, and make the first events due that it held; upkeep frees the others.
--
-- Keys:   those of holds, <ns>:paused
-- ARGV:   ns, name of the cause, handler ('*': all), limit (events to free at once; at most 500)
-- Answer: {1 if it was paused, else 0; events that it held}
-- Cost:   O(limit × (handlers + log queue))
local ns, name = ARGV[1], ARGV[2]
if redis.call('SISMEMBER', ns .. ':paused', ARGV[3]) == 0 then return { 0, 0 } end
local held = redis.call('ZCARD', ns .. ':parked:' .. name)
lift_cause(ns, name)
free_some(ns, name, tonumber(ARGV[4]), now_ms())
-- Last: while it is there, this can be asked for again.
redis.call('SREM', ns .. ':paused', ARGV[3])
return { 1, held }
