-- erase: take away what events say and to whom: bodies, errors, and what the ledger quotes. That they were, how they ended and
-- which effects happened stays, so that nothing is accepted or sent once more. An open event still needs its body: it is listed,
-- to be erased when it has ended.
--
-- requires: effects handlers
-- Keys:   those of effects, <ns>:event:<id>, <ns>:erasing
-- ARGV:   ids (at most 50)
-- Answer: for each id: {'erased', had a body ('1' | '0'), effects that lost texts} | {'open'} | {'gone'}
-- Cost:   O(ids × (handlers + effects))

return answer_each(1, function(id)
  local event = event_key(id)
  local kind = redis.call('TYPE', event).ok
  if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', event) end
  local f = redis.call('HMGET', event, 'state', 'arrived_by')
  if f[1] == 'open' then
    redis.call('SADD', ns .. ':erasing', id)
    return { 'open' }
  end
  local had = redis.call('HDEL', event, 'body')
  redis.call('HDEL', event, 'numbers', 'order')
  if f[2] then redis.call('HSET', event, 'arrived_by', f[2]:match('^%S+') or '') end
  for _, name in ipairs(handlers_of(event)) do
    local handler = handler_of(redis.call('HGET', event, 'h:' .. name))
    handler.error, handler.runs = nil, nil
    redis.call('HSET', event, 'h:' .. name, cjson.encode(handler))
  end
  local erased = 0
  for _, entry in ipairs(f[1] and entries_of(id) or {}) do
    local e = redis.call('HMGET', entry, 'state', 'holder')
    -- Under a caller's own key another event, which is open, may have a request under way.
    local in_use = e[1] == 'started' and e[2] and redis.call('HGET', event_key(e[2]), 'state') == 'open'
    if not in_use and redis.call('EXISTS', entry) == 1 then
      erase_texts(entry)
      erased = erased + 1
    end
  end
  redis.call('SREM', ns .. ':erasing', id)
  return f[1] and { 'erased', tostring(had), erased } or { 'gone' }
end)
