-- settle(id, quietly, given_back): the one place where an event's state, its place in the queue and the counters are
-- computed, from nothing but its record. Every script that changes a record ends here, so that they cannot disagree.
-- `given_back` says that the lease does not count: its holder is about to end it.
--
-- Redis does not undo a script that fails half-way. So the places come first, then the counters, and last the write of `state`
-- into the record, which makes the rest count. All before it can be repeated, and what follows it (the job leaves the queue)
-- is made up for by any settle.
--
-- requires: counters ends handlers queue
-- Keys:   <ns>:event:<id>, <ns>:queue, <ns>:counts, <ns>:ended, <ns>:dead, <ns>:bodies, <ns>:wake, <ns>:block:<name>,
--         <ns>:parked:<name>, arq:job:<ns>:<id>, arq:retry:<ns>:<id>
-- Answer: the state: open, done, ignored or dead
-- Cost:   O(handlers of the event + log queue)
-- change_state: its write of the record is what makes a new state count
local function change_state(id, before, after)
  local event = ns .. ':event:' .. id
  if before and before ~= 'open' then leave_end(id, before) end
  if after == 'open' then
    if before then redis.call('HDEL', event, 'ended_at') end
    count(before, after)
    redis.call('HSET', event, 'state', after)
  else
    index_end(id, after)
    count(before, after)
    redis.call('HSET', event, 'state', after, 'ended_at', now)
  end
end

-- unpark_handler: let a parked handler run again
local function unpark_handler(event, field, handler)
  handler.state, handler.held_by, handler.due = 'waiting', nil, now
  redis.call('HSET', event, field, cjson.encode(handler))
end

-- park: note an event with the causes that hold its handlers, and with no others. A handler whose cause is gone by now is
-- free at once: its lifting could not know of this one. Answers whether there was such a handler, and what is to be done
-- once the event is in its place: until then it is found among those that the cause holds.
local function park(id, received_at, parked, held_by)
  local event, holding, names, freed = ns .. ':event:' .. id, {}, {}, false
  for field, handler in pairs(parked or {}) do
    if redis.call('EXISTS', ns .. ':block:' .. handler.held_by) == 0 then
      unpark_handler(event, field, handler)
      freed = true
    elseif not holding[handler.held_by] then
      holding[handler.held_by], names[#names + 1] = true, handler.held_by
      redis.call('ZADD', ns .. ':parked:' .. handler.held_by, received_at, id)
    end
  end
  if #names > 0 then redis.call('HSET', event, 'held_by', table.concat(names, '\n')) end
  return freed, function()
    if #names == 0 then redis.call('HDEL', event, 'held_by') end
    for name in (held_by or ''):gmatch('[^\n]+') do
      if not holding[name] then redis.call('ZREM', ns .. ':parked:' .. name, id) end
    end
  end
end

local function settle(id, quietly, given_back)
  local event = ns .. ':event:' .. id
  local f = redis.call('HMGET', event, 'state', 'lease', 'lease_until', 'handlers', 'due', 'received_at', 'pruned', 'held_by')
  -- Of an event whose body was let go of, only the end is known, and it stays.
  if f[7] and f[1] ~= 'done' and f[1] ~= 'ignored' and f[1] ~= 'dead' then
    redis.call('HDEL', event, 'pruned')
  elseif f[7] then
    dequeue(id)
    return f[1]
  end
  local before, leased = f[1], f[2] and not given_back and (tonumber(f[3]) or 0) > now
  local received_at = tonumber(f[6]) and f[6] or string.format('%.0f', now)
  if before and (before == 'accepted' or not counters()[before]) then
    redis.call('HSET', event, 'state', 'open')
    before = 'open'
  end
  local after, score, parked, unpark
  if leased then
    after, score = 'open', tonumber(f[3])
  elseif f[4] then
    after, score, parked = combined_state(event, names_of(f[4]))
    if parked or f[8] then
      local freed
      freed, unpark = park(id, received_at, parked, f[8])
      if freed then score = math.min(score, now) end
    end
  else
    after, score = 'open', tonumber(f[5]) or now
  end

  if after == 'open' then
    if score < tonumber(received_at) then score = tonumber(received_at) end
    requeue(id, score, received_at)
    -- A waiting worker looks again after a second at the latest; what comes due before that has to be told.
    if score < now + 1000 and not quietly then wake() end
  end
  if after ~= before then change_state(id, before, after) end
  if unpark then unpark() end
  if after ~= 'open' then dequeue(id) end
  return after
end
