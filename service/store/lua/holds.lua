-- holds(…): the pieces that open, probe and lift causes. A cause is a reason outside the events for which work is parked: an
-- outage, a wrong API key, a pause. While it is open, one call at a time goes through as a probe; what it holds is due when
-- it is lifted. A cause whose `probe_at` is -1 is never probed.
--
-- Keys:   <ns>:cause:<name>, <ns>:causes, <ns>:parked:<name>, <ns>:told:<name>, and those of settle and note
-- Cost:   O(1) each, but for those that settle events: O(events × (handlers + log queue))

-- open_cause: answers whether people are to be told: not again and again of one that comes and goes
local function open_cause(ns, name, now, cause)
  redis.call('HSET', ns .. ':cause:' .. name, 'since', now, 'probe_at', now + cause.interval, 'interval', cause.interval,
    'longest', cause.longest, 'detail', cause.detail, 'advice', cause.advice)
  redis.call('SADD', ns .. ':causes', name)
  return redis.call('SET', ns .. ':told:' .. name, '1', 'NX', 'PX', cause.quiet) and true or false
end

-- lift_cause: it stays among the causes until nothing is parked for it any more
local function lift_cause(ns, name)
  redis.call('DEL', ns .. ':cause:' .. name)
end

-- free_some: make up to `most` events due that a lifted cause held, the oldest first: settle sees that it is gone
local function free_some(ns, name, most, now)
  local freed = redis.call('ZPOPMIN', ns .. ':parked:' .. name, most)
  for i = 1, #freed, 2 do
    note(ns, freed[i], now, 'released', { cause = name })
    settle(ns, freed[i], now)
  end
  if redis.call('EXISTS', ns .. ':parked:' .. name) == 0 then redis.call('SREM', ns .. ':causes', name) end
  return #freed / 2
end

-- set_free_of: let the handlers of an event run again that this cause holds; answers whether there were any
local function set_free_of(ns, id, name, names, now)
  local event, any = ns .. ':event:' .. id, false
  local _, _, parked = verdict(event, names_of(names))
  for field, handler in pairs(parked or {}) do
    if handler.held_by == name then
      set_free(event, field, handler, now)
      any = true
    end
  end
  settle(ns, id, now)
  return any
end

-- free_for_probe: make the oldest event due that an open cause holds, unless it is being worked on; answers how many
local function free_for_probe(ns, name, now)
  local MOST_LOOKED_AT = 20
  for _, id in ipairs(redis.call('ZRANGE', ns .. ':parked:' .. name, 0, MOST_LOOKED_AT - 1)) do
    local f = redis.call('HMGET', ns .. ':event:' .. id, 'handlers', 'lease', 'lease_until')
    if not f[1] then
      redis.call('ZREM', ns .. ':parked:' .. name, id)
    elseif not (f[2] and (tonumber(f[3]) or 0) > now) and set_free_of(ns, id, name, f[1], now) then
      return 1
    end
  end
  return 0
end
