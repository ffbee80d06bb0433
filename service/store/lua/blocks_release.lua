-- blocks_release: make some events due that lifted causes held. Not while many are due already: those who come now would
-- have to wait for all of them.
--
-- requires: holds
-- Keys:   those of holds, <ns>:queue
-- ARGV:   limit (at most 500), most due (events that may be due at once)
-- Answer: how many were made due
-- Cost:   O(causes + limit × (handlers + log queue))
local limit = tonumber(ARGV[1])
if redis.call('ZCOUNT', ns .. ':queue', '-inf', now) >= tonumber(ARGV[2]) then return 0 end
local freed = 0
for _, name in ipairs(redis.call('SMEMBERS', ns .. ':blocks')) do
  if freed < limit and redis.call('EXISTS', ns .. ':block:' .. name) == 0 then
    freed = freed + release_parked(name, limit - freed)
  end
end
return freed
