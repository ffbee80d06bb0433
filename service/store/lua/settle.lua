-- settle(ns, id, now, quietly, given_back): the one place where an event's state, its place in the queue and the counters are
-- computed, from nothing but its record. Every script that changes a record ends here, so that they cannot disagree.
-- `given_back` says that the lease does not count: its holder is about to end it.
--
-- Redis does not undo a script that fails half-way. So the places come first, then the counters, and last the write of `state`
-- into the record, which makes the rest count. All before it can be repeated, and what follows it (the job leaves the queue)
-- is made up for by any settle.
--
-- Keys:   <ns>:event:<id>, <ns>:queue, <ns>:counts, <ns>:ended, <ns>:dead, <ns>:bodies, <ns>:wake, <ns>:cause:<name>,
--         <ns>:parked:<name>, arq:job:<ns>:<id>, arq:retry:<ns>:<id>
-- Answer: the state: open, done, ignored or dead
-- Cost:   O(handlers of the event + log queue)
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function wake(ns)
  if redis.call('LLEN', ns .. ':wake') < 8 then redis.call('RPUSH', ns .. ':wake', '1') end
end

-- handler_of: a handler's record; one that cannot be read counts as dead, and a field of another type as missing
local UNREADABLE = 'unreadable'
local function handler_of(known)
  if not known then return { state = 'pending' } end
  local readable, handler = pcall(cjson.decode, known)
  if not readable or type(handler) ~= 'table' then return { state = 'dead', reason = UNREADABLE } end
  if type(handler.due) ~= 'number' then handler.due = nil end
  if type(handler.held_by) ~= 'string' then handler.held_by = nil end
  return handler
end

-- names_of: the names of an event's handlers; nil where the list cannot be read
local function names_of(stored)
  local readable, names = pcall(cjson.decode, stored)
  if not readable or type(names) ~= 'table' then return nil end
  for _, name in ipairs(names) do
    if type(name) ~= 'string' then return nil end
  end
  return names
end

-- sum_up(fields, handlers): the state that handlers' records (JSON) add up to and, for an open event, its earliest due time
-- and the handlers that a cause holds, by their fields
local function sum_up(fields, handlers)
  local due, dead, parked
  for i, known in ipairs(handlers) do
    local handler = handler_of(known)
    if handler.state == 'dead' then
      dead = true
    elseif handler.state ~= 'done' then
      local mine = handler.due or 0
      if not due or mine < due then due = mine end
      if handler.held_by then
        parked = parked or {}
        parked[fields[i]] = handler
      end
    end
  end
  if due then return 'open', due, parked end
  return dead and 'dead' or 'done'
end

-- verdict(event, names): likewise, of the handlers of these names
local function verdict(event, names)
  if not names then return 'dead' end
  if #names == 0 then return 'ignored' end
  local fields = {}
  for i, name in ipairs(names) do fields[i] = 'h:' .. name end
  return sum_up(fields, redis.call('HMGET', event, unpack(fields)))
end

local function enqueue(ns, id, score, received_at)
  local job = ns .. ':' .. id
  local blob = '{"t":null,"f":"process","a":[' .. cjson.encode(id) .. '],"k":{},"et":' .. received_at .. '}'
  redis.call('SET', 'arq:job:' .. job, blob)
  redis.call('ZADD', ns .. ':queue', score, job)
end

local function dequeue(ns, id)
  local job = ns .. ':' .. id
  redis.call('ZREM', ns .. ':queue', job)
  redis.call('DEL', 'arq:job:' .. job, 'arq:retry:' .. job)
end

-- The counters, read once: while a script runs nobody else changes them.
local counted
local COUNTERS = { 'accepted', 'done', 'ignored', 'dead', 'open' }

local function counters(ns)
  if counted then return counted end
  local read = {}
  for i, value in ipairs(redis.call('HMGET', ns .. ':counts', unpack(COUNTERS))) do
    read[COUNTERS[i]] = tonumber(value or '0')
  end
  counted = read
  return counted
end

