-- order: give events their places among those of the same key. It answers which of their handlers wait for earlier ones. Places
-- may be given without a lease, as they follow from the events alone. Turns need it.
--
-- requires: changes handlers order turns
-- Keys:   those of order and changes, <ns>:unkeyed
-- ARGV:   patient ('1': events without a place that a worker has claimed are about to get it, and are not answered), events as
--         JSON: for each {id, token ('': only places), {handler, digest of the key ('-': none), further digests …} …}: further
--         digests are those under other encryption keys
-- Answer: {others, unkeyed}: others = for each event whose handlers may not all run: {number of the event in ARGV, 'lost' |
--         'unkeyed' (earlier events have no place yet) | 'wait', handler, id of the event that it waits for …}; unkeyed = for each of the
--         first of those earlier events {id, field, value …}
-- Cost:   O(events × handlers × log events of the lane)
local MAX_UNKEYED = 100
local FIXED = { 'state', 'order', 'lease', 'lease_until', 'sequence', 'received_at' }
local patient, asked, latest = ARGV[1] == '1', cjson.decode(ARGV[2]), nil
local events, ids, others = {}, {}, {}

-- read_event: an event that is asked about, with the records of its handlers
local function read_event(words, number)
  local fields = { unpack(FIXED) }
  for i = 3, #words do fields[#FIXED + i - 2] = 'h:' .. words[i][1] end
  local f = redis.call('HMGET', event_key(words[1]), unpack(fields))
  local event = { id = words[1], key = event_key(words[1]), asks = words[2] ~= '', number = number, order = f[2], handlers = {} }
  event.is_open, event.place = f[1] == 'open', sequence_of(words[1], { sequence = f[5], received_at = f[6] })
  event.sequence = tonumber(event.place)
  event.holds = event.is_open and f[3] == words[2] and (tonumber(f[4]) or 0) > now
  for i = 3, #words do
    local record = handler_of(f[#FIXED + i - 2])
    local name, digest = words[i][1], words[i][2]
    event.handlers[i - 2] = { name = name, lane = name .. ':' .. digest, digests = table.concat(words[i], ',', 2),
      further = table.concat(words[i], ',', 3), record = record,
      is_open = event.is_open and digest ~= NO_LANE and record.state ~= 'done' and record.state ~= 'dead' }
  end
  return event
end

-- write_order: write the lanes of an event into its record
local function write_order(event)
  local lines = {}
  for i, handler in ipairs(event.handlers) do lines[i] = handler.name .. ':' .. handler.digests end
  lines = table.concat(lines, '\n')
  if event.is_open and event.order ~= lines then redis.call('HSET', event.key, 'order', lines) end
end

local function lanes_of_all()
  local lanes = {}
  for _, event in ipairs(events) do
    for _, handler in ipairs(event.handlers) do
      if handler.is_open then
        append(lanes, handler.lane)
        for digest in handler.further:gmatch('%x+') do append(lanes, handler.name .. ':' .. digest) end
      end
    end
  end
  return lanes
end

-- hold: let a handler wait for its turn. The end of the event before it wakes it, if that stands under the same encryption key.
-- Its due time is for all other cases.
local function hold(event, handler, before, longest)
  local record, under_other_key = handler.record, longest == OTHER_KEYS_RECHECK or nil
  join_lane(handler.lane, event.id, event.place)
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
    if handler.is_open then before, longest = find_before(event.id, event.sequence, handler.name, handler.lane, handler.further) end
    if before then
      hold(event, handler, before, longest)
      append(answer, handler.name, before)
    elseif handler.record.behind then
      redis.call('ZREM', turn_key(handler.name), event.id)
    end
  end
  if #answer > 2 then append(others, answer) end
end

-- read_unkeyed: the first events without a place, whole. One that has ended or is gone needs none.
local function read_unkeyed()
  local found = {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', ns .. ':unkeyed', '-inf', string.format('(%.0f', latest), 'LIMIT', 0, MAX_UNKEYED)) do
    local f = redis.pcall('HMGET', event_key(id), 'state', 'lease_until')
    if f[1] ~= 'open' then
      redis.call('ZREM', ns .. ':unkeyed', id)
    elseif not (patient and (tonumber(f[2]) or 0) > now) then
      found[#found + 1] = { id, unpack(redis.call('HGETALL', event_key(id))) }
    end
  end
  return found
end

-- admit: let an event have its turns, or stand in its lanes for now
local function admit(event, first_unkeyed)
  local is_early = event.sequence > first_unkeyed
  if event.asks and event.holds and not is_early then return take_turn(event) end
  for _, handler in ipairs(event.handlers) do
    if handler.is_open then join_lane(handler.lane, event.id, event.place) end
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
read_turns(lanes_of_all())
local here = {}
for _, id in ipairs(ids) do here[id] = true end
local first_unkeyed = unkeyed_from(here)
table.sort(events, function(one, other) return one.sequence < other.sequence end)
for _, event in ipairs(events) do admit(event, first_unkeyed) end
write_changes()
-- An event stays unkeyed until its place is complete.
if #ids > 0 then redis.call('ZREM', ns .. ':unkeyed', unpack(ids)) end
return { others, latest and read_unkeyed() or {} }
