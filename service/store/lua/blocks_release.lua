-- blocks_release: make some events due that lifted blocks held. Not while many are due already: new events would
-- have to wait for all of them.
--
-- requires: blocks
-- Keys:   those of lib/blocks, <ns>:queue
-- ARGV:   limit (at most 500), most due (events that may be due at once)
-- Answer: how many were made due
-- Cost:   O(blocks + limit × (handlers + log queue))
local released = 0
if redis.call('ZCOUNT', ns .. ':queue', '-inf', now) >= tonumber(ARGV[2]) then return released end
for _, name in ipairs(redis.call('SMEMBERS', ns .. ':blocks')) do
  if released < tonumber(ARGV[1]) and redis.call('EXISTS', ns .. ':block:' .. name) == 0 then
    released = released + release_parked(name, tonumber(ARGV[1]) - released)
  end
end
return released
