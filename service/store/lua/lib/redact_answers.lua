-- redact_answers: letting go of what the ledger quotes, when the bodies of events go.
--
-- Keys:   <ns>:effects:<id>, <ns>:effect:<name>
-- Cost:   O(effects of the event)

-- redact: Telnyx's answers repeat what was said and to whom; of each, the id stays
local function redact(entry)
  local f = redis.call('HMGET', entry, 'answer', 'redacted_answer')
  if f[2] and f[2] ~= '' then
    redis.call('HSET', entry, 'answer', f[2])
  elseif f[1] then
    local readable, told = pcall(cjson.decode, f[1])
    local data = readable and type(told) == 'table' and (type(told.data) == 'table' and told.data or told) or {}
    local known = type(data.id) == 'string' and data.id or cjson.null
    redis.call('HSET', entry, 'answer', cjson.encode({ data = { id = known }, id = known }))
  end
  redis.call('HDEL', entry, 'redacted_answer')
  -- Under a key of the caller's it may be under way for another event.
  if redis.call('HGET', entry, 'state') ~= 'started' then redis.call('HDEL', entry, 'bytes') end
end

local function redact_answers(id)
  for _, name in ipairs(redis.call('ZRANGE', ns .. ':effects:' .. id, 0, -1)) do redact(ns .. ':effect:' .. name) end
end
