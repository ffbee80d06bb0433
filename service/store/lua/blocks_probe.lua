-- blocks_probe: make the oldest parked event of each open cause due as its probe, where the time has come and no new call
-- came along.
--
-- requires: holds
-- Keys:   those of holds
-- ARGV:   at once ('1': the time of every cause that is probed at all has come)
-- Answer: how many events were made due
-- Cost:   O(causes × (handlers + log queue))
local at_once = ARGV[1] == '1'
local freed = 0
for _, name in ipairs(redis.call('SMEMBERS', ns .. ':blocks')) do
  local cause = ns .. ':block:' .. name
  local probe_at = tonumber(redis.call('HGET', cause, 'probe_at') or '-1')
  if probe_at >= 0 and at_once then
    redis.call('HSET', cause, 'probe_at', now)
    probe_at = now
  end
  if probe_at >= 0 and probe_at <= now then freed = freed + start_probe(name) end
end
return freed
