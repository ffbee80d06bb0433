-- accept: make events durable, once each, and queue them. Dedupe, record, queue and wake-up are one atomic step. The consent
-- in a message is recorded in the same step, so that no later handler can miss a STOP. So is the state of a message, where
-- the event has one. Both are merged on every arrival, with the time of the first, and before the record is written. The next
-- arrival completes one that failed half-way.
--
-- requires: changes consent message_state orderings record
-- Keys:   those of record, of consent and of message_state, <ns>:content:<identity>
-- ARGV:   for each event: packed, with more = {delay (ms until it is due), remember (ms for which the identity stands for this
--         event; else as long as the record exists), words as for record_consent, message as for merge_message, trace (its
--         traceparent, and behind a space its tracestate)}
-- Answer: {answers, types}: answers = for each event: {'accepted' | 'duplicate' | 'cancelled', id}; types = those (patterns) whose
--         events are to come with the digests of their number, nil where that was not read
-- Cost:   O(events × log queue)

-- resolve: the id under which this event is or will be recorded, and the answer of first_arrival for it. A known id with
-- another type is another event.
local function resolve(identity, type, remember)
  if remember then
    local id = redis.call('GET', ns .. ':content:' .. identity)
    if not id then
      id = redis.call('EXISTS', ns .. ':event:' .. identity) == 1 and identity .. '.' .. now or identity
      redis.call('SET', ns .. ':content:' .. identity, id, 'PX', remember)
    end
    return id, (first_arrival(id))
  end
  local first_at, known = first_arrival(identity)
  if not known or known == type then return identity, first_at end
  return identity .. '~' .. type, (first_arrival(identity .. '~' .. type))
end

local answers = answer_each(1, function(packed)
  local event = unpack_event(packed)
  local id, first_at = resolve(event.identity, event.type, event.more.remember)
  local words, message = event.more.words, event.more.message
  if words then record_changes(words, first_at or now) end
  if message then follow_message(record_message(message, id), message.id) end
  return { record(id, event, first_at), id }
end)
write_changes()
return { answers, counted and types_by_number() or false }
