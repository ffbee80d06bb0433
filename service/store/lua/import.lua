-- import: store events of another deployment (or of a past of this one) as ended. With `run` they are stored as just arrived.
-- One that is already remembered stays unchanged. The state of a message in an event is merged before the record is written.
--
-- requires: causes changes handlers message_state minute note orderings record
-- Keys:   those of causes, record, message_state and minute
-- ARGV:   run ('1' | '0'), then each event, packed (its body is '' where there is none) with more = {received_at (ms), deliveries,
--         handlers = {{name, record as JSON} …}, message as for merge_message}
-- Answer: for each event: 'imported' | 'known'
-- Cost:   O(events × (handlers + log events))
local run = ARGV[1] == '1'

-- add_past: add the records of handlers elsewhere to a record. Answers its state and, where that is open, when it is due.
local function add_past(fields, past, id)
  local names, of_handlers, records_of_handlers, results = {}, {}, {}, {}
  for i, handler in ipairs(past) do
    names[i], of_handlers[i], records_of_handlers[i] = handler[1], 'h:' .. handler[1], handler[2]
    append(fields, of_handlers[i], handler[2])
    results[of_handlers[i]] = handler[2]
  end
  append(fields, 'imported', '1', 'handlers', #names > 0 and cjson.encode(names) or '[]')
  if #names == 0 then return 'ignored' end
  local state, due = combine_states(of_handlers, records_of_handlers)
  if state == 'dead' then append(fields, 'causes', index_causes(id, now, names, results)) end
  return state, due
end

local answers = answer_each(2, function(packed)
  local event = unpack_event(packed)
  local id, more, state, due = event.identity, event.more, 'open', now
  if more.message then record_message(more.message, id) end
  if records[id] or redis.call('HEXISTS', event_key(id), 'state') == 1 then return 'known' end
  local received_at = math.min(more.received_at, now)
  local fields = { 'due', now, 'type', event.type, 'arrived_by', event.arrived_by, 'received_at', received_at, 'deliveries',
    more.deliveries, 'numbers', event.terms:sub(5), 'notes', noted('', run and 'imported_to_run' or 'imported') }
  if event.body ~= '' then append(fields, 'body', event.body) end
  if not run then state, due = add_past(fields, more.handlers, id) end
  count(nil, state)
  if run then
    local place = next_sequence()
    append(fields, 'sequence', place)
    due = place_in_order(id, event.type, event.number, place, fields) or due
    fields[2] = due
  end
  local from = received_at - received_at % MINUTE
  -- A minute whose index has gone must not be given one that knows of this event only.
  local indexed = redis.call('EXISTS', minute_key(from)) == 1
    or redis.call('ZCOUNT', ns .. ':events', from, '(' .. from + MINUTE) == 0
  if indexed and received_at >= now - MINUTES_KEPT then index_minute(received_at, event.terms) end
  if state == 'open' then
    requeue(id, tonumber(due) > received_at and due or received_at)
  else
    collect_end('ZADD', state, now, id)
    append(fields, 'ended_at', now)
  end
  collect('ZADD', ':events', received_at, id)
  append(fields, 'state', state)
  collect_record(id, fields)
  return 'imported'
end)
write_changes()
return answers
