-- finish: record how handlers ended and, if asked, give the lease back. Refused to whoever has lost the lease.
--
-- Keys:   those of settle
-- ARGV:   ns, id, token, release ('1' | '0'), then name, JSON for each handler
-- Answer: the state of the event, or 'lost'
-- Cost:   O(handlers of the event + log queue)
local ns, id, token, release = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local now = now_ms()
local event = ns .. ':event:' .. id
local f = redis.call('HMGET', event, 'lease', 'lease_until')
if f[1] ~= token or tonumber(f[2]) <= now then return 'lost' end
for i = 5, #ARGV, 2 do
  redis.call('HSET', event, 'h:' .. ARGV[i], ARGV[i + 1])
end
if release then redis.call('HDEL', event, 'lease', 'lease_until') end
return settle(ns, id, now)
