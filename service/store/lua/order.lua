-- order: give events their places among those of the same key. It answers which of their handlers wait for earlier ones. Places
-- may be given without a lease, as they follow from the events alone. Turns need it.
--
-- requires: changes handlers order
-- Keys:   those of order and changes, <ns>:unkeyed
-- ARGV:   patient ('1': events without a place that a worker has claimed are about to get it, and are not answered), events as
--         JSON: for each {id, token ('': only places), {handler, lane ('-': none), further lanes …} …}: further lanes are those
--         of the same key under other encryption keys
-- Answer: {others, unkeyed}: others = for each event whose handlers may not all run: {number of the event in ARGV, 'lost' |
--         'unkeyed' (earlier events have no place yet) | 'wait', handler, id of the event that it waits for …}; unkeyed = for each of the
--         first of those earlier events {id, field, value …}
-- Cost:   O(events × handlers × log events of the lane)
local RECHECK, OTHER_KEYS_RECHECK, MAX_UNKEYED, MAX_LANES = 300000, 1000, 100, 1000
local FIXED = { 'state', 'order', 'lease', 'lease_until', 'sequence', 'received_at' }
local patient, asked, latest = ARGV[1] == '1', cjson.decode(ARGV[2]), nil
local events, ids, others, is_empty = {}, {}, {}, {}

