-- record: make one event durable and queue it, once per id. Every script that brings an event into being does it here. The
-- record is written last, whole and with its state. Without that write there is no event, and the next arrival makes
-- everything anew. So the consent and the message state in an event are kept before it is recorded.
--
-- requires: changes orderings
-- Keys:   those of changes, <ns>:cancelled:<id>
-- Cost:   O(log queue)
local NO_OPTIONS = {}
-- The time as a text: to write a number costs as much as a short command.
local now_text = string.format('%.0f', now)

-- unpack_event: read an event as Python packs it: six parts, each behind its length in 4 bytes, then its body. JSON cannot
-- hold a body. The parts are its identity, its type, arrived_by, its index terms, the digests of its number and `more`. Index
-- terms are digests of 4 bytes, of its type and then of the numbers in it. The digests of its number name lanes ('': nobody has
-- computed them). `more` is a JSON object of options that only some events have ('' for none).
local function unpack_event(packed)
  local identity, type, arrived_by, terms, number, more, body_at = struct.unpack('>I4c0I4c0I4c0I4c0I4c0I4c0', packed)
  return { identity = identity, type = type, arrived_by = arrived_by, terms = terms, number = number, body = packed:sub(body_at),
    more = more ~= '' and cjson.decode(more) or NO_OPTIONS }
end

-- first_arrival: when (ms) an event was accepted (nil where none of this id was), and its type. Collected changes of it are
-- written before.
local function first_arrival(id)
  if records[id] then write_changes() end
  local f = redis.call('HMGET', event_key(id), 'state', 'received_at', 'type')
  return f[1] and tonumber(f[2]), f[3]
end

-- delivered_again: count it, and of the first ones keep the time and the way
local function delivered_again(id, arrived_by)
  local MAX_DETAILED = 21
  local f = redis.call('HMGET', event_key(id), 'deliveries', 'again', 'pruned')
  local fields = { 'deliveries', tonumber(f[1] or '1') + 1 }
  if fields[2] <= MAX_DETAILED and not f[3] then
    append(fields, 'again', (f[2] or '') .. now .. ' ' .. arrived_by:match('^%S*') .. ';')
  end
  redis.call('HSET', event_key(id), unpack(fields))
end

-- record(id, event, first_at): collect an event that write_changes records. `event` is an unpacked event. Its body may be sealed
-- for its `identity`. more.delay is ms until it is due (nil: none). `first_at` is the answer of first_arrival for this id.
-- Answers 'accepted' | 'duplicate' | 'cancelled'.
local function record(id, event, first_at)
  if first_at then
    delivered_again(id, event.arrived_by)
    return 'duplicate'
  end
  if event.arrived_by == 'schedule' and redis.call('EXISTS', ns .. ':cancelled:' .. id) == 1 then return 'cancelled' end
  local delay = event.more.delay
  count(nil, 'open')
  terms[#terms + 1] = event.terms
  local due = delay and now + delay or now_text
  -- A timed event takes its place at its time.
  local place = delay and delay > 0 and string.format('%.0f', due * 1000) or next_sequence()
  local fields = { 'type', event.type, 'body', event.body, 'received_at', now_text, 'numbers', event.terms:sub(5),
    'sequence', place, 'state', 'open' }
  due = place_in_order(id, event.type, event.number, place, fields) or due
  -- Most events come once, by /webhooks, and are due at once. So readers take that for what is missing.
  if event.arrived_by ~= 'webhook' then append(fields, 'arrived_by', event.arrived_by) end
  if due ~= now_text then append(fields, 'due', due) end
  requeue(id, due)
  collect('ZADD', ':events', now_text, id)
  if id ~= event.identity then append(fields, 'identity', event.identity) end
  if event.more.trace then append(fields, 'trace', event.more.trace) end
  collect_record(id, fields)
  return 'accepted'
end
