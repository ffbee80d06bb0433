-- holds(…): the pieces that open, probe and lift causes. A cause is a reason outside the events for which work is parked: an
-- outage, a wrong API key, a pause. While it is open, one call at a time goes through as a probe; its parked events are due when
-- it is lifted. A cause whose `probe_at` is -1 is never probed.
--
-- requires: handlers note settle
-- Keys:   <ns>:cause:<name>, <ns>:causes, <ns>:parked:<name>, <ns>:told:<name>, and those of settle and note
-- Cost:   O(1) each, but for those that settle events: O(events × (handlers + log queue))

-- tell_of: note that people are told of an open cause
local function tell_of(name, quiet)
  redis.call('SET', ns .. ':told:' .. name, '1', 'PX', quiet)
  redis.call('HSET', ns .. ':cause:' .. name, 'untold', '')
  return true
end

-- open_cause: answers whether people are to be told: not again and again of one that comes and goes
local function open_cause(name, cause)
  local tell = redis.call('EXISTS', ns .. ':told:' .. name) == 0
  redis.call('SADD', ns .. ':causes', name)
  redis.call('HSET', ns .. ':cause:' .. name, 'since', now, 'probe_at', now + cause.interval, 'interval', cause.interval,
    'longest', cause.longest, 'detail', cause.detail, 'advice', cause.advice, 'untold', tell and '1' or '')
  return tell and tell_of(name, cause.quiet)
end

-- lift_cause: it stays among the causes until nothing is parked for it any more
local function lift_cause(name)
  redis.call('DEL', ns .. ':cause:' .. name)
end

-- free_some: make up to `most` events due that a lifted cause held, the oldest first: settle sees that it is gone
local function free_some(name, most)
  local freed = most > 0 and redis.call('ZRANGE', ns .. ':parked:' .. name, 0, most - 1) or {}
  for _, id in ipairs(freed) do
    settle(id)
    note(id, 'released', { cause = name })
    -- After that, so that none is lost from sight which was not freed.
    redis.call('ZREM', ns .. ':parked:' .. name, id)
  end
  if redis.call('EXISTS', ns .. ':parked:' .. name) == 0 then redis.call('SREM', ns .. ':causes', name) end
  return #freed
end

-- set_free_of: let the handlers of an event run again that this cause holds; answers whether there were any
local function set_free_of(id, name, names)
  local event, any = ns .. ':event:' .. id, false
  local _, _, parked = verdict(event, names_of(names))
  for field, handler in pairs(parked or {}) do
    if handler.held_by == name then
      set_free(event, field, handler)
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

-- free_for_probe: make the oldest event due that an open cause holds, unless it is being worked on; answers how many
local function free_for_probe(name)
  local MOST_LOOKED_AT = 20
  for _, id in ipairs(redis.call('ZRANGE', ns .. ':parked:' .. name, 0, MOST_LOOKED_AT - 1)) do
    local f = redis.call('HMGET', ns .. ':event:' .. id, 'handlers', 'lease', 'lease_until')
    if not f[1] then
      redis.call('ZREM', ns .. ':parked:' .. name, id)
    elseif not (f[2] and (tonumber(f[3]) or 0) > now) and set_free_of(id, name, f[1]) then
      return 1
    end
  end
  return 0
end
