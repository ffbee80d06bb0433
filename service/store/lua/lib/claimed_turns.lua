-- claimed_turns: let the events of a claim take their turns. Claims take events in the order of acceptance. So each earlier event
-- was claimed before, and has its turn or stands in its lane. An event that no claim takes stands there too.
--
-- requires: changes handlers lease order orderings turns
-- Keys:   those of order and turns
-- Cost:   O(events × handlers in order × log events of the lane)

-- One table, since a script has room for 200 names.
local CLAIMED = { ask = '?', digest = 16, first_unkeyed = nil, ids = {}, prefixes = {} }

-- stand: let an event stand in its lanes, of these handlers (name → true)
local function stand(id, place, lanes, handlers)
  for name, lane in pairs(lanes) do
    if handlers[name] and lane ~= NO_LANE then join_lane(lane, id, place) end
  end
end

-- is_here: whether an event is claimed now, or runs on this worker. `f` are its fields of STANDING.
local function is_here(id, f, worker)
  return CLAIMED.ids[id] or f[5] and worker_of(f[5]) == worker and (tonumber(f[6]) or 0) > now
end

-- take_turn: whether a handler of a claimed event may run now, as far as this claim can tell ('go' | 'ask'), or an earlier event
-- that it follows on this worker
local function take_turn(each, name, lane, ordered, worker)
  local stored = each.record['h:' .. name]
  local handler = stored and handler_of(stored)
  if lane == NO_LANE or handler and (handler.state == 'done' or handler.state == 'dead') then return 'go' end
  if each.sequence >= CLAIMED.first_unkeyed or not ordered[name] then
    join_lane(lane, each.id, each.place)
    return ordered[name] and 'ask' or 'go'
  end
  -- One that is not due has its turn, or stands already.
  if handler and (handler.has_turn or (handler.due or 0) > now) then return 'go' end
  local before, longest, f = find_before(each.id, each.sequence, name, lane, each.further[name])
  if not before then return 'go' end
  join_lane(lane, each.id, each.place)
  if stored or longest ~= RECHECK or not is_here(before, f, worker) then return 'ask' end
  return before
end

-- take_turns: the answer of a claim about the turns of an event. Nothing where all its handlers in order (name → types) may run. Else
-- CLAIMED.ask, or those that follow an event on this worker, with that.
local function take_turns(each, ordered, worker)
  local follows, go = {}, each.record.order ~= UNKEYED
  each.lanes, each.further = lanes_of(each.record.order)
  each.place = sequence_of(each.id, each.record)
  each.sequence = tonumber(each.place)
  for _, name in ipairs(each.names) do
    local lane = each.lanes[name]
    local turn = lane and take_turn(each, name, lane, ordered, worker) or ordered[name] and 'ask' or 'go'
    go = go and turn ~= 'ask'
    if turn ~= 'go' and turn ~= 'ask' then follows[#follows + 1] = name .. ' ' .. turn end
  end
  if not go or (#follows > 0 and #follows < #each.names) then return CLAIMED.ask end
  return #follows > 0 and table.concat(follows, '\n')
end

-- only_lane: the lane of an event that is new and has one handler, which runs in order (nil: any other)
local function only_lane(each, ordered)
  local name, order = each.names[1], each.record.order
  if #each.names > 1 or not ordered[name] or each.record.handlers then return nil end
  local prefix = CLAIMED.prefixes[name] or name .. ':'
  CLAIMED.prefixes[name] = prefix
  return #order == #prefix + CLAIMED.digest and order:find(prefix, 1, true) == 1 and order or nil
end

-- order_claimed: let events take their turns or their places, before they are leased. Each has its id, its answer, the names of
-- its handlers and the fields of its record. Its `set` is written with its lease.
local function order_claimed(events, ordered, worker, token)
  local lanes, given = {}, {}
  local first_unkeyed = CLAIMED.first_unkeyed or unkeyed_from({})
  CLAIMED.first_unkeyed, CLAIMED.ids = first_unkeyed, {}
  for _, each in ipairs(events) do
    each.lane = only_lane(each, ordered)
    lanes[#lanes + 1], CLAIMED.ids[each.id] = each.lane, true
  end
  read_turns(lanes)
  for _, each in ipairs(events) do
    local lane = each.lane
    if lane and not turns[lane] and first_unkeyed == math.huge then
      -- Most events meet no other.
      turns[lane], given[#given + 1], given[#given + 2] = each.id, lane, ''
    else
      local turn = take_turns(each, ordered, worker)
      if turn then append(each.answer[2], 'turn', turn) end
      if turn and turn ~= CLAIMED.ask then append(each.set, 'follows', token) end
    end
  end
  -- Others may follow some of these by now.
  for i = 2, #given, 2 do given[i] = turns[given[i - 1]] end
  if #given > 0 then redis.call('HSET', ns .. ':turns', unpack(given)) end
  write_turns()
end
