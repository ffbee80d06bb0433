-- blocks_lift: lift a block, and make the first events due that it held. The maintenance releases the others.
--
-- requires: blocks
-- Keys:   those of lib/blocks
-- ARGV:   name of the block, limit (events to release at once; at most 500)
-- Answer: events that it held, or -1 where it was not open
-- Cost:   O(limit × (handlers + log queue))
local held = redis.call('ZCARD', ns .. ':parked:' .. ARGV[1])
local was_open = redis.call('DEL', ns .. ':block:' .. ARGV[1])
release_parked(ARGV[1], tonumber(ARGV[2]))
return was_open == 1 and held or -1
