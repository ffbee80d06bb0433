-- effects_settle: a person's word on the effects of unknown fate of one event.
--
-- Keys:   <ns>:effects:<event id>, <ns>:effect:<name>
-- ARGV:   ns, event id, word ('sent' | 'not_sent'), answer (what a handler is answered from now on where it was sent)
-- Answer: how many effects that settled
-- Cost:   O(effects of the event)
local ns, settled = ARGV[1], 0
local now = now_ms()
for _, name in ipairs(redis.call('ZRANGE', ns .. ':effects:' .. ARGV[2], 0, -1)) do
  local entry = ns .. ':effect:' .. name
  if redis.call('HGET', entry, 'state') == 'started' then
    settled = settled + 1
    redis.call('HINCRBY', entry, 'version', 1)
    redis.call('HDEL', entry, 'bytes')
    if ARGV[3] == 'sent' then
      redis.call('HSET', entry, 'state', 'settled', 'status', 200, 'answer_type', 'application/json', 'answer', ARGV[4],
        'answered_at', now)
    else
      redis.call('HSET', entry, 'state', 'withdrawn', 'doubtful', 0)
      -- The key stays, so that Telnyx itself may still know better; only where it refused the key is there a new one.
      if redis.call('HGET', entry, 'status') == '422' then redis.call('HINCRBY', entry, 'generation', 1) end
    end
  end
end
return settled
