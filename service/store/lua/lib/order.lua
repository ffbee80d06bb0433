-- order: the handlers that run the events of one key in the order of acceptance. Such a handler has a lane for each key. One
-- event of a lane has the turn, from its claim until it ends. The ids of the others that were claimed, or are to be, stand in the
-- lane by their sequence. An event that meets no other so never stands there. Where a key is the author's own, a worker computes
-- it, since only it knows the handlers. Until then an event is unkeyed, and no later one begins.
--
-- The field `order` of a record is UNKEYED, or it has a line for each such handler. A line is its name, a colon, and the digest of
-- the key. Behind a comma each are the digests under other encryption keys. NO_LANE stands for no key. Handler and digest name
-- the lane.
--
-- requires: handlers orderings
-- Keys:   <ns>:counts, <ns>:turns, <ns>:lane:<lane>, <ns>:waiting_turn:<handler>, <ns>:event:<id>
-- Cost:   O(log events of the lane) each
local NO_LANE, FOLLOWED = '-', '\n'
local SEEN_EVERY, LEFT_ALONE, FORGOTTEN_AFTER = 5000, 60000, 604800000

local function lane_key(lane) return ns .. ':lane:' .. lane end

local function turn_key(handler) return ns .. ':waiting_turn:' .. handler end

-- see_ordered: note that a worker runs these handlers (name → types) in order. Types are only added, since workers of two
-- releases may run at once. One that no worker was seen with for a week is forgotten. `complete` says that the events which were
-- accepted before are listed as unkeyed. `by_number` (name → true) are those whose key is the number (nil: as before).
local function see_ordered(handlers, complete, by_number)
  local known, changed = registered(), complete
  for name, types in pairs(handlers) do
    local handler = known[name] or { types = {}, seen = 0 }
    local has = {}
    for _, type in ipairs(handler.types) do has[type] = true end
    for _, type in ipairs(types) do
      if not has[type] then
        append(handler.types, type)
        handler.complete = nil
      end
      changed = changed or not has[type]
    end
    if by_number and handler.by_number ~= by_number[name] then handler.by_number, changed = by_number[name], true end
    changed = changed or now - handler.seen > SEEN_EVERY
    known[name] = handler
  end
  if not changed then return end
  for name, handler in pairs(known) do
    if handlers[name] then handler.seen, handler.complete = now, complete or handler.complete end
    if now - handler.seen > FORGOTTEN_AFTER then known[name] = nil end
  end
  -- A long value makes the server keep the hash as a table. It searches a small one from its beginning.
  redis.call('HSET', ns .. ':turns', '', ('.'):rep(100))
  redis.call('HSET', ns .. ':counts', 'orderings', cjson.encode(known))
end

-- are_complete: whether all these handlers are registered, with all their types and events
local function are_complete(handlers)
  for name in pairs(handlers) do
    if not (registered()[name] or {}).complete then return false end
  end
  return true
end

-- run_elsewhere: the handlers that live workers run in order and that are not among these
local function run_elsewhere(handlers)
  local others = {}
  for name, handler in pairs(registered()) do
    if not handlers[name] and now - handler.seen <= LEFT_ALONE then others[name] = handler end
  end
  return others
end

-- lanes_of: the lanes in a field `order`, by handler, and the digests under other encryption keys, likewise
local function lanes_of(stored)
  local lanes, others = {}, {}
  for line in (stored or ''):gmatch('[^\n]+') do
    local handler, digest, further = line:match('^(.*):([%x-]+)([%x,]*)$')
    if handler then lanes[handler], others[handler] = digest ~= NO_LANE and handler .. ':' .. digest or NO_LANE, further end
  end
  return lanes, others
end

-- read_turns: read at once whose turn it is in these lanes, where that is not known yet
local function read_turns(lanes)
  local MAX_LANES = 1000
  for from = 1, #lanes, MAX_LANES do
    local till = math.min(from + MAX_LANES - 1, #lanes)
    for i, stored in ipairs(redis.call('HMGET', ns .. ':turns', unpack(lanes, from, till))) do
      local lane = lanes[from + i - 1]
      if turns[lane] == nil then turns[lane] = stored end
    end
  end
end

-- turn_of: the event whose turn it is in a lane (nil: none), and whether others stand there
local function turn_of(lane)
  if turns[lane] == nil then turns[lane] = redis.call('HGET', ns .. ':turns', lane) end
  local stored = turns[lane]
  if not stored then return nil, false end
  if stored == FOLLOWED then return nil, true end
  local followed = stored:sub(-1) == FOLLOWED
  return followed and stored:sub(1, -2) or stored, followed
end

-- give_turn: note whose turn it is in a lane (nil: nobody's), and whether others stand there
local function give_turn(lane, id, followed)
  turns[lane], turned[lane] = (id or followed) and (id or '') .. (followed and FOLLOWED or '') or false, true
end

-- join_lane: let an event stand in a lane. That some stand there is noted before, so that nobody passes them unseen.
local function join_lane(lane, id, place)
  local first, followed = turn_of(lane)
  if first == id then return end
  if not followed then
    turns[lane] = (first or '') .. FOLLOWED
    redis.call('HSET', ns .. ':turns', lane, turns[lane])
  end
  redis.call('ZADD', lane_key(lane), place, id)
end

-- STANDING, behind 'h:<handler>': what tells whether an event stands in a lane, and where it runs
local STANDING = { 'state', 'handlers', 'order', false, 'lease', 'lease_until', 'follows' }

-- standing: the fields of STANDING of an event. Nil where its handler has ended, so that it keeps no place in the lane.
local function standing(id, handler, lane)
  STANDING[4] = 'h:' .. handler
  local f = redis.pcall('HMGET', event_key(id), unpack(STANDING))
  -- Most events have one lane.
  if f.err or f[1] ~= 'open' or (f[3] ~= lane and lanes_of(f[3])[handler] ~= lane) then return nil end
  local listed = not f[2]
  for _, name in ipairs(names_of(f[2]) or {}) do listed = listed or name == handler end
  return listed and not has_ended(f[4]) and f or nil
end

-- next_in_lane: the first id in a lane but for this one (nil: of all). Then its fields of STANDING, its place, and whether others
-- stand behind it. Those that a failed script left are removed.
local function next_in_lane(handler, lane, id)
  repeat
    local listed = redis.call('ZRANGE', lane_key(lane), 0, 2, 'WITHSCORES')
    local at = listed[1] == id and 3 or 1
    local first = listed[at]
    local f = first and standing(first, handler, lane)
    if f or not first then return first, f, tonumber(listed[at + 1]), listed[at + 2] ~= nil end
    redis.call('ZREM', lane_key(lane), first)
    redis.call('ZREM', turn_key(handler), first)
  until false
end

-- sequence_of: an event's place in the order of acceptance, as a text. One without a readable place has the time alone. `f` are
-- fields of its record, where they are known.
local function sequence_of(id, f)
  if not f then
    local read = redis.call('HMGET', event_key(id), 'sequence', 'received_at')
    f = { sequence = read[1], received_at = read[2] }
  end
  return tonumber(f.sequence) and f.sequence or string.format('%.0f', (tonumber(f.received_at) or now) * 1000)
end

-- at_turn: the record (JSON) of a handler that waited for its turn and has it now
local function at_turn(record)
  record.behind, record.reason, record.due, record.has_turn = nil, nil, now, 1
  if not record.ran then record.state = 'pending' end
  return cjson.encode(record)
end