-- count: an event is in one state and no longer in another, in one write. Without `before` it is accepted, without `after`
-- forgotten.
local function count(ns, before, after)
  local known, changes, args = counters(ns), {}, {}
  changes[before or 'accepted'] = before and -1 or 1
  changes[after or 'accepted'] = after and 1 or -1
  for name, change in pairs(changes) do
    args[#args + 1], args[#args + 2] = name, known[name] + change
  end
  redis.call('HSET', ns .. ':counts', unpack(args))
  for name, change in pairs(changes) do known[name] = known[name] + change end
end

-- index_end, leave_end: put an event into the indexes of its end, and take it out of them
local function index_end(ns, id, state, now)
  redis.call('ZADD', ns .. (state == 'dead' and ':dead' or ':ended'), now, id)
  if state ~= 'dead' then redis.call('ZADD', ns .. ':bodies', now, id) end
end

local function leave_end(ns, id, state)
  if state == 'dead' then
    redis.call('ZREM', ns .. ':dead', id)
  else
    redis.call('ZREM', ns .. ':bodies', id)
    redis.call('ZREM', ns .. ':ended', id)
  end
end

-- change_state: its write of the record is what makes a new state count
local function change_state(ns, id, before, after, now)
  local event = ns .. ':event:' .. id
  if before and before ~= 'open' then leave_end(ns, id, before) end
  if after == 'open' then
    if before then redis.call('HDEL', event, 'ended_at') end
    count(ns, before, after)
    redis.call('HSET', event, 'state', after)
  else
    index_end(ns, id, after, now)
    count(ns, before, after)
    redis.call('HSET', event, 'state', after, 'ended_at', now)
  end
end

-- set_free: let a parked handler run again
local function set_free(event, field, handler, now)
  handler.state, handler.held_by, handler.due = 'waiting', nil, now
  redis.call('HSET', event, field, cjson.encode(handler))
end

-- park: note an event with the causes that hold its handlers, and with no others. A handler whose cause is gone by now is
-- free at once: whoever lifted it could not know of this one. Answers whether there was such a handler, and what is to be done
-- once the event is in its place: until then it is found among those that the cause holds.
local function park(ns, id, received_at, parked, held_by, now)
  local event, holding, names, freed = ns .. ':event:' .. id, {}, {}, false
  for field, handler in pairs(parked or {}) do
    if redis.call('EXISTS', ns .. ':cause:' .. handler.held_by) == 0 then
      set_free(event, field, handler, now)
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

local function settle(ns, id, now, quietly, given_back)
  local event = ns .. ':event:' .. id
  local f = redis.call('HMGET', event, 'state', 'lease', 'lease_until', 'handlers', 'due', 'received_at', 'kept', 'held_by')
  -- Of an event whose body was let go of, only the end is known, and it stays.
  if f[7] and f[1] ~= 'done' and f[1] ~= 'ignored' and f[1] ~= 'dead' then
    redis.call('HDEL', event, 'kept')
  elseif f[7] then
    dequeue(ns, id)
    return f[1]
  end
  local before, leased = f[1], f[2] and not given_back and (tonumber(f[3]) or 0) > now
  local received_at = tonumber(f[6]) and f[6] or string.format('%.0f', now)
  if before and (before == 'accepted' or not counters(ns)[before]) then
    redis.call('HSET', event, 'state', 'open')
    before = 'open'
  end
  local after, score, parked, unpark
  if leased then
    after, score = 'open', tonumber(f[3])
  elseif f[4] then
    after, score, parked = verdict(event, names_of(f[4]))
    if parked or f[8] then
      local freed
      freed, unpark = park(ns, id, received_at, parked, f[8], now)
      if freed then score = math.min(score, now) end
    end
  else
    after, score = 'open', tonumber(f[5]) or now
  end

  if after == 'open' then
    if score < tonumber(received_at) then score = tonumber(received_at) end
    enqueue(ns, id, score, received_at)
    -- A waiting worker looks again after a second at the latest; what comes due before that has to be told.
    if score < now + 1000 and not quietly then wake(ns) end
  end
  if after ~= before then change_state(ns, id, before, after, now) end
  if unpark then unpark() end
  if after ~= 'open' then dequeue(ns, id) end
  return after
end