-- read_event: an event that is asked about, with the records of its handlers
local function read_event(words, number)
  local fields = { unpack(FIXED) }
  for i = 3, #words do fields[#FIXED + i - 2] = 'h:' .. words[i][1] end
  local f = redis.call('HMGET', event_key(words[1]), unpack(fields))
  local event = { id = words[1], key = event_key(words[1]), asks = words[2] ~= '', number = number, order = f[2], handlers = {} }
  event.is_open, event.place = f[1] == 'open', f[5] or string.format('%.0f', (tonumber(f[6] or '') or now) * 1000)
  event.sequence = tonumber(event.place)
  event.holds = event.is_open and f[3] == words[2] and (tonumber(f[4]) or 0) > now
  for i = 3, #words do
    local record = handler_of(f[#FIXED + i - 2])
    event.handlers[i - 2] = { name = words[i][1], lane = words[i][2], lanes = words[i], record = record,
      is_open = event.is_open and words[i][2] ~= NO_LANE and record.state ~= 'done' and record.state ~= 'dead' }
  end
  return event
end

-- write_order: write the lanes of an event into its record
local function write_order(event)
  local lines = {}
  for i, handler in ipairs(event.handlers) do lines[i] = handler.name .. ' ' .. handler.lane end
  lines = table.concat(lines, '\n')
  if event.is_open and event.order ~= lines then redis.call('HSET', event.key, 'order', lines) end
end

-- look_at_lanes: read at once whose turn it is in these lanes, and note those where nobody stands
local function look_at_lanes(lanes)
  for from = 1, #lanes, MAX_LANES do
    local till, keys = math.min(from + MAX_LANES - 1, #lanes), {}
    for i, stored in ipairs(redis.call('HMGET', ns .. ':turns', unpack(lanes, from, till))) do
      turns[lanes[from + i - 1]] = stored
      if not stored then keys[#keys + 1] = lane_key(lanes[from + i - 1]) end
    end
    local none = #keys == 0 or redis.call('EXISTS', unpack(keys)) == 0
    for i = from, till do is_empty[lanes[i]] = none and not turns[lanes[i]] end
  end
end

local function lanes_of_all()
  local lanes, seen = {}, {}
  for _, event in ipairs(events) do
    for _, handler in ipairs(event.handlers) do
      for i = 2, handler.is_open and #handler.lanes or 0 do
        local lane = handler.lanes[i]
        if not seen[lane] then lanes[#lanes + 1], seen[lane] = lane, true end
      end
    end
  end
  return lanes
end

local function join(event, handler)
  is_empty[handler.lane] = false
  join_lane(handler.lane, event.id, event.place)
end

-- first_standing: the first event that stands in a lane, its place, and whether others stand behind it
local function first_standing(handler, lane)
  if not is_empty[lane] then return next_in_lane(handler.name, lane) end
end

-- find_under_other_keys: an event of this key that comes first, and stands under another encryption key
local function find_under_other_keys(event, handler)
  for i = 3, #handler.lanes do
    local lane = handler.lanes[i]
    local first = turn_of(lane)
    if first and may_stay(first, handler.name, lane) then return first end
    local standing, sequence = first_standing(handler, lane)
    if standing and sequence < event.sequence then return standing end
  end
end

-- find_before: the event of this key that this one waits for, and for how long at most (ms). Under another encryption key
-- nobody wakes it. Nil where it has the turn.
local function find_before(event, handler)
  local lane = handler.lane
  local first = turn_of(lane)
  if first == event.id then return nil end
  local other = find_under_other_keys(event, handler)
  if other then return other, OTHER_KEYS_RECHECK end
  if first and may_stay(first, handler.name, lane) then return first, RECHECK end
  local standing, sequence, more = first_standing(handler, lane)
  if standing and standing ~= event.id and sequence < event.sequence then return standing, RECHECK end
  give_turn(lane, event.id, standing and (standing ~= event.id or more))
  if standing then
    afterwards[#afterwards + 1] = function() redis.call('ZREM', lane_key(lane), event.id) end
  end
end

-- hold: let a handler wait for its turn. The end of the event before it wakes it, if that stands under the same encryption key.
-- Its due time is for all other cases.
local function hold(event, handler, before, longest)
  local record, under_other_key = handler.record, longest == OTHER_KEYS_RECHECK or nil
  join(event, handler)
  if record.behind == before and record.under_other_key == under_other_key and (record.due or 0) > now then return end
  record.state, record.reason, record.behind, record.due = 'waiting', 'earlier_event', before, now + longest
  record.under_other_key = under_other_key
  redis.call('ZADD', turn_key(handler.name), event.place, event.id)
  redis.call('HSET', event.key, 'h:' .. handler.name, cjson.encode(record))
end

local function take_turn(event)
  local answer = { event.number, 'wait' }
  for _, handler in ipairs(event.handlers) do
    local before, longest
    if handler.is_open then before, longest = find_before(event, handler) end
    if before then
      hold(event, handler, before, longest)
      append(answer, handler.name, before)
    elseif handler.record.behind then
      redis.call('ZREM', turn_key(handler.name), event.id)
    end
  end
  if #answer > 2 then append(others, answer) end
end

-- first_unkeyed: the sequence of the first event without a place, but for these
local function first_unkeyed()
  local listed, here = redis.call('ZRANGE', ns .. ':unkeyed', 0, #events, 'WITHSCORES'), {}
  for _, id in ipairs(ids) do here[id] = true end
  for i = 1, #listed, 2 do
    if not here[listed[i]] then return tonumber(listed[i + 1]) end
  end
  return math.huge
end

-- read_unkeyed: the first events without a place, whole. One that has ended or is gone needs none.
local function read_unkeyed()
  local found = {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', ns .. ':unkeyed', '-inf', string.format('(%.0f', latest), 'LIMIT', 0, MAX_UNKEYED)) do
    local f = redis.pcall('HMGET', event_key(id), 'state', 'lease_until')
    if f.err or f[1] ~= 'open' then
      redis.call('ZREM', ns .. ':unkeyed', id)
    elseif not (patient and (tonumber(f[2]) or 0) > now) then
      found[#found + 1] = { id, unpack(redis.call('HGETALL', event_key(id))) }
    end
  end
  return found
end

-- admit: let an event have its turns, or stand in its lanes for now
local function admit(event, unkeyed_from)
  local is_early = event.sequence > unkeyed_from
  if event.asks and event.holds and not is_early then return take_turn(event) end
  for _, handler in ipairs(event.handlers) do
    if handler.is_open then join(event, handler) end
  end
  if event.asks and not event.holds then
    append(others, { event.number, 'lost' })
  elseif event.asks then
    latest = math.max(latest or 0, event.sequence)
    append(others, { event.number, 'unkeyed' })
  end
end

for number, words in ipairs(asked) do
  events[number], ids[number] = read_event(words, number), words[1]
  write_order(events[number])
end
look_at_lanes(lanes_of_all())
local unkeyed_from = first_unkeyed()
table.sort(events, function(one, other) return one.sequence < other.sequence end)
for _, event in ipairs(events) do admit(event, unkeyed_from) end
write_changes()
-- An event stays unkeyed until its place is complete.
if #ids > 0 then redis.call('ZREM', ns .. ':unkeyed', unpack(ids)) end
return { others, latest and read_unkeyed() or {} }
