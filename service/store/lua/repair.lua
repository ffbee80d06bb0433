-- repair: put events where their records say they belong. Entries of the indexes without a record are
-- removed: an acceptance, or an end, failed half-way. An unreadable record stays unchanged.
--
-- requires: backlog causes changes handlers settle
-- Keys:   those of settle, <ns>:events
-- ARGV:   ids (at most 100)
-- Answer: how many were put right
-- Cost:   O(ids × (handlers + log events))
local function repair_event(id)
  local event = event_key(id)
  local f = redis.call('HMGET', event, 'received_at', 'body', 'ended_at', 'state')
  -- Those that left it open enter again with its settlement.
  leave_backlogs(id)
  local received_at, ended_at, state = tonumber(f[1]) or now, tonumber(f[3]) or now, nil
  if redis.call('EXISTS', event) == 0 then
    dequeue(ns .. ':' .. id)
    collect('ZREM', ':events', id)
  else
    redis.call('ZADD', ns .. ':events', 'NX', received_at, id)
    -- An end that failed half-way may have left its lease. That must not open the event again.
    state = settle(id, f[4] and f[4] ~= 'open')
  end
  local ended = state == 'done' or state == 'ignored'
  if state ~= 'dead' then collect_end('ZREM', 'dead', id) end
  if not ended then collect_end('ZREM', 'done', id) end
  write_changes()
  if not state or state == 'open' then return end
  redis.call('HDEL', event, 'lease', 'lease_until', 'alone')
  redis.call('ZADD', ns .. (ended and ':ended' or ':dead'), 'NX', ended_at, id)
  if state == 'dead' then redis.call('HSET', event, 'causes', index_causes(id, ended_at, handlers_of(event))) end
  if ended and f[2] then redis.call('ZADD', ns .. ':bodies', 'NX', ended_at, id) end
end

local repaired = 0
for _, id in ipairs(ARGV) do
  if pcall(repair_event, id) then repaired = repaired + 1 end
end
return repaired
