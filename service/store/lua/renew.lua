-- renew: extend the lease on events that are still running.
--
-- Keys:   those of settle
-- ARGV:   ns, lease (ms), then id, token for each event
-- Answer: the ids whose lease was lost
-- Cost:   O(events × log queue)
local ns, lease = ARGV[1], tonumber(ARGV[2])
local now = now_ms()
local lost = {}
for i = 3, #ARGV, 2 do
  local id, event = ARGV[i], ns .. ':event:' .. ARGV[i]
  local f = redis.call('HMGET', event, 'lease', 'lease_until')
  if f[1] == ARGV[i + 1] and tonumber(f[2]) > now then
    redis.call('HSET', event, 'lease_until', now + lease)
    settle(ns, id, now)
  else
    lost[#lost + 1] = id
  end
end
return lost
