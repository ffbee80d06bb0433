-- heal: accept events that Telnyx did not deliver, or that this store has lost. One that is known or was dropped by a person stays
-- unchanged, and so does one of a forgotten time. Consent and message states in an event are kept before it is recorded.
--
-- An event without an id is recorded under its content and the time of its first attempt. The same content may rightly come
-- again. It is known where equal content arrived within an hour of the attempts.
--
-- requires: changes consent message_state record
-- Keys:   those of record, of consent and of message_state, <ns>:content:<identity>, <ns>:dropped:<id>, <ns>:forgotten_until
-- ARGV:   how long events are remembered (ms), act ('1' | '0': only answer what would be done), then for each event: packed as for accept, with more.first_at and more.last_at, the
--         times of the first and of the last attempt to deliver it (ms)
-- Answer: for each event: {'healed' | 'known' | 'dropped' | 'forgotten', id}
-- Cost:   O(events × log queue)
local act, floor = ARGV[2] == '1', math.max(now - tonumber(ARGV[1]), tonumber(redis.call('GET', ns .. ':forgotten_until') or '0'))

-- resolve: the id under which an event is or will be recorded
local function resolve(event)
  if event.more.remember then return string.format('%s.%.0f', event.identity, event.more.first_at) end
  local _, known = first_arrival(event.identity)
  return (known and known ~= event.type) and event.identity .. '~' .. event.type or event.identity
end

-- is_near: whether a moment lies within an hour of the attempts
local function is_near(moment, more)
  return moment >= more.first_at - more.remember and moment <= more.last_at + more.remember
end

-- is_dropped: whether a person dropped it
local function is_dropped(event, id)
  local marks = redis.call('GET', ns .. ':dropped:' .. (event.more.remember and event.identity or id))
  if not marks or not event.more.remember then return marks end
  for moment in marks:gmatch('%d+') do
    if is_near(tonumber(moment), event.more) then return true end
  end
  return false
end

-- is_content_known: whether equal content arrived lately, within an hour of the attempts. If none did, and they are that young, a
-- later delivery is a duplicate of this one.
local function is_content_known(event, id)
  local more, key = event.more, ns .. ':content:' .. event.identity
  local latest = redis.call('GET', key)
  local at = latest and first_arrival(latest)
  if at then return is_near(at, more) end
  local left = more.last_at + more.remember - now
  if act and left > 0 then redis.call('SET', key, id, 'PX', math.min(left, more.remember)) end
  return false
end

local answers = answer_each(3, function(packed)
  local event = unpack_event(packed)
  local id, more = resolve(event), event.more
  if first_arrival(id) then return { 'known', id } end
  if is_dropped(event, id) then return { 'dropped', id } end
  if more.first_at < floor then return { 'forgotten', id } end
  if more.remember and is_content_known(event, id) then return { 'known', id } end
  if not act then return { 'healed', id } end
  if more.words then record_changes(more.words, now) end
  if more.message then follow_message(record_message(more.message, id), more.message.id) end
  record(id, event)
  return { 'healed', id }
end)
write_changes()
return answers
