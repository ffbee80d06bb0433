-- accept: make events durable, once each, and queue them; dedupe, record, queue and wake-up are one atomic step. The
-- consent in a message is recorded in the same step, so that no handler that begins later can miss a STOP. So is the state of
-- a message that an event tells of. Both are merged on every arrival, with the time of the first, and before the record is
-- written: an arrival that failed half-way is completed by the next.
--
-- requires: consent message_state packed_event record
-- Keys:   those of record, of consent and of message_state, <ns>:content:<identity>
-- ARGV:   for each event: packed, with more = {delay (ms until it is due), remember (ms for which the identity stands for this
--         event; else as long as the record exists), words as for record_consent, message as for merge_message}
-- Answer: for each event: {'accepted' | 'duplicate' | 'cancelled', id}
-- Cost:   O(events × log queue)

-- resolve: the id under which this event is or will be recorded. A known id with another type is another event.
local function resolve(identity, type, remember)
  if remember then
    local latest = redis.call('GET', ns .. ':content:' .. identity)
    if latest then return latest end
    local id = identity
    if redis.call('EXISTS', ns .. ':event:' .. id) == 1 then id = identity .. '.' .. now end
    redis.call('SET', ns .. ':content:' .. identity, id, 'PX', remember)
    return id
  end
  local known = redis.call('HGET', ns .. ':event:' .. identity, 'type')
  if known and known ~= type then return identity .. '~' .. type end
  return identity
end

local answers = {}
for i, packed in ipairs(ARGV) do
  local event = unpack_event(packed)
  local id = resolve(event.identity, event.type, event.more.remember)
  local first_at = first_arrival(id)
  local words, message = event.more.words, event.more.message
  if words then record_changes(words, first_at or now) end
  if message then merge_message(message, id) end
  answers[i] = { record(id, event, first_at), id }
end
return answers
