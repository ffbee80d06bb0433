-- order: give events their places among those of the same key. It answers which of their handlers wait for earlier ones. Places
-- may be given without a lease, as they follow from the events alone. Turns need it.
--
-- requires: handlers order
-- Keys:   those of order, <ns>:unkeyed
-- ARGV:   patient ('1': events without a place that a worker has claimed are about to get it, and are not answered), then for
--         each event: JSON {id, token ('': only places), {handler, lane ('-': none), further lanes …} …}: further lanes are
--         those of the same key under other encryption keys
-- Answer: {turns, unkeyed}: turns = for each event {'go' | 'lost' | 'unkeyed' (earlier events have no place yet), then handler,
--         id of the event that it waits for …}; unkeyed = for each of the first of those earlier events {id, field, value …}
-- Cost:   O(events × handlers × log events of the lane)
local RECHECK, OTHER_KEYS_RECHECK, MAX_UNKEYED = 300000, 1000, 100
local FIXED = { 'state', 'order', 'lease', 'lease_until', 'sequence', 'received_at' }
local patient, latest = ARGV[1] == '1', nil
local events, turns = {}, {}

-- read_event: an event that is asked about, with the records of its handlers
local function read_event(asked)
  local fields = { unpack(FIXED) }
  for i = 3, #asked do fields[#FIXED + i - 2] = 'h:' .. asked[i][1] end
  local f = redis.call('HMGET', event_key(asked[1]), unpack(fields))
  local event = { id = asked[1], key = event_key(asked[1]), asks = asked[2] ~= '', order = f[2], handlers = {} }
  event.is_open, event.sequence = f[1] == 'open', f[5] or string.format('%.0f', (tonumber(f[6] or '') or now) * 1000)
  event.number = tonumber(event.sequence)
  event.holds = event.is_open and f[3] == asked[2] and (tonumber(f[4]) or 0) > now
  for i = 3, #asked do
    local record = handler_of(f[#FIXED + i - 2])
    event.handlers[i - 2] = { name = asked[i][1], lane = asked[i][2], lanes = asked[i], record = record,
      is_open = asked[i][2] ~= NO_LANE and record.state ~= 'done' and record.state ~= 'dead' }
  end
  return event
end

-- place: write the lanes of an event into its record and its id into them. It stays unkeyed until that is complete.
local function place(event)
  local lines = {}
  for i, handler in ipairs(event.handlers) do lines[i] = handler.name .. ' ' .. handler.lane end
  lines = table.concat(lines, '\n')
  if event.is_open and event.order ~= lines then redis.call('HSET', event.key, 'order', lines) end
  for _, handler in ipairs(event.is_open and event.handlers or {}) do
    if handler.is_open then redis.call('ZADD', lane_key(handler.lane), 'NX', event.sequence, event.id) end
  end
  redis.call('ZREM', ns .. ':unkeyed', event.id)
end

-- find_before: the event of this key that this one waits for, and for how long at most (ms). Or nil, and whether this one has
-- begun. Under another encryption key nobody wakes it.
local function find_before(event, handler)
  for i = 3, #handler.lanes do
    local other = next_in_lane(handler.name, handler.lanes[i])
    if other and tonumber(sequence_of(other)) < event.number then return other, OTHER_KEYS_RECHECK end
  end
  local first = redis.call('ZRANGE', lane_key(handler.lane), 0, 0, 'WITHSCORES')
  if first[1] == event.id then return nil, tonumber(first[2]) < 0 end
  local other = next_in_lane(handler.name, handler.lane)
  if other and other ~= event.id then return other, RECHECK end
end

-- hold: let a handler wait for its turn. The end of the event before it wakes it. Its due time is for the case that this fails.
local function hold(event, handler, before, longest)
  local record = handler.record
  record.state, record.reason, record.behind, record.due = 'waiting', 'earlier_event', before, now + longest
  redis.call('ZADD', turn_key(handler.name), event.sequence, event.id)
  redis.call('HSET', event.key, 'h:' .. handler.name, cjson.encode(record))
end

local function turn(event)
  if not event.asks then return { 'go' } end
  if not event.holds then return { 'lost' } end
  local answer = { 'go' }
  for _, handler in ipairs(event.handlers) do
    local before, more
    if handler.is_open then before, more = find_before(event, handler) end
    if before then
      hold(event, handler, before, more)
      append(answer, handler.name, before)
    elseif handler.is_open and not more then
      redis.call('ZADD', lane_key(handler.lane), string.format('%.0f', event.number - BEGUN), event.id)
    end
    if handler.record.behind and not before then redis.call('ZREM', turn_key(handler.name), event.id) end
  end
  return answer
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

for i = 2, #ARGV do
  local event = read_event(cjson.decode(ARGV[i]))
  events[i - 1] = event
  place(event)
end
local first = redis.call('ZRANGE', ns .. ':unkeyed', 0, 0, 'WITHSCORES')
local unkeyed_from = tonumber(first[2] or '') or math.huge
for i, event in ipairs(events) do
  if event.asks and event.holds and event.number > unkeyed_from then
    latest, turns[i] = math.max(latest or 0, event.number), { 'unkeyed' }
  else
    turns[i] = turn(event)
  end
end
return { turns, latest and read_unkeyed() or {} }
