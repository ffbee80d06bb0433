-- blocks_hold: open a block that a reading of the API says to be there. No answer of Telnyx lifts it: another reading does.
--
-- requires: blocks
-- Keys:   those of lib/blocks
-- ARGV:   name of the block, detail, advice, interval (ms from one probe to the next)
-- Answer: 1 if it was not open before, else 0
-- Cost:   O(1)
local name, interval = ARGV[1], tonumber(ARGV[4])
local block = { detail = ARGV[2], advice = ARGV[3], interval = interval, longest = interval, quiet = interval }
local known = redis.call('EXISTS', ns .. ':block:' .. name) == 1
if known then
  redis.call('HSET', ns .. ':block:' .. name, 'detail', block.detail, 'advice', block.advice)
else
  open_block(name, block)
end
-- Last: a block that failed half-way may be asked for again.
redis.call('HSET', ns .. ':block:' .. name, 'held', '1')
return known and 0 or 1
