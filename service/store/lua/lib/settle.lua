-- settle(id): the one place where an event's state, its place in the queue and the counters are computed. It reads nothing
-- but the record. Every script that changes a record ends here, so that they cannot disagree.
--
-- requires: backlog causes changes handlers order orderings
-- Keys:   those of backlog, causes, changes and order, <ns>:event:<id>, <ns>:block:<name>, <ns>:parked:<name>
-- Answer: the state: open, done, ignored or dead
-- Cost:   O(handlers of the event + log queue)
local SETTLED = { 'state', 'lease', 'lease_until', 'handlers', 'due', 'received_at', 'pruned', 'blocked_by', 'order', 'backlog' }
local wake, leave_lane
-- Collects the ends of leases, for a script that gives some back.
local collect_releases
-- Events with the lanes that they leave, as in a field `order`.
local leaving = {}
-- The events that came to their turn, each with the handler that may run.
local woken = {}

-- unparked: a parked handler's record that lets it run again
local function unparked(handler)
  handler.state, handler.blocked_by, handler.due = 'waiting', nil, now
  return cjson.encode(handler)
end

-- park: list an event with the blocks that hold its handlers, and with no others. A handler whose block is gone by now is
-- free at once: its lifting did not see this one. Answers whether there was such a handler. The event leaves the lists of other
-- blocks once its record is written: until then it is found there.
local function park(id, received_at, parked, blocked_by, fields)
  local event, holding, names, freed = event_key(id), {}, {}, false
  for field, handler in pairs(parked or {}) do
    local name = handler.blocked_by
    if redis.call('EXISTS', ns .. ':block:' .. name) == 0 then
      fields[#fields + 1], fields[#fields + 2] = field, unparked(handler)
      freed = true
    elseif not holding[name] then
      holding[name], names[#names + 1] = true, name
      redis.call('ZADD', ns .. ':parked:' .. name, received_at, id)
    end
  end
  if #names > 0 then fields[#fields + 1], fields[#fields + 2] = 'blocked_by', table.concat(names, '\n') end
  afterwards[#afterwards + 1] = function()
    if #names == 0 then redis.call('HDEL', event, 'blocked_by') end
    for name in (blocked_by or ''):gmatch('[^\n]+') do
      if not holding[name] then redis.call('ZREM', ns .. ':parked:' .. name, id) end
    end
  end
  return freed
end

-- keep_backlog: list an event with the handlers that left it open, and with no others. `known` is the field of its record.
local function keep_backlog(id, left_open, known, fields)
  local names, is_open = table.concat(left_open, '\n'), {}
  for _, name in ipairs(left_open) do is_open[name] = true end
  for name in known:gmatch('[^\n]+') do
    if not is_open[name] then redis.call('ZREM', backlog_key(name), id) end
  end
  if names ~= '' and names ~= known then append(fields, 'backlog', names) end
  afterwards[#afterwards + 1] = function()
    if names == '' then redis.call('HDEL', event_key(id), 'backlog') end
    for _, name in ipairs(left_open) do
      redis.call('SADD', ns .. ':backlog', name)
      redis.call('ZADD', backlog_key(name), 'NX', now, id)
    end
  end
end

-- leave_lanes: let events leave their lanes. Whose turn it is there is read at once.
local function leave_lanes()
  if #leaving == 0 then return end
  local all, orders = leaving, {}
  leaving = {}
  for i = 2, #all, 2 do orders[i / 2] = all[i] end
  read_turns(orders)
  for i, lane in ipairs(orders) do
    local id = all[2 * i - 1]
    if turns[lane] == id then
      -- Most events have one lane, and meet no other.
      turns[lane], turned[lane] = false, true
    else
      for handler, each in pairs(lanes_of(lane)) do
        if each ~= NO_LANE then leave_lane(id, handler, each) end
      end
    end
  end
end

-- write_settled: write what was collected. Leases end last.
local function write_settled()
  leave_lanes()
  if collect_releases then collect_releases() end
  write_changes()
end

-- read_settled: the fields of SETTLED of a record. Its collected changes are written before, and the end of its lease.
local function read_settled(id)
  if records[id] or released[id] then write_settled() end
  return redis.call('HMGET', event_key(id), unpack(SETTLED))
end

-- leave_lane: let an event leave a lane once its record is written. The next one gets the turn if it waits: it has asked, so
-- no earlier event lacks a place. Its record is written before it has the turn. So the repetition of a script that failed
-- half-way finds it again.
leave_lane = function(id, handler, lane)
  if next(records) then
    -- The next one may end in the same batch. No lease ends, and nothing leaves the queue, before the lane is left.
    local pending = released
    write_changes(true)
    released = pending
  end
  local first, followed = turn_of(lane)
  if first ~= id then
    if not first and not followed then return end
    redis.call('ZREM', turn_key(handler), id)
    -- A script that failed half-way may have left there whose turn it is.
    afterwards[#afterwards + 1] = function() redis.call('ZREM', lane_key(lane), id, first or id) end
    if first then return end
  end
  local following, f, others, _
  if followed then following, f, _, others = next_in_lane(handler, lane, id) end
  if following and wake(following, handler, f) then
    give_turn(lane, following, others)
    afterwards[#afterwards + 1] = function() redis.call('ZREM', lane_key(lane), following) end
  else
    give_turn(lane, nil, following ~= nil)
  end
end

-- keep_order: let an event leave the lanes of its handlers that have ended. One that runs again takes its place again, by its
-- sequence.
local function keep_order(id, f, before, after, results)
  if f[9] == UNKEYED then
    if after ~= 'open' then redis.call('ZREM', ns .. ':unkeyed', id) end
    return
  end
  if after ~= 'open' then
    leaving[#leaving + 1], leaving[#leaving + 2] = id, f[9]
    return
  end
  for handler, lane in pairs(lanes_of(f[9])) do
    if lane ~= NO_LANE then
      local result = results and results['h:' .. handler] or redis.call('HGET', event_key(id), 'h:' .. handler)
      if has_ended(result) then
        leaving[#leaving + 1], leaving[#leaving + 2] = id, lane
      elseif before ~= 'open' then
        join_lane(lane, id, sequence_of(id))
      end
    end
  end
end

-- collect_settlement: collect what settles an event. `f` are the fields of SETTLED, `results` new records (JSON) of handlers by
-- field. `given_back` says that the lease does not count, since its holder is about to end it.
local function collect_settlement(id, f, results, given_back, quietly)
  local event, fields = event_key(id), {}
  local before, received_at = f[1], tonumber(f[6]) and f[6] or string.format('%.0f', now)
  for field, record in pairs(results or {}) do fields[#fields + 1], fields[#fields + 2] = field, record end
  -- Of a pruned event only the end is known, and it stays.
  if f[7] and (before == 'done' or before == 'ignored' or before == 'dead') then
    dequeue(ns .. ':' .. id)
    return before
  elseif f[7] then
    redis.call('HDEL', event, 'pruned')
  end
  if before and (before == 'accepted' or not counters()[before]) then
    before, fields[#fields + 1], fields[#fields + 2] = 'open', 'state', 'open'
  end
  local after, score, parked, left_open = 'open', tonumber(f[5]) or 0, nil, nil
  if f[2] and not given_back and (tonumber(f[3]) or 0) > now then
    score = tonumber(f[3])
  elseif f[4] then
    after, score, parked, left_open = combined_state(event, names_of(f[4]), results)
    if left_open or f[10] then keep_backlog(id, left_open or {}, f[10] or '', fields) end
    if (parked or f[8]) and park(id, received_at, parked, f[8], fields) then score = math.min(score, now) end
  end
  if after == 'open' then
    score = math.max(score, tonumber(received_at))
    local known = redis.call('ZSCORE', ns .. ':queue', ns .. ':' .. id)
    if tonumber(known) ~= score then requeue(id, score, quietly) end
  else
    dequeue(ns .. ':' .. id)
  end
  if after ~= before then
    if before and before ~= 'open' then collect_end('ZREM', before, id) end
    -- Before the record is written, so that a repetition finds what is left.
    if before == 'dead' then leave_causes(id) end
    count(before, after)
    fields[#fields + 1], fields[#fields + 2] = 'state', after
  end
  if after ~= before and after ~= 'open' then
    collect_end('ZADD', after, now, id)
    if after == 'dead' then append(fields, 'causes', index_causes(id, now, names_of(f[4]), results)) end
    fields[#fields + 1], fields[#fields + 2] = 'ended_at', now
  elseif after ~= before and before then
    redis.call('HDEL', event, 'ended_at')
  end
  if #fields > 0 then collect_record(id, fields) end
  if f[9] then keep_order(id, f, before, after, results) end
  return after
end

-- wake: give a handler of an event the turn that it waits for. Answers whether it has it now. One that follows has asked under
-- the lease that it has. `f` are the fields of STANDING.
wake = function(id, handler, f)
  local record = handler_of(f[4])
  -- One that has asked once more waits by its record.
  if not record.behind and f[7] and f[7] == f[5] then
    append(woken, id, handler)
    return true
  end
  -- A script that failed half-way may have written this record, and not whose turn it is.
  if not record.has_turn then
    if not record.behind or record.under_other_key then return false end
    redis.call('ZREM', turn_key(handler), id)
    local f = records[id] and read_settled(id) or redis.call('HMGET', event_key(id), unpack(SETTLED))
    collect_settlement(id, f, { ['h:' .. handler] = at_turn(record) }, released[id])
  end
  append(woken, id, handler)
  return true
end

local function settle(id, given_back, quietly)
  local state = collect_settlement(id, read_settled(id), nil, given_back, quietly)
  write_settled()
  return state
end
