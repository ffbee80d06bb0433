-- import: store events of another deployment (or of a past of this one) as ended, or with `run` as just arrived. One that is
-- already remembered stays unchanged. The state of a message that an event tells of is merged before its record is written.
--
-- requires: counters ends handlers message_state minute note queue
-- Keys:   those of settle, message_state, note and minute, <ns>:events
-- ARGV:   run ('1' | '0'), then for each event: id, type, body ('' for none), arrived_by, received at (ms), deliveries, marks
--         and state of a message (see accept), number of handlers, then name, JSON for each of those
-- Answer: for each event: 'imported' | 'known'
-- Cost:   O(events × (handlers + log events))
local run = ARGV[1] == '1'

-- mark: a minute whose index has gone must not be given one that knows of this event only
local function mark(at, marks)
  if at < now - MINUTES_KEPT then return end
  local from = at - at % MINUTE
  local others = redis.call('ZCOUNT', ns .. ':events', from, '(' .. from + MINUTE)
  if others == 0 or redis.call('EXISTS', minute_key(at)) == 1 then mark_minute(at, marks) end
end

-- handlers_of: the names, the fields and the records (JSON) of an event's handlers
local function handlers_of(i, number)
  local names, fields, records = {}, {}, {}
  for j = i + 9, i + 8 + 2 * number, 2 do
    names[#names + 1], fields[#fields + 1], records[#records + 1] = ARGV[j], 'h:' .. ARGV[j], ARGV[j + 1]
  end
  return names, fields, records
end

-- store: like `record`, it ends with the one write of the whole record
local function store(id, i, number)
  local received_at = math.min(tonumber(ARGV[i + 4]), now)
  local fields = { 'type', ARGV[i + 1], 'arrived_by', ARGV[i + 3], 'received_at', received_at, 'due', now,
    'deliveries', ARGV[i + 5], 'about', ARGV[i + 6]:sub(5), 'notes', noted('', run and 'imported_to_run' or 'imported') }
  local function add(name, value) fields[#fields + 1], fields[#fields + 2] = name, value end
  if ARGV[i + 2] ~= '' then add('body', ARGV[i + 2]) end
  local state, due = 'open', now
  counters()
  if not run then
    local names, of_handlers, records = handlers_of(i, number)
    state, due = 'ignored', nil
    if number > 0 then state, due = sum_up(of_handlers, records) end
    for j, field in ipairs(of_handlers) do add(field, records[j]) end
    add('imported', '1')
    add('handlers', number > 0 and cjson.encode(names) or '[]')
  end
  mark(received_at, ARGV[i + 6])
  if state == 'open' then
    enqueue(id, math.max(due, received_at), received_at)
    wake()
  else
    index_end(id, state)
    add('ended_at', now)
  end
  redis.call('ZADD', ns .. ':events', received_at, id)
  count(nil, state)
  redis.call('HSET', ns .. ':event:' .. id, 'state', state, unpack(fields))
end

local answers = {}
local i = 2
while i <= #ARGV do
  local id, number = ARGV[i], tonumber(ARGV[i + 8])
  if ARGV[i + 7] ~= '' then merge_message(cjson.decode(ARGV[i + 7]), id) end
  local known = redis.call('HEXISTS', ns .. ':event:' .. id, 'state') == 1
  if not known then store(id, i, number) end
  answers[#answers + 1] = known and 'known' or 'imported'
  i = i + 9 + 2 * number
end
return answers
