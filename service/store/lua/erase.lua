-- erase: take away what events say and to whom: bodies, errors, and what the ledger quotes. That they were, how they ended and
-- which effects happened stays, so that nothing is accepted or sent once more. An open event still needs its body: it is noted,
-- and its turn comes when it has ended.
--
-- requires: handlers redact_answers
-- Keys:   those of answers, <ns>:event:<id>, <ns>:erasing
-- ARGV:   ids (at most 50)
-- Answer: for each id: {'erased', had a body ('1' | '0'), effects that lost texts} | {'open'} | {'gone'}
-- Cost:   O(ids × (handlers + effects))

-- redact_handler: take the words out of a handler's record
local function redact_handler(event, name)
  local field = 'h:' .. name
  local known = redis.call('HGET', event, field)
  if not known then return end
  local handler = handler_of(known)
  handler.error, handler.runs = nil, nil
  redis.call('HSET', event, field, cjson.encode(handler))
end

-- in_use: whether another event, which is open, has a request under way
local function in_use(entry)
  local f = redis.call('HMGET', entry, 'state', 'holder')
  return f[1] == 'started' and f[2] and redis.call('HGET', ns .. ':event:' .. f[2], 'state') == 'open'
end

local function erase_effects(id)
  local erased = 0
  for _, name in ipairs(redis.call('ZRANGE', ns .. ':effects:' .. id, 0, -1)) do
    local entry = ns .. ':effect:' .. name
    if redis.call('EXISTS', entry) == 1 and not in_use(entry) then
      redact(entry)
      redis.call('HDEL', entry, 'bytes', 'recipient', 'why')
      erased = erased + 1
    end
  end
  return erased
end

local function erase(id)
  local event = ns .. ':event:' .. id
  local kind = redis.call('TYPE', event).ok
  if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', event) end
  local f = redis.call('HMGET', event, 'state', 'arrived_by', 'handlers')
  if f[1] == 'open' then
    redis.call('SADD', ns .. ':erasing', id)
    return { 'open' }
  end
  if not f[1] then
    redis.call('SREM', ns .. ':erasing', id)
    return { 'gone' }
  end
  local had = redis.call('HDEL', event, 'body')
  redis.call('HDEL', event, 'numbers')
  if f[2] then redis.call('HSET', event, 'arrived_by', f[2]:match('^%S+')) end
  for _, name in ipairs(names_of(f[3] or '[]') or {}) do redact_handler(event, name) end
  local erased = erase_effects(id)
  redis.call('SREM', ns .. ':erasing', id)
  return { 'erased', tostring(had), erased }
end

local answers = {}
for i = 1, #ARGV do answers[#answers + 1] = erase(ARGV[i]) end
return answers
