-- resume: end a pause, and make the first events due that it held; upkeep frees the others.
--
-- requires: holds
-- Keys:   those of holds, <ns>:paused
-- ARGV:   name of the cause, handler ('*': all), limit (events to free at once; at most 500)
-- Answer: {1 if it was paused, else 0; events that it held}
-- Cost:   O(limit × (handlers + log queue))
local name = ARGV[1]
if redis.call('SISMEMBER', ns .. ':paused', ARGV[2]) == 0 then return { 0, 0 } end
local held = redis.call('ZCARD', ns .. ':parked:' .. name)
lift_block(name)
release_parked(name, tonumber(ARGV[3]))
-- Last: while it is there, this can be asked for again.
redis.call('SREM', ns .. ':paused', ARGV[2])
return { 1, held }
