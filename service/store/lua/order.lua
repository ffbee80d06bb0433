-- order: give events their places among those of the same key, and answer which of their handlers wait for earlier ones. Places
-- may be given without a lease, as they follow from the events alone. Turns need it.
--
-- requires: handlers order
-- Keys:   those of order
-- ARGV:   unkeyed (how many earlier events without a place are wanted), then for each event: JSON {id, token ('': only places),
--         {handler, lane ('-': none), further lanes …} …}: further lanes are those of the same key under other encryption keys
-- Answer: {turns, unkeyed}: turns = for each event {'go' | 'lost' | 'unkeyed' (earlier events have no place yet), then handler,
--         id of the event that it waits for …}; unkeyed = for each wanted one {id, field, value …}
-- Cost:   O(events × handlers × log events of the lane)
local RECHECK, OTHER_KEYS_RECHECK = 300000, 1000
local wanted, latest = tonumber(ARGV[1]), nil
local asked = {}
for i = 2, #ARGV do asked[i - 1] = cjson.decode(ARGV[i]) end

-- place: write the lanes of an event into its record and its id into them. It stays unkeyed until that is complete.
local function place(event)
  local f = redis.call('HMGET', event_key(event.id), 'state', 'order', 'lease', 'lease_until')
  event.holds = f[1] == 'open' and f[3] == event.token and (tonumber(f[4]) or 0) > now
  event.sequence = sequence_of(event.id)
  if f[1] == 'open' then
    local lines = {}
    for i, handler in ipairs(event.handlers) do lines[i] = handler[1] .. ' ' .. handler[2] end
    lines = table.concat(lines, '\n')
    if f[2] ~= lines then redis.call('HSET', event_key(event.id), 'order', lines) end
    for _, handler in ipairs(event.handlers) do
      local state = handler_of(redis.call('HGET', event_key(event.id), 'h:' .. handler[1])).state
      if handler[2] ~= NO_LANE and state ~= 'done' and state ~= 'dead' then
        redis.call('ZADD', lane_key(handler[2]), 'NX', event.sequence, event.id)
      end
    end
  end
  redis.call('ZREM', ns .. ':unkeyed', event.id)
end

-- find_before: the event of this key that this one waits for, and for how long at most (ms). Or nil, and whether this one has
-- begun. Under another encryption key nobody wakes it.
local function find_before(event, handler)
  for i = 3, #handler do
    local other = next_in_lane(handler[1], handler[i])
    if other and tonumber(sequence_of(other)) < tonumber(event.sequence) then return other, OTHER_KEYS_RECHECK end
  end
  local first, score = next_in_lane(handler[1], handler[2])
  if first and first ~= event.id then return first, RECHECK end
  return nil, first and score < 0
end

-- hold: let a handler wait for its turn. Whoever is before it wakes it. Its due time is for the case that this fails.
local function hold(event, name, before, longest)
  local field = 'h:' .. name
  local record = handler_of(redis.call('HGET', event_key(event.id), field))
  record.state, record.reason, record.behind, record.due = 'waiting', 'earlier_event', before, now + longest
  redis.call('ZADD', turn_key(name), event.sequence, event.id)
  redis.call('HSET', event_key(event.id), field, cjson.encode(record))
end

local function turn(event)
  if event.token == '' then return { 'go' } end
  if not event.holds then return { 'lost' } end
  local answer = { 'go' }
  for _, handler in ipairs(event.handlers) do
    local state = handler_of(redis.call('HGET', event_key(event.id), 'h:' .. handler[1])).state
    if handler[2] ~= NO_LANE and state ~= 'done' and state ~= 'dead' then
      local before, more = find_before(event, handler)
      if before then
        hold(event, handler[1], before, more)
        append(answer, handler[1], before)
      elseif not more then
        redis.call('ZREM', turn_key(handler[1]), event.id)
        redis.call('ZADD', lane_key(handler[2]), string.format('%.0f', tonumber(event.sequence) - BEGUN), event.id)
      end
    end
  end
  return answer
end

-- read_unkeyed: the earliest events without a place, whole. One that has ended or is gone needs none.
local function read_unkeyed(till)
  local found = {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', ns .. ':unkeyed', '-inf', till, 'LIMIT', 0, wanted)) do
    local flat = redis.pcall('HGETALL', event_key(id))
    if flat.err or redis.call('HGET', event_key(id), 'state') ~= 'open' then
      redis.call('ZREM', ns .. ':unkeyed', id)
    else
      found[#found + 1] = { id, unpack(flat) }
    end
  end
  return found
end

for i, each in ipairs(asked) do
  asked[i] = { id = each[1], token = each[2], handlers = { unpack(each, 3) } }
  place(asked[i])
end
local first = redis.call('ZRANGE', ns .. ':unkeyed', 0, 0, 'WITHSCORES')
local until_sequence = tonumber(first[2] or '') or math.huge
local turns = {}
for i, event in ipairs(asked) do
  if event.token ~= '' and event.holds and tonumber(event.sequence) > until_sequence then
    latest = math.max(latest or 0, tonumber(event.sequence))
    turns[i] = { 'unkeyed' }
  else
    turns[i] = turn(event)
  end
end
return { turns, latest and wanted > 0 and read_unkeyed(string.format('(%.0f', latest)) or {} }
