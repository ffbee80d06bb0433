-- import: store events of another deployment (or of a past of this one) as ended, or with `run` as just arrived. One that is
-- already remembered stays unchanged. The state of a message that an event tells of is merged before its record is written.
--
-- requires: changes handlers message_state minute note record
-- Keys:   those of settle, message_state, note and minute, <ns>:events
-- ARGV:   run ('1' | '0'), then each event, packed (its body is '' where there is none) with more = {received_at (ms), deliveries,
--         handlers = {{name, record as JSON} …}, message as for merge_message}
-- Answer: for each event: 'imported' | 'known'
-- Cost:   O(events × (handlers + log events))
local run = ARGV[1] == '1'

-- index_past_minute: a minute whose index has gone must not be given one that knows of this event only
local function index_past_minute(at, terms)
  if at < now - MINUTES_KEPT then return end
  local from = at - at % MINUTE
  local others = redis.call('ZCOUNT', ns .. ':events', from, '(' .. from + MINUTE)
  if others == 0 or redis.call('EXISTS', minute_key(at)) == 1 then index_minute(at, terms) end
end

-- store: like `record`, it ends with the one write of the whole record
local function store(event)
  local id, more = event.identity, event.more
  local received_at = math.min(more.received_at, now)
  local fields = { 'type', event.type, 'arrived_by', event.arrived_by, 'received_at', received_at, 'due', now, 'deliveries',
    more.deliveries, 'numbers', event.terms:sub(5), 'notes', noted('', run and 'imported_to_run' or 'imported') }
  local function add(name, value) fields[#fields + 1], fields[#fields + 2] = name, value end
  if event.body ~= '' then add('body', event.body) end
  local state, due = 'open', now
  if not run then
    local names, of_handlers, records = {}, {}, {}
    for i, handler in ipairs(more.handlers) do
      names[i], of_handlers[i], records[i] = handler[1], 'h:' .. handler[1], handler[2]
      add(of_handlers[i], records[i])
    end
    state, due = 'ignored', nil
    if #names > 0 then state, due = combine_states(of_handlers, records) end
    add('imported', '1')
    add('handlers', #names > 0 and cjson.encode(names) or '[]')
  end
  index_past_minute(received_at, event.terms)
  if state == 'open' then
    enqueue(id, math.max(due, received_at), received_at)
  else
    index_end(id, state)
    add('ended_at', now)
  end
  collect('ZADD', ':events', received_at, id)
  count(nil, state)
  add('state', state)
  collect_record(id, fields)
end

local answers = {}
for i = 2, #ARGV do
  local event = unpack_event(ARGV[i])
  local message = event.more.message
  if message then
    local state = open_message(message.id)
    merge_message(state, message, event.identity)
    save_message(state, message.keep)
  end
  local known = records[event.identity] or redis.call('HEXISTS', ns .. ':event:' .. event.identity, 'state') == 1
  if not known then store(event) end
  answers[#answers + 1] = known and 'known' or 'imported'
end
write_changes()
return answers
