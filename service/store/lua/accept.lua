-- accept: make events durable, once each, and queue them; dedupe, record, queue and wake-up are one atomic step. The
-- consent in a message is recorded in the same step, so that no handler that begins later can miss a STOP. So is the state of
-- a message that an event tells of. Both are merged on every arrival, with the time of the first, and before the record is
-- written: an arrival that failed half-way is completed by the next.
--
-- requires: consent message_state record
-- Keys:   those of record, of consent and of message_state, <ns>:content:<identity>
-- ARGV:   for each event: identity, type, body, arrived_by, delay (ms until it is due), remember (ms for which the
--         identity stands for this event; 0: as long as the record exists), words as for hear (JSON), marks (digest of its
--         type, then of the numbers in it, 4 bytes each), state of a message (JSON as for merge_message, or '')
-- Answer: for each event: {'accepted' | 'duplicate' | 'cancelled', id}
-- Cost:   O(events × log queue)

-- resolve: the id under which this event is or will be recorded. A known id with another type is another event.
local function resolve(identity, type, remember)
  if remember > 0 then
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
for i = 1, #ARGV, 9 do
  local id = resolve(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 5]))
  local first_at = first_arrival(id)
  if ARGV[i + 6] ~= '[]' then hear_all(ARGV[i + 6], first_at or now) end
  if ARGV[i + 8] ~= '' then merge_message(cjson.decode(ARGV[i + 8]), id) end
  local delay = tonumber(ARGV[i + 4])
  local answer = record(id, ARGV[i], first_at, ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], delay, ARGV[i + 7])
  answers[#answers + 1] = { answer, id }
end
return answers
