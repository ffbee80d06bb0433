-- backlog: the events that a handler has left open, by handler. It ran for them, or was held, and has not ended. An event that
-- was not claimed yet has no handlers, so the due queue alone counts it. One that ends in its first run is never in here.
--
-- The field `backlog` of a record names these handlers, one a line. An event enters an index after its record says so, and
-- leaves it before. So an index never holds more than the records say, and any settle adds what is missing.
--
-- Keys:   <ns>:backlog, <ns>:backlog:<handler>, <ns>:event:<id>
-- Cost:   O(handlers left open × log their events)
local PLANNED = { quiet_hours = true }

local function backlog_key(handler) return ns .. ':backlog:' .. handler end

-- leave_backlogs: let an event leave all indexes, whatever its record says
local function leave_backlogs(id)
  for _, name in ipairs(redis.call('SMEMBERS', ns .. ':backlog')) do redis.call('ZREM', backlog_key(name), id) end
end

-- is_left_open: whether a handler has left its event open. A wait until the end of quiet hours is no backlog.
local function is_left_open(handler)
  return (handler.state == 'waiting' or handler.state == 'parked') and not PLANNED[handler.reason or '']
end
