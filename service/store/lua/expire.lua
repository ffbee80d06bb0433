-- expire: forget what ended long ago, and lower both sides of the sum in the same step.
--
-- requires: delete_event
-- Keys:   those of forget, <ns>:ended, <ns>:dead, <ns>:bodies
-- ARGV:   retention of ended events (ms), retention of dead ones (ms), limit (at most 500 for each)
-- Answer: how many were forgotten
-- Cost:   O(limit × log events)
local limit = tonumber(ARGV[3])

-- belongs: whether this index is that of the event's end; a script that failed half-way may have put it there too early
local function belongs(index, id)
  local state = redis.call('HGET', ns .. ':event:' .. id, 'state')
  if not state then return true end
  return state ~= 'open' and (state == 'dead') == (index == ':dead')
end

local forgotten = 0
for index, retention in pairs({ [':ended'] = tonumber(ARGV[1]), [':dead'] = tonumber(ARGV[2]) }) do
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', ns .. index, '-inf', now - retention, 'LIMIT', 0, limit)) do
    if belongs(index, id) then
      delete_event(id)
      redis.call('ZREM', ns .. index, id)
      forgotten = forgotten + 1
    else
      redis.call('ZREM', ns .. index, id)
    end
  end
end
return forgotten
