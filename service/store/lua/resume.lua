-- resume: end a pause, and make the first events due that it held. The maintenance releases the others.
--
-- requires: blocks
-- Keys:   those of lib/blocks, <ns>:paused
-- ARGV:   name of the block, handler ('*': all), limit (events to release at once; at most 500)
-- Answer: {1 if it was paused, else 0; events that it held}
-- Cost:   O(limit × (handlers + log queue))
if redis.call('SISMEMBER', ns .. ':paused', ARGV[2]) == 0 then return { 0, 0 } end
local held = redis.call('ZCARD', ns .. ':parked:' .. ARGV[1])
redis.call('DEL', ns .. ':block:' .. ARGV[1])
release_parked(ARGV[1], tonumber(ARGV[3]))
-- Last: while it is there, this can be asked for again.
redis.call('SREM', ns .. ':paused', ARGV[2])
return { 1, held }
