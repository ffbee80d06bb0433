-- blocks_probe: make the oldest parked event of each open block due as its probe. The time for it has come, and no new call
-- came along.
--
-- requires: blocks
-- Keys:   those of lib/blocks
-- ARGV:   at once ('1': the time of every block that is probed at all has come, unless a reading of the API holds it)
-- Answer: how many events were made due
-- Cost:   O(blocks × (handlers + log queue))
local due = 0
for _, name in ipairs(redis.call('SMEMBERS', ns .. ':blocks')) do
  local block = ns .. ':block:' .. name
  local f = redis.call('HMGET', block, 'probe_at', 'held')
  local probe_at = tonumber(f[1] or '-1')
  if probe_at >= 0 and ARGV[1] == '1' and f[2] ~= '1' then
    redis.call('HSET', block, 'probe_at', now)
    probe_at = now
  end
  if probe_at >= 0 and probe_at <= now then due = due + start_probe(name) end
end
return due
