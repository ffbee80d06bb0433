-- expire: delete events that ended long ago, and lower both sides of the sum in the same step.
--
-- requires: delete_event
-- Keys:   those of delete_event, <ns>:ended, <ns>:dead, <ns>:bodies, <ns>:forgotten_until
-- ARGV:   retention of ended events (ms), retention of dead ones (ms), limit (at most 500 for each)
-- Answer: how many were deleted
-- Cost:   O(limit × log events)
local deleted = 0

-- note_forgotten: of events that were delivered before this moment (ms), nobody can tell any more whether they were accepted
local function note_forgotten(moment)
  if moment > tonumber(redis.call('GET', ns .. ':forgotten_until') or '0') then
    redis.call('SET', ns .. ':forgotten_until', string.format('%.0f', moment))
  end
end

for index, retention in pairs({ [':ended'] = tonumber(ARGV[1]), [':dead'] = tonumber(ARGV[2]) }) do
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', ns .. index, '-inf', now - retention, 'LIMIT', 0, ARGV[3])) do
    local state = redis.call('HGET', event_key(id), 'state')
    -- A script that failed half-way may have put it into this index too early.
    if not state or (state ~= 'open' and (state == 'dead') == (index == ':dead')) then
      note_forgotten(now - retention)
      delete_event(id)
      deleted = deleted + 1
    end
    redis.call('ZREM', ns .. index, id)
  end
end
return deleted
