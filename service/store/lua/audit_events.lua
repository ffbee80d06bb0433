-- audit_events: is each event in the state, and in the places, that its record adds up to?
--
-- requires: handlers
-- Keys:   those of settle, <ns>:events; none is written
-- ARGV:   ids (at most 500; the server does nothing else meanwhile)
-- Answer: for each id {state, finding, finding …}: state = what the record adds up to, '' where there is none; findings = in
--         words, what differs from it. An id that nothing is known of gives {''}: it was let go of meanwhile
-- Cost:   O(ids × (handlers of the event + log queue))

-- expected_state: an event's state and, for an open one, its due time, as settle computes them. A lease that has lapsed still
-- keeps its event open: nothing settles it before somebody claims it. An event whose body was let go of stays as it ended.
local function expected_state(event, lease, lease_until, handlers, due, received_at)
  if redis.call('HEXISTS', event, 'pruned') == 1 then return redis.call('HGET', event, 'state') end
  local state = 'open'
  if lease then
    due = lease_until
  elseif handlers then
    state, due = combined_state(event, names_of(handlers))
  end
  return state, due and math.max(tonumber(due), tonumber(received_at))
end

-- add_misplacements: note where an event is but does not belong, and where it belongs but is not
local function add_misplacements(id, state, score, findings)
  local open = state == 'open'
  local function belongs(should, is, place)
    if should and not is then findings[#findings + 1] = 'it is not in ' .. place .. ', though ' .. state end
    if is and not should then findings[#findings + 1] = 'it is in ' .. place .. ', though ' .. state end
  end
  belongs(true, redis.call('ZSCORE', ns .. ':events', id), 'the index of events')
  belongs(open, score, 'the queue')
  belongs(open, redis.call('EXISTS', 'arq:job:' .. ns .. ':' .. id) == 1, 'the jobs of arq')
  belongs(state == 'done' or state == 'ignored', redis.call('ZSCORE', ns .. ':ended', id), 'the index of ended events')
  belongs(state == 'dead', redis.call('ZSCORE', ns .. ':dead', id), 'the index of dead events')
end

local function compare(id, event)
  local f = redis.call('HMGET', event, 'state', 'lease', 'lease_until', 'handlers', 'due', 'received_at')
  local state, due = expected_state(event, f[2], f[3], f[4], f[5], f[6])
  local score = redis.call('ZSCORE', ns .. ':queue', ns .. ':' .. id)
  local answer = { state }
  if f[1] ~= state then
    answer[2] = 'its state is ' .. (f[1] or 'missing') .. ', though its record adds up to ' .. state
  end
  add_misplacements(id, state, score, answer)
  if state == 'open' and score and tonumber(score) ~= due then
    answer[#answer + 1] = 'it is due in the queue at ' .. score .. ' ms, though by its record at ' .. due .. ' ms'
  end
  return answer
end

local function audit_event(id)
  local event = ns .. ':event:' .. id
  if redis.call('EXISTS', event) == 1 then
    local readable, answer = pcall(compare, id, event)
    return readable and answer or { '', 'its record cannot be read' }
  end
  if redis.call('ZSCORE', ns .. ':events', id) then
    return { '', 'its record is gone, though it is in the index of events' }
  end
  return { '' }
end

local answers = {}
for i = 1, #ARGV do
  answers[#answers + 1] = audit_event(ARGV[i])
end
return answers
