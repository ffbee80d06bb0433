-- ends: the indexes of events that have ended.
--
-- Keys:   <ns>:ended, <ns>:dead, <ns>:bodies
-- Cost:   O(log events) each
-- index_end, leave_end: put an event into the indexes of its end, and take it out of them
local function index_end(id, state)
  redis.call('ZADD', ns .. (state == 'dead' and ':dead' or ':ended'), now, id)
  if state ~= 'dead' then redis.call('ZADD', ns .. ':bodies', now, id) end
end

local function leave_end(id, state)
  if state == 'dead' then
    redis.call('ZREM', ns .. ':dead', id)
  else
    redis.call('ZREM', ns .. ':bodies', id)
    redis.call('ZREM', ns .. ':ended', id)
  end
end
