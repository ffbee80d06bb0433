-- renew: extend the leases of what a worker runs, and take back what Redis says it holds although it does not run it: the
-- jobs of a claim whose reply was lost.
--
-- Keys:   those of settle and lease
-- ARGV:   ns, worker, lease (ms), settled (number of the last claim of which, like of all before, the worker knows the answer),
--         then for each event that it runs: id, token, wish ('extend' | 'leave' | 'overdue': it is let lapse, and that counts)
-- Answer: the ids whose lease was lost
-- Cost:   O(events that the worker holds × log queue)
local ns, worker, lease, settled = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now = now_ms()
local lost, runs = {}, {}
for i = 5, #ARGV, 3 do
  -- It ran longer than it may: that the worker is alive does not speak for the event.
  if ARGV[i + 2] == 'overdue' then redis.call('SREM', ns .. ':blamed:' .. worker, ARGV[i]) end
end
absolve(ns, worker)
for i = 5, #ARGV, 3 do
  local id, event = ARGV[i], ns .. ':event:' .. ARGV[i]
  runs[id] = true
  local f = redis.call('HMGET', event, 'lease', 'lease_until')
  if f[1] ~= ARGV[i + 1] or tonumber(f[2]) <= now then
    lost[#lost + 1] = id
  elseif ARGV[i + 2] == 'extend' then
    redis.call('HSET', event, 'lease_until', now + lease)
    settle(ns, id, now)
  end
end
for _, id in ipairs(redis.call('SMEMBERS', ns .. ':held:' .. worker)) do
  local token = redis.call('HGET', ns .. ':event:' .. id, 'lease')
  if not token or worker_of(token) ~= worker then
    redis.call('SREM', ns .. ':held:' .. worker, id)
  elseif not runs[id] and tonumber(token:match(':(%d+)$')) <= settled then
    settle(ns, id, now, false, true)
    redis.call('HDEL', ns .. ':event:' .. id, 'lease', 'lease_until', 'alone')
    redis.call('SREM', ns .. ':held:' .. worker, id)
  end
end
return lost
