-- lease(…): the pieces that claim, renew and finish share. A token is <worker>:<number of the claim>; a worker is a random
-- name, new at each start. A worker's leases are also in a set of its own, to compare with the events that it runs.
--
-- requires: handlers note
-- Keys:   those of note, <ns>:held:<worker>, <ns>:blamed:<worker>, <ns>:draining:<worker>
-- Cost:   O(1) each
local DAY = 86400000
local MAX_LAPSE_TOKENS = 1000
local MAX_LAPSES = 3

local function worker_of(token)
  return token:match('^(.*):')
end

local function hold(worker, id)
  redis.call('SADD', ns .. ':held:' .. worker, id)
  redis.call('PEXPIRE', ns .. ':held:' .. worker, DAY)
end

-- release_lease: end a lease of any worker. The lease itself goes last: where that fails, its holder may do all of it again.
local function release_lease(id, token)
  redis.call('SREM', ns .. ':held:' .. worker_of(token), id)
  redis.call('HDEL', ns .. ':event:' .. id, 'lease', 'lease_until', 'alone')
end

-- dead_record: the record of a handler that is dead after so many lapses, each a run; `place` is where it blocked the
-- event loop, if it did
local function dead_record(handler, lapses, place)
  handler.state, handler.due, handler.ended_at, handler.held_by = 'dead', nil, now, nil
  handler.ran = (tonumber(handler.ran) or 0) + lapses
  if place then
    handler.reason = 'blocked_event_loop'
    handler.error = 'it blocked the event loop at ' .. place
      .. ' each time it ran: call what blocks with await asyncio.to_thread(...), then retry it'
  else
    handler.reason = 'killed_worker'
    handler.error = 'its worker vanished each time it ran: find out what it does to the process, then retry it'
  end
  return cjson.encode(handler)
end

-- blocked_places: where handlers of the event have blocked the event loop, by their names
local function blocked_places(event)
  local readable, known = pcall(cjson.decode, redis.call('HGET', event, 'blocked') or '{}')
  return readable and type(known) == 'table' and known or {}
end

-- kill_poison: the handler that blocked the event loop is dead, else those that are known to have blocked it before, else each that
-- has not ended
local function kill_poison(event, lapses, blocked)
  local known, open, guilty, fields = blocked_places(event), {}, {}, {}
  if blocked then known = { [blocked.handler] = blocked.place } end
  for _, name in ipairs(names_of(redis.call('HGET', event, 'handlers')) or {}) do
    local handler = handler_of(redis.call('HGET', event, 'h:' .. name))
    if handler.state ~= 'done' and handler.state ~= 'dead' then
      open[name] = handler
      if known[name] then guilty[name] = handler end
    end
  end
  for name, handler in pairs(next(guilty) and guilty or open) do
    fields[#fields + 1], fields[#fields + 2] = 'h:' .. name, dead_record(handler, lapses, known[name])
  end
  if #fields == 0 then return end
  redis.call('HSET', event, 'notes', noted(redis.call('HGET', event, 'notes'), 'condemned'), unpack(fields))
end

-- kill_poison_if_hopeless: an event that has brought down its worker three times, the last time while nothing else ran there, is
-- condemned. `blocked` = {handler, place}, where it is known that this handler blocked the event loop.
local function kill_poison_if_hopeless(id, blocked)
  local event = ns .. ':event:' .. id
  local f = redis.call('HMGET', event, 'alone', 'lapses')
  local lapses = tonumber(f[2] or '0') or 0
  if f[1] and lapses >= MAX_LAPSES then kill_poison(event, lapses, blocked) end
end

-- record_lapse: a lease lapsed. That counts against the event, unless its worker had announced its stop; a worker that shows up
-- again has not vanished, and takes the blame back (absolve).
local function record_lapse(id, token)
  local worker, event = worker_of(token), ns .. ':event:' .. id
  local announced = redis.call('EXISTS', ns .. ':draining:' .. worker) == 1
  local f = redis.call('HMGET', event, 'lapse_tokens', 'lapses', 'notes')
  -- Counted once, also where the claim that counted it failed half-way.
  if (f[1] or ''):find(token .. ' ', 1, true) then return end
  if not announced then
    redis.call('SADD', ns .. ':lapsed:' .. worker, id)
    redis.call('PEXPIRE', ns .. ':lapsed:' .. worker, DAY)
  end
  local lapses = (tonumber(f[2] or '0') or 0) + (announced and 0 or 1)
  local notes = noted(f[3], announced and 'left_behind' or 'lapsed', { worker = worker })
  redis.call('HSET', event, 'lapse_tokens', ((f[1] or '') .. token .. ' '):sub(-MAX_LAPSE_TOKENS), 'lapses', lapses, 'notes', notes)
end

-- without_worker: the tokens that lapses were counted for, without those of one worker; and whether there was any
local function without_worker(lapse_tokens, worker)
  local others, any = '', false
  for token in lapse_tokens:gmatch('%S+') do
    if worker_of(token) == worker then any = true else others = others .. token .. ' ' end
  end
  return others, any
end

local function clear_lapses(worker)
  local lapsed = ns .. ':lapsed:' .. worker
  if redis.call('EXISTS', lapsed) == 0 then return end
  for _, id in ipairs(redis.call('SMEMBERS', lapsed)) do
    local event = ns .. ':event:' .. id
    local f = redis.call('TYPE', event).ok == 'hash' and redis.call('HMGET', event, 'lapse_tokens', 'lapses', 'notes')
    local lapses = f and tonumber(f[2] or '0') or 0
    local lapse_tokens, taken_back = without_worker(f and f[1] or '', worker)
    if lapses > 0 and taken_back then
      local notes = noted(f[3], 'absolved', { worker = worker })
      redis.call('HSET', event, 'lapse_tokens', lapse_tokens, 'lapses', lapses - 1, 'notes', notes)
    end
  end
  redis.call('DEL', lapsed)
end
