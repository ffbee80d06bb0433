-- repair: put events where their records say they belong. Entries of the indexes without a record are
-- removed: an acceptance, or an end, failed half-way. An unreadable record stays unchanged.
--
-- requires: changes settle
-- Keys:   those of settle, <ns>:events
-- ARGV:   ids (at most 100)
-- Answer: how many were put right
-- Cost:   O(ids × (handlers + log events))

local function repair_event(id)
  local event = ns .. ':event:' .. id
  if redis.call('EXISTS', event) == 0 then
    leave_end(id, 'dead')
    leave_end(id, 'done')
    dequeue(id)
    write_changes()
    redis.call('ZREM', ns .. ':events', id)
    return
  end
  local f = redis.call('HMGET', event, 'received_at', 'body')
  redis.call('ZADD', ns .. ':events', 'NX', tonumber(f[1]) or now, id)
  local state = settle(id)
  local ended_at = tonumber(redis.call('HGET', event, 'ended_at') or '') or now
  if state ~= 'dead' then redis.call('ZREM', ns .. ':dead', id) end
  if state ~= 'done' and state ~= 'ignored' then leave_end(id, 'done') end
  if state == 'open' then add_job(id, tonumber(f[1]) or now) end
  write_changes()
  if state == 'open' then return end
  redis.call('HDEL', event, 'lease', 'lease_until', 'alone')
  redis.call('ZADD', ns .. (state == 'dead' and ':dead' or ':ended'), 'NX', ended_at, id)
  if state ~= 'dead' and f[2] then redis.call('ZADD', ns .. ':bodies', 'NX', ended_at, id) end
end

local repaired = 0
for i = 1, #ARGV do
  if pcall(repair_event, ARGV[i]) then repaired = repaired + 1 end
end
return repaired
