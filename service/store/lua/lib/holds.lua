-- holds(…): the pieces that open, probe and lift causes. A cause is a reason outside the events for which work is parked: an
-- outage, a wrong API key, a pause. While it is open, one call at a time goes through as a probe; its parked events are due when
-- it is lifted. A cause whose `probe_at` is -1 is never probed.
--
-- requires: handlers note settle
-- Keys:   <ns>:block:<name>, <ns>:blocks, <ns>:parked:<name>, <ns>:notified:<name>, and those of settle and note
-- Cost:   O(1) each, but for those that settle events: O(events × (handlers + log queue))

-- mark_notified: note that people are told of an open cause
local function mark_notified(name, quiet)
  redis.call('SET', ns .. ':notified:' .. name, '1', 'PX', quiet)
  redis.call('HSET', ns .. ':block:' .. name, 'unnotified', '')
  return true
end

-- open_block: answers whether people are to be told: not again and again of one that comes and goes
local function open_block(name, cause)
  local tell = redis.call('EXISTS', ns .. ':notified:' .. name) == 0
  redis.call('SADD', ns .. ':blocks', name)
  redis.call('HSET', ns .. ':block:' .. name, 'since', now, 'probe_at', now + cause.interval, 'interval', cause.interval,
    'longest', cause.longest, 'detail', cause.detail, 'advice', cause.advice, 'unnotified', tell and '1' or '')
  return tell and mark_notified(name, cause.quiet)
end

-- lift_block: it stays among the causes until nothing is parked for it any more
local function lift_block(name)
  redis.call('DEL', ns .. ':block:' .. name)
end

-- release_parked: make up to `most` events due that a lifted cause held, the oldest first: settle sees that it is gone
local function release_parked(name, most)
  local freed = most > 0 and redis.call('ZRANGE', ns .. ':parked:' .. name, 0, most - 1) or {}
  for _, id in ipairs(freed) do
    settle(id)
    note(id, 'released', { cause = name })
    -- After that, so that none is lost from sight which was not freed.
    redis.call('ZREM', ns .. ':parked:' .. name, id)
  end
  if redis.call('EXISTS', ns .. ':parked:' .. name) == 0 then redis.call('SREM', ns .. ':blocks', name) end
  return #freed
end

-- unpark_event: let the handlers of an event run again that this cause holds; answers whether there were any
local function unpark_event(id, name, names)
  local event, any = ns .. ':event:' .. id, false
  local _, _, parked = combined_state(event, names_of(names))
  for field, handler in pairs(parked or {}) do
    if handler.held_by == name then
      redis.call('HSET', event, field, unparked(handler))
      any = true
    end
  end
  settle(id)
  if any then return true end
  -- Freed by a call that failed before it settled the event: it is due now.
  redis.call('ZREM', ns .. ':parked:' .. name, id)
  local score = tonumber(redis.call('ZSCORE', ns .. ':queue', ns .. ':' .. id) or 'inf')
  return score ~= nil and score <= now
end

-- start_probe: make the oldest event due that an open cause holds, unless it is being worked on; answers how many
local function start_probe(name)
  local MAX_SCANNED = 20
  for _, id in ipairs(redis.call('ZRANGE', ns .. ':parked:' .. name, 0, MAX_SCANNED - 1)) do
    local f = redis.call('HMGET', ns .. ':event:' .. id, 'handlers', 'lease', 'lease_until')
    if not f[1] then
      redis.call('ZREM', ns .. ':parked:' .. name, id)
    elseif not (f[2] and (tonumber(f[3]) or 0) > now) and unpark_event(id, name, f[1]) then
      return 1
    end
  end
  return 0
end
