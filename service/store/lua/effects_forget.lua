-- effects_forget: let a handler's effects of one event be as if they had never been, so that they happen once more under keys
-- that Telnyx has not seen; or only say how many that would be.
--
-- Keys:   <ns>:effects:<event id>, <ns>:effect:<name>
-- ARGV:   ns, event id, handler, forget ('1' | '0': only count)
-- Answer: how many effects
-- Cost:   O(effects of the event)
local ns, count = ARGV[1], 0
local FORGOTTEN = { forgotten = true, withdrawn = true, refused = true, would = true }
for _, name in ipairs(redis.call('ZRANGE', ns .. ':effects:' .. ARGV[2], 0, -1)) do
  local entry = ns .. ':effect:' .. name
  local f = redis.call('HMGET', entry, 'handler', 'state')
  if f[1] == ARGV[3] and not FORGOTTEN[f[2]] then
    count = count + 1
    if ARGV[4] == '1' then
      redis.call('HINCRBY', entry, 'version', 1)
      redis.call('HINCRBY', entry, 'generation', 1)
      redis.call('HSET', entry, 'state', 'forgotten', 'doubtful', 0)
      redis.call('HDEL', entry, 'bytes')
    end
  end
end
return count
