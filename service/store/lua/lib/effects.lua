-- effects: reads and changes the ledger's entries of one event.
--
-- Keys:   <ns>:effects:<event id>, <ns>:effect:<name>
-- Cost:   O(effects of the event) each
-- NEVER_BEGUN: the version of an entry whose intent failed half-way
local NEVER_BEGUN = '0'

-- entries_of: the keys of an event's entries, the first begun first
local function entries_of(id)
  local entries = {}
  for i, name in ipairs(redis.call('ZRANGE', ns .. ':effects:' .. id, 0, -1)) do entries[i] = ns .. ':effect:' .. name end
  return entries
end

-- is_unconfirmed: nobody knows whether it took effect. That holds too where the ledger has forgotten an old effect under a
-- caller's own key. One that Telnyx deferred has not happened, though it is still to be sent.
local function is_unconfirmed(entry)
  local f = redis.call('HMGET', entry, 'state', 'unconfirmed')
  return not f[1] or (f[1] == 'started' and tonumber(f[2] or '0') > 0)
end

local function count_unconfirmed(id)
  local number = 0
  for _, entry in ipairs(entries_of(id)) do number = number + (is_unconfirmed(entry) and 1 or 0) end
  return number
end

-- resolve_effects: record a person's decision ('sent' | 'not_sent') on unconfirmed effects. `answer` is the stored answer from
-- now on where it was sent.
local function resolve_effects(id, word, answer)
  local resolved = 0
  for _, entry in ipairs(entries_of(id)) do
    if is_unconfirmed(entry) then
      resolved = resolved + 1
      local f = redis.call('HMGET', entry, 'state', 'status', 'version', 'generation')
      local fields = { 'version', tonumber(f[3] or '0') + 1 }
      if not f[1] then append(fields, 'event', id, 'caller_key', '0', 'first_at', now, 'last_at', now) end
      if word == 'sent' then
        append(fields, 'state', 'resolved', 'status', 200, 'answer_type', 'application/json', 'answer', answer, 'answered_at', now)
      else
        append(fields, 'state', 'withdrawn', 'unconfirmed', 0)
        -- The key stays, so that Telnyx itself may still recognise it. Only where it refused the key is there a new one.
        if f[2] == '422' then append(fields, 'generation', tonumber(f[4] or '0') + 1) end
      end
      redis.call('HSET', entry, unpack(fields))
    end
    -- Also where the script failed after the write before.
    if redis.call('HGET', entry, 'state') ~= 'started' then redis.call('HDEL', entry, 'bytes') end
  end
  return resolved
end

-- redact: of Telnyx's answers keep the id, since they repeat what was said and to whom
local function redact(entry)
  local f = redis.call('HMGET', entry, 'answer', 'redacted_answer', 'state')
  if f[2] and f[2] ~= '' then
    redis.call('HSET', entry, 'answer', f[2])
  elseif f[1] then
    local answer = decoded(f[1]) or {}
    local data = type(answer.data) == 'table' and answer.data or answer
    local known = type(data.id) == 'string' and data.id or cjson.null
    redis.call('HSET', entry, 'answer', cjson.encode({ data = { id = known }, id = known }))
  end
  redis.call('HDEL', entry, 'redacted_answer')
  -- Under a key of the caller's it may be under way for another event.
  if f[3] ~= 'started' then redis.call('HDEL', entry, 'bytes') end
end

-- erase_texts: remove what a request said and to whom. That it was, and its result, stays.
local function erase_texts(entry)
  redact(entry)
  redis.call('HDEL', entry, 'bytes', 'recipient', 'why')
end
