-- audit_events: is each event in the state, and in the places, that its record adds up to?
--
-- requires: backlog handlers
-- Keys:   those of settle, <ns>:events; none is written
-- ARGV:   ids (at most 500; the server does nothing else meanwhile)
-- Answer: for each id {state, finding, finding …}: state = what the record adds up to, '' where there is none; findings = in
--         words, what differs from it. An id that nothing is known of gives {''}: it was deleted meanwhile
-- Cost:   O(ids × (handlers of the event + log queue))

-- compare: compare a record with its places. A lease that has lapsed still keeps an open event open: nothing settles it before
-- somebody claims it. On an ended event it means nothing: its worker was killed as it gave the lease back. A pruned event stays
-- as it ended.
local function compare(id)
  local event = event_key(id)
  local f = redis.call('HMGET', event, 'state', 'lease', 'lease_until', 'handlers', 'due', 'received_at', 'pruned')
  local state, due, is_settled, left_open, _ = 'open', f[5] or f[6], false, nil, nil
  local lease_until = tonumber(f[3])
  if f[7] then
    state, due = f[1], nil
  elseif f[2] and lease_until and (f[1] == 'open' or lease_until > now) then
    due = lease_until
  elseif f[4] then
    state, due, _, left_open = combined_state(event, names_of(f[4]))
    is_settled = true
  end
  due = due and math.max(tonumber(due), tonumber(f[6]))
  local score, answer = redis.call('ZSCORE', ns .. ':queue', ns .. ':' .. id), { state }
  if f[1] ~= state then append(answer, 'its state is ' .. (f[1] or 'missing') .. ', though its record adds up to ' .. state) end
  local function belongs(should, is, place)
    if should and not is then append(answer, 'it is not in ' .. place .. ', though ' .. state) end
    if is and not should then append(answer, 'it is in ' .. place .. ', though ' .. state) end
  end
  belongs(true, redis.call('ZSCORE', ns .. ':events', id), 'the index of events')
  belongs(state == 'open', score, 'the queue')
  belongs(state == 'done' or state == 'ignored', redis.call('ZSCORE', ns .. ':ended', id), 'the index of ended events')
  belongs(state == 'dead', redis.call('ZSCORE', ns .. ':dead', id), 'the index of dead events')
  if state == 'open' and score and tonumber(score) ~= due then
    append(answer, 'it is due in the queue at ' .. score .. ' ms, though by its record at ' .. due .. ' ms')
  end
  -- While it is leased, its handlers have their places of before.
  for _, name in ipairs(is_settled and names_of(f[4]) or {}) do
    local should = false
    for _, open in ipairs(left_open or {}) do should = should or open == name end
    local is = redis.call('ZSCORE', backlog_key(name), id)
    if should and not is then append(answer, 'it is not in the backlog of ' .. name .. ', which left it open') end
    if is and not should then append(answer, 'it is in the backlog of ' .. name .. ', which did not leave it open') end
  end
  return answer
end

return answer_each(1, function(id)
  if redis.call('EXISTS', event_key(id)) == 1 then
    local readable, answer = pcall(compare, id)
    return readable and answer or { '', 'its record cannot be read' }
  end
  local indexed = redis.call('ZSCORE', ns .. ':events', id)
  return { '', indexed and 'its record is gone, though it is in the index of events' or nil }
end)
